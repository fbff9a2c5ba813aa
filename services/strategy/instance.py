"""One strategy instance: its strategy object, orders, position and gate.

An event is first observed (state changes, the strategy's callbacks), then decided (what is wanted becomes
messages), and each own message is folded when it is said, or, while adopting, when it is met on the log.
"""

from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

import msgspec

from services.strategy import standing
from services.strategy.base import CancelOrder, Context, Intents, Note, PlaceOrder, Strategy, TargetQuotes
from services.strategy.calls import BlockedError, Calls
from services.strategy.errors import sayable, told
from services.strategy.flags import flagged
from services.strategy.flatten import SLOT, Closing
from services.strategy.intents import checked
from services.strategy.own_orders import OwnOrder, OwnOrders, generation_of, slot_of
from services.strategy.quoter import BackOff, is_failure, remember_slots
from services.strategy.world import World
from shared.kernels.position import Position
from shared.messages import Message
from shared.messages.control import InstanceFailed, StrategyNote, StrategyStatus
from shared.messages.market import Basis, Candle, FundingRate, Liquidation, OpenInterest, Regime, Trade
from shared.messages.orders import CancelIntent, Fill, FundingPaid, OrderIntent
from shared.messages.shadow import ShadowFill, ShadowOrder, VersionStarted
from shared.units import NS_PER_S

T = TypeVar("T")

SEEN_TRADES_MAX = 2000
"""Trade ids and payments remembered against a second delivery (I-15)."""


class Options(msgspec.Struct, array_like=True, frozen=True):
    """Settings of an instance that its strategy does not get as params; `capital_max` is a decimal text."""

    on_pause: str = "cancel"
    capital_max: str = "0"
    flags: tuple[str, ...] = ()
    shadow_of: str = ""


class Shadow(Protocol):
    """The paper venue of a shadow version; see `shadow.py`."""

    def told(self, message: Message) -> Message:
        """Return what is said instead of an intent."""

    def fold(self, message: ShadowOrder | ShadowFill, now_ns: int) -> None:
        """Let own words change the venue and the instance."""


class Instance:
    """What one instance is and has; `decide.py` turns it into messages."""

    def __init__(
        self,
        name: str,
        kind: str,
        symbol: str,
        params: bytes,
        version: str,
        options: Options | None = None,
        calls: Calls | None = None,
    ) -> None:
        self.options = options or Options()
        self.calls = calls or Calls()
        self.name = name
        self.kind = kind
        self.symbol = symbol
        self.params = params
        self.version = version
        self.strategy: Strategy | None = None
        self.shadow: Shadow | None = None
        self.ctx: Context | None = None
        self.position: Position | None = None
        self.tick_lot: tuple[str, str] | None = None
        self.orders = OwnOrders()
        self.back_off = BackOff()
        self.targets: TargetQuotes | None = None
        self.commands: list[PlaceOrder | CancelOrder] = []
        self.notes: list[Note] = []
        self.noted_ns: dict[str, int] = {}
        self.seen_trades: dict[str, None] = {}
        self.spent_slots: set[str] = set()
        self.quoted_slots: dict[str, None] = {}
        self.generation = 0
        self.started_ns = 0
        self.points = 0
        self.failure = ""
        self.is_failure_said = False
        self.is_lasting = False
        self.blocked_n = 0
        self.is_version_said = False
        self.is_enabled = True
        self.is_paused = False
        self.is_let_go = False
        self.closing: Closing | None = None
        self.is_started = False
        self.is_stopped = False
        self.is_unsure = True
        self.is_returning = True
        self.is_dirty = False
        self.said = StrategyStatus(name, "")
        self.said_ns = 0
        self.frozen_state = b""

    @property
    def is_shadow(self) -> bool:
        """Return whether its orders never leave this process."""
        return bool(self.options.shadow_of)

    @property
    def position_lots(self) -> int:
        """Return what its own fills add up to."""
        return int(self.position.position_lots) if self.position is not None else 0

    def status_text(self) -> str:
        """Return the strategy's line for people; its failure shows in the state."""
        if self.strategy is None or self.ctx is None or self.failure:
            return ""
        return sayable(self.guarded(self.strategy.format_status, self.ctx) or "")

    # ---- the strategy object

    def call(self, callback: Callable[..., Intents], *args: Any) -> None:
        """Run a callback and keep what it wants; whatever it raises freezes this instance alone."""
        if self.failure or self.ctx is None:
            return
        self.guarded(self._call, callback, args)

    def _call(self, callback: Callable[..., Intents], args: Any) -> None:
        intents = callback(self.ctx, *args)
        if intents is None:
            raise TypeError(f"{callback.__name__} returned None (NoneType); return a list, NOTHING for none")
        for intent in intents:
            self._keep(checked(intent))

    def guarded(self, function: Callable[..., T], *args: Any, what: str = "") -> T | None:
        """Return what a function of the strategy returns; None, and this instance frozen, when it raises.

        The same when it does not return in time, or is known not to.
        """
        calls = self.calls
        error = calls.enter(self.name)
        try:
            if not error:
                return function(*args)
        except (Exception, SystemExit) as raised:  # noqa: BLE001  a strategy may raise anything
            self.fail(f"{what}{told(raised)}")
        except BlockedError as raised:
            error = f"{what}{told(raised)}"
        finally:
            calls.leave()
        if error:
            self.block(error, calls.n)
        return None

    def block(self, error: str, call_n: int) -> None:
        """Freeze after a call that did not return: what it left half done is dropped with the strategy."""
        self.fail(error)
        self.blocked_n = call_n
        self.strategy, self.frozen_state = None, b""
        self.notes.clear()
        self.spent_slots.clear()
        self.is_dirty = True

    def _keep(self, asked: TargetQuotes | PlaceOrder | CancelOrder | Note) -> None:
        flags = self.ctx.flags if self.ctx is not None else frozenset()
        intent = flagged(asked, flags, self.position_lots) if flags else asked
        if isinstance(intent, TargetQuotes):
            self.spent_slots.clear()
            if intent.quotes != (self.targets.quotes if self.targets else None):
                self.is_dirty = True
                self.quotes_in(quote.slot for quote in intent.quotes)
            self.targets = intent
        elif isinstance(intent, Note):
            self.notes.append(intent)
        elif intent is not None:
            self.commands.append(intent)

    def quotes_in(self, slots: Iterable[str]) -> None:
        """Take that orders in these slots are the quoter's, whoever placed them."""
        remember_slots(self.quoted_slots, slots, self.orders.by_slot)

    def fail(self, error: str, *, is_lasting: bool = False) -> None:
        """Freeze: quotes are withdrawn, and no callback is called any more.

        A reset begins anew after a failure, but not after a lasting one: what it would go on with is wrong.
        """
        self.is_lasting = self.is_lasting or is_lasting
        if not self.failure:
            self.failure = error
            self.targets = TargetQuotes()
            self.commands.clear()

    def begin(self, world: World) -> None:
        """Start the strategy as soon as the rules of its market are known, with the position it has."""
        rules = world.rules.get(self.symbol)
        if rules is None or self.strategy is None:
            return
        tick_lot = (rules.tick_size, rules.lot_size)
        if self.tick_lot not in (None, tick_lot):
            self.fail(
                f"tick and lot of {self.symbol} changed from {self.tick_lot} to {tick_lot}: prices and "
                "positions are counted in them; close the position by hand and start a new instance",
                is_lasting=True,
            )
            return
        self.tick_lot = tick_lot
        if self.position is None:
            self.position = Position(rules.tick_lot_atoms)
        if self.ctx is None:
            self.ctx = Context(self.name, rules, world, self.position, self.orders.by_slot)
            self.ctx.flags = frozenset(self.options.flags)
        self.ctx.rules = rules
        standing.show(self.ctx, self.said.state)
        if not self.is_started:
            self.is_started = True
            self.call(self.strategy.on_start)

    def forget(self) -> bool:
        """Forget what its strategy remembers, a failure included; position, orders and ids stay (ST-5).

        Its quotes are withdrawn; the caller gives it a new strategy. False after a lasting failure.
        """
        if self.is_lasting:
            return False
        self.strategy, self.frozen_state = None, b""
        self.failure, self.is_failure_said, self.blocked_n = "", False, 0
        self.targets = TargetQuotes()
        self.quotes_in(list(self.orders.by_slot))
        self.commands.clear()
        self.notes.clear()
        self.noted_ns.clear()
        self.spent_slots.clear()
        self.back_off.clear()
        self.is_started = self.is_stopped = False
        self.is_let_go = self.is_paused
        self.is_dirty = True
        return True

    # ---- the strategy's memory

    def strategy_state(self) -> bytes:
        """Return what the strategy says of its state."""
        if self.strategy is None:
            return self.frozen_state
        try:
            state = self.strategy.snapshot()
            if type(state) is not bytes:
                raise TypeError(f"snapshot returned {type(state).__name__}; return bytes")
        except (Exception, SystemExit) as error:  # noqa: BLE001  a strategy may raise anything
            self.fail(told(error))
            return b""
        return state

    def load_strategy(self, data: bytes) -> None:
        """Give a strategy its state back."""
        self.frozen_state = data
        if self.strategy is None or not data:
            return
        self.guarded(self.strategy.restore, data, what="its state cannot be restored: ")

    # ---- what happened

    def meet_book(self) -> None:
        """Take a changed book that is trusted."""
        self.points += 1
        if self.strategy is None or not self.is_started:
            return
        if self.is_unsure or self.spent_slots:
            self.is_unsure = False
            self.spent_slots.clear()
            self.is_dirty = True
        self.call(self.strategy.on_book)

    def lose_book(self, reason: str) -> None:
        """Take that the book is not to be trusted; nothing is placed before the next good one."""
        was_unsure, self.is_unsure = self.is_unsure, True
        self.is_dirty = True
        if not was_unsure and self.strategy is not None:
            self.call(self.strategy.on_disconnect, reason)

    def meet_trade(self, trade: Trade) -> None:
        """Take a public trade."""
        self.points += 1
        if self.strategy is not None and self.is_started and not self.is_unsure and self._hears("trades"):
            self.call(self.strategy.on_trade, trade)

    def meet_candle(self, candle: Candle) -> None:
        """Take a candle of its market, open or closed."""
        if self.strategy is not None and self.is_started and self._hears("candles"):
            self.call(self.strategy.on_candle, candle)

    def meet_facts(self, message: FundingRate | OpenInterest | Liquidation | Basis | Regime) -> None:
        """Take what is known of its market besides book and trades."""
        if self.strategy is not None and self.is_started and self._hears("facts"):
            self.call(self.strategy.on_facts, message)

    def _hears(self, what: str) -> bool:
        return f"hide_{what}" not in self.options.flags

    def meet_tick(self) -> None:
        """Take 100 ms that passed."""
        if self.strategy is not None and self.is_started:
            self.call(self.strategy.on_timer)

    def meet_report(self, message: Any, now_ns: int) -> None:
        """Take what risk or broker says of an order of this instance; a fill counts once (I-15)."""
        self.is_dirty = True
        if isinstance(message, Fill):
            self._meet_fill(message, now_ns)
            return
        order, problem = self.orders.report(message, message.client_order_id, now_ns)
        if problem:
            self.notes.append(Note("warning", "impossible_report", problem))
        if order is None:
            return
        if order.state.is_final and not order.is_cancel_asked:
            self.spent_slots.add(order.slot)
        if is_failure(order, order.state):
            self.back_off.failed(order.slot, now_ns)
        if self.strategy is not None:
            self.call(self.strategy.on_order_event, order, message)

    def meet_funding(self, paid: FundingPaid) -> None:
        """Take what its position paid or received; it counts once by its time (RK-29)."""
        key = f"funding {paid.symbol} {paid.funding_ns}"
        if self.strategy is None or self.ctx is None or key in self.seen_trades:
            return
        self._remember(key)
        self.is_dirty = True
        self.call(self.strategy.on_funding, paid)

    def _remember(self, trade_id: str) -> None:
        self.seen_trades[trade_id] = None
        if len(self.seen_trades) > SEEN_TRADES_MAX:
            del self.seen_trades[next(iter(self.seen_trades))]

    def _meet_fill(self, fill: Fill, now_ns: int) -> None:
        if fill.trade_id in self.seen_trades:
            return
        self._remember(fill.trade_id)
        if self.position is None or self.ctx is None:
            self.fail(
                f"fill {fill.trade_id} came before the rules of {self.symbol}: its value is unknown",
                is_lasting=True,
            )
            return
        fee_atoms = fill.fee_atoms
        if fill.fee_asset != self.ctx.rules.quote_asset:
            fee_atoms = 0
            text = f"fees in {fill.fee_asset} are not counted by this strategy; risk's ledger has them"
            self.notes.append(Note("warning", "fee_asset", text))
        self.position.apply_fill(fill.side, fill.price_ticks, fill.qty_lots, fee_atoms)
        order, problem = self.orders.report(fill, fill.client_order_id, now_ns)
        if problem:
            self.notes.append(Note("warning", "impossible_report", problem))
        if order is not None and order.state.is_final:
            self.spent_slots.add(order.slot)
        if self.strategy is not None:
            self.call(self.strategy.on_fill, slot_of(fill.client_order_id), fill)

    # ---- what it said itself

    def fold(self, message: Message, now_ns: int) -> None:
        """Take an own message: when it is said, or, while adopting, from the log."""
        order: OwnOrder | None = None
        if isinstance(message, OrderIntent):
            self.generation = max(self.generation, generation_of(message.client_order_id))
            if self.closing is not None and message.slot == SLOT:
                self.closing.tried_ns = now_ns
            order = self.orders.intend(message, now_ns)
        elif isinstance(message, CancelIntent):
            order = self.orders.ask_cancel(message, now_ns)
        elif isinstance(message, StrategyStatus | StrategyNote):
            standing.fold(self, message, now_ns)
        elif isinstance(message, ShadowOrder | ShadowFill):
            if self.shadow is not None:
                self.shadow.fold(message, now_ns)
        elif isinstance(message, VersionStarted):
            self.is_version_said = True
        elif isinstance(message, InstanceFailed):
            if message.call_n and not self.failure:
                self.block(message.error, message.call_n)
            self.fail(message.error)
            self.is_failure_said = True
        if order is not None and self.strategy is not None:
            self.call(self.strategy.on_order_event, order, message)

    # ---- gates

    def is_warm(self, now_ns: int, warmup_s: int, warmup_points: int) -> bool:
        """Return whether enough time *and* enough data passed since the start (ST-6)."""
        return now_ns - self.started_ns >= warmup_s * NS_PER_S and self.points >= warmup_points
