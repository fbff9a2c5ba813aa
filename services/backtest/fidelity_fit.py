"""Find latency and queue model from what really happened to orders.

Latency: the time from `OrderSent` to the venue's own time of acceptance, where the venue gives one (its clock
must be ours: the pre-start check of clocks says so), else to our hearing of it.

Queue: how many of the lots that were cancelled at our price stood ahead of us? An order that waits at the
venue sees trades at its price: one that did not fill it shows that at least so many lots were ahead, a
partial fill shows how many exactly, a full one how many at the most. The share `ahead_ppm` is the one under
which all this is likeliest (`shared.kernels.queue_likelihood`): a cancel stands ahead with the chance
share * ahead /
others. Orders with one of our own ahead, or that lived through a break of the book, tell nothing and are left
out.
"""

from array import array
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from services.backtest.fidelity import Model, quantile
from shared.kernels.book import Book
from shared.kernels.queue_likelihood import QueueLikelihood
from shared.messages import Event, market, orders
from shared.units import PPM, Side

STEPS = 10
"""Shares tried between none and all, and again as many on both sides of the best."""
LIKELIHOOD_DROP = 1.92
"""Half of the 95 % quantile of chi-square with one degree of freedom."""
OBSERVED_MIN = 30
"""Orders with a sign of their place in the queue; fewer fit nothing."""


class Step(NamedTuple):
    """One thing that happened at the price of a waiting order: the level's new size, or a trade."""

    is_trade: bool
    lots: int
    least_ahead: int = 0
    most_ahead: int = -1
    """Bounds that a trade showed for the lots ahead just before it; -1 is no bound."""


class Tape:
    """What one order saw at its price from its acceptance until its first fill."""

    def __init__(self, side: Side, price_ticks: int, level_lots: int, lots: int) -> None:
        self.side, self.price_ticks, self.level_lots, self.lots = side, price_ticks, level_lots, lots
        self.steps: list[Step] = []

    @property
    def is_telling(self) -> bool:
        """Return whether the share matters to it: something was cancelled, and a trade showed a bound."""
        return any(step.is_trade for step in self.steps) and any(not step.is_trade for step in self.steps)

    @property
    def numbers(self) -> "array[int]":
        """Return the steps as the likelihood kernel takes them."""
        return array("q", [number for step in self.steps for number in step])


class Evidence:
    """Collects from a log what became of each order: latencies and tapes."""

    def __init__(self) -> None:
        self.latencies_ns: list[int] = []
        self.tapes: list[Tape] = []
        self._sent: dict[str, tuple[orders.OrderSent, int]] = {}
        self._books: dict[str, Book] = {}
        self._waiting: dict[str, dict[str, Tape]] = {}
        self._trades: dict[str, market.Trade] = {}
        self._resting: dict[str, tuple[str, Side, int]] = {}

    def apply(self, event: Event) -> None:
        """Take one event of the log."""
        message, ts_ns = event.message, event.header.ts_ns
        if isinstance(message, market.BookUpdate | market.BookSnapshot | market.BookInvalid):
            self._book(message)
        elif isinstance(message, market.Trade):
            self._trade(message)
        elif isinstance(message, orders.OrderSent):
            self._sent[message.client_order_id] = (message, ts_ns)
        elif isinstance(message, orders.OrderAccepted):
            self._accept(message, ts_ns)
        elif isinstance(message, orders.Fill):
            self._fill(message)
            if not message.leaves_lots:
                self._resting.pop(message.client_order_id, None)
        elif isinstance(message, orders.OrderCanceled | orders.OrderExpired | orders.OrderRejected):
            self._sent.pop(message.client_order_id, None)
            self._resting.pop(message.client_order_id, None)
            self._end(message.symbol, message.client_order_id)

    def _book(self, message: market.BookUpdate | market.BookSnapshot | market.BookInvalid) -> None:
        book = self._books.setdefault(message.symbol, Book())
        waiting = self._waiting.get(message.symbol, {})
        if isinstance(message, market.BookUpdate):
            is_known = book.update(message.levels, message.bid_count, message.update_n)
        else:
            is_known = False
            if isinstance(message, market.BookSnapshot):
                book.snapshot(message.levels, message.bid_count, message.update_n)
            else:
                book.invalidate()
        if not is_known:
            # What happened in between is not known: these orders tell nothing any more.
            waiting.clear()
            return
        for tape in waiting.values():
            lots = int(book.lots_at(int(tape.side), tape.price_ticks))
            last = next((step.lots for step in reversed(tape.steps) if not step.is_trade), tape.level_lots)
            if lots != last:
                tape.steps.append(Step(False, lots))

    def _trade(self, trade: market.Trade) -> None:
        self._trades[trade.symbol] = trade
        for tape in self._waiting.get(trade.symbol, {}).values():
            if tape.price_ticks == trade.price_ticks and tape.side is not trade.side:
                # Until a fill says otherwise, all of it was for those ahead.
                tape.steps.append(Step(True, trade.qty_lots, trade.qty_lots))

    def _accept(self, message: orders.OrderAccepted, ts_ns: int) -> None:
        found = self._sent.pop(message.client_order_id, None)
        if found is None:
            return
        sent, sent_ns = found
        accepted_ns = message.ts_venue_ns if sent_ns <= message.ts_venue_ns <= ts_ns else ts_ns
        self.latencies_ns.append(accepted_ns - sent_ns)
        book = self._books.get(sent.symbol)
        is_resting = sent.order_type is orders.OrderType.LIMIT and sent.tif is orders.TimeInForce.GTC
        if book is None or not book.is_trusted or not is_resting:
            return
        place = (sent.symbol, sent.side, sent.price_ticks)
        # With an order of ours ahead, trades that pass us by say less about the others.
        is_first = place not in self._resting.values()
        self._resting[message.client_order_id] = place
        if not is_first:
            return
        level_lots = int(book.lots_at(int(sent.side), sent.price_ticks))
        tape = Tape(sent.side, sent.price_ticks, level_lots, sent.qty_lots)
        self._waiting.setdefault(sent.symbol, {})[message.client_order_id] = tape

    def _fill(self, fill: orders.Fill) -> None:
        waiting = self._waiting.get(fill.symbol, {})
        tape = waiting.pop(fill.client_order_id, None)
        if tape is None or not fill.is_maker:
            return
        trade = self._trades.get(fill.symbol)
        is_ours = (
            trade is not None
            and bool(tape.steps)
            and tape.steps[-1].is_trade
            and trade.price_ticks == fill.price_ticks
            and trade.qty_lots >= fill.qty_lots
        )
        if trade is None or not is_ours:
            # A trade that we did not see, or beyond our price: its share for those ahead is not known.
            self._keep(tape)
            return
        ahead = trade.qty_lots - fill.qty_lots
        tape.steps[-1] = Step(True, trade.qty_lots, ahead if fill.leaves_lots else 0, ahead)
        self._keep(tape)

    def _end(self, symbol: str, name: str) -> None:
        tape = self._waiting.get(symbol, {}).pop(name, None)
        if tape is not None:
            self._keep(tape)

    def _keep(self, tape: Tape) -> None:
        if tape.is_telling:
            self.tapes.append(tape)


class Fit(msgspec.Struct, frozen=True):
    """The model that fits best, and on how much it rests; `ahead_ppm` is None where too little was seen."""

    orders: int
    latency_mean_ms: float
    latency_std_ms: float
    latency_least_ms: float
    latency_p50_ms: float
    latency_p99_ms: float
    observed: int
    ahead_ppm: int | None
    ahead_low_ppm: int | None
    ahead_high_ppm: int | None
    """The shares that are hardly less likely: a 95 % interval (likelihood ratio, one degree of freedom)."""

    def model(self) -> Model:
        """Return the model to predict with: the mean latency, and half of the cancels ahead when unknown."""
        return Model(
            round(self.latency_mean_ms * 1e6), PPM // 2 if self.ahead_ppm is None else self.ahead_ppm
        )


def fit(events: Iterable[Event]) -> Fit:
    """Return the fit over a log; an empty log gives one that rests on nothing."""
    evidence = Evidence()
    for event in events:
        evidence.apply(event)
    return fit_evidence(evidence)


def fit_evidence(evidence: Evidence) -> Fit:
    """Return the fit of what was collected."""
    times_ms = [ns / 1e6 for ns in evidence.latencies_ns]
    count = len(times_ms)
    mean = sum(times_ms) / count if count else 0.0
    variance = sum((time - mean) ** 2 for time in times_ms) / (count - 1) if count > 1 else 0.0
    share = _best_share(evidence.tapes)
    return Fit(
        orders=count,
        latency_mean_ms=mean,
        latency_std_ms=variance**0.5,
        latency_least_ms=min(times_ms, default=0.0),
        latency_p50_ms=quantile(times_ms, 0.5),
        latency_p99_ms=quantile(times_ms, 0.99),
        observed=len(evidence.tapes),
        ahead_ppm=share[0],
        ahead_low_ppm=share[1],
        ahead_high_ppm=share[2],
    )


def _best_share(tapes: list[Tape]) -> tuple[int, int, int] | tuple[None, None, None]:
    """Return the likeliest share with its interval, nothing where too little was seen."""
    if len(tapes) < OBSERVED_MIN:
        return None, None, None
    kernel = QueueLikelihood()
    rows = [(tape.numbers, len(tape.steps), tape.level_lots) for tape in tapes]
    known: dict[int, float] = {}

    def likelihood(share_ppm: int) -> float:
        if share_ppm not in known:
            share = share_ppm / PPM
            known[share_ppm] = sum(kernel.of(steps, count, level, share) for steps, count, level in rows)
        return known[share_ppm]

    coarse = PPM // STEPS
    best = max(range(0, PPM + 1, coarse), key=likelihood)
    fine = coarse // STEPS
    best = max(range(max(0, best - coarse), min(PPM, best + coarse) + 1, fine), key=likelihood)
    likely = [share for share in known if known[share] >= known[best] - LIKELIHOOD_DROP]
    return best, min(likely), max(likely)
