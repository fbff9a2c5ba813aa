"""Invariants of a stored log, checked from the outside by folding it once (I-01 to I-15, I-31).

Nothing here is shared with the cores that are judged: positions and states are worked out again from the
messages alone.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from shared.messages import Event, market, orders, system
from shared.messages.header import Header

_VERDICTS = (orders.OrderApproved, orders.OrderAdjusted)
_ENDS = (
    orders.OrderRefused,
    orders.NotSent,
    orders.OrderRejected,
    orders.OrderCanceled,
    orders.OrderExpired,
)
PROBLEMS_MAX = 100


@dataclass(slots=True)
class _Order:
    symbol: str
    strategy: str
    slot: str
    side: int
    price_ticks: int
    asked_lots: int
    approved_lots: int = 0
    approval_count: int = 0
    sent_count: int = 0
    filled_lots: int = 0
    is_over: bool = False


@dataclass
class LogCheck:
    """What a pass over a log showed: `problems` is empty when every invariant holds."""

    problems: list[str] = field(default_factory=list)
    event_count: int = 0
    order_count: int = 0
    fill_count: int = 0
    unresolved_count: int = 0
    epochs: int = 0
    starts: dict[str, int] = field(default_factory=dict)


class LogFold:
    """Folds a log event by event; `finish` returns what it found."""

    def __init__(self) -> None:
        self.check = LogCheck()
        self._seq = 0
        self._ts_ns = 0
        self._epoch = 0
        self._last_n: dict[tuple[str, int], int] = {}
        self._core_n: dict[str, int] = {}
        self._orders: dict[str, _Order] = {}
        self._slots: dict[tuple[str, str, str], str] = {}
        self._trades: set[tuple[str, str]] = set()
        self._book_turns: dict[str, list[tuple[int, bool]]] = {}

    def problem(self, header: Header, text: str) -> None:
        """Note what is broken, up to `PROBLEMS_MAX`."""
        if len(self.check.problems) < PROBLEMS_MAX:
            self.check.problems.append(f"seq {header.seq}: {text}")

    def apply(self, event: Event) -> None:
        """Take the next event of the log."""
        header, message = event
        self._order_of_log(header)
        self.check.event_count += 1
        if isinstance(message, market.BookSnapshot):
            self._turn(message.symbol, header.seq, is_valid=True)
        elif isinstance(message, market.BookInvalid):
            self._turn(message.symbol, header.seq, is_valid=False)
        elif isinstance(message, system.ServiceStarted):
            self.check.starts[message.service] = self.check.starts.get(message.service, 0) + 1
        elif isinstance(message, orders.OrderIntent):
            self._intend(header, message)
        elif isinstance(message, orders._OrderMessage):
            self._report(header, message)

    def _order_of_log(self, header: Header) -> None:
        if header.seq != self._seq + 1 and self._seq:
            self.problem(header, f"follows seq {self._seq}: the log has a hole (rule 3)")
        if header.ts_ns < self._ts_ns:
            self.problem(header, f"the mesh clock fell from {self._ts_ns} to {header.ts_ns} (rule 8)")
        if header.epoch < self._epoch:
            self.problem(header, f"epoch {header.epoch} after {self._epoch} (rule 11)")
        if header.cause_seq >= header.seq:
            self.problem(header, f"is caused by {header.cause_seq}, which comes later")
        self.check.epochs += header.epoch != self._epoch
        self._seq, self._ts_ns, self._epoch = header.seq, header.ts_ns, header.epoch
        if header.source == "bus":
            return
        if header.source.endswith(".io") or header.source == "operator":
            last = self._last_n.get((header.source, header.run), 0)
            is_next = header.n == last + 1 or (header.source == "market_data.io" and header.n > last)
            self._last_n[header.source, header.run] = header.n
        else:
            last = self._core_n.get(header.source, 0)
            is_next = header.n == last + 1
            self._core_n[header.source] = header.n
        if not is_next:
            self.problem(header, f"{header.source} run {header.run} says n={header.n} after {last} (rule 4)")

    def _turn(self, symbol: str, seq: int, *, is_valid: bool) -> None:
        turns = self._book_turns.setdefault(symbol, [])
        if not turns or turns[-1][1] != is_valid:
            turns.append((seq, is_valid))

    def _was_valid(self, symbol: str, seq: int) -> bool:
        """Return whether the book was valid after the event at `seq`: that is what a decision saw."""
        turns = self._book_turns.get(symbol, [])
        index = bisect_right(turns, (seq, True))
        return index > 0 and turns[index - 1][1]

    def _intend(self, header: Header, message: orders.OrderIntent) -> None:
        if message.client_order_id in self._orders:
            self.problem(header, f"client order id {message.client_order_id} is used twice (I-03)")
        if not self._was_valid(message.symbol, header.cause_seq) and not message.is_reduce_only:
            self.problem(header, f"order {message.client_order_id} is decided on an invalid book (I-31)")
        place = (message.strategy, message.symbol, message.slot)
        former = self._slots.get(place)
        if message.slot and former is not None and not self._orders[former].is_over:
            self.problem(
                header,
                f"slot {message.slot} of {message.strategy} holds {former}, "
                f"yet {message.client_order_id} is sent for it (I-04)",
            )
        self._slots[place] = message.client_order_id
        self._orders[message.client_order_id] = _Order(
            message.symbol,
            message.strategy,
            message.slot,
            message.side,
            message.price_ticks,
            message.qty_lots,
        )

    def _report(self, header: Header, message: orders._OrderMessage) -> None:
        order = self._orders.get(message.client_order_id)
        if isinstance(message, orders.CancelIntent):
            return
        if order is None:
            self.problem(header, f"{type(message).__name__} of an order nobody intended")
            return
        if isinstance(message, _VERDICTS):
            order.approval_count += 1
            order.approved_lots = message.qty_lots
            if order.approval_count > 1:
                self.problem(header, f"order {message.client_order_id} is approved twice (I-01)")
        elif isinstance(message, orders.OrderSent):
            self._sent(header, message, order)
        elif isinstance(message, orders.Fill):
            self._fill(header, message, order)
        if isinstance(message, _ENDS):
            order.is_over = True

    def _sent(self, header: Header, message: orders.OrderSent, order: _Order) -> None:
        order.sent_count += 1
        if order.sent_count > 1:
            self.problem(header, f"order {message.client_order_id} is sent twice (I-03)")
        if not order.approval_count or message.qty_lots > order.approved_lots:
            self.problem(header, f"order {message.client_order_id} is sent without approval (I-01)")
        if message.price_ticks != order.price_ticks or message.side != order.side:
            self.problem(header, f"order {message.client_order_id} is sent at another price or side (I-01)")

    def _fill(self, header: Header, message: orders.Fill, order: _Order) -> None:
        key = (message.symbol, message.trade_id)
        if key in self._trades:
            self.problem(header, f"fill {message.trade_id} of {message.symbol} stands twice (I-15)")
        self._trades.add(key)
        self.check.fill_count += 1
        order.filled_lots += message.qty_lots
        if order.filled_lots > order.approved_lots:
            self.problem(header, f"order {message.client_order_id} is filled beyond its size (I-08)")
        if message.filled_lots != order.filled_lots:
            self.problem(
                header,
                f"order {message.client_order_id} counts {message.filled_lots} lots filled, "
                f"its fills sum to {order.filled_lots} (I-15)",
            )
        if order.price_ticks and (message.price_ticks - order.price_ticks) * (1 - 2 * order.side) > 0:
            self.problem(header, f"order {message.client_order_id} is filled worse than its limit (E-09)")
        if message.leaves_lots == 0:
            order.is_over = True

    def finish(self) -> LogCheck:
        """Return what was found so far."""
        self.check.order_count = len(self._orders)
        self.check.unresolved_count = sum(not order.is_over for order in self._orders.values())
        return self.check


def check_log(events: Iterable[Event]) -> LogCheck:
    """Fold a log once and return every invariant it breaks (at most `PROBLEMS_MAX`)."""
    fold = LogFold()
    for event in events:
        fold.apply(event)
    return fold.finish()
