# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
# mypy: disable-error-code="has-type, misc"
"""The venue's side of the backtest engine: arrivals, matching, fills with their fees, and funding.

What becomes of an order is decided in `backtest_market.Market`; here it becomes fills, money of the venue's
account and answers under way. Funding and spot wallets follow what the venue holds. C signatures are in
backtest_desk.pxd.
"""

import cython

if cython.compiled:
    from cython.cimports.shared.kernels.backtest_account import (
        ACCEPTED,
        AN_ORDER,
        ATOMS_MAX,
        CANCEL_REJECTED,
        CANCELED,
        DONE,
        EXPIRED,
        FILL,
        HANDLE,
        INDEX,
        IS_POST_ONLY,
        KIND,
        REJECTED,
        RESTING,
        SERIAL,
        SLOT,
        TIER_DAYS,
        TIF_SHIFT,
        Account,
    )
    from cython.cimports.shared.kernels.backtest_market import GTC, INSUFFICIENT, NOT_FILLED, Market
    from cython.cimports.shared.kernels.backtest_store import Orders, share_up
    from cython.cimports.shared.kernels.matching import level_lots
else:
    from shared.kernels.backtest_account import (
        ACCEPTED,
        AN_ORDER,
        ATOMS_MAX,
        CANCEL_REJECTED,
        CANCELED,
        DONE,
        EXPIRED,
        FILL,
        HANDLE,
        INDEX,
        IS_POST_ONLY,
        KIND,
        REJECTED,
        RESTING,
        SERIAL,
        SLOT,
        TIER_DAYS,
        TIF_SHIFT,
        Account,
    )
    from shared.kernels.backtest_market import GTC, INSUFFICIENT, NOT_FILLED, Market
    from shared.kernels.backtest_store import Orders, share_up
    from shared.kernels.matching import level_lots

RATE_E8 = cython.declare(cython.longlong, 100_000_000)
DAY_NS = cython.declare(cython.longlong, 86_400_000_000_000)


@cython.cclass
class Desk(Account):
    """See the module; `shared.kernels.backtest.Engine` is what is used."""

    # ---- public trades and books

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
        self._say_ns = ts_ns
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
        self._say_ns = ts_ns
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

    # ---- orders and cancels arrive

    def _arrivals(self, until_ns: cython.longlong, say_ns: cython.longlong) -> cython.int:
        """Let what is due by a time reach the venue, which answers at `say_ns` (-1: at once)."""
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
        if code in {0, NOT_FILLED} and not market.is_derivative and self._wallets[market.wallet]:
            code = code if self._has_funds(market, slot) else INSUFFICIENT
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

    # ---- funding and fees

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
