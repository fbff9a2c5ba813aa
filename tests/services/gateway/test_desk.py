import asyncio

import pytest

from services.gateway.desk import ControlDesk, NotStoredError
from shared.messages import Event, Header, control
from shared.messages.system import CoreDigest


class Port:
    def __init__(self):
        self.run, self.is_live = 3, True
        self.said = []
        self.durable = asyncio.Event()

    def publish(self, message):
        self.said.append(message)

    async def wait_durable(self, _seq):
        await self.durable.wait()


def of_ours(message, seq, run=3, source="gateway.io"):
    return Event(Header(seq, 1, 1, 1, source, run, seq, 0), message)


PAUSE = control.PauseRequested("", "gateway", "")


def run(work):
    return asyncio.run(work())


@pytest.mark.req("GW-3")
def test_a_request_is_answered_only_when_it_is_durable():
    async def work():
        port = Port()
        desk = ControlDesk(port)
        asking = asyncio.ensure_future(desk.ask(PAUSE))
        await asyncio.sleep(0)
        desk.seen(of_ours(PAUSE, 41))
        await asyncio.sleep(0)
        is_early = asking.done()
        port.durable.set()
        return is_early, await asking

    assert run(work) == (False, 41)


def test_equal_requests_get_their_own_seq_in_order():
    async def work():
        port = Port()
        port.durable.set()
        desk = ControlDesk(port)
        asking = [asyncio.ensure_future(desk.ask(PAUSE)) for _ in range(3)]
        await asyncio.sleep(0)
        for seq in (7, 8, 9):
            desk.seen(of_ours(PAUSE, seq))
        return await asyncio.gather(*asking)

    assert run(work) == [7, 8, 9]


def test_events_of_others_of_an_earlier_life_and_of_the_runtime_answer_nothing():
    async def work():
        port = Port()
        port.durable.set()
        desk = ControlDesk(port, limit_s=0.01)
        asking = asyncio.ensure_future(desk.ask(PAUSE))
        await asyncio.sleep(0)
        desk.seen(of_ours(PAUSE, 5, run=2))
        desk.seen(of_ours(PAUSE, 6, source="operator"))
        desk.seen(of_ours(CoreDigest("gateway", 6, b"x"), 7))
        with pytest.raises(NotStoredError, match="did not confirm"):
            await asking
        return port.said

    assert run(work) == [PAUSE]


def test_a_request_that_comes_late_does_not_answer_the_next_one():
    other = control.ResumeRequested("", "gateway", "")

    async def work():
        port = Port()
        port.durable.set()
        desk = ControlDesk(port, limit_s=0.01)
        with pytest.raises(NotStoredError):
            await desk.ask(PAUSE)
        asking = asyncio.ensure_future(desk.ask(other))
        await asyncio.sleep(0)
        desk.seen(of_ours(PAUSE, 5))
        desk.seen(of_ours(other, 6))
        return await asking

    assert run(work) == 6


def test_nothing_is_said_while_the_gateway_catches_up():
    async def work():
        port = Port()
        port.is_live = False
        with pytest.raises(NotStoredError, match="nothing was said"):
            await ControlDesk(port).ask(PAUSE)
        return port.said

    assert run(work) == []


@pytest.mark.req("RK-12", "I-26")
def test_the_answer_to_a_clear_is_told_by_its_cause():
    def answer(message, cause_seq):
        return Event(Header(99, 1, 1, 1, "broker", 1, 1, cause_seq), message)

    async def work():
        desk = ControlDesk(Port(), limit_s=0.01)
        silent = await desk.refusal(5)
        asking = asyncio.ensure_future(desk.refusal(7))
        await asyncio.sleep(0)
        desk.seen(answer(control.KillClearRefused("me", "not reconciled"), 6))
        desk.seen(answer(control.KillCleared("me", "done"), 7))
        return silent, await asking, await desk.refusal(6)

    assert run(work) == (None, "", "not reconciled")


def test_only_the_newest_answers_are_kept():
    async def work():
        desk = ControlDesk(Port(), limit_s=0.01)
        for seq in range(20):
            message = control.KillCleared("me", "x")
            desk.seen(Event(Header(99, 1, 1, 1, "broker.io", 1, 1, seq), message))
        return await desk.refusal(3), await desk.refusal(19)

    assert run(work) == (None, "")
