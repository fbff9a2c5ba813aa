"""One market of the paper venue: the real book, our orders in its queue, and what takers took out of it.

The book is the venue's and never holds our orders. Two views are laid over it: `queue` estimates our place
in it, `taken` remembers what our own takers consumed, until the venue says another size for that level or the
book anew, so that no lot is bought twice (BR-14). Our orders meet the book and the trades only: never each
other.

A trade that is received after the book that already shows it shortens the queue twice: in the recorded USD-M
capture of 2024-08-08 those are 302 of 21,313 trades (1.4 %).
"""

from collections import deque
from typing import Any, NamedTuple, Protocol

import msgspec

from shared.book_state import BookState, dump_book, load_book
from shared.kernels.book import Book
from shared.kernels.matching import RestingQueue
from shared.messages.market import BookInvalid, BookSnapshot, BookUpdate, InstrumentRules, Trade
from shared.messages.orders import OrderType, TimeInForce
from shared.units import Side

FIRST_LEVELS = 32
RESTING = frozenset({TimeInForce.GTC, TimeInForce.GTD})
"""Limit orders with these rest until they are filled, canceled, or over."""
RECENT_TRADES = 50
"""Public trades whose volume counts as visible where there is no book (BR-18)."""


class QueueModel(Protocol):
    """The settings of our place in the queue: where others cancel, as seen from our order (BR-16).

    `queue_power_pct` is n of the power models in hundredths, `queue_ahead_ppm` the part of our share of the
    cancels that happens ahead of us by `pro_rata`.
    """

    @property
    def queue_model(self) -> str:
        """Return the name of the model, one of `shared.kernels.matching.MODELS`."""

    @property
    def queue_power_pct(self) -> int:
        """Return the power in hundredths."""

    @property
    def queue_ahead_ppm(self) -> int:
        """Return the part in parts per million."""


class QueuePlace(NamedTuple):
    """A choice of the model; see `QueueModel`."""

    queue_model: str = "pro_rata"
    queue_power_pct: int = 300
    queue_ahead_ppm: int = 1_000_000


def queue_place(settings: QueueModel) -> QueuePlace:
    """Return what settings say of the queue."""
    return QueuePlace(settings.queue_model, settings.queue_power_pct, settings.queue_ahead_ppm)


def _queue_of(choice: QueueModel) -> RestingQueue:
    queue = RestingQueue()
    queue.set_model(choice.queue_model, choice.queue_power_pct / 100)
    queue.set_share(choice.queue_ahead_ppm)
    return queue


class RestingOrder(Protocol):
    """What the queue has to know of an order."""

    handle: int
    side: Side
    price_ticks: int
    order_type: OrderType
    tif: TimeInForce

    @property
    def leaves_lots(self) -> int:
        """Return what is not executed."""


class Part(NamedTuple):
    """Some lots of one level."""

    price_ticks: int
    lots: int


class Taken(msgspec.Struct, array_like=True):
    """What we took of a level that showed `level_lots`."""

    side: Side
    price_ticks: int
    level_lots: int
    lots: int


class PaperMarketState(msgspec.Struct, array_like=True, frozen=True):
    """A dump of one market."""

    symbol: str
    book: BookState
    queue: tuple[list[list[int]], list[list[int]]]
    taken: list[Taken]
    rules: InstrumentRules | None
    fresh_ns: int
    last_ticks: int = 0
    recent_lots: tuple[int, ...] = ()
    is_frozen: bool = False


class PaperMarket:
    """See the module. A `book` of somebody else is changed there, and `follow` is told of each change.

    `fresh_ns` is when the newest data of a trusted book were received (mesh time).
    """

    def __init__(self, symbol: str, queue: QueueModel, *, book: Book | None = None) -> None:
        self.symbol = symbol
        self.book = Book() if book is None else book
        self.queue = _queue_of(queue)
        self.rules: InstrumentRules | None = None
        self.fresh_ns = 0
        self.last_ticks = 0
        self.is_frozen = False
        self.recent_lots: deque[int] = deque(maxlen=RECENT_TRADES)
        self._taken: dict[tuple[int, int], Taken] = {}

    @property
    def is_open(self) -> bool:
        """Return whether orders can be matched: the rules are known and the book is trusted."""
        return self.rules is not None and bool(self.book.is_trusted)

    def apply(self, message: BookSnapshot | BookUpdate | BookInvalid, origin_ns: int) -> None:
        """Apply one book event and let our places in the queue follow; a frozen market hears none."""
        if self.is_frozen:
            return
        is_known = False
        if isinstance(message, BookUpdate):
            is_known = bool(self.book.update(message.levels, message.bid_count, message.update_n))
        elif isinstance(message, BookSnapshot):
            self.book.snapshot(message.levels, message.bid_count, message.update_n)
        else:
            self.book.invalidate()
        self.follow(origin_ns, is_known=is_known, is_anew=isinstance(message, BookSnapshot))

    def freeze(self) -> None:
        """Match nothing any more: the book is said in other ticks or lots than what we have here."""
        self.is_frozen = True
        self.book.invalidate()

    def follow(self, origin_ns: int, *, is_known: bool, is_anew: bool) -> None:
        """Let our places follow a changed book: by a known update, or said anew as a whole."""
        if is_anew:
            self._taken.clear()
        if not self.book.is_trusted:
            return
        self.fresh_ns = origin_ns
        if len(self.queue):
            self.queue.sync(self.book, is_known)
        if self._taken:
            self._forget_changed()

    def trade(self, trade: Trade) -> list[tuple[int, int]]:
        """Let one public trade work on the queue; return proposed fills (handle, lots), best price first."""
        self.last_ticks = trade.price_ticks
        self.recent_lots.append(trade.qty_lots)
        if not self.is_open or not len(self.queue):
            return []
        fills: list[tuple[int, int]] = self.queue.trade(int(trade.side), trade.price_ticks, trade.qty_lots)
        return fills

    def line_up(self, order: RestingOrder) -> None:
        """Put a limit order that may rest behind the lots at its price; any other never stands in line."""
        if order.order_type is OrderType.LIMIT and order.tif in RESTING:
            level_lots = self.book.lots_at(int(order.side), order.price_ticks)
            self.queue.add(int(order.side), order.handle, order.price_ticks, order.leaves_lots, level_lots)

    def walk(self, side: Side, limit_ticks: int, qty_lots: int) -> list[Part]:
        """Return what an order of `side` would take up to `limit_ticks` (0: any price), best price first."""
        parts: list[Part] = []
        left = qty_lots
        count = FIRST_LEVELS
        seen = 0
        while left > 0:
            levels = self.book.levels(int(side.opposite), count)
            for price_ticks, level_lots in levels[seen:]:
                if left == 0 or (limit_ticks and side.sign * (price_ticks - limit_ticks) > 0):
                    return parts
                lots = min(left, self._free(side.opposite, price_ticks, level_lots))
                if lots > 0:
                    parts.append(Part(price_ticks, lots))
                    left -= lots
            if len(levels) < count:
                break
            seen, count = count, count * 8
        return parts

    def walk_beyond(self, side: Side, price_ticks: int, qty_lots: int) -> list[Part]:
        """Return what lies strictly beyond a resting order's price: a touch is none (BR-16)."""
        limit_ticks = price_ticks - side.sign
        return self.walk(side, limit_ticks, qty_lots) if limit_ticks > 0 else []

    def take(self, side: Side, price_ticks: int, lots: int) -> None:
        """Consume lots of a level of `side` of the book."""
        level_lots = int(self.book.lots_at(int(side), price_ticks))
        taken = self._taken.get((int(side), price_ticks))
        if taken is None or taken.level_lots != level_lots:
            taken = self._taken[int(side), price_ticks] = Taken(side, price_ticks, level_lots, 0)
        taken.lots += lots

    def executed(
        self, handle: int, side: Side, own_ticks: int, price_ticks: int, lots: int, *, is_maker: bool
    ) -> None:
        """Take a fill of an order of ours at `own_ticks` out of the book and of its place in the queue."""
        if is_maker:
            for part in self.walk_beyond(side, own_ticks, lots):
                self.take(side.opposite, part.price_ticks, part.lots)
        else:
            self.take(side.opposite, price_ticks, lots)
        self.queue.reduce(handle, lots)

    def opposite_touch_ticks(self, side: Side) -> int:
        """Return the best price an order of `side` would meet, 0 when there is none."""
        return int(self.book.ask_ticks if side is Side.BUY else self.book.bid_ticks)

    def own_opposite_ticks(self, side: Side) -> int:
        """Return the best price of our own orders that an order of `side` would meet, 0 when none rests."""
        return int(self.queue.best_ticks(int(side.opposite)))

    def model(self, choice: QueueModel) -> None:
        """Go on with another model of cancels in the queue."""
        state = self.queue.dump()
        self.queue = _queue_of(choice)
        self.queue.load(state)

    def _free(self, side: Side, price_ticks: int, level_lots: int) -> int:
        taken = self._taken.get((int(side), price_ticks))
        if taken is None or taken.level_lots != level_lots:
            return level_lots
        return level_lots - taken.lots

    def _forget_changed(self) -> None:
        for key, taken in list(self._taken.items()):
            if self.book.lots_at(key[0], taken.price_ticks) != taken.level_lots:
                del self._taken[key]

    def dump_taken(self) -> list[Taken]:
        """Return what our takers consumed, in a canonical order."""
        return [self._taken[key] for key in sorted(self._taken)]

    def load_taken(self, taken: list[Taken]) -> None:
        """Replace it by the result of `dump_taken`."""
        self._taken = {(int(t.side), t.price_ticks): t for t in taken}

    def dump(self) -> PaperMarketState:
        """Return the whole state."""
        queue: Any = self.queue.dump()
        taken = self.dump_taken()
        return PaperMarketState(
            self.symbol,
            dump_book(self.book),
            queue,
            taken,
            self.rules,
            self.fresh_ns,
            self.last_ticks,
            tuple(self.recent_lots),
            self.is_frozen,
        )

    def load(self, state: PaperMarketState) -> None:
        """Replace everything by a dump."""
        self.book = load_book(state.book)
        self.queue.load(state.queue)
        self.load_taken(state.taken)
        self.rules, self.fresh_ns = state.rules, state.fresh_ns
        self.last_ticks, self.is_frozen = state.last_ticks, state.is_frozen
        self.recent_lots = deque(state.recent_lots, maxlen=RECENT_TRADES)
