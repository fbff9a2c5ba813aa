"""A shell finishes before a stop unless nobody may wait (BR-23), and hears of each sync in the turn of it."""

import asyncio
from types import SimpleNamespace

import pytest

from shared.runtime.port import Draining, NoShell, Port
from shared.runtime.service import _drain, _stop


class Slow:
    """A shell that finishes when it is let."""

    def __init__(self):
        self.may_end = asyncio.Event()
        self.is_canceled = False

    async def drain(self):
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.is_canceled = True
            raise


def test_only_a_shell_that_has_something_to_finish_is_waited_for():
    async def run():
        assert isinstance(Slow(), Draining)
        assert not isinstance(NoShell(), Draining)

    asyncio.run(run())


@pytest.mark.req("BR-23")
@pytest.mark.parametrize("end", ["finished", "second signal", "failed"])
def test_a_stop_waits_until_the_shell_is_done_or_nobody_may_wait(end):
    async def run():
        shell, stopping, forced = Slow(), asyncio.Event(), asyncio.Event()
        node = SimpleNamespace(ended=asyncio.get_running_loop().create_future())
        _stop(stopping, forced)
        assert (stopping.is_set(), forced.is_set()) == (True, False)
        waiting = asyncio.ensure_future(_drain(shell, node, forced))
        await asyncio.sleep(0)
        assert not waiting.done()

        if end == "finished":
            shell.may_end.set()
        elif end == "second signal":
            _stop(stopping, forced)
        else:
            node.ended.set_result(None)
        await asyncio.wait_for(waiting, 10)

        assert shell.is_canceled is (end != "finished")

    asyncio.run(run())


def test_who_asks_for_syncs_is_told_of_each_in_the_same_turn():
    port, told, asked = Port(None, None, "broker", b""), [], []
    port.attach(lambda _outgoing: None, lambda: asked.append(1))
    port.told_durable(3)

    port.on_durable(told.append)
    port.told_durable(5)
    port.told_durable(4)

    assert told == [3, 5, 5]
    assert asked == [1]
