"""Bugs that other systems have shipped, switched on one at a time: the campaign must catch each.

They are put into the running program from here: the code that trades has no switch for any of them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from services.broker import execution, gate, live_gate
from services.broker.binance import budget
from services.broker.desk import adopting, cancels, desk, doubts, order, rounds, state, telling
from services.broker.live_core import LiveCore
from services.broker.live_order import TradeMemory
from services.risk.exposure import Exposure
from shared.execution import reports
from shared.messages import orders
from shared.messages.venue import EXTERNAL
from shared.orders import OrderState

Patch = tuple[Any, str, Any]


@dataclass(frozen=True)
class Planted:
    """One bug: what it does, how it gets into the program, and the faults it shows in (any when empty)."""

    what: str
    patches: Callable[[], list[Patch]]
    faults: frozenset[str] = frozenset()

    @contextmanager
    def switched_on(self) -> Iterator[None]:
        """Let the program have the bug meanwhile."""
        patches = self.patches()
        former = [(place, name, getattr(place, name)) for place, name, _ in patches]
        for place, name, value in patches:
            setattr(place, name, value)
        try:
            yield
        finally:
            for place, name, value in former:
                setattr(place, name, value)


def _retry_create() -> list[Patch]:
    placed = desk.Desk._placed

    def retried(self: Any, report: Any, number: int, request: Any, now_ns: int) -> None:
        mine = self.state.orders.live.get(request.subject)
        if isinstance(report, reports.Doubtful) and mine is not None and not mine.cancel_tries:
            mine.place_request = self.state.request("place", mine.client_order_id, now_ns)
            self.state.commands.append(order.place_of(mine.place_request, mine))
            return
        placed(self, report, number, request, now_ns)

    return [*_answer("place", retried)]


def _answer(kind: str, method: Any) -> list[Patch]:
    return [(desk, "_ANSWERS", {**desk._ANSWERS, kind: method})]


def _doubt_is_rejection() -> list[Patch]:
    placed = desk.Desk._placed

    def rejected(self: Any, report: Any, number: int, request: Any, now_ns: int) -> None:
        if isinstance(report, reports.Doubtful):
            kind = reports.RefusalKind.OTHER
            report = reports.Refused(report.request_id, kind, "5xx", report.reason)
        placed(self, report, number, request, now_ns)

    return _answer("place", rejected)


def _count_twice() -> list[Patch]:
    return [(TradeMemory, "is_seen", lambda _self, _trade_id: False)]


def _drop_late_fill() -> list[Patch]:
    fill = telling.Teller.fill

    def dropped(self: Any, told: Any, order_id: str, now_ns: int) -> None:
        if order_id in self._state.orders.closed:
            self._state.memory(told.symbol).add(told.trade_id)
            return
        fill(self, told, order_id, now_ns)

    return [(telling.Teller, "fill", dropped)]


def _end_at_once() -> list[Patch]:
    end = telling.Teller.end_if_told

    def ended(self: Any, one: Any, now_ns: int, **_: bool) -> None:
        end(self, one, now_ns, is_overdue=True)

    return [*_drop_late_fill(), (telling.Teller, "end_if_told", ended)]


def _forget_unknown() -> list[Patch]:
    report = Exposure.report

    def forgot(self: Any, message: Any, *rest: Any) -> Any:
        if isinstance(message, orders.OrderUnknown):
            message = orders.OrderCanceled(
                message.client_order_id, message.strategy, message.symbol, 0, "in doubt"
            )
        return report(self, message, *rest)

    return [(Exposure, "report", forgot)]


def _not_found_at_once() -> list[Patch]:
    def believed(self: Any, one: Any, _asked_ns: int, now_ns: int) -> None:
        if one.doubt is not None and one.state is OrderState.UNKNOWN:
            self._teller.never_found(one, now_ns)

    return [(doubts.Doubts, "not_found", believed)]


def _cancel_proves_absence() -> list[Patch]:
    refused = cancels.Cancels.refused

    def proven(self: Any, one: Any, report: Any, asked_ns: int, now_ns: int) -> None:
        if report.kind is reports.RefusalKind.NOT_FOUND:
            self._teller.unknown(one, "cancel refused", now_ns)
            self._teller.never_found(one, now_ns)
            return
        refused(self, one, report, asked_ns, now_ns)

    return [(cancels.Cancels, "refused", proven)]


def _ignore_gap() -> list[Patch]:
    def ignored(self: Any, now_ns: int) -> None:
        self._next_ns["full"] = self._next_ns["full"] or now_ns

    return [
        (rounds.Rounds, "begin_anew", ignored),
        (rounds.Rounds, "lose", lambda _self, _now_ns: None),
        (rounds.Rounds, "_take_open_orders", lambda *_: None),
        (rounds.Rounds, "fetch_wanted", lambda *_: None),
    ]


def _stale_answer_wins() -> list[Patch]:
    def believed(self: Any, report: Any, _asked_ns: int, now_ns: int) -> None:
        listed = {told.client_order_id for told in report.orders}
        for told in report.orders:
            self._adopting.take(told, now_ns, 0)
        for one in list(self._state.orders.live.values()):
            if one.client_order_id not in listed and one.state is not OrderState.UNKNOWN:
                self._doubts._teller.unknown(one, "not listed", now_ns)
                self._doubts._teller.never_found(one, now_ns)

    return [(rounds.Rounds, "_take_open_orders", believed)]


def _reuse_id() -> list[Patch]:
    place = order.place_of
    former: list[str] = []

    def reused(request_id: int, one: Any) -> Any:
        made = place(request_id, one)
        former.append(made.client_order_id)
        if len(former) % 10:
            return made
        return msgspec.structs.replace(made, client_order_id=former[-10])

    return [(desk, "place_of", reused)]


def _adopt_as_own() -> list[Patch]:
    enter = adopting.Adopting._enter

    def owned(self: Any, told: Any, order_id: str, strategy: str, filled: int, now_ns: int) -> None:
        enter(self, told, order_id, "spa" if strategy == EXTERNAL else strategy, filled, now_ns)

    fill = telling.Teller.fill

    def booked(self: Any, told: Any, order_id: str, now_ns: int) -> None:
        before = len(self._state.out)
        fill(self, told, order_id, now_ns)
        for index in range(before, len(self._state.out)):
            fact = self._state.out[index]
            message = getattr(fact, "message", None)
            if isinstance(message, orders.Fill) and message.strategy == EXTERNAL:
                owned_fill = msgspec.structs.replace(message, strategy="spa")
                self._state.out[index] = fact._replace(message=owned_fill)

    return [(adopting.Adopting, "_enter", owned), (telling.Teller, "fill", booked)]


def _fee_sign() -> list[Patch]:
    fee = state.fee_atoms

    def negated(*words: Any) -> tuple[int, bool]:
        atoms, is_whole = fee(*words)
        return -atoms, is_whole

    return [(telling, "fee_atoms", negated)]


def _more_than_approved() -> list[Patch]:
    place = order.place_of

    def larger(request_id: int, one: Any) -> Any:
        made = place(request_id, one)
        return msgspec.structs.replace(made, qty_lots=made.qty_lots + 1)

    return [(desk, "place_of", larger)]


def _forget_at_restart() -> list[Patch]:
    def start(self: Any, event: Any) -> None:
        say = self._say
        self._say = lambda _message: None
        begin(self, event)
        self._say = say

    begin = LiveCore._start
    return [(LiveCore, "_start", start)]


def _cancel_once() -> list[Patch]:
    send = cancels.Cancels._send

    def once(self: Any, one: Any, now_ns: int) -> None:
        if not one.cancel_tries:
            send(self, one, now_ns)

    return [(cancels.Cancels, "_send", once)]


def _memory_lost_at_restart() -> list[Patch]:
    start = desk.Desk.start

    def forgot(self: Any, known: Any, now_ns: int) -> None:
        trades, known.trades = known.trades, {}
        start(self, known, now_ns)
        known.trades = trades

    return [(desk.Desk, "start", forgot)]


def _no_durable_wait() -> list[Patch]:
    start = execution.Execution.start

    def started(self: Any, core: Any, run: int, now_ns: int) -> Any:
        self._durable_seq = 1 << 62
        return start(self, core, run, now_ns)

    return [(execution.Execution, "start", started)]


def _kill_leaves_queue() -> list[Patch]:
    held = gate.held_back

    def passed(passage: Any) -> Any:
        wanted = msgspec.structs.replace(passage.order, cancel_reason="") if passage.order else None
        return held(replace(passage, is_killed=False, order=wanted))

    return [(live_gate, "held_back", passed)]


def _ban_ignored() -> list[Patch]:
    return [(budget.Budget, "ban", lambda _self, _until_ns, _reason: False)]


PLANTED: dict[str, Planted] = {
    "retry_create": Planted("a create without an answer is sent again", _retry_create),
    "doubt_is_rejection": Planted("a timeout or 5xx counts as a rejection", _doubt_is_rejection),
    "count_twice": Planted("executions are not told apart by their trade id", _count_twice),
    "drop_late_fill": Planted("an execution after the end of its order is dropped", _end_at_once),
    "forget_unknown": Planted("an order in doubt does not count in risk's exposure", _forget_unknown),
    "not_found_at_once": Planted(
        "the first `not found` frees the slot", _not_found_at_once, frozenset({"act_late", "cut"})
    ),
    "cancel_proves_absence": Planted("`unknown order` to a cancel frees the slot", _cancel_proves_absence),
    "ignore_gap": Planted(
        "nothing is compared after the private stream was lost",
        _ignore_gap,
        frozenset({"cut", "mute", "half_open"}),
    ),
    "stale_answer_wins": Planted("an old list of open orders overrides newer events", _stale_answer_wins),
    "reuse_id": Planted("client order ids come again", _reuse_id),
    "adopt_as_own": Planted("orders of others are booked on a strategy of ours", _adopt_as_own),
    "fee_sign": Planted("fees are booked as rebates", _fee_sign),
    "more_than_approved": Planted("one lot more than approved is sent", _more_than_approved),
    "forget_at_restart": Planted(
        "a restart forgets orders without an answer", _forget_at_restart, frozenset({"crash", "disk"})
    ),
    "cancel_once": Planted("a cancel that failed is not sent again", _cancel_once),
    "no_durable_wait": Planted("an order leaves before its approval is on disk", _no_durable_wait),
    "kill_leaves_queue": Planted(
        "a kill does not stop creates on their way", _kill_leaves_queue, frozenset({"kill", "disk"})
    ),
    "ban_ignored": Planted("the venue's ban is not obeyed", _ban_ignored, frozenset({"ban"})),
    "memory_lost": Planted("a restart forgets which executions were booked", _memory_lost_at_restart),
}
