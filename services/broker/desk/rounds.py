"""Reconciliation: our orders, executions, balances and positions against the venue's (BR-10, BR-11, I-30).

A round asks for open orders and for the executions after the last one known, then for the account. What it
finds is repaired and said, one `VenueDifference` each; a second round finds nothing (I-20). An order that
changed after a question left is not judged by its answer, and money only when two rounds agree.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from services.broker.desk.adopting import Adopting
from services.broker.desk.doubts import Doubts
from services.broker.desk.judging import Judging
from services.broker.desk.state import DeskState, Request, ms
from services.broker.live_knowledge import LiveKnowledge
from shared.execution import reports
from shared.execution.commands import AskAccount, AskFills, AskKeyRights, AskOpenOrders
from shared.orders import OrderState

GO_BACK_TRADES = 500
"""A round after a start asks for so many known executions again: one that the stream lost is among them."""
FAILED_AGAIN_MS = 1000
FAILED_AGAIN_MAX_MS = 30_000
FILL_TRIES_MAX = 10
JUDGE_TRIES_MAX = 40
JUDGE_AGAIN_MS = 1000
_COVERS = {"full": ("full", "orders", "account"), "orders": ("orders",), "account": ("account",)}
OLD_FILL_MS = 2000
"""An execution that a round finds so long after it happened was missed by the stream."""


@dataclass(slots=True)
class Round:
    """One comparison under way: `kind` is full, orders or account; `waiting` are requests not answered."""

    kind: str
    since_ns: int
    is_first: bool = False
    waiting: set[int] = field(default_factory=set)
    is_account_asked: bool = False
    told: reports.AccountTold | None = None
    told_asked_ns: int = 0
    tries: int = 0
    next_ns: int = 0


class Rounds:
    """The comparisons of one desk. `is_reconciled` holds from a whole round until the stream is lost."""

    def __init__(self, state: DeskState, adopting: Adopting, doubts: Doubts) -> None:
        self._state, self._adopting, self._doubts = state, adopting, doubts
        self._judging = Judging(state)
        self._round: Round | None = None
        self._known: LiveKnowledge | None = None
        self._next_ns = {"full": 0, "orders": 0, "account": 0}
        self._wished_ns: dict[str, int] = {}
        self._failures = 0
        self._checked_ids: dict[str, str] = {}
        self._asked_fills: dict[str, int] = {}
        self.is_reconciled = False
        self.is_key_refused = ""
        self.full_since_ns = 0
        self.is_log_level: Callable[[], bool] = lambda: True

    # ---- life

    def start(self, known: LiveKnowledge) -> None:
        """Begin with what the log knows."""
        self._known = known
        self._judging.known = known
        for symbol, memory in self._state.trades.items():
            self._checked_ids[symbol] = memory.go_back(GO_BACK_TRADES)

    def begin_anew(self, now_ns: int) -> None:
        """Compare everything: the stream delivers again, and what was before may have been missed (BR-11)."""
        self.lose(now_ns)
        self._next_ns["full"] = now_ns

    def lose(self, _now_ns: int) -> None:
        """Trust nothing any more: orders may change unseen."""
        self._drop_round()
        self.is_reconciled = False
        self._failures = 0

    def ask(self, now_ns: int) -> None:
        """Compare everything now, as a person asks; after the round under way, which began before."""
        self._next_ns["full"] = self._wished_ns["full"] = now_ns

    def balances_changed(self, reason: str, now_ns: int) -> None:
        """Compare the account soon when money moved that no order explains."""
        if reason.upper() != "ORDER":
            soon_ns = min(self._next_ns["account"] or now_ns, now_ns + ms(1000))
            self._next_ns["account"] = self._wished_ns["account"] = soon_ns

    @property
    def is_able(self) -> bool:
        """Return whether the venue can be asked."""
        return self._state.is_reachable and self._state.is_stream_up

    def _drop_round(self) -> None:
        if self._round is not None:
            for number in self._round.waiting:
                self._state.requests.pop(number, None)
            self._round = None

    # ---- beginning

    def on_time(self, now_ns: int) -> None:
        """Begin the round that is due, or go on with the one under way."""
        if not self.is_able:
            return
        if self._round is not None:
            self._go_on(self._round, now_ns)
            return
        for kind in ("full", "orders", "account"):
            if self._is_due(kind, now_ns):
                self._begin(kind, now_ns)
                break
        self._ask_quiet(now_ns)

    def _is_due(self, kind: str, now_ns: int) -> bool:
        if kind != "full" and not self.is_reconciled:
            return False
        return now_ns >= self._next_ns[kind]

    def _begin(self, kind: str, now_ns: int) -> None:
        current = self._round = Round(kind, now_ns, is_first=not self.is_reconciled)
        for covered in _COVERS[kind]:
            self._wished_ns.pop(covered, None)
        state = self._state
        if kind == "full" and current.is_first and not self.is_key_refused:
            self._ask(current, "ask_key_rights", AskKeyRights, now_ns)
        if kind in ("full", "orders"):
            self._ask(current, "ask_open_orders", AskOpenOrders, now_ns)
        if kind == "full":
            for symbol in sorted(state.rules):
                self._ask_fills(symbol, now_ns, current)
        if kind == "account":
            self._ask_account(current, now_ns)

    def _ask(self, current: Round, kind: str, make: Callable[[int], Any], now_ns: int) -> None:
        number = self._state.request(kind, "", now_ns)
        current.waiting.add(number)
        self._state.commands.append(make(number))

    def _ask_account(self, current: Round, now_ns: int) -> None:
        current.is_account_asked, current.told = True, None
        self._ask(current, "ask_account", AskAccount, now_ns)

    def _ask_fills(self, symbol: str, now_ns: int, current: Round | None = None) -> None:
        state = self._state
        number = state.request("ask_fills", symbol, now_ns)
        after = self._checked_ids.get(symbol, "")
        since_ns = self._known.started_ns if self._known is not None and not after else 0
        state.commands.append(AskFills(number, symbol, after, since_ns))
        self._asked_fills[symbol] = number
        if current is not None:
            current.waiting.add(number)

    def fetch_wanted(self, now_ns: int) -> None:
        """Ask for executions that the venue counts and the stream has not told in time."""
        state = self._state
        for symbol, wanted in list(state.wanted_fills.items()):
            if now_ns < wanted.due_ns or not state.is_reachable:
                continue
            is_missing = any(order.told_lots > order.filled_lots for order in state.orders.of_symbol(symbol))
            if not is_missing or wanted.tries >= FILL_TRIES_MAX:
                del state.wanted_fills[symbol]
                continue
            wanted.tries += 1
            wanted.due_ns = now_ns + ms(1000)
            if self._asked_fills.get(symbol) not in state.requests:
                self._ask_fills(symbol, now_ns)

    def _ask_quiet(self, now_ns: int) -> None:
        """Ask for orders that nothing was heard of for long (BR-22)."""
        oldest_ns = now_ns - ms(self._state.settings.order_quiet_ms)
        for order in self._state.orders.live.values():
            is_asked = order.ask_request or order.asked_ns > oldest_ns
            if order.heard_ns < oldest_ns and not is_asked and order.state is not OrderState.UNKNOWN:
                self._state.counts["quiet_order"] += 1
                self._doubts.ask(order, now_ns)

    # ---- answers

    def answered(self, report: Any, number: int, request: Request, now_ns: int) -> None:
        """Take the answer to a question of a round, or to one for wanted executions."""
        current = self._round
        in_round = current is not None and number in current.waiting
        if in_round and current is not None:
            current.waiting.discard(number)
        if isinstance(report, reports.OpenOrders):
            self._take_open_orders(report, request.asked_ns, now_ns)
        elif isinstance(report, reports.Fills):
            self._take_fills(report, request.asked_ns, now_ns, is_round=in_round)
        elif isinstance(report, reports.KeyRightsTold):
            self._take_rights(report)
        elif isinstance(report, reports.AccountTold) and in_round and current is not None:
            current.told, current.told_asked_ns = report, request.asked_ns
        elif in_round and request.kind != "ask_key_rights":
            self._fail(now_ns, getattr(report, "retry_ns", 0))
            return
        if in_round and current is not None:
            self._go_on(current, now_ns)

    def _take_rights(self, report: reports.KeyRightsTold) -> None:
        if report.can_withdraw:
            self.is_key_refused = "the key may withdraw; use one that may only trade (RK-17)"
        elif not report.can_trade:
            self.is_key_refused = "the key may not trade"
        else:
            self.is_key_refused = ""

    def _fail(self, now_ns: int, retry_ns: int) -> None:
        """Give a round up, and begin it again after a pause."""
        current = self._round
        if current is None:
            return
        self._drop_round()
        self._failures += 1
        self._state.counts["round_failed"] += 1
        pause_ms = min(FAILED_AGAIN_MAX_MS, FAILED_AGAIN_MS << min(self._failures - 1, 10))
        self._next_ns[current.kind] = max(now_ns + ms(pause_ms), retry_ns)

    def _take_open_orders(self, report: reports.OpenOrders, asked_ns: int, now_ns: int) -> None:
        state = self._state
        listed: set[tuple[str, str]] = set()
        for told in report.orders:
            listed.add((told.symbol, told.client_order_id))
            listed.add((told.symbol, f"#{told.venue_order_id}"))
            self._adopting.take(told, now_ns, asked_ns)
        for order in list(state.orders.live.values()):
            if report.symbol not in ("", order.symbol) or order.end is not None or order.place_request:
                continue
            is_listed = (order.symbol, order.client_order_id) in listed
            is_listed = is_listed or (order.symbol, f"#{order.venue_order_id}") in listed
            if is_listed or order.changed_ns >= asked_ns or order.ask_request:
                continue
            if order.state is not OrderState.UNKNOWN:
                self._state.vanished.add(order.client_order_id)
            self._doubts.ask(order, now_ns)

    def _take_fills(self, report: reports.Fills, asked_ns: int, now_ns: int, *, is_round: bool) -> None:
        state = self._state
        for told in report.fills:
            order_id = self._adopting.take_fill(told, now_ns)
            is_old = asked_ns - told.ts_venue_ns > ms(OLD_FILL_MS)
            if order_id and is_round and is_old and state.orders.is_ours(order_id):
                state.differ(
                    "missed_fill",
                    told.symbol,
                    order_id,
                    "not told by the stream",
                    f"trade {told.trade_id} of {told.qty_lots} lots",
                    "booked",
                )
        checked = list(takewhile(lambda told: state.memory(told.symbol).is_seen(told.trade_id), report.fills))
        if checked:
            # What still waits for the venue's word on whose it is must come again (I-15).
            self._checked_ids[report.symbol] = checked[-1].trade_id

    # ---- the end of a round

    def _go_on(self, current: Round, now_ns: int) -> None:
        if current.waiting or current is not self._round or self._is_asking():
            return
        if current.kind == "orders":
            self._finish(current, now_ns)
            return
        if now_ns < current.next_ns:
            return
        if not current.is_account_asked:
            self._ask_account(current, now_ns)
            return
        if current.told is None or not self.is_log_level():
            return
        if self._state.last_fill_ns >= current.told_asked_ns:
            # An execution came between question and answer: which of them the answer holds, nobody knows.
            self._again(current, now_ns)
            return
        if self._judging.is_settled(current.told, now_ns):
            self._finish(current, now_ns)
        else:
            self._again(current, now_ns)

    def _is_asking(self) -> bool:
        """Return whether orders of this round wait for the venue's word."""
        if self._adopting.is_waiting:
            return True
        live = self._state.orders.live
        return any(live[order_id].ask_request for order_id in self._state.vanished if order_id in live)

    def _again(self, current: Round, now_ns: int) -> None:
        """Ask for executions and account once more: money is judged when two answers agree."""
        current.tries += 1
        if current.tries > JUDGE_TRIES_MAX:
            self._fail(now_ns, 0)
            return
        current.is_account_asked, current.told = False, None
        # The second look comes at once; what still differs then may need the venue's time.
        current.next_ns = now_ns if current.tries == 1 else now_ns + ms(JUDGE_AGAIN_MS)
        for symbol in sorted(self._state.rules):
            self._ask_fills(symbol, now_ns, current)

    def _finish(self, current: Round, now_ns: int) -> None:
        settings = self._state.settings
        every_ms = {
            "full": settings.reconcile_every_ms,
            "orders": settings.open_orders_every_ms or settings.reconcile_every_ms,
            "account": settings.account_every_ms or settings.reconcile_every_ms,
        }
        self._round = None
        self._failures = 0
        self._state.vanished.clear()
        for covered in _COVERS[current.kind]:
            # A wish that came while the round was under way is not met by it.
            self._next_ns[covered] = self._wished_ns.get(covered, now_ns + ms(every_ms[covered]))
        if current.kind == "full":
            self.is_reconciled = True
            self.full_since_ns = current.since_ns
