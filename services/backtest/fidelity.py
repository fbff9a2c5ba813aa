"""A shadow of the venue beside paper or live trading: what the model says should have become of each order.

The shadow reads the log only: books, trades, what was sent and what was cancelled. It lets each order reach
its own matching (the paper venue's, `shared.paper`) after the model's latency and notes when and at what
price it would be filled. `Actual` notes what really happened. The difference is how far a backtest with this
model can be believed; `fidelity_fit.py` finds the model that fits.

Prices, books and orders are those of the log's own time (as received), so the latency of the model holds the
way there and the delay of the feed together.
"""

from collections.abc import Iterable
from heapq import heappop, heappush
from typing import Any, NamedTuple

import msgspec

from shared.messages import Event, market, orders
from shared.paper.arrival import arrive
from shared.paper.market import PaperMarket, QueuePlace
from shared.units import PPM, Side

UNLIMITED = 1 << 62
"""Money and holdings of the shadow: what the venue allowed is known from what it accepted."""


class Model(NamedTuple):
    """The latency to the matching, and which part of the cancels of others happens ahead of us."""

    latency_ns: int
    ahead_ppm: int = PPM


class Life(msgspec.Struct):
    """One order, as the shadow or the log tells it; times in mesh time, -1 for what never happened.

    `value_ticks_lots` is the sum of price times lots of its fills.
    """

    client_order_id: str
    symbol: str
    side: Side
    price_ticks: int
    qty_lots: int
    sent_ns: int
    accepted_ns: int = -1
    filled_ns: int = -1
    done_ns: int = -1
    filled_lots: int = 0
    value_ticks_lots: int = 0
    end: str = ""

    def fill(self, now_ns: int, price_ticks: int, lots: int) -> None:
        """Take one execution."""
        if self.filled_ns < 0:
            self.filled_ns = now_ns
        self.filled_lots += lots
        self.value_ticks_lots += price_ticks * lots
        if self.filled_lots >= self.qty_lots:
            self.finish(now_ns, "filled")

    def finish(self, now_ns: int, end: str) -> None:
        """End the order; the first end counts."""
        if not self.end:
            self.done_ns, self.end = now_ns, end

    @property
    def average_ticks(self) -> float:
        """Return the average price of its fills, 0 without any."""
        return self.value_ticks_lots / self.filled_lots if self.filled_lots else 0.0


def life_of(sent: orders.OrderSent, ts_ns: int) -> Life:
    """Return the life that begins with `sent`."""
    return Life(sent.client_order_id, sent.symbol, sent.side, sent.price_ticks, sent.qty_lots, ts_ns)


class Actual:
    """What really became of the orders of a log."""

    def __init__(self) -> None:
        self.lives: dict[str, Life] = {}

    def apply(self, event: Event) -> None:
        """Take one event of the log."""
        message, ts_ns = event.message, event.header.ts_ns
        if isinstance(message, orders.OrderSent):
            self.lives[message.client_order_id] = life_of(message, ts_ns)
            return
        life = self.lives.get(getattr(message, "client_order_id", ""))
        if life is None:
            return
        if isinstance(message, orders.OrderAccepted):
            life.accepted_ns = ts_ns
        elif isinstance(message, orders.Fill):
            life.fill(ts_ns, message.price_ticks, message.qty_lots)
        elif isinstance(message, orders.OrderCanceled | orders.OrderExpired | orders.OrderRejected):
            life.finish(ts_ns, _END[type(message)])


_END = {
    orders.OrderCanceled: "canceled",
    orders.OrderExpired: "expired",
    orders.OrderRejected: "rejected",
}


class _Resting:
    """What the matching has to know of one order (`shared.paper.arrival.PaperOrder`)."""

    __slots__ = (
        "expire_ns",
        "handle",
        "is_post_only",
        "leaves_lots",
        "life",
        "order_type",
        "price_ticks",
        "side",
        "stop_ticks",
        "symbol",
        "tif",
    )

    def __init__(self, handle: int, sent: orders.OrderSent, life: Life) -> None:
        self.handle = handle
        self.life = life
        self.symbol, self.side, self.price_ticks = sent.symbol, sent.side, sent.price_ticks
        self.order_type, self.tif, self.is_post_only = sent.order_type, sent.tif, sent.is_post_only
        self.expire_ns, self.stop_ticks = sent.expire_ns, sent.stop_ticks
        self.leaves_lots = sent.qty_lots


class Shadow:
    """The venue as the model has it; `lives` holds its prediction for every order that was sent."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.lives: dict[str, Life] = {}
        self._places: dict[str, PaperMarket] = {}
        self._orders: dict[str, _Resting] = {}
        self._by_handle: dict[int, _Resting] = {}
        self._due: list[tuple[int, int, bool, str]] = []
        self._number = 0

    def apply(self, event: Event) -> None:
        """Take one event of the log, after what is due before it."""
        now_ns, message = event.header.ts_ns, event.message
        self._pass_time(now_ns)
        if isinstance(message, market.Trade):
            place = self._place(message.symbol)
            for handle, lots in place.trade(message):
                order = self._by_handle[handle]
                self._fill(order, place, order.price_ticks, lots, now_ns, is_maker=True)
        elif isinstance(message, market.BookSnapshot | market.BookUpdate | market.BookInvalid):
            place = self._place(message.symbol)
            place.apply(message, event.header.origin_ns)
            self._match_crossed(place, now_ns)
        elif isinstance(message, market.InstrumentRules):
            self._place(message.symbol).rules = message
        elif isinstance(message, orders.OrderSent):
            self.lives[message.client_order_id] = life = life_of(message, now_ns)
            self._number += 1
            order = _Resting(self._number, message, life)
            self._orders[message.client_order_id] = self._by_handle[order.handle] = order
            self._later(now_ns, message.client_order_id, is_cancel=False)
        elif isinstance(message, orders.CancelIntent) and message.client_order_id in self._orders:
            self._later(now_ns, message.client_order_id, is_cancel=True)

    def _place(self, symbol: str) -> PaperMarket:
        place = self._places.get(symbol)
        if place is None:
            choice = QueuePlace(queue_ahead_ppm=self.model.ahead_ppm)
            place = self._places[symbol] = PaperMarket(symbol, choice)
        return place

    def _later(self, now_ns: int, client_order_id: str, *, is_cancel: bool) -> None:
        self._number += 1
        heappush(self._due, (now_ns + self.model.latency_ns, self._number, is_cancel, client_order_id))

    def _pass_time(self, now_ns: int) -> None:
        while self._due and self._due[0][0] <= now_ns:
            due_ns, _, is_cancel, name = heappop(self._due)
            order = self._orders.get(name)
            if order is None:
                continue
            if is_cancel:
                self._end(order, due_ns, "canceled")
            else:
                self._arrive(order, due_ns)

    def _arrive(self, order: _Resting, now_ns: int) -> None:
        place = self._place(order.symbol)
        arrival = arrive(order, place, UNLIMITED, UNLIMITED)
        if arrival.reject_code:
            self._end(order, now_ns, "rejected")
            return
        if arrival.is_accepted:
            order.life.accepted_ns = now_ns
        if order.order_type is orders.OrderType.LIMIT and order.tif is orders.TimeInForce.GTC:
            level_lots = place.book.lots_at(int(order.side), order.price_ticks)
            place.queue.add(int(order.side), order.handle, order.price_ticks, order.leaves_lots, level_lots)
        for part in arrival.parts:
            self._fill(order, place, part.price_ticks, part.lots, now_ns, is_maker=False)
        if arrival.expire_reason:
            self._end(order, now_ns, "expired")

    def _match_crossed(self, place: PaperMarket, now_ns: int) -> None:
        if not place.is_open or not len(place.queue):
            return
        for handle in place.queue.crossed(place.book):
            order = self._by_handle[handle]
            parts = place.walk_beyond(order.side, order.price_ticks, order.leaves_lots)
            lots = sum(part.lots for part in parts)
            if lots:
                self._fill(order, place, order.price_ticks, lots, now_ns, is_maker=True)

    def _fill(
        self, order: _Resting, place: PaperMarket, price_ticks: int, lots: int, now_ns: int, *, is_maker: bool
    ) -> None:
        order.leaves_lots -= lots
        order.life.fill(now_ns, price_ticks, lots)
        place.executed(order.handle, order.side, order.price_ticks, price_ticks, lots, is_maker=is_maker)
        if order.leaves_lots == 0:
            self._forget(order)

    def _end(self, order: _Resting, now_ns: int, end: str) -> None:
        order.life.finish(now_ns, end)
        self._place(order.symbol).queue.remove(order.handle)
        self._forget(order)

    def _forget(self, order: _Resting) -> None:
        self._orders.pop(order.life.client_order_id, None)
        self._by_handle.pop(order.handle, None)


class Residual(msgspec.Struct, frozen=True):
    """How far the shadow was from what happened, over the orders that both have seen end.

    Times are predicted minus real, in ms, of the first fill of orders that both filled; prices in 1/100 bps
    of the average fill, against us when positive.
    """

    orders: int
    both_filled: int
    only_real: int
    only_predicted: int
    neither: int
    real_lots: int
    predicted_lots: int
    time_error_median_ms: float
    time_error_p10_ms: float
    time_error_p90_ms: float
    price_error_mean_e2_bps: float
    accept_error_median_ms: float

    @property
    def agreement(self) -> float:
        """Return the share of orders of which both say the same: filled or not."""
        return (self.both_filled + self.neither) / self.orders if self.orders else 1.0


def residual(actual: Iterable[Life], predicted: dict[str, Life]) -> Residual:
    """Return the differences; an order that is still open on either side is left out."""
    counts = {"both": 0, "real": 0, "model": 0, "neither": 0}
    real_lots = model_lots = 0
    times: list[float] = []
    accepts: list[float] = []
    prices: list[float] = []
    for real in actual:
        model = predicted.get(real.client_order_id)
        if model is None or not real.end or not model.end:
            continue
        real_lots += real.filled_lots
        model_lots += model.filled_lots
        key = _KINDS[bool(real.filled_lots), bool(model.filled_lots)]
        counts[key] += 1
        if real.accepted_ns >= 0 and model.accepted_ns >= 0:
            accepts.append((model.accepted_ns - real.accepted_ns) / 1e6)
        if key == "both":
            times.append((model.filled_ns - real.filled_ns) / 1e6)
            worse = (model.average_ticks - real.average_ticks) * real.side.sign
            prices.append(worse / real.average_ticks * 1e6)
    return Residual(
        orders=sum(counts.values()),
        both_filled=counts["both"],
        only_real=counts["real"],
        only_predicted=counts["model"],
        neither=counts["neither"],
        real_lots=real_lots,
        predicted_lots=model_lots,
        time_error_median_ms=quantile(times, 0.5),
        time_error_p10_ms=quantile(times, 0.1),
        time_error_p90_ms=quantile(times, 0.9),
        price_error_mean_e2_bps=sum(prices) / len(prices) if prices else 0.0,
        accept_error_median_ms=quantile(accepts, 0.5),
    )


_KINDS = {(True, True): "both", (True, False): "real", (False, True): "model", (False, False): "neither"}


def quantile(values: list[float], share: float) -> float:
    """Return the value below which `share` of `values` lie, 0 without any."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def predict(events: Iterable[Event], model: Model) -> tuple[Actual, Shadow]:
    """Return what happened and what the model says, over a log."""
    actual, shadow = Actual(), Shadow(model)
    for event in events:
        actual.apply(event)
        shadow.apply(event)
    return actual, shadow


def report(events: Iterable[Event], model: Model) -> dict[str, Any]:
    """Return the residual of a model over a log as plain values."""
    actual, shadow = predict(events, model)
    found = residual(actual.lives.values(), shadow.lives)
    plain: dict[str, Any] = msgspec.to_builtins(found)
    return plain | {"agreement": found.agreement}
