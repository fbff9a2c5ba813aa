# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
# mypy: disable-error-code="arg-type, has-type, misc"
"""The array engine of the backtester: market data as columns, the venue's matching, and what we hear of it.

Two clocks. `received`: one book, every row acts when it was received, an order that is under way arrives
before the event that passes its time, and what the venue says is heard after that event: the paper venue of
live trading. `exchange`: the venue's book follows `ts_exch`, ours `ts_local`, and orders and answers travel
in between: the model of hftbacktest. Integers only; nothing allocates per event. C signatures: backtest.pxd.
"""

import cython

if cython.compiled:
    from cython.cimports.shared.kernels.backtest_account import Rule
    from cython.cimports.shared.kernels.backtest_market import Market
    from cython.cimports.shared.kernels.backtest_store import NEVER_NS, Orders, Rows
    from cython.cimports.shared.kernels.backtest_walk import Walk
    from cython.cimports.shared.kernels.book import Book
else:
    from shared.kernels.backtest_account import Rule
    from shared.kernels.backtest_market import Market
    from shared.kernels.backtest_store import NEVER_NS, Orders, Rows
    from shared.kernels.backtest_walk import Walk
    from shared.kernels.book import Book

END, BOOK, TRADE, STEP, REPORT, PAUSE = range(6)
"""Why `run` stopped: the data are over, a book event, a trade, the timer, reports wait, `until_ns` passed."""
ACCEPTED, REJECTED, FILL, CANCELED, EXPIRED, CANCEL_REJECTED = range(1, 7)
"""Kinds of reports."""
REJECTS = ("", "untrusted_book", "post_only_would_take", "no_liquidity", "self_trade", "insufficient_balance")
"""Names of the codes that a REJECTED report has as its price."""
RISK_CODES = {101: "self_trade", 102: "bad_order"}
"""Answers of `submit` besides those of `shared.kernels.limits.CODES`: could meet our own order (I-12), and
worth more atoms than 64 bits hold."""
FILL_FIELDS = (
    "ts_ns",
    "heard_ns",
    "row",
    "market",
    "owner",
    "handle",
    "side",
    "is_maker",
    "price_ticks",
    "lots",
    "fee_atoms",
    "position_lots",
)
ORDER_FIELDS = (
    "ts_ns",
    "market",
    "owner",
    "handle",
    "side",
    "state",
    "price_ticks",
    "lots",
    "filled_lots",
    "accepted_ns",
    "filled_ns",
    "ended_ns",
    "ahead_lots",
)
FUNDING_FIELDS = ("ts_ns", "market", "rate_e8", "mark_ticks", "position_lots", "amount_atoms")
SAMPLE_FIELDS = ("ts_ns", "equity_atoms", "drawdown_atoms")
"""Fields of the records; a sample has the position of each market in lots behind these."""


@cython.cclass
class Engine(Walk):
    """See the module. Make it, `add_market` for each, then `run`, `run_rule` or `run_function` to the end.

    Latencies in ns (see `latency` for recorded and sampled ones). `queue_model` is one of
    `shared.kernels.matching.MODELS`, `queue_power` the n of the power models. `is_partial`: the rules of the
    paper venue, lots against lots; else an order that is reached fills whole, and a touch reaches it.
    `uses_exchange_time`: the exchange clock instead of the received one.
    """

    def __init__(
        self,
        latency_in_ns: int = 0,
        latency_out_ns: int = 0,
        queue_model: str = "pro_rata",
        is_partial: bool = True,
        uses_exchange_time: bool = False,
        queue_power: float = 3.0,
    ) -> None:
        Walk.__init__(self, latency_in_ns, latency_out_ns, is_partial, uses_exchange_time)
        self._queue_model, self._queue_power = queue_model, queue_power
        self.sent_lots_last = 0

    # ---- what a host calls

    def add_market(
        self,
        ts_exch: object,
        ts_local: object,
        kind: object,
        side: object,
        price: object,
        lots: object,
        tick_lot_atoms: int,
        maker_fee_ppm: int = 0,
        taker_fee_ppm: int = 0,
        limits: object = None,
        is_derivative: bool = True,
        feed_added_ns: int = 0,
        feed_constant_ns: int = -1,
        wallet: int = 0,
        atom_scale: int = 1,
    ) -> int:
        """Add a market by its columns (int64, int64, uint8, uint8, int32, int64) and return its index.

        `limits` is a `shared.kernels.limits.Limits`, None for none. Rows are received `feed_added_ns` after
        `ts_local`, or `feed_constant_ns` after `ts_exch` unless that is -1. Spot markets (not
        `is_derivative`) of one `wallet` (0..15) share its cash; `atom_scale` is how many atoms of the
        engine's money one atom of this market is.

        Raises:
            ValueError: columns of unequal length, or terms out of range.
        """
        # As plain memory views their values are Python's integers when this runs uncompiled.
        columns = [memoryview(column) for column in (ts_exch, ts_local, kind, side, price, lots)]
        if len({len(column) for column in columns}) != 1:
            raise ValueError(f"columns of {[len(column) for column in columns]} rows: must be of one length")
        if tick_lot_atoms <= 0 or not 0 <= wallet < 16 or atom_scale <= 0 or feed_added_ns < 0:
            raise ValueError(
                f"tick_lot_atoms {tick_lot_atoms}, wallet {wallet}, atom_scale {atom_scale}, feed_added_ns "
                f"{feed_added_ns}: positive, 0..15, positive, not negative"
            )
        if abs(maker_fee_ppm) > 1_000_000 or abs(taker_fee_ppm) > 1_000_000:
            raise ValueError(f"fees {maker_fee_ppm} and {taker_fee_ppm} ppm: at most 1000000")
        if self._is_started:
            raise ValueError("a market was added after the start: add all of them first")
        terms = (tick_lot_atoms, maker_fee_ppm, taker_fee_ppm, is_derivative, wallet, atom_scale)
        model = (self._queue_model, self._queue_power)
        place: Market = Market(
            len(self.markets), columns, terms, limits, *model, self.is_partial, not self.uses_exchange_time
        )
        if feed_constant_ns >= 0:
            place.ts_local = place.ts_exch
        place.added_ns = feed_constant_ns if feed_constant_ns >= 0 else feed_added_ns
        self.markets.append(place)
        self.samples = Rows(3 + len(self.markets))
        return place.index

    def set_wallet(self, wallet: int, atoms: int) -> None:
        """Put money into a wallet before the start, in the engine's atoms; spot markets need it.

        A wallet of 0 is not looked at: spot orders are then limited by nothing.
        """
        self._wallets[wallet] = atoms

    def set_fee_tiers(self, tiers: list, volume_before_atoms: int = 0) -> None:
        """Let fees of all markets follow the volume of the 30 days before each day (UTC).

        `tiers` are (from_atoms, maker_ppm, taker_ppm), by rising volume in the engine's atoms;
        `volume_before_atoms` was traded on the day before the first.
        """
        self._tiers = sorted(tiers)
        self._tier_days[31] = volume_before_atoms

    def set_step_ns(self, step_ns: int, first_ns: int = 0) -> None:
        """Stop every `step_ns` (0: never), at `first_ns` first, else one step after the first row."""
        if step_ns < 0:
            raise ValueError(f"step of {step_ns} ns: must not be negative")
        self._step_ns = step_ns
        self._next_step_ns = first_ns if first_ns and step_ns else NEVER_NS
        if self._is_started and step_ns and not first_ns:
            self._next_step_ns = self.now_ns + step_ns

    def set_samples(self, interval_ns: int) -> None:
        """Keep equity, drawdown and positions every `interval_ns`, at whole multiples of it; 0 never."""
        self._sample_ns = interval_ns
        self._next_sample_ns = NEVER_NS
        if self._is_started and interval_ns:
            self._next_sample_ns = (self.now_ns // interval_ns + 1) * interval_ns

    def set_gate(self, market: int, gate: object) -> None:
        """Ask a `shared.kernels.gates.Gate` before each stop at this market's events; None asks nothing."""
        place: Market = self.markets[market]
        place.gate = gate

    def wants(self, market: int, books: bool, trades: bool) -> None:
        """Choose at which events of a market `run` stops; at first it stops at none."""
        place: Market = self.markets[market]
        place.wants_books, place.wants_trades = books, trades

    def run(self, until_ns: int = 2**63 - 1) -> int:
        """Walk on until something is for the host and return what: END, BOOK, TRADE, STEP, REPORT or PAUSE.

        `now_ns` is then our time, `market` where it happened and `row` its last row; of a STEP `step_markets`
        has a bit for each market whose gate let the timer through. A book that loses its trust is a BOOK as
        well, later ones not until it is trusted again. PAUSE: nothing is left at or before `until_ns`.

        Raises:
            ValueError: no market has rows.
            OverflowError: money beyond 64 bits.
        """
        self._is_hosted = True
        self._rule_at_books = False
        return self._go(until_ns)

    def run_rule(self, rule: Rule, step_ns: int = 0, until_ns: int = 2**63 - 1) -> int:
        """Let a compiled rule decide every `step_ns`, at every book event if 0; return END or PAUSE.

        It is asked for each market with a trusted book. Reports are not kept; fills and orders are.
        """
        self._rule = rule
        self._is_hosted = False
        self._rule_at_books = step_ns == 0
        if step_ns != self._step_ns:
            self.set_step_ns(step_ns)
        return self._go(until_ns)

    def submit(
        self,
        market: int,
        handle: int,
        side: int,
        price_ticks: int,
        qty_lots: int,
        tif: int = 0,
        is_post_only: bool = False,
        is_reduce_only: bool = False,
        owner: int = 0,
        latency_ns: int = -1,
    ) -> int:
        """Send an order of ours and return 0, or the code with which risk refuses it.

        `handle` (0..2^63-1) names it in reports; price 0 is a market order; `tif` 0 GTC, 1 IOC, 2 FOK;
        `owner` 0..63 is the strategy. Risk may cut it: `sent_lots_last` is what was sent. Codes are those of
        `shared.kernels.limits.CODES` and `RISK_CODES`. `latency_ns` overrides the model of latencies.

        Raises:
            ValueError: a value is out of range, or the handle is in use.
        """
        if (
            side not in {0, 1}
            or tif not in {0, 1, 2}
            or qty_lots <= 0
            or price_ticks < 0
            or not 0 <= owner < 64
        ):
            raise ValueError(
                f"order of side {side}, {qty_lots} lots at {price_ticks} ticks, tif {tif}, owner {owner}: "
                "0..1, positive, not negative, 0..2, 0..63"
            )
        if handle < 0 or handle in self._slots:
            raise ValueError(f"handle {handle}: must not be negative nor in use by an open order")
        slot = self.send(
            self.markets[market], handle, side, price_ticks, qty_lots, tif, is_post_only, is_reduce_only,
            owner, latency_ns,
        )  # fmt: skip
        if slot < 0:
            self.sent_lots_last = 0
            return -slot - 100
        self.sent_lots_last = self._orders.qty_lots[slot]
        self._slots[handle] = slot
        return 0

    def cancel(self, market: int, handle: int, latency_ns: int = -1) -> int:
        """Send a cancel and return 0, or 1 when we know of no such open order. A second one does nothing."""
        slot = self._slots.get(handle)
        if slot is None or self._orders.market[slot] != market:
            return 1
        self.withdraw(slot, latency_ns)
        return 0

    def take_reports(self) -> list:
        """Return what was heard since the last call, in order.

        Each is (ts_ns of the venue, market, handle, kind, price_ticks, lots, leaves_lots, is_maker,
        fee_atoms).
        `price_ticks` of a REJECTED one is the place of its reason in `REJECTS`.
        """
        return self.reports.take()

    def local_book(self, market: int) -> Book:
        """Return the book as we see it: always the same object."""
        place: Market = self.markets[market]
        return place.local

    def position_lots(self, market: int) -> int:
        """Return the position of a market as far as fills were heard."""
        place: Market = self.markets[market]
        return place.position_lots

    @property
    def cash_atoms(self) -> int:
        """Return all money as far as heard, fees and funding included, in the engine's atoms."""
        return sum([m.cash_atoms * m.atom_scale for m in self.markets]) + sum(self._wallets)

    @property
    def equity_atoms(self) -> int:
        """Return money plus positions at the last trusted mids, rounded down."""
        return self.equity()

    def open_orders(self, market: int) -> list:
        """Return our open orders as far as heard: (handle, side, price_ticks, leaves_lots), oldest first."""
        place: Market = self.markets[market]
        orders: Orders = self._orders
        found = []
        for at in range(place.active_count):
            slot: cython.longlong = place.active[at]
            found.append(
                (orders.handle[slot], orders.side[slot], orders.price_ticks[slot], orders.known_lots[slot])
            )
        return found

    def ahead_lots(self, market: int, handle: int) -> int:
        """Return the lots estimated ahead of an order that rests at the venue, -1 when it does not."""
        place: Market = self.markets[market]
        slot = self._slots.get(handle, -1)
        return place.queue.ahead_lots(slot) if slot >= 0 else -1

    def finish(self) -> None:
        """Hear all answers that are under way, and keep the record of orders that are still open."""
        place: Market
        self.now_ns = max(self.now_ns, NEVER_NS - 1) if len(self._answers) else self.now_ns
        self._hear(True)
        for place in self.markets:
            while place.active_count:
                self._over(place, place.active[0], 0, 0)
