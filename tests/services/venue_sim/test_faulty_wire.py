"""What clients get under each fault: whether it acted, what it answers, when; and events out of order."""

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.venue_sim.faulty_wire import FaultyConnection, FaultyWire
from services.venue_sim.trading_faults import TradingFault, TradingFaults
from services.venue_sim.venue import SPOT, USDM
from shared.units import NS_PER_MS

KEY = (("X-MBX-APIKEY", "k"),)
ORDER = {"symbol": "BTCUSDT", "orderId": 7}
PLACE = json.dumps({"id": "a", "method": "order.place", "params": {}})
SECOND_NS = 1_000 * NS_PER_MS


class Clock:
    late_ms = 0


class Recording:
    """A venue that answers every request and notes it: what reached it, and when."""

    venue = SPOT

    def __init__(self) -> None:
        self.acted: list[tuple[str, int]] = []
        self.clock = Clock()
        self.lateness_ms: list[int] = []

    def http(
        self, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes, now_ns: int, ip: str
    ) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
        assert (tuple(headers), ip) == (KEY, "127.0.0.1")
        self.lateness_ms.append(self.clock.late_ms)
        self.acted.append((f"{method} {target} {body.decode()}".strip(), now_ns))
        return 200, (("X-MBX-USED-WEIGHT-1M", "1"),), json.dumps(ORDER).encode()


class Told:
    """A connection that answers every frame and tells the events that it was given."""

    def __init__(self) -> None:
        self.is_cut = False
        self.acted: list[int] = []
        self.waiting: list[bytes] = []

    def take(self, text: str | bytes, now_ns: int) -> list[bytes]:
        self.acted.append(now_ns)
        answer = {"id": json.loads(text).get("id"), "status": 200, "result": ORDER}
        return [json.dumps(answer).encode()]

    def events(self, now_ns: int) -> list[bytes]:  # noqa: ARG002
        waiting, self.waiting = self.waiting, []
        return waiting

    def close(self) -> None:
        self.is_cut = True

    def happens(self, *kinds: str) -> None:
        self.waiting += [report(kind) for kind in kinds]


def report(kind: str) -> bytes:
    event = {"e": "executionReport", "x": kind, "c": f"id-{kind}"}
    return json.dumps({"subscriptionId": 0, "event": event}).encode()


def kinds(frames: list[bytes]) -> list[str]:
    return [json.loads(frame)["event"]["x"] for frame in frames]


def wire(*faults: TradingFault) -> tuple[FaultyWire, Recording]:
    trading = TradingFaults()
    for fault in faults:
        trading.command(fault)
    recording = Recording()
    return FaultyWire(recording, trading), recording


def connection(*faults: TradingFault) -> tuple[FaultyConnection, Told]:
    trading = TradingFaults()
    for fault in faults:
        trading.command(fault)
    told = Told()
    return FaultyConnection(told, trading, SPOT, clock=Clock()), told


@pytest.mark.parametrize(
    ("kind", "has_acted", "fate", "status"),
    [
        ("error_before", False, "answered", 503),
        ("error_after", True, "answered", 503),
        ("silence_before", False, "silent", 0),
        ("silence_after", True, "silent", 0),
        ("cut_before", False, "cut", 0),
        ("cut_after", True, "cut", 0),
    ],
)
def test_a_request_fails_before_or_after_it_acted(kind: str, has_acted: bool, fate: str, status: int) -> None:
    faulty, recording = wire(TradingFault(kind=kind, call="place"))
    outcome = faulty.http("POST", "/api/v3/order", KEY, b"a=1", 5)
    assert (outcome.fate, outcome.status) == (fate, status)
    assert bool(recording.acted) == has_acted
    again = faulty.http("POST", "/api/v3/order", KEY, b"a=1", 6)
    assert (again.status, json.loads(again.body), again.delay_ns) == (200, ORDER, 0)


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_each_5xx_answers_as_the_venue_does(status: int) -> None:
    faulty, _ = wire(TradingFault(kind="error_after", status=status))
    outcome = faulty.http("DELETE", "/api/v3/order", KEY, b"", 0)
    assert outcome.status == status
    if status in {502, 504}:
        assert outcome.body.startswith(b"<html>")
    else:
        assert json.loads(outcome.body)["code"] in {-1000, -1007}


def test_the_text_of_an_error_can_be_told() -> None:
    faulty, _ = wire(TradingFault(kind="error_before", text="Service Unavailable."))
    body = faulty.http("POST", "/fapi/v1/order", KEY, b"", 0).body
    assert json.loads(body) == {"code": -1000, "msg": "Service Unavailable."}


def test_a_slow_answer_acts_at_once_and_a_late_act_is_never_answered() -> None:
    faulty, recording = wire(
        TradingFault(kind="slow_answer", delay_ms=1_500), TradingFault(kind="act_late", delay_ms=3_000)
    )
    assert faulty.http("POST", "/api/v3/order", KEY, b"n=1", 10).delay_ns == 1_500 * NS_PER_MS
    assert faulty.http("POST", "/api/v3/order", KEY, b"n=2", 20).fate == "silent"
    assert recording.acted == [("POST /api/v3/order n=1", 10)]

    due_ns = faulty.due_ns()
    assert due_ns == 20 + 3 * SECOND_NS
    faulty.advance(due_ns - 1)
    assert len(recording.acted) == 1
    faulty.advance(due_ns + SECOND_NS)
    assert recording.acted[1] == ("POST /api/v3/order n=2", due_ns)
    assert recording.lateness_ms == [0, 3_000]
    assert recording.clock.late_ms == 0
    assert faulty.due_ns() is None


def test_calls_without_a_key_and_other_calls_pass() -> None:
    faulty, recording = wire(TradingFault(kind="error_before", call="cancel"))
    assert faulty.http("POST", "/api/v3/order", KEY, b"", 0).status == 200
    assert len(recording.acted) == 1


def test_mangled_answers_break_field_after_field() -> None:
    faulty, recording = wire(TradingFault(kind="missing_field", count=2))
    bodies = [json.loads(faulty.http("GET", "/api/v3/order", KEY, b"", 0).body) for _ in range(3)]
    assert bodies == [{"orderId": 7}, {"symbol": "BTCUSDT"}, ORDER]
    assert len(recording.acted) == 3


def test_under_maintenance_nothing_acts_at_that_venue() -> None:
    trading, recording = TradingFaults(), Recording()
    faulty = FaultyWire(recording, trading)
    trading.set_down(SPOT, True)
    outcome = faulty.http("POST", "/api/v3/order", KEY, b"", 0)
    assert (outcome.status, json.loads(outcome.body)["msg"]) == (503, "Service Unavailable.")
    assert not recording.acted
    trading.set_down("", False)
    assert faulty.http("POST", "/api/v3/order", KEY, b"", 0).status == 200
    trading.set_down(USDM, True)
    assert faulty.http("POST", "/api/v3/order", KEY, b"", 0).status == 200


@pytest.mark.parametrize(
    ("kind", "has_acted", "is_cut", "answers"),
    [
        ("error_before", False, False, 1),
        ("error_after", True, False, 1),
        ("silence_before", False, False, 0),
        ("silence_after", True, False, 0),
        ("cut_before", False, True, 0),
        ("cut_after", True, True, 0),
    ],
)
def test_the_websocket_api_fails_in_the_same_ways(
    kind: str, has_acted: bool, is_cut: bool, answers: int
) -> None:
    faulty, told = connection(TradingFault(kind=kind, call="place"))
    got = faulty.take(PLACE, 5)
    assert (len(got), bool(told.acted), faulty.is_cut) == (answers, has_acted, is_cut)
    for answer in got:
        decoded = json.loads(answer)
        assert (decoded["id"], decoded["status"], "result" in decoded) == ("a", 503, False)


def test_late_answers_and_late_acts_of_the_websocket_api_come_out_of_events() -> None:
    faulty, told = connection(
        TradingFault(kind="slow_answer", delay_ms=2), TradingFault(kind="act_late", delay_ms=5)
    )
    assert faulty.take(PLACE, 0) == []
    assert faulty.take(PLACE.replace('"a"', "12"), 0) == []
    assert told.acted == [0]
    assert faulty.due_ns() == 2 * NS_PER_MS
    assert faulty.events(NS_PER_MS) == []
    assert [json.loads(frame)["id"] for frame in faulty.events(2 * NS_PER_MS)] == ["a"]
    assert [json.loads(frame)["id"] for frame in faulty.events(6 * NS_PER_MS)] == [12]
    assert told.acted == [0, 6 * NS_PER_MS]
    assert faulty.due_ns() is None


@pytest.mark.parametrize(
    ("kind", "told_kinds"),
    [
        ("event_drop", ["TRADE", "CANCELED"]),
        ("event_double", ["NEW", "NEW", "TRADE", "CANCELED"]),
        ("event_swap", ["TRADE", "NEW", "CANCELED"]),
    ],
)
def test_events_are_lost_doubled_and_swapped(kind: str, told_kinds: list[str]) -> None:
    faulty, told = connection(TradingFault(kind=kind))
    told.happens("NEW", "TRADE", "CANCELED")
    assert kinds(faulty.events(0)) == told_kinds


def test_behind_a_delayed_event_everything_waits() -> None:
    faulty, told = connection(TradingFault(kind="event_delay", delay_ms=10))
    told.happens("NEW", "TRADE")
    assert faulty.events(0) == []
    told.happens("CANCELED")
    assert faulty.events(9 * NS_PER_MS) == []
    told.happens("EXPIRED")
    assert kinds(faulty.events(10 * NS_PER_MS)) == ["NEW", "TRADE", "CANCELED", "EXPIRED"]


def test_a_late_fill_is_told_after_the_cancel_that_followed_it() -> None:
    faulty, told = connection(TradingFault(kind="late_fill", delay_ms=10))
    told.happens("NEW", "TRADE", "CANCELED")
    assert kinds(faulty.events(0)) == ["NEW", "CANCELED"]
    assert faulty.due_ns() == 10 * NS_PER_MS
    assert kinds(faulty.events(10 * NS_PER_MS)) == ["TRADE"]


def test_a_usdm_fill_is_known_by_its_order_and_by_trade_lite() -> None:
    faulty, told = connection(TradingFault(kind="late_fill", delay_ms=1, count=2))
    update = {"e": "ORDER_TRADE_UPDATE", "o": {"x": "TRADE", "o": "LIMIT"}}
    told.waiting = [json.dumps(update).encode(), b'{"stream":"k","data":{"e":"TRADE_LITE"}}', b"{}"]
    assert faulty.events(0) == [b"{}"]


def test_an_event_cut_ends_the_connection_and_a_broken_event_is_broken() -> None:
    faulty, told = connection(
        TradingFault(kind="wrong_type", call="events", field="c"), TradingFault(kind="event_cut")
    )
    told.happens("NEW")
    assert json.loads(faulty.events(0)[0])["event"]["c"] is None
    told.happens("TRADE")
    assert faulty.events(1) == []
    assert faulty.is_cut
    assert told.is_cut


def test_what_is_no_call_passes_and_maintenance_answers_503() -> None:
    trading = TradingFaults()
    trading.command(TradingFault(kind="silence_before"))
    stream = FaultyConnection(Told(), trading, USDM)
    assert len(stream.take('{"id":1,"method":"LIST_SUBSCRIPTIONS"}', 0)) == 1
    trading.clear()
    trading.set_down(USDM, True)
    api = FaultyConnection(Told(), trading, USDM, clock=Clock())
    assert json.loads(api.take(PLACE, 0)[0])["status"] == 503


@given(
    faults=st.lists(
        st.tuples(
            st.sampled_from(["event_delay", "late_fill", "event_swap"]), st.integers(0, 5), st.integers(1, 40)
        ),
        max_size=5,
    ),
    steps=st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["NEW", "TRADE", "CANCELED"])), max_size=20),
)
def test_what_is_only_late_or_swapped_is_told_exactly_once(
    faults: list[tuple[str, int, int]], steps: list[tuple[int, str]]
) -> None:
    faulty, told = connection(
        *(TradingFault(kind=kind, skip=skip, delay_ms=delay) for kind, skip, delay in faults)
    )
    now_ns, got = 0, []
    for wait_ms, kind in steps:
        now_ns += wait_ms * NS_PER_MS
        told.happens(kind)
        got += kinds(faulty.events(now_ns))
    for _ in range(7):
        # A swapped event waits for the next one, and a fault still active may fall on that.
        now_ns += 100 * NS_PER_MS
        told.happens("LAST")
        got += kinds(faulty.events(now_ns))
    got += kinds(faulty.events(now_ns + SECOND_NS))
    assert sorted(kind for kind in got if kind != "LAST") == sorted(kind for _, kind in steps)
    assert faulty.due_ns() is None
