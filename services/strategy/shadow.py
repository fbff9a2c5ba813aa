"""A version in the shadow of the live one: its orders meet a paper venue of its own, inside the core (ST-44).

The venue is the one of the broker (`shared/paper`), with the same model of latency, queue and fees; risk,
broker and ledger never see these orders, so no limit but the instance's own `capital_max` holds them back.
What the venue does is said as `ShadowOrder` and `ShadowFill`, and changes state only when that is folded: a
log that is adopted gives the same state as one that is decided.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from services.strategy.instance import Instance
from services.strategy.settings import ShadowSettings
from services.strategy.world import World
from shared.core import Deadlines
from shared.instrument import fee_atoms, notional_atoms
from shared.messages import Event, Message, market, orders
from shared.messages.shadow import ShadowFill, ShadowOrder
from shared.paper.arrival import arrive
from shared.paper.filters import broken_filter
from shared.paper.latency import latency_ns
from shared.paper.market import PaperMarket, Taken
from shared.units import PPM, Side


class PaperOrder(msgspec.Struct, array_like=True):
    """One shadow order that is not finished; `handle` is its number in the queue."""

    client_order_id: str
    symbol: str
    side: Side
    price_ticks: int
    qty_lots: int
    order_type: orders.OrderType
    tif: orders.TimeInForce
    is_post_only: bool
    is_reduce_only: bool
    handle: int
    arrive_ns: int
    filled_lots: int = 0
    is_resting: bool = False
    expire_ns: int = 0
    stop_ticks: int = 0

    @property
    def leaves_lots(self) -> int:
        """Return what is not executed."""
        return self.qty_lots - self.filled_lots


class ShadowState(msgspec.Struct, array_like=True):
    """A dump of the venue of one shadow."""

    orders: list[PaperOrder]
    deadlines: list[tuple[int, str]]
    handle_count: int
    fill_count: int
    cash_atoms: int
    queue: tuple[list[list[int]], list[list[int]]]
    taken: list[Taken]


class ShadowVenue:
    """The paper venue of one shadow instance.

    Deadlines: `a:ID` an order arrives, `c:ID` its cancel does. The book is the one of the core.
    """

    def __init__(self, instance: Instance, world: World, settings: ShadowSettings) -> None:
        self.instance = instance
        self.settings = settings
        self._world = world
        self._orders: dict[str, PaperOrder] = {}
        self._deadlines = Deadlines()
        self._handle_count = 0
        self._fill_count = 0
        self._cash_atoms = 0
        self._market = PaperMarket(instance.symbol, settings, book=world.book(instance.symbol))

    def model(self, settings: ShadowSettings) -> None:
        """Go on with other settings."""
        if settings != self.settings:
            self.settings = settings
            self._market.model(settings)

    # ---- what the strategy wants

    def told(self, message: Message) -> Message:
        """Return what is said instead of `message`: an intent or a cancel stays in the shadow."""
        if isinstance(message, orders.OrderIntent):
            return ShadowOrder(
                message.client_order_id,
                message.strategy,
                message.symbol,
                message.version,
                message.side,
                message.price_ticks,
                message.qty_lots,
                "intended",
                message.reason,
                message.order_type,
                message.tif,
                message.is_post_only,
                message.is_reduce_only,
                expire_ns=message.expire_ns,
                stop_ticks=message.stop_ticks,
            )
        if isinstance(message, orders.CancelIntent):
            return self._report(self._orders[message.client_order_id], "cancel_asked", message.reason)
        return message

    # ---- what the venue does

    def pass_deadlines(self, now_ns: int) -> list[Message]:
        """Let orders and cancels arrive that are due; return what is said."""
        said: list[Message] = []
        say = self._sayer(said, now_ns)
        while (key := self._deadlines.pop_due(now_ns)) is not None:
            kind, _, order_id = key.partition(":")
            order = self._orders[order_id]
            if kind == "c":
                say(self._report(order, "canceled"))
            else:
                self._arrive(order, say)
        return said

    def observe(self, event: Event) -> list[tuple[int, int]]:
        """Follow a book or a trade of its market; return the fills that the trade proposes."""
        message = event.message
        self._market.rules = self._world.rules.get(self.instance.symbol)
        if isinstance(message, market.Trade):
            return self._market.trade(message)
        is_anew = isinstance(message, market.BookSnapshot)
        is_known = isinstance(message, market.BookUpdate)
        self._market.follow(event.header.origin_ns, is_known=is_known, is_anew=is_anew)
        return []

    def match(self, proposed: list[tuple[int, int]], event: Event) -> list[Message]:
        """Execute what a trade left for us, or what the other side of a changed book lies beyond."""
        said: list[Message] = []
        say = self._sayer(said, event.header.ts_ns)
        queue = self._market.queue
        if not self._market.is_open or not len(queue):
            return said
        by_handle = {order.handle: order for order in self._orders.values()}
        for handle, lots in proposed:
            order = by_handle[handle]
            say(self._fill(order, order.price_ticks, lots, is_maker=True))
        is_trade = isinstance(event.message, market.Trade)
        for handle in () if is_trade else queue.crossed(self._market.book):
            order = by_handle[handle]
            parts = self._market.walk_beyond(order.side, order.price_ticks, order.leaves_lots)
            lots = sum(part.lots for part in parts)
            if lots:
                say(self._fill(order, order.price_ticks, lots, is_maker=True))
        return said

    def _sayer(self, said: list[Message], now_ns: int) -> Callable[[Message], None]:
        def say(message: Message) -> None:
            said.append(message)
            self.instance.fold(message, now_ns)

        return say

    def _arrive(self, order: PaperOrder, say: Callable[[Message], None]) -> None:
        rules = self._world.rules.get(order.symbol)
        self._market.rules = rules
        broken = "no rules of the market" if rules is None else broken_filter(order, rules)
        held_lots = self.instance.position_lots
        if not broken and (order.stop_ticks or order.expire_ns):
            broken = "shadow versions have no stops and no GTD orders; compare such a strategy by backtests"
        if not broken and order.is_reduce_only and -order.side.sign * held_lots < order.leaves_lots:
            broken = f"reduce-only, but it holds {held_lots} lots"
        if broken or rules is None:
            say(self._report(order, "rejected", broken, "filter"))
            return
        free_lots = held_lots - sum(
            each.leaves_lots for each in self._orders.values() if each.is_resting and each.side is Side.SELL
        )
        arrival = arrive(order, self._market, self._free_cash_atoms(rules), free_lots)
        if arrival.reject_code:
            say(self._report(order, "rejected", arrival.reject_reason, arrival.reject_code))
            return
        if arrival.is_accepted:
            say(self._report(order, "accepted"))
        for part in arrival.parts:
            say(self._fill(order, part.price_ticks, part.lots, is_maker=False))
        if arrival.expire_reason:
            say(self._report(order, "expired", arrival.expire_reason))

    def _free_cash_atoms(self, rules: market.InstrumentRules) -> int:
        """Return what is left to buy with on spot: the balance less what open buys may cost."""
        cost_ppm = PPM + max(0, rules.maker_fee_ppm)
        bound = sum(
            -(-notional_atoms(rules, each.price_ticks, each.leaves_lots) * cost_ppm // PPM)
            for each in self._orders.values()
            if each.is_resting and each.side is Side.BUY
        )
        return int(self.settings.initial_balance.scaleb(rules.quote_exponent)) + self._cash_atoms - bound

    def _report(self, order: PaperOrder, state: str, reason: str = "", code: str = "") -> ShadowOrder:
        return ShadowOrder(
            order.client_order_id,
            self.instance.name,
            order.symbol,
            self.instance.version,
            order.side,
            order.price_ticks,
            order.qty_lots,
            state,
            reason,
            order.order_type,
            order.tif,
            order.is_post_only,
            order.is_reduce_only,
            order.filled_lots,
            code,
        )

    def _fill(self, order: PaperOrder, price_ticks: int, lots: int, *, is_maker: bool) -> ShadowFill:
        rules = self._world.rules[order.symbol]
        fee_ppm = rules.maker_fee_ppm if is_maker else rules.taker_fee_ppm
        return ShadowFill(
            order.client_order_id,
            self.instance.name,
            order.symbol,
            self.instance.version,
            f"{self.instance.name}-{self._fill_count + 1}",
            order.side,
            price_ticks,
            lots,
            fee_atoms(notional_atoms(rules, price_ticks, lots), fee_ppm),
            is_maker,
        )

    # ---- what was said

    def fold(self, message: ShadowOrder | ShadowFill, now_ns: int) -> None:
        """Let own words change the venue, and tell the instance what a broker would have told it."""
        if isinstance(message, ShadowFill):
            self._fold_fill(message, now_ns)
        elif message.state == "intended":
            self._fold_intent(message, now_ns)
        elif message.state == "cancel_asked":
            self._fold_cancel(message, now_ns)
        else:
            self._fold_report(message, now_ns)

    def _fold_intent(self, message: ShadowOrder, now_ns: int) -> None:
        self._handle_count += 1
        order_id = message.client_order_id
        arrive_ns = now_ns + latency_ns(self.settings, f"order:{order_id}")
        self._orders[order_id] = PaperOrder(
            order_id,
            message.symbol,
            message.side,
            message.price_ticks,
            message.qty_lots,
            message.order_type,
            message.tif,
            message.is_post_only,
            message.is_reduce_only,
            self._handle_count,
            arrive_ns,
            expire_ns=message.expire_ns,
            stop_ticks=message.stop_ticks,
        )
        self._deadlines.set(f"a:{order_id}", arrive_ns)
        self.instance.fold(_intent_of(message), now_ns)

    def _fold_cancel(self, message: ShadowOrder, now_ns: int) -> None:
        order_id = message.client_order_id
        order = self._orders.get(order_id)
        if order is not None:
            # A cancel travels behind its order, so it never overtakes it.
            arrive_ns = now_ns + latency_ns(self.settings, f"cancel:{order_id}")
            self._deadlines.set(f"c:{order_id}", max(arrive_ns, order.arrive_ns))
        cancel = orders.CancelIntent(order_id, message.strategy, message.symbol, message.reason)
        self.instance.fold(cancel, now_ns)

    def _fold_report(self, message: ShadowOrder, now_ns: int) -> None:
        order = self._orders.get(message.client_order_id)
        if order is None:
            return
        name = (message.client_order_id, message.strategy, message.symbol)
        terms = (message.order_type, message.tif, message.is_post_only, message.is_reduce_only)
        sent = (*name, message.side, message.price_ticks, message.qty_lots, *terms)
        told: list[Any] = []
        self._deadlines.drop(f"a:{message.client_order_id}")
        if not order.is_resting and message.state in ("accepted", "rejected", "expired"):
            told += [orders.OrderApproved(*sent), orders.OrderSent(*sent)]
        if message.state == "accepted":
            order.is_resting = True
            told.append(orders.OrderAccepted(*name, f"s{order.handle}", now_ns))
            if order.order_type is orders.OrderType.LIMIT and order.tif is orders.TimeInForce.GTC:
                level_lots = int(self._market.book.lots_at(int(order.side), order.price_ticks))
                self._market.queue.add(
                    int(order.side), order.handle, order.price_ticks, order.leaves_lots, level_lots
                )
        elif message.state == "rejected":
            told.append(orders.OrderRejected(*name, message.code, message.reason))
        elif message.state == "expired":
            told.append(orders.OrderExpired(*name, message.filled_lots, message.reason))
        else:
            told.append(orders.OrderCanceled(*name, message.filled_lots, message.reason))
        if message.state != "accepted":
            self._finish(order)
        for each in told:
            self.instance.meet_report(each, now_ns)

    def _fold_fill(self, fill: ShadowFill, now_ns: int) -> None:
        order = self._orders.get(fill.client_order_id)
        rules = self._world.rules.get(fill.symbol)
        if order is None or rules is None:
            return
        self._fill_count += 1
        order.filled_lots += fill.qty_lots
        notional = notional_atoms(rules, fill.price_ticks, fill.qty_lots)
        self._cash_atoms -= fill.side.sign * notional + fill.fee_atoms
        self._market.executed(
            order.handle,
            order.side,
            order.price_ticks,
            fill.price_ticks,
            fill.qty_lots,
            is_maker=fill.is_maker,
        )
        if not order.leaves_lots:
            self._finish(order)
        report = orders.Fill(
            fill.client_order_id,
            fill.strategy,
            fill.symbol,
            fill.trade_id,
            fill.side,
            fill.price_ticks,
            fill.qty_lots,
            order.filled_lots,
            order.leaves_lots,
            fill.fee_atoms,
            rules.quote_asset,
            fill.is_maker,
            now_ns,
        )
        self.instance.meet_report(report, now_ns)

    def _finish(self, order: PaperOrder) -> None:
        self._market.queue.remove(order.handle)
        self._deadlines.drop(f"a:{order.client_order_id}")
        self._deadlines.drop(f"c:{order.client_order_id}")
        del self._orders[order.client_order_id]

    # ---- state

    def dump(self) -> ShadowState:
        """Return the whole state."""
        queue: Any = self._market.queue.dump()
        return ShadowState(
            list(self._orders.values()),
            self._deadlines.dump(),
            self._handle_count,
            self._fill_count,
            self._cash_atoms,
            queue,
            self._market.dump_taken(),
        )

    def load(self, state: ShadowState) -> None:
        """Replace everything by the result of `dump`."""
        self._orders = {order.client_order_id: order for order in state.orders}
        self._deadlines.load(state.deadlines)
        self._handle_count = state.handle_count
        self._fill_count = state.fill_count
        self._cash_atoms = state.cash_atoms
        self._market.queue.load(state.queue)
        self._market.load_taken(state.taken)


def _intent_of(message: ShadowOrder) -> orders.OrderIntent:
    return orders.OrderIntent(
        message.client_order_id,
        message.strategy,
        message.symbol,
        message.side,
        message.price_ticks,
        message.qty_lots,
        message.order_type,
        message.tif,
        message.is_post_only,
        message.is_reduce_only,
        message.client_order_id.split("-")[2],
        message.reason,
        message.version,
        message.expire_ns,
        message.stop_ticks,
    )
