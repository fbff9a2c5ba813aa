# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
# mypy: disable-error-code="var-annotated"
"""Our side of the backtest engine: orders from `send` to their end, what was heard of them, risk, and money.

We know of an order only what was heard: `position_lots`, `cash_atoms` and the records follow the answers of
the venue, which travel in a timeline. A `Rule` is a compiled decision and sees this side only. C signatures
are in backtest_account.pxd.
"""

import array

import cython

if cython.compiled:
    from cython.cimports.shared.kernels.backtest_latency import Latency
    from cython.cimports.shared.kernels.backtest_market import Market
    from cython.cimports.shared.kernels.backtest_store import Orders, Rows, Timeline
    from cython.cimports.shared.kernels.limits import Limits
else:
    from shared.kernels.backtest_latency import Latency
    from shared.kernels.backtest_market import Market
    from shared.kernels.backtest_store import Orders, Rows, Timeline
    from shared.kernels.limits import Limits

FILL_WIDTH = 12
ORDER_WIDTH = 13
FUNDING_WIDTH = 6
if not cython.compiled:
    WALLETS_MAX, TIER_DAYS, OWNERS, REPORT_WIDTH = 16, 31, 64, 9
    ACCEPTED, REJECTED, FILL, CANCELED, EXPIRED, CANCEL_REJECTED = range(1, 7)
    AN_ORDER, A_CANCEL = 1, 2
    # Fields of the entries of a timeline; from TS on they are those of a report.
    SLOT, SERIAL, TS, INDEX, HANDLE, KIND, PRICE, LOTS, LEAVES, MAKER, FEE = range(1, 12)
    # States of an order: at the venue, and as far as we have heard.
    UNDER_WAY, RESTING, DONE = range(3)
    SENT, OPEN, CANCELING = range(1, 4)
    IS_POST_ONLY, TIF_SHIFT = 1, 2
    # States of the orders' records (services/backtest/tables.py).
    WAS_OPEN, WAS_FILLED, WAS_CANCELED, WAS_EXPIRED, WAS_REJECTED = range(5)
    SELF_TRADE, TOO_LARGE = 101, 102
    ATOMS_MAX = 4_000_000_000_000_000_000


@cython.cclass
class Rule:
    """A compiled decision: `decide` is called at each step, or at each book event, of a trusted book."""

    def decide(self, engine: "Account", market: Market, now_ns: cython.longlong) -> cython.int:
        """Send and cancel through `engine.send`, `engine.withdraw` or `engine.quote`; return 0."""


@cython.cclass
class Account:
    """See the module; `shared.kernels.backtest.Engine` is what is used."""

    def __init__(
        self, latency_in_ns: int, latency_out_ns: int, is_partial: bool, uses_exchange_time: bool
    ) -> None:
        self.latency = Latency(latency_in_ns, latency_out_ns)
        self.is_partial, self.uses_exchange_time = is_partial, uses_exchange_time
        self.now_ns = self._say_ns = self.refused_count = self.sent_lots = 0
        self.max_drawdown_atoms = self._peak_atoms = 0
        self._has_peak = False
        self.markets = []
        self._orders, self._pending, self._answers = Orders(), Timeline(), Timeline()
        self.reports = Rows(REPORT_WIDTH)
        self.fills, self.orders, self.funding = Rows(FILL_WIDTH), Rows(ORDER_WIDTH), Rows(FUNDING_WIDTH)
        self.samples = Rows(3)
        self._slots = {}
        self._wallets = array.array("q", bytes(8 * WALLETS_MAX))
        self._tiers = []
        self._tier_days = array.array("q", bytes(8 * (TIER_DAYS + 1)))
        self._tier_day = 0

    # ---- we send

    def send(
        self,
        market: Market,
        handle: cython.longlong,
        side: cython.longlong,
        price_ticks: cython.longlong,
        qty_lots: cython.longlong,
        tif: cython.longlong,
        is_post_only: cython.bint,
        is_reduce_only: cython.bint,
        owner: cython.longlong,
        latency_ns: cython.longlong,
    ) -> cython.Py_ssize_t:
        """Send an order and return its slot, or minus (100 + code) when risk refuses it (`Engine.submit`)."""
        orders: Orders = self._orders
        slot: cython.longlong
        at: cython.longlong
        lots: cython.longlong = self._judged(market, side, price_ticks, qty_lots, is_reduce_only, owner)
        if lots <= 0:
            self.refused_count += 1
            return lots - 100
        slot = orders.take()
        orders.handle[slot] = handle if handle >= 0 else orders.serial[slot]
        orders.owner[slot] = owner
        orders.market[slot] = market.index
        orders.side[slot] = side
        orders.price_ticks[slot] = price_ticks
        orders.qty_lots[slot] = orders.leaves_lots[slot] = orders.known_lots[slot] = lots
        orders.flags[slot] = (tif << TIF_SHIFT) + (IS_POST_ONLY if is_post_only else 0)
        orders.state[slot] = UNDER_WAY
        orders.stage[slot] = SENT
        orders.risk_ticks[slot] = price_ticks if price_ticks else market.local._best_price(1 - side)
        orders.sent_ns[slot] = self.now_ns
        orders.accepted_ns[slot] = orders.filled_ns[slot] = orders.ahead_lots[slot] = 0
        if latency_ns < 0:
            latency_ns = self.latency.entry(self.now_ns)
        orders.arrive_ns[slot] = self.now_ns + latency_ns
        at = self._pending.place(self.now_ns + latency_ns)
        self._pending.data[at + KIND] = AN_ORDER
        self._pending.data[at + SLOT] = slot
        self._pending.data[at + SERIAL] = orders.serial[slot]
        self._pending.data[at + INDEX] = market.index
        market.activate(slot)
        market.count_open(side, owner, lots, orders.risk_ticks[slot])
        self.sent_lots += lots
        return slot

    def withdraw(self, slot: cython.longlong, latency_ns: cython.longlong) -> cython.int:
        """Send a cancel on its way, once; it never overtakes its order."""
        orders: Orders = self._orders
        due: cython.longlong
        at: cython.longlong
        if orders.stage[slot] == CANCELING:
            return 0
        orders.stage[slot] = CANCELING
        if not self.uses_exchange_time and orders.state[slot] == DONE:
            self._say_ns = self.now_ns
            self._answer(
                CANCEL_REJECTED, slot, orders.serial[slot], orders.handle[slot], orders.market[slot],
                self.now_ns, 0, 0, 0, False, 0,
            )  # fmt: skip
            return 0
        if latency_ns < 0:
            latency_ns = self.latency.entry(self.now_ns)
        due = self.now_ns + latency_ns
        due = max(due, orders.arrive_ns[slot])
        at = self._pending.place(due)
        self._pending.data[at + KIND] = A_CANCEL
        self._pending.data[at + SLOT] = slot
        self._pending.data[at + SERIAL] = orders.serial[slot]
        self._pending.data[at + HANDLE] = orders.handle[slot]
        self._pending.data[at + INDEX] = orders.market[slot]
        return 0

    def quote(
        self,
        market: Market,
        bid_ticks: cython.longlong,
        ask_ticks: cython.longlong,
        lots: cython.longlong,
    ) -> cython.int:
        """Have one post-only order of `lots` at each price (0: none), canceling what rests elsewhere."""
        orders: Orders = self._orders
        at: cython.longlong
        slot: cython.longlong
        for at in range(market.active_count):
            slot = market.active[at]
            if orders.side[slot]:
                if ask_ticks and orders.price_ticks[slot] == ask_ticks:
                    ask_ticks = 0
                elif orders.stage[slot] == OPEN:
                    self.withdraw(slot, -1)
            elif bid_ticks and orders.price_ticks[slot] == bid_ticks:
                bid_ticks = 0
            elif orders.stage[slot] == OPEN:
                self.withdraw(slot, -1)
        if bid_ticks:
            self.send(market, -1, 0, bid_ticks, lots, 0, True, False, 0, -1)
        if ask_ticks:
            self.send(market, -1, 1, ask_ticks, lots, 0, True, False, 0, -1)
        return 0

    def _judged(
        self,
        market: Market,
        side: cython.longlong,
        price_ticks: cython.longlong,
        lots: cython.longlong,
        is_reduce_only: cython.bint,
        owner: cython.longlong,
    ) -> cython.Py_ssize_t:
        """Return how many lots may be sent, or minus the code of what refuses them."""
        limits: Limits = market.limits
        other: Market
        held: cython.longlong
        touch: cython.longlong = price_ticks if price_ticks else market.local._best_price(1 - side)
        if touch and lots > ATOMS_MAX // touch // market.tick_lot_atoms:
            return -TOO_LARGE
        if limits is None:
            return lots
        limits.is_trusted = market.is_trusted
        limits.bid_ticks = market.local._best_price(0)
        limits.ask_ticks = market.local._best_price(1)
        limits.mark_half_ticks = market.mid_half_ticks
        limits.position_lots = market.position_lots
        limits.own_position_lots = market.owner_lots[owner]
        limits.live_buy_lots = market.open_lots[0]
        limits.live_sell_lots = market.open_lots[1]
        limits.own_live_buy_lots = market.owner_open[owner]
        limits.own_live_sell_lots = market.owner_open[OWNERS + owner]
        limits.live_ticks_lots = market.open_ticks_lots
        limits.open_count = market.active_count
        limits.others_atoms = 0
        if len(self.markets) > 1:
            for other in self.markets:
                if other is not market:
                    held = abs(other.position_lots) * other.mid_half_ticks * other.tick_lot_atoms
                    limits.others_atoms += (held + 1) // 2 + other.open_ticks_lots * other.tick_lot_atoms
        if not market.is_derivative and self._wallets[market.wallet]:
            limits.cash_atoms = self._wallets[market.wallet] // market.atom_scale
            for other in self.markets:
                if other.wallet == market.wallet and not other.is_derivative:
                    held = other.cash_atoms - other.open_buys_atoms()
                    limits.cash_atoms += held * other.atom_scale // market.atom_scale
        if self._meets_own(market, side, price_ticks if price_ticks else touch):
            return -SELF_TRADE
        lots = limits.judge(side, touch, lots, price_ticks == 0, is_reduce_only)
        if lots <= 0:
            return -limits.code
        if limits.filtered(price_ticks, lots, price_ticks == 0, is_reduce_only):
            return -limits.filtered(price_ticks, lots, price_ticks == 0, is_reduce_only)
        return lots

    def _meets_own(self, market: Market, side: cython.longlong, price_ticks: cython.longlong) -> cython.bint:
        """Return whether an order could meet one of ours that we think open (I-12)."""
        at: cython.longlong
        slot: cython.longlong
        other: cython.longlong
        for at in range(market.active_count):
            slot = market.active[at]
            other = self._orders.risk_ticks[slot]
            if self._orders.side[slot] != side and (price_ticks <= other if side else price_ticks >= other):
                return True
        return False

    # ---- we hear

    def _answer(
        self,
        kind: cython.longlong,
        slot: cython.longlong,
        serial: cython.longlong,
        handle: cython.longlong,
        index: cython.longlong,
        ts_ns: cython.longlong,
        price_ticks: cython.longlong,
        lots: cython.longlong,
        leaves: cython.longlong,
        is_maker: cython.bint,
        fee_atoms: cython.longlong,
    ) -> cython.int:
        """Send what the venue says on its way to us."""
        line: Timeline = self._answers
        at: cython.longlong = line.place(self._say_ns + self.latency.response(self._say_ns))
        line.data[at + KIND] = kind
        line.data[at + SLOT] = slot
        line.data[at + SERIAL] = serial
        line.data[at + HANDLE] = handle
        line.data[at + TS] = ts_ns
        line.data[at + PRICE] = price_ticks
        line.data[at + LOTS] = lots
        line.data[at + LEAVES] = leaves
        line.data[at + MAKER] = is_maker
        line.data[at + FEE] = fee_atoms
        line.data[at + INDEX] = index
        return 0

    def _hear(self, is_reported: cython.bint) -> cython.int:
        """Take in every answer that has come by now: what we know follows, and reports for a host."""
        orders: Orders = self._orders
        line: Timeline = self._answers
        rows: Rows = self.reports
        market: Market
        at: cython.longlong
        to: cython.longlong
        field: cython.longlong
        slot: cython.longlong
        kind: cython.longlong
        while line.due_ns <= self.now_ns:
            at = line.head()
            kind = line.data[at + KIND]
            slot = line.data[at + SLOT]
            market = self.markets[line.data[at + INDEX]]
            if is_reported:
                to = rows.place()
                for field in range(REPORT_WIDTH):
                    rows.data[to + field] = line.data[at + TS + field]
            if orders.serial[slot] == line.data[at + SERIAL]:
                if kind == ACCEPTED:
                    orders.accepted_ns[slot] = line.data[at + TS]
                    if orders.stage[slot] == SENT:
                        orders.stage[slot] = OPEN
                elif kind == FILL:
                    self._hear_fill(market, slot, at)
                elif kind == CANCELED:
                    self._over(market, slot, WAS_CANCELED, line.data[at + TS])
                elif kind == REJECTED:
                    self._over(market, slot, WAS_REJECTED, line.data[at + TS])
                elif kind == EXPIRED:
                    self._over(market, slot, WAS_EXPIRED, line.data[at + TS])
            line.drop()
        return 0

    def _hear_fill(self, market: Market, slot: cython.longlong, at: cython.longlong) -> cython.int:
        """Take in a fill: position, money, sums and the record."""
        orders: Orders = self._orders
        line: Timeline = self._answers
        side: cython.longlong = orders.side[slot]
        owner: cython.longlong = orders.owner[slot]
        lots: cython.longlong = line.data[at + LOTS]
        price: cython.longlong = line.data[at + PRICE]
        fee: cython.longlong = line.data[at + FEE]
        signed: cython.longlong = -lots if side else lots
        to: cython.longlong
        market.position_lots += signed
        market.owner_lots[owner] += signed
        market.cash_atoms -= signed * price * market.tick_lot_atoms + fee
        market.fees_atoms += fee
        market.count_open(side, owner, -lots, orders.risk_ticks[slot])
        orders.known_lots[slot] -= lots
        if orders.filled_ns[slot] == 0:
            orders.filled_ns[slot] = line.data[at + TS]
        to = self.fills.place()
        self.fills.data[to] = line.data[at + TS]
        self.fills.data[to + 1] = self.now_ns
        self.fills.data[to + 2] = market.venue_row
        self.fills.data[to + 3] = market.index
        self.fills.data[to + 4] = owner
        self.fills.data[to + 5] = orders.handle[slot]
        self.fills.data[to + 6] = side
        self.fills.data[to + 7] = line.data[at + MAKER]
        self.fills.data[to + 8] = price
        self.fills.data[to + 9] = lots
        self.fills.data[to + 10] = fee
        self.fills.data[to + 11] = market.position_lots
        if orders.known_lots[slot] == 0:
            self._over(market, slot, WAS_FILLED, line.data[at + TS])
        return self.mark()

    def _over(
        self, market: Market, slot: cython.longlong, state: cython.longlong, ts_ns: cython.longlong
    ) -> cython.int:
        """Keep the record of an order that is over as far as we know, and forget the order."""
        orders: Orders = self._orders
        rows: Rows = self.orders
        side: cython.longlong = orders.side[slot]
        left: cython.longlong = orders.known_lots[slot]
        to: cython.longlong = rows.place()
        rows.data[to] = orders.sent_ns[slot]
        rows.data[to + 1] = market.index
        rows.data[to + 2] = orders.owner[slot]
        rows.data[to + 3] = orders.handle[slot]
        rows.data[to + 4] = side
        rows.data[to + 5] = state
        rows.data[to + 6] = orders.price_ticks[slot]
        rows.data[to + 7] = orders.qty_lots[slot]
        rows.data[to + 8] = orders.qty_lots[slot] - left
        rows.data[to + 9] = orders.accepted_ns[slot]
        rows.data[to + 10] = orders.filled_ns[slot]
        rows.data[to + 11] = ts_ns
        rows.data[to + 12] = orders.ahead_lots[slot]
        market.count_open(side, orders.owner[slot], -left, orders.risk_ticks[slot])
        market.deactivate(slot)
        if self._slots:
            self._slots.pop(orders.handle[slot], None)
        orders.give_back(slot)
        return 0

    # ---- what we are worth

    def equity(self) -> cython.longlong:
        """Return money and positions at the last trusted mids, in the engine's atoms, rounded down."""
        market: Market
        total: cython.longlong = 0
        value: cython.longlong
        index: cython.longlong
        for index in range(WALLETS_MAX):
            total += self._wallets[index]
        for market in self.markets:
            value = market.position_lots * market.mid_half_ticks * market.tick_lot_atoms
            total += (market.cash_atoms + value // 2) * market.atom_scale
        return total

    def mark(self) -> cython.int:
        """Let peak and drawdown follow the equity of now (BT-4)."""
        now: cython.longlong = self.equity()
        if not self._has_peak or now > self._peak_atoms:
            self._peak_atoms = now
            self._has_peak = True
        elif self._peak_atoms - now > self.max_drawdown_atoms:
            self.max_drawdown_atoms = self._peak_atoms - now
        return 0
