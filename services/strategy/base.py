"""What a strategy is: callbacks that get a read-only context and return what it wants.

A strategy holds no socket and no clock, and says nothing itself: the core places, keeps and cancels.
The usual way is declarative: a callback returns `TargetQuotes`, the whole set of orders that shall rest
from now on; the quoter finds the fewest messages that lead there. Explicit commands (`PlaceOrder`,
`CancelOrder`) are for orders that do not rest.

Everything that decides later must be in `snapshot`; everything that happened comes through callbacks,
what this strategy did itself included (`on_order_event` with the intent): a restart loses nothing.
"""

# ruff: noqa: ARG002  the callbacks of the base class only name what they are given

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from services.strategy.own_orders import OwnOrder
from services.strategy.world import World
from shared.kernels.gates import Gate
from shared.kernels.position import Position
from shared.messages import Message
from shared.messages.market import (
    Basis,
    Candle,
    FundingRate,
    InstrumentRules,
    Liquidation,
    OpenInterest,
    Regime,
    Trade,
)
from shared.messages.orders import Fill, FundingPaid, OrderType, TimeInForce
from shared.units import Side, atoms_text, decimal_text


class Quote(msgspec.Struct, frozen=True, array_like=True):
    """One limit order that shall rest. `slot` names its place: at most one live order per slot (I-04)."""

    slot: str
    side: Side
    price_ticks: int
    qty_lots: int
    reason: str = ""
    is_post_only: bool = True
    is_reduce_only: bool = False


class TargetQuotes(msgspec.Struct, frozen=True, array_like=True):
    """The whole set of quotes that shall rest until the next set; empty withdraws all.

    What a command placed in a slot that was never a target is left alone.
    """

    quotes: tuple[Quote, ...] = ()
    reason: str = ""


class PlaceOrder(msgspec.Struct, frozen=True, array_like=True, tag="place"):
    """Send one order now; dropped when its slot is taken, it may not trade now, or it would cross itself.

    A market order has price 0. With `stop_ticks` it waits at the venue until a trade is at the stop or beyond
    (a buy at or above, a sell at or below), a GTD order ends at `expire_ns`. What became of it comes through
    `on_order_event` and `on_fill`.
    """

    slot: str
    side: Side
    price_ticks: int
    qty_lots: int
    order_type: OrderType = OrderType.LIMIT
    tif: TimeInForce = TimeInForce.IOC
    is_post_only: bool = False
    is_reduce_only: bool = False
    reason: str = ""
    expire_ns: int = 0
    stop_ticks: int = 0


class CancelOrder(msgspec.Struct, frozen=True, array_like=True, tag="cancel"):
    """Cancel the order in a slot; nothing happens when there is none."""

    slot: str
    reason: str = ""


class Note(msgspec.Struct, frozen=True, array_like=True):
    """Something a person should know; goes on the log as `StrategyNote`. `level` is info or warning."""

    level: str
    code: str
    text: str


Intent = TargetQuotes | PlaceOrder | CancelOrder | Note
Facts = FundingRate | OpenInterest | Liquidation | Basis | Regime
"""What is known of a market besides its book and its trades."""
Intents = Sequence[Intent]
NOTHING: Intents = ()


class Context:
    """What a strategy may look at. Never to be changed by it.

    `book`, `rules` and `position` are of its own symbol; `position` counts its own fills only. `orders` are
    its unfinished orders by slot. `now_ns` is the mesh time of the event. `can_trade` tells whether a new
    order would leave now; what is asked for while it is false is kept (targets) or dropped (commands).
    `can_close` tells whether one that only shrinks the position would: also while warming up (ST-6).
    `shares_market` tells that other instances trade the same symbol: reduce-only then means the account's
    net position, not this instance's. `flags` are the feature flags of its version that are on (ST-45).
    """

    __slots__ = (
        "_world",
        "book",
        "can_trade",
        "flags",
        "is_warming_up",
        "orders",
        "position",
        "rules",
        "shares_market",
        "strategy",
        "symbol",
    )

    def __init__(
        self,
        strategy: str,
        rules: InstrumentRules,
        world: World,
        position: Position,
        orders: Mapping[str, OwnOrder],
    ) -> None:
        self._world = world
        self.strategy = strategy
        self.symbol = rules.symbol
        self.rules = rules
        self.book = world.book(rules.symbol)
        self.position = position
        self.orders = orders
        self.can_trade = False
        self.is_warming_up = False
        self.shares_market = False
        self.flags: frozenset[str] = frozenset()

    @property
    def now_ns(self) -> int:
        """Return the mesh time of the event."""
        return self._world.now_ns

    @property
    def can_close(self) -> bool:
        """Return whether an order that only shrinks the position would leave now."""
        return self.can_trade or self.is_warming_up

    @property
    def regime(self) -> Regime | None:
        """Return the regime of its market, None before the first (MD-17)."""
        return self._world.regimes.get(self.symbol)

    @property
    def funding(self) -> FundingRate | None:
        """Return mark, index and funding rate of its market, None before the first or on spot."""
        return self._world.fundings.get(self.symbol)

    @property
    def basis(self) -> Basis | None:
        """Return the distance of its market from spot, None before the first (MD-19)."""
        return self._world.bases.get(self.symbol)

    def price_text(self, price_ticks: int) -> str:
        """Return a price as people write it."""
        return decimal_text(price_ticks, self.rules.tick_size)

    def qty_text(self, qty_lots: int) -> str:
        """Return a quantity of the base asset as people write it, with the asset."""
        return f"{decimal_text(qty_lots, self.rules.lot_size)} {self.rules.base_asset}"

    def money_text(self, atoms: int) -> str:
        """Return money in the quote asset to the cent (rounded down), with the asset."""
        cents = atoms * 100 // 10**self.rules.quote_exponent
        return f"{atoms_text(cents, 2)} {self.rules.quote_asset}"


class Strategy:
    """Base of every strategy: override what you need.

    `Settings` is a frozen keyword-only dataclass; the `params` of the configuration are converted to it.
    An exception in a callback freezes the instance, withdraws its orders and says so; others go on.
    """

    Settings: ClassVar[type[Any]]
    FLAGS: ClassVar[Mapping[str, str]] = {}
    """Feature flags of its own, each with what it does when it is on; read from `ctx.flags`."""

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    def on_start(self, ctx: Context) -> Intents:
        """Begin: rules and book exist. Raise `ValueError` for settings that cannot work in this market."""
        return NOTHING

    def on_stop(self, ctx: Context) -> Intents:
        """End: the instance is disabled or its capture is finished. Its orders are withdrawn in any case."""
        return NOTHING

    def on_book(self, ctx: Context) -> Intents:
        """Take a change of the book; called only while it is trusted."""
        return NOTHING

    def on_trade(self, ctx: Context, trade: Trade) -> Intents:
        """Take a public trade; called only while the book is trusted."""
        return NOTHING

    def on_candle(self, ctx: Context, candle: Candle) -> Intents:
        """Take a candle of its market: the open one as it changes, and each once it is closed."""
        return NOTHING

    def on_facts(self, ctx: Context, facts: Facts) -> Intents:
        """Take funding, open interest, a liquidation, basis or regime of its market."""
        return NOTHING

    def on_timer(self, ctx: Context) -> Intents:
        """Take a tick of the mesh clock, each 100 ms, trusted book or not."""
        return NOTHING

    def on_order_event(self, ctx: Context, order: OwnOrder, event: Message) -> Intents:
        """Take what was said of an own order, own intents included; `order` has its state after it."""
        return NOTHING

    def on_fill(self, ctx: Context, slot: str, fill: Fill) -> Intents:
        """Take an own execution, exactly once; `ctx.position` holds it already. May be late (I-06)."""
        return NOTHING

    def on_funding(self, ctx: Context, paid: FundingPaid) -> Intents:
        """Take funding that its position paid or received, exactly once; `ctx.position` does not count it."""
        return NOTHING

    def on_disconnect(self, ctx: Context, reason: str) -> Intents:
        """The book is not to be trusted until the next `on_book`; orders are being withdrawn."""
        return NOTHING

    def on_state(self, ctx: Context, state: str) -> Intents:
        """The state of the instance changed: warming_up, quoting, pulled, paused, finished."""
        return NOTHING

    def most_lots(self, ctx: Context, price_ticks: int) -> int | None:
        """Return the most lots it may come to hold, either way, at prices from `price_ticks` up.

        The conformance suite holds it to that; None says that it has no limit of its own.
        """
        return None

    def gate(self, ctx: Context) -> Gate | None:
        """Return what an outer loop asks before `on_book`, `on_trade` and `on_timer`; None: call them always.

        Asked for once, after `on_start` and `restore`; see `shared.kernels.gates.Gate` for what it promises.
        All other callbacks are called as ever.
        """
        return None

    def snapshot(self) -> bytes:
        """Return all that decides later."""
        return b""

    def restore(self, data: bytes) -> None:
        """Take the result of `snapshot`; raise `ValueError` for anything else."""
        if data:
            raise ValueError(f"{type(self).__name__} keeps no state but was given {len(data)} bytes of it")

    def format_status(self, ctx: Context) -> str:
        """Return one line for people."""
        return ""
