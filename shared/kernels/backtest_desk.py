# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
"""The desk of the backtest engine: orders from `send` to their end, the venue's matching of them, and money.

What the venue does is decided in `backtest_market.Market`; here it becomes fills, fees and answers under way.
We know of an order only what was heard: `position_lots`, `cash_atoms` and the records follow the answers,
funding and a spot wallet what the venue holds. C signatures are in backtest_desk.pxd.
"""

import array

import cython

if cython.compiled:
    from cython.cimports.shared.kernels.backtest_latency import Latency
    from cython.cimports.shared.kernels.backtest_market import Market
    from cython.cimports.shared.kernels.backtest_store import Orders, Rows, Timeline, share_up
    from cython.cimports.shared.kernels.limits import Limits
    from cython.cimports.shared.kernels.matching import level_lots
else:
    from shared.kernels.backtest_latency import Latency
    from shared.kernels.backtest_market import Market
    from shared.kernels.backtest_store import Orders, Rows, Timeline, share_up
    from shared.kernels.limits import Limits
    from shared.kernels.matching import level_lots

WALLETS_MAX = cython.declare(cython.longlong, 16)
# Today and the 30 days before it.
TIER_DAYS = cython.declare(cython.longlong, 31)
REPORT_WIDTH = 9
FILL_WIDTH = 12
ORDER_WIDTH = 13
FUNDING_WIDTH = 6
# Reports.
ACCEPTED = cython.declare(cython.longlong, 1)
REJECTED = cython.declare(cython.longlong, 2)
FILL = cython.declare(cython.longlong, 3)
CANCELED = cython.declare(cython.longlong, 4)
EXPIRED = cython.declare(cython.longlong, 5)
CANCEL_REJECTED = cython.declare(cython.longlong, 6)
# Entries of the timelines, and their fields.
AN_ORDER = cython.declare(cython.longlong, 1)
A_CANCEL = cython.declare(cython.longlong, 2)
KIND = cython.declare(cython.longlong, 1)
SLOT = cython.declare(cython.longlong, 2)
SERIAL = cython.declare(cython.longlong, 3)
HANDLE = cython.declare(cython.longlong, 4)
TS = cython.declare(cython.longlong, 5)
PRICE = cython.declare(cython.longlong, 6)
LOTS = cython.declare(cython.longlong, 7)
LEAVES = cython.declare(cython.longlong, 8)
MAKER = cython.declare(cython.longlong, 9)
FEE = cython.declare(cython.longlong, 10)
INDEX = cython.declare(cython.longlong, 11)
# States of an order: at the venue, and as far as we have heard.
UNDER_WAY = cython.declare(cython.longlong, 0)
RESTING = cython.declare(cython.longlong, 1)
DONE = cython.declare(cython.longlong, 2)
SENT = cython.declare(cython.longlong, 1)
OPEN = cython.declare(cython.longlong, 2)
CANCELING = cython.declare(cython.longlong, 3)
IS_POST_ONLY = cython.declare(cython.longlong, 1)
TIF_SHIFT = cython.declare(cython.longlong, 2)
GTC = cython.declare(cython.longlong, 0)
UNTRUSTED_BOOK = cython.declare(cython.longlong, 1)
INSUFFICIENT = cython.declare(cython.longlong, 5)
NOT_FILLED = cython.declare(cython.longlong, 6)
# States of the orders' records (services/backtest/tables.py).
WAS_OPEN = cython.declare(cython.longlong, 0)
WAS_FILLED = cython.declare(cython.longlong, 1)
WAS_CANCELED = cython.declare(cython.longlong, 2)
WAS_EXPIRED = cython.declare(cython.longlong, 3)
WAS_REJECTED = cython.declare(cython.longlong, 4)
SELF_TRADE = cython.declare(cython.longlong, 101)
TOO_LARGE = cython.declare(cython.longlong, 102)
RATE_E8 = cython.declare(cython.longlong, 100_000_000)
DAY_NS = cython.declare(cython.longlong, 86_400_000_000_000)
ATOMS_MAX = cython.declare(cython.longlong, 4_000_000_000_000_000_000)
OWNERS = cython.declare(cython.longlong, 64)


@cython.cclass
class Desk:
    """See the module; `shared.kernels.backtest.Engine` is what is used."""

    def __init__(self, latency_in_ns: int, latency_out_ns: int, is_partial: bool, uses_exchange_time: bool):
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
        """Send an order and return its slot, or minus (100 + code) when risk refuses it; see `Engine.submit`."""
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
        if due < orders.arrive_ns[slot]:
            due = orders.arrive_ns[slot]
        at = self._pending.place(due)
        self._pending.data[at + KIND] = A_CANCEL
        self._pending.data[at + SLOT] = slot
        self._pending.data[at + SERIAL] = orders.serial[slot]
        self._pending.data[at + HANDLE] = orders.handle[slot]
        self._pending.data[at + INDEX] = orders.market[slot]
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

    # ---- the venue

    def _match_trade(
        self,
        market: Market,
        side: cython.longlong,
        price_ticks: cython.longlong,
        lots: cython.longlong,
        ts_ns: cython.longlong,
    ) -> cython.int:
        """Let one public trade work on our resting orders."""
        index: cython.longlong
        count: cython.longlong
        slot: cython.longlong
        if not market.is_venue_open():
            return 0
        count = market.queue.propose(side, price_ticks, lots, not self.is_partial)
        for index in range(count):
            slot = market.queue._found[2 * index]
            self._fill(
                market, slot, self._orders.price_ticks[slot], market.queue._found[2 * index + 1], ts_ns, True
            )
        return 0

    def _match_book(self, market: Market, ts_ns: cython.longlong) -> cython.int:
        """Fill resting orders that the other side of the book lies beyond, by the lots that lie there."""
        index: cython.longlong
        at: cython.longlong
        count: cython.longlong
        slot: cython.longlong
        lots: cython.longlong
        limit: cython.longlong
        if not market.is_venue_open():
            return 0
        count = market.queue.find_crossed(market.venue, not self.is_partial)
        for index in range(count):
            slot = market.queue._found[2 * index]
            lots = market.queue._found[2 * index + 1]
            if self.is_partial:
                limit = self._orders.price_ticks[slot] + (1 if self._orders.side[slot] else -1)
                market.part_count = 0
                if limit > 0:
                    market.walk(self._orders.side[slot], limit, lots)
                lots = 0
                for at in range(market.part_count):
                    lots += market.parts[2 * at + 1]
            if lots > 0:
                self._fill(market, slot, self._orders.price_ticks[slot], lots, ts_ns, True)
        return 0

    def _arrivals(self, until_ns: cython.longlong, say_ns: cython.longlong) -> cython.int:
        """Let orders and cancels reach the venue that are due by a time; it answers at `say_ns` (-1: at once)."""
        orders: Orders = self._orders
        at: cython.longlong
        slot: cython.longlong
        due: cython.longlong
        market: Market
        while self._pending.due_ns <= until_ns:
            at = self._pending.head()
            due = self._pending.data[at]
            slot = self._pending.data[at + SLOT]
            self._say_ns = due if say_ns < 0 else say_ns
            market = self.markets[self._pending.data[at + INDEX]]
            if self._pending.data[at + KIND] == AN_ORDER:
                self._pending.drop()
                self._arrive(market, slot, due)
                continue
            is_gone: cython.bint = orders.serial[slot] != self._pending.data[at + SERIAL]
            if not is_gone and orders.state[slot] == RESTING:
                self._pending.drop()
                market.queue.remove(slot)
                market.watch()
                orders.state[slot] = DONE
                self._answer(
                    CANCELED, slot, orders.serial[slot], orders.handle[slot], market.index, due,
                    orders.price_ticks[slot], 0, orders.leaves_lots[slot], False, 0,
                )  # fmt: skip
                continue
            if self.uses_exchange_time:
                self._answer(
                    CANCEL_REJECTED, slot, self._pending.data[at + SERIAL], self._pending.data[at + HANDLE],
                    market.index, due, 0, 0, 0, False, 0,
                )  # fmt: skip
            self._pending.drop()
        return 0

    def _arrive(self, market: Market, slot: cython.longlong, ts_ns: cython.longlong) -> cython.int:
        """Let an order reach the venue and be matched against the book of this moment."""
        orders: Orders = self._orders
        side: cython.longlong = orders.side[slot]
        price: cython.longlong = orders.price_ticks[slot]
        tif: cython.longlong = orders.flags[slot] >> TIF_SHIFT
        index: cython.longlong
        count: cython.longlong
        code: cython.longlong = market.meet(
            side, price, orders.leaves_lots[slot], tif, orders.flags[slot] & IS_POST_ONLY
        )
        if (code == 0 or code == NOT_FILLED) and not market.is_derivative and self._wallets[market.wallet]:
            if not self._has_funds(market, slot):
                code = INSUFFICIENT
        if code:
            orders.state[slot] = DONE
            self._answer(
                EXPIRED if code == NOT_FILLED else REJECTED, slot, orders.serial[slot], orders.handle[slot],
                market.index, ts_ns, 0 if code == NOT_FILLED else code, 0, orders.leaves_lots[slot], False, 0,
            )  # fmt: skip
            return 0
        self._answer(
            ACCEPTED, slot, orders.serial[slot], orders.handle[slot], market.index, ts_ns, price, 0,
            orders.leaves_lots[slot], False, 0,
        )  # fmt: skip
        orders.state[slot] = RESTING
        if tif == GTC and price:
            index = level_lots(market.venue, side, price)
            orders.ahead_lots[slot] = index
            market.queue.add(side, slot, price, orders.leaves_lots[slot], index)
        count = market.part_count
        for index in range(count):
            if self.is_partial:
                market.take(1 - side, market.parts[2 * index], market.parts[2 * index + 1])
            self._fill(market, slot, market.parts[2 * index], market.parts[2 * index + 1], ts_ns, False)
        if orders.state[slot] == RESTING and (tif != GTC or price == 0):
            orders.state[slot] = DONE
            self._answer(
                EXPIRED, slot, orders.serial[slot], orders.handle[slot], market.index, ts_ns, 0, 0,
                orders.leaves_lots[slot], False, 0,
            )  # fmt: skip
        market.watch()
        return 0

    def _has_funds(self, market: Market, slot: cython.longlong) -> cython.bint:
        """Return whether a spot wallet has what the whole order would move (shared/paper/arrival.py)."""
        orders: Orders = self._orders
        other: Market
        leaves: cython.longlong = orders.leaves_lots[slot]
        index: cython.longlong
        value: cython.longlong = 0
        free: cython.longlong
        fee_ppm: cython.longlong = max(0, market.maker_fee_ppm, market.taker_fee_ppm)
        if orders.side[slot]:
            return leaves <= market.venue_lots - market.offered_lots()
        for index in range(market.part_count):
            value += market.parts[2 * index] * market.parts[2 * index + 1]
            leaves -= market.parts[2 * index + 1]
        value = (value + orders.price_ticks[slot] * leaves) * market.tick_lot_atoms
        value += share_up(value, fee_ppm)
        free = self._wallets[market.wallet]
        for other in self.markets:
            if other.wallet == market.wallet and not other.is_derivative:
                free += (other.venue_cash_atoms - other.reserved_atoms()) * other.atom_scale
        return value <= free // market.atom_scale

    def _fill(
        self,
        market: Market,
        slot: cython.longlong,
        price_ticks: cython.longlong,
        lots: cython.longlong,
        ts_ns: cython.longlong,
        is_maker: cython.bint,
    ) -> cython.int:
        """Execute lots of an order at the venue: fee (rounded against us), money, its place in the queue."""
        orders: Orders = self._orders
        side: cython.longlong = orders.side[slot]
        signed: cython.longlong = -lots if side else lots
        value: cython.longlong = price_ticks * lots * market.tick_lot_atoms
        fee: cython.longlong
        if lots > ATOMS_MAX // price_ticks // market.tick_lot_atoms:
            raise OverflowError(
                f"fill of {lots} lots at {price_ticks} ticks is worth more atoms than 64 bits hold; "
                "use the exact path (--path exact)"
            )
        if self._tiers:
            self._renew_tier(ts_ns)
        fee = share_up(value, market.maker_fee_ppm if is_maker else market.taker_fee_ppm)
        market.venue_lots += signed
        market.venue_cash_atoms += (value if side else -value) - fee
        market.volume_atoms += value
        if abs(market.venue_cash_atoms) > ATOMS_MAX or market.volume_atoms > ATOMS_MAX:
            raise OverflowError(
                f"market {market.index}: cash or volume is beyond {ATOMS_MAX} atoms; use the exact path "
                "(--path exact)"
            )
        if self._tiers:
            self._tier_days[self._tier_day % TIER_DAYS] += value * market.atom_scale
        orders.leaves_lots[slot] -= lots
        if is_maker and self.is_partial:
            market.take_beyond(side, orders.price_ticks[slot], lots)
        market.queue.reduce(slot, lots)
        if orders.leaves_lots[slot] == 0:
            orders.state[slot] = DONE
        self._answer(
            FILL, slot, orders.serial[slot], orders.handle[slot], market.index, ts_ns, price_ticks, lots,
            orders.leaves_lots[slot], is_maker, fee,
        )  # fmt: skip
        if is_maker:
            market.watch()
        return 0

    def _pay_funding(
        self, market: Market, ts_ns: cython.longlong, mark_ticks: cython.longlong, rate_e8: cython.longlong
    ) -> cython.int:
        """Book funding on what the venue holds: -position * mark * rate, rounded down (against us)."""
        value: cython.longlong = -market.venue_lots * mark_ticks * market.tick_lot_atoms
        whole: cython.longlong = value // RATE_E8
        amount: cython.longlong = whole * rate_e8 + (value - whole * RATE_E8) * rate_e8 // RATE_E8
        at: cython.longlong
        if not market.is_derivative or market.venue_lots == 0:
            return 0
        market.venue_cash_atoms += amount
        market.cash_atoms += amount
        market.funding_atoms += amount
        at = self.funding.place()
        self.funding.data[at] = ts_ns
        self.funding.data[at + 1] = market.index
        self.funding.data[at + 2] = rate_e8
        self.funding.data[at + 3] = mark_ticks
        self.funding.data[at + 4] = market.venue_lots
        self.funding.data[at + 5] = amount
        return 0

    def _renew_tier(self, now_ns: cython.longlong) -> cython.int:
        """Choose the fees at the change of a day (UTC) by the volume of the 30 days before it."""
        day: cython.longlong = now_ns // DAY_NS
        index: cython.longlong
        total: cython.longlong = 0
        market: Market
        if day == self._tier_day:
            return 0
        if self._tier_day == 0:
            self._tier_day = day - 1
            self._tier_days[self._tier_day % TIER_DAYS] = self._tier_days[TIER_DAYS]
        for index in range(min(TIER_DAYS, day - self._tier_day)):
            self._tier_days[(day - index) % TIER_DAYS] = 0
        self._tier_day = day
        for index in range(TIER_DAYS):
            total += self._tier_days[index]
        for from_atoms, maker_ppm, taker_ppm in self._tiers:
            if total >= from_atoms:
                for market in self.markets:
                    market.maker_fee_ppm, market.taker_fee_ppm = maker_ppm, taker_ppm
        return 0

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
        slot: cython.longlong
        kind: cython.longlong
        while line.due_ns <= self.now_ns:
            at = line.head()
            kind = line.data[at + KIND]
            slot = line.data[at + SLOT]
            market = self.markets[line.data[at + INDEX]]
            if is_reported:
                to = rows.place()
                rows.data[to] = line.data[at + TS]
                rows.data[to + 1] = market.index
                rows.data[to + 2] = line.data[at + HANDLE]
                rows.data[to + 3] = kind
                rows.data[to + 4] = line.data[at + PRICE]
                rows.data[to + 5] = line.data[at + LOTS]
                rows.data[to + 6] = line.data[at + LEAVES]
                rows.data[to + 7] = line.data[at + MAKER]
                rows.data[to + 8] = line.data[at + FEE]
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
        """Return money and positions at the last trusted mids, in atoms of the finest market, rounded down."""
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
