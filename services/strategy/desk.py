"""A strategy core at a desk of its own: a seeded market, a scripted venue, and a log. Pure.

For the conformance suite and for tests: no risk, no broker, no feed; the venue here says what they could say,
the unpleasant things included. The seed decides everything.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from services.strategy.base import Strategy
from services.strategy.core import StrategyCore
from services.strategy.registry import strategy_class
from services.strategy.settings import StrategySettings
from shared.hosting import CoreHost
from shared.instrument import fee_atoms, notional_atoms
from shared.messages import Event, Header, Message, orders
from shared.messages.control import TradingState
from shared.messages.market import BookSnapshot, BookUpdate, Candle, InstrumentRules, Trade
from shared.messages.system import ServiceStarted, Tick
from shared.settings import pack
from shared.units import NS_PER_MS, NS_PER_S, Side

STEP_NS = 50 * NS_PER_MS
MINUTE_NS = 60 * NS_PER_S
STEPS_PER_CANDLE = 4
MASK = 2**64 - 1


def draw(seed: int, counter: int, limit: int) -> int:
    """Return a whole number in 0..limit-1, the same for the same seed and counter (splitmix64)."""
    value = (seed * 0x9E3779B97F4A7C15 + counter * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return (value ^ (value >> 31)) % limit


def levels_block(bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> bytes:
    """Return levels as they travel: little-endian int64 pairs, bids first."""
    pairs = [*bids, *asks]
    return b"".join(number.to_bytes(8, "little") for pair in pairs for number in pair)


def make_rules(symbol: str, **changes: object) -> InstrumentRules:
    """Return rules like those of BTCUSDT: tick 0.1, lot 0.001, 5 USDT at least, maker 0.02 %."""
    values: dict[str, object] = {
        "symbol": symbol,
        "base_asset": "BTC",
        "quote_asset": "USDT",
        "tick_size": "0.1",
        "lot_size": "0.001",
        "quote_exponent": 8,
        "tick_lot_atoms": 10_000,
        "min_qty_lots": 1,
        "max_qty_lots": 1_000_000,
        "min_notional_atoms": 500_000_000,
        "min_price_ticks": 1,
        "max_price_ticks": 100_000_000,
        "maker_fee_ppm": 200,
        "taker_fee_ppm": 500,
        "is_derivative": symbol.startswith("binance_usdm"),
    }
    return InstrumentRules(**(values | changes))  # type: ignore[arg-type]


def terms_of(intent: orders.OrderIntent) -> tuple[Any, ...]:
    """Return the fields that an approval and a send repeat from the intent."""
    names = orders.OrderApproved.__struct_fields__
    return tuple(getattr(intent, name) for name in names)


@dataclass
class VenueOrder:
    """One order as the scripted venue sees it; `reports` wait to be said, in order."""

    intent: orders.OrderIntent
    filled_lots: int = 0
    is_open: bool = False
    is_over: bool = False
    reports: deque[Message] = field(default_factory=deque)

    @property
    def leaves_lots(self) -> int:
        """Return what may still be executed."""
        return self.intent.qty_lots - self.filled_lots


class ScriptedVenue:
    """Verdicts, acknowledgements and fills of a venue, with `trouble` in a hundred of them going wrong."""

    def __init__(self, seed: int, trouble: int, rules: InstrumentRules) -> None:
        self._seed = seed
        self._trouble = trouble
        self._rules = rules
        self._drawn = 0
        self._trades = 0
        self.orders: dict[str, VenueOrder] = {}

    def _draw(self, limit: int) -> int:
        self._drawn += 1
        return draw(self._seed, self._drawn, limit)

    def _is_trouble(self) -> bool:
        return self._draw(100) < self._trouble

    @staticmethod
    def _head(intent: orders.OrderIntent) -> tuple[str, str, str]:
        return intent.client_order_id, intent.strategy, intent.symbol

    def take(self, message: Message) -> None:
        """Take an intent of the strategy; what becomes of it is said later."""
        if isinstance(message, orders.OrderIntent):
            order = self.orders[message.client_order_id] = VenueOrder(message)
            self._answer(order)
        elif isinstance(message, orders.CancelIntent):
            self._cancel(self.orders[message.client_order_id])

    def _answer(self, order: VenueOrder) -> None:
        intent, head = order.intent, self._head(order.intent)
        wrong = self._draw(4) if self._is_trouble() else -1
        if wrong == 0:
            order.is_over = True
            order.reports.append(orders.OrderRefused(*head, "scripted", "refused for the test"))
            return
        order.reports.append(orders.OrderApproved(*terms_of(intent)))
        if wrong == 1:
            order.is_over = True
            order.reports.append(orders.NotSent(*head, "stale", "held back for the test"))
            return
        order.reports.append(orders.OrderSent(*terms_of(intent)))
        if wrong == 2:
            order.is_over = True
            order.reports.append(orders.OrderRejected(*head, "-2010", "rejected for the test"))
            return
        if wrong == 3:
            order.reports.append(orders.OrderUnknown(*head, "no answer, for the test"))
        order.reports.append(orders.OrderAccepted(*head, f"v{len(self.orders)}", 0))

    def _cancel(self, order: VenueOrder) -> None:
        head = self._head(order.intent)
        if order.is_over:
            return
        wrong = self._draw(3) if self._is_trouble() else -1
        if wrong == 0 and order.is_open:
            order.reports.append(orders.CancelRejected(*head, "-2011", "refused for the test"))
            return
        if wrong == 1 and order.is_open:
            order.reports.append(orders.OrderUnknown(*head, "a cancel without answer, for the test"))
        if wrong == 2 and order.is_open:
            self.fill(order, order.leaves_lots, order.intent.price_ticks)
            return
        order.is_over = True
        order.reports.append(orders.OrderCanceled(*head, order.filled_lots))

    def fill(self, order: VenueOrder, qty_lots: int, price_ticks: int) -> None:
        """Execute a part of an order; its report waits with the others."""
        self._trades += 1
        order.filled_lots += qty_lots
        intent = order.intent
        fee = fee_atoms(notional_atoms(self._rules, price_ticks, qty_lots), self._rules.maker_fee_ppm)
        order.is_over = order.is_over or order.leaves_lots == 0
        order.reports.append(
            orders.Fill(
                *self._head(intent),
                f"t{self._trades}",
                intent.side,
                price_ticks,
                qty_lots,
                order.filled_lots,
                order.leaves_lots,
                fee,
                self._rules.quote_asset,
                True,
                0,
            )
        )

    def match(self, bid_ticks: int, ask_ticks: int) -> None:
        """Execute what the market has reached: takers at the touch, makers behind it, sometimes in parts."""
        for order in self.orders.values():
            if order.is_over or not order.is_open:
                continue
            intent = order.intent
            touch = ask_ticks if intent.side is Side.BUY else bid_ticks
            is_market = intent.order_type is orders.OrderType.MARKET
            if is_market or (touch - intent.price_ticks) * intent.side.sign <= 0:
                parts = 1 if is_market or self._draw(3) else 2
                self.fill(
                    order, max(order.leaves_lots // parts, 1), touch if is_market else intent.price_ticks
                )
            if intent.tif is not orders.TimeInForce.GTC and not order.is_over:
                order.is_over = True
                order.reports.append(orders.OrderExpired(*self._head(intent), order.filled_lots))

    def due(self) -> Message | None:
        """Return the next report to say now, None when all others wait."""
        for order in list(self.orders.values()):
            if order.reports and self._draw(4):
                report = order.reports.popleft()
                order.is_open = order.is_open or isinstance(report, orders.OrderAccepted)
                return report
            if order.is_over and not order.reports:
                del self.orders[order.intent.client_order_id]
        return None


def hears_candles(kind: str) -> bool:
    """Return whether a strategy of this kind decides on candles; False for one that cannot be made."""
    try:
        return strategy_class(kind).on_candle is not Strategy.on_candle
    except ValueError:
        return False


class Desk:
    """One core, its log, a market that walks, and a venue that answers.

    `log` holds every event in order; `said` the messages of the core. Drive it with `step`, or by hand with
    `say`. Hooks in `on_event` see each event before the core does. With `is_answering` false no intent is
    ever answered.
    """

    def __init__(
        self,
        settings: StrategySettings,
        rules: InstrumentRules,
        seed: int = 1,
        trouble: int = 0,
        core: StrategyCore | None = None,
    ) -> None:
        self.settings = settings
        self.rules = rules
        self.seed = seed
        self.host = CoreHost(core or StrategyCore())
        self.venue = ScriptedVenue(seed, trouble, rules)
        self.log: list[Event] = []
        self.said: list[Message] = []
        self.on_event: list[Callable[[Event], None]] = []
        self.is_answering = True
        self.now_ns = 1_700_000_000 * 10**9
        self.mid_ticks = 600_000
        self.lowest_ticks = self.mid_ticks
        self._facts: dict[str, int] = {}
        self._update_n = 0
        self._steps = 0
        self._mids: list[int] = []
        self._has_candles = any(hears_candles(one.kind) for one in settings.instances.values())
        self._quoted: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])

    @property
    def core(self) -> StrategyCore:
        """Return the core at this desk."""
        core = self.host.core
        assert isinstance(core, StrategyCore)
        return core

    # ---- the log

    def say(self, message: Message, source: str = "") -> list[Message]:
        """Append a fact, let the core answer, append the answers; return them."""
        source = source or f"{min(message.owners)}.io"
        n = self._facts[source] = self._facts.get(source, 0) + 1
        return self._append(source, n, 0, message)

    def _append(self, source: str, n: int, cause_seq: int, message: Message) -> list[Message]:
        header = Header(len(self.log) + 1, self.now_ns, self.now_ns, 1, source, 1, n, cause_seq)
        event = Event(header, message)
        self.log.append(event)
        for hook in self.on_event:
            hook(event)
        answers: list[Message] = []
        for out in self.host.apply(event).outputs:
            self.said.append(out.message)
            answers.append(out.message)
            if self.is_answering:
                self.venue.take(out.message)
            self._append(out.source, out.n, out.cause_seq, out.message)
        return answers

    # ---- the market

    def start(self, build: str = "build") -> None:
        """Start the service, make the market known, and open its book."""
        self.configure(self.settings, build)
        self.say(self.rules)
        self.say(TradingState("active", []), "risk")
        self.show_book()

    def configure(self, settings: StrategySettings, build: str = "build") -> list[Message]:
        """Start the service (again) with `settings`."""
        self.settings = settings
        run = self._facts.get("bus", 0) + 1
        return self.say(ServiceStarted("strategy", run, build, pack(settings), ["strategy"]), "bus")

    def _make_levels(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        half = 1 + self._roll(3)
        bids = [(self.mid_ticks - half - 3 * i, 500 + self._roll(4000)) for i in range(12)]
        asks = [(self.mid_ticks + half + 3 * i, 500 + self._roll(4000)) for i in range(12)]
        return bids, asks

    def _roll(self, limit: int) -> int:
        self._steps += 1
        return draw(self.seed ^ 0x5DEECE66D, self._steps, limit)

    @property
    def touch(self) -> tuple[int, int]:
        """Return best bid and ask of the market."""
        bids, asks = self._quoted
        return bids[0][0], asks[0][0]

    def show_book(self) -> list[Message]:
        """Say the whole book."""
        self._quoted = bids, asks = self._make_levels()
        self._update_n = 1
        block = levels_block(bids, asks)
        return self.say(BookSnapshot(self.rules.symbol, 1, 1, len(bids), block, "start", 0, self.now_ns))

    def move(self, mid_ticks: int) -> list[Message]:
        """Let the market stand at `mid_ticks`, and say the levels that changed."""
        self.mid_ticks = mid_ticks
        self.lowest_ticks = min(self.lowest_ticks, mid_ticks)
        old_bids, old_asks = self._quoted
        self._quoted = bids, asks = self._make_levels()
        now_bids, now_asks = dict(bids), dict(asks)
        gone_bids = [(price, 0) for price, _ in old_bids if price not in now_bids]
        gone_asks = [(price, 0) for price, _ in old_asks if price not in now_asks]
        self._update_n += 1
        block = levels_block(gone_bids + bids, gone_asks + asks)
        count = len(gone_bids) + len(bids)
        n = self._update_n
        return self.say(BookUpdate(self.rules.symbol, n, n, n, count, block, 0, self.now_ns))

    def trade(self) -> list[Message]:
        """Say a public trade at the touch."""
        side = Side(self._roll(2))
        price = self.touch[1] if side is Side.BUY else self.touch[0]
        n = self._facts.get("market_data.io", 0)
        return self.say(Trade(self.rules.symbol, n, price, 1 + self._roll(300), side, 0, self.now_ns))

    def candle(self) -> list[Message]:
        """Let the minute end, and say its candle: of the mids since the last one, or of the mid now."""
        mids, self._mids = self._mids or [self.mid_ticks], []
        shape = (mids[0], max(mids), min(mids), mids[-1])
        opened_ns = self.now_ns - self.now_ns % MINUTE_NS
        self.now_ns = opened_ns + MINUTE_NS
        return self.say(
            Candle(self.rules.symbol, 60, opened_ns, *shape, 100, 10, True, self.now_ns, self.now_ns)
        )

    def step(self, jump_ticks: int | None = None) -> None:
        """Let 50 ms pass: the market moves, people trade, the venue executes and reports.

        Where a strategy hears candles, each fourth step ends a minute: a short run has many.
        """
        self.now_ns += STEP_NS
        if self._steps % 2 == 0:
            self.say(Tick(self._steps), "bus")
        jump = self._roll(81) - 40 if jump_ticks is None else jump_ticks
        self.move(self.mid_ticks + jump)
        self._mids.append(self.mid_ticks)
        if self._has_candles and len(self._mids) >= STEPS_PER_CANDLE:
            self.candle()
        for _ in range(self._roll(3)):
            self.trade()
        self.venue.match(*self.touch)
        self.report()

    def report(self) -> None:
        """Say what the venue has to say."""
        while (report := self.venue.due()) is not None:
            self.say(report)
