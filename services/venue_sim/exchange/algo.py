"""Conditional orders of USD-M: they wait outside the book and become orders at their trigger."""

from collections import deque
from decimal import Decimal
from typing import Any

import msgspec

from services.venue_sim.exchange.amounts import E18, decimal_of, e18_of
from services.venue_sim.exchange.orders import SIDE_NAMES
from services.venue_sim.exchange.records import SIDES, ZERO, AlgoEvent, AlgoOrder, NewOrder
from services.venue_sim.exchange.triggers import Trigger, Triggers
from services.venue_sim.exchange.usdm import CONDITIONAL, UsdmDesk
from services.venue_sim.matching import BUY
from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.venue import USDM

CLOSED_KEPT = 2_000
CALLBACK_MIN, CALLBACK_MAX = Decimal("0.1"), Decimal(20)
MARK_PRICE = "MARK_PRICE"
LIMIT_KINDS = frozenset({"STOP", "TAKE_PROFIT"})
TRAILING = "TRAILING_STOP_MARKET"


class AlgoState(msgspec.Struct):
    """One conditional order; prices and the callback rate (percent) in 1e-18.

    `extreme_e18` is the best price since a trailing stop was activated, 0 before.
    """

    algo_id: int
    account: str
    new: NewOrder
    status: str
    created_ms: int
    updated_ms: int
    lots: int = 0
    price_ticks: int = 0
    trigger_e18: int = 0
    is_falling: bool = False
    callback_e18: int = 0
    activation_e18: int = 0
    extreme_e18: int = 0
    trigger_ms: int = 0
    order_id: int = 0
    reason: str = ""

    @property
    def is_marked(self) -> bool:
        """Return whether the mark price triggers it, else the last price."""
        return self.new.working_type == MARK_PRICE


class AlgoDesk:
    """The algo endpoint of USD-M: a conditional order holds no margin; what it becomes is checked."""

    def __init__(self, desk: UsdmDesk) -> None:
        self._desk = desk
        self._floor = desk.floor
        self.open: dict[int, AlgoState] = {}
        self._by_client: dict[tuple[str, str], int] = {}
        self._closed: deque[AlgoState] = deque(maxlen=CLOSED_KEPT)
        self._triggers = {False: Triggers(), True: Triggers()}
        self._trailing: dict[int, AlgoState] = {}
        # Triggered ones whose order is still open.
        self._running: dict[int, AlgoState] = {}

    # ---- requests

    def place(self, account: str, new: NewOrder, now_ms: int) -> AlgoOrder:
        """Take a conditional order: `stop_price` is its trigger, `client_order_id` its clientAlgoId."""
        rules = self._desk.rules_of(new.symbol)
        if new.type not in CONDITIONAL:
            raise VenueRefusal(-1116, "Invalid orderType.")
        if rules.status != "TRADING":
            raise VenueRefusal(-4140, "Invalid symbol status for opening position.")
        self._desk.position_side_of(account, new)
        mine = [a for a in self.open.values() if (a.account, a.new.symbol) == (account, new.symbol)]
        rules.check_counts(0, len(mine), is_stop=True)
        self._floor.ids.algo += 1
        algo_id = self._floor.ids.algo
        name = new.client_order_id or f"sima{algo_id:x}"
        if (account, name) in self._by_client:
            raise VenueRefusal(-4116, "ClientOrderId is duplicated.")
        new = msgspec.structs.replace(new, client_order_id=name)
        algo = AlgoState(algo_id, account, new, "NEW", now_ms, now_ms)
        self._read(algo)
        if not any(other.new.symbol == new.symbol for other in self.open.values()):
            # What was traded before nobody waited starts nothing.
            self._desk.sides[new.symbol].trade_range()
        self.open[algo_id] = algo
        self._by_client[account, name] = algo_id
        self._wait(algo)
        self._say(algo, now_ms)
        return self.record(algo)

    def _read(self, algo: AlgoState) -> None:
        """Check and keep the numbers of a request."""
        new, rules = algo.new, self._desk.rules[algo.new.symbol]
        if new.close_position:
            if new.type not in {"STOP_MARKET", "TAKE_PROFIT_MARKET"}:
                text = f"Target strategy invalid for orderType {new.type},closePosition true"
                raise VenueRefusal(-4136, text)
            if new.quantity is not None:
                raise VenueRefusal(-4137, "Quantity must be zero with closePosition equals true.")
            if new.reduce_only:
                raise VenueRefusal(-1106, "Parameter 'reduceonly' sent when not required.")
        elif new.quantity is None:
            raise VenueRefusal(
                -1102, "Mandatory parameter 'quantity' was not sent, was empty/null, or malformed."
            )
        else:
            algo.lots = rules.lots_of(new.quantity, is_market=new.type not in LIMIT_KINDS)
        if new.type in LIMIT_KINDS and new.price_match in {"", "NONE"}:
            algo.price_ticks = self._desk.price_of(rules, new, SIDES[new.side])
        last_e18 = self._price_e18(algo)
        is_sell = SIDES[new.side] != BUY
        if new.type == TRAILING:
            self._read_trailing(algo, last_e18)
            algo.is_falling = is_sell
            return
        if new.stop_price is None:
            raise VenueRefusal(
                -1102, "Mandatory parameter 'triggerPrice' was not sent, was empty/null, or malformed."
            )
        algo.trigger_e18 = rules.ticks_of(new.stop_price, "triggerPrice") * rules.units.tick_e18
        # A stop sells below and buys above the price; a take profit the other way round.
        algo.is_falling = is_sell == new.type.startswith("STOP")
        if Trigger(algo.trigger_e18, algo.is_falling).is_reached(last_e18, last_e18):
            raise VenueRefusal(-2021, "Order would immediately trigger.")

    def _read_trailing(self, algo: AlgoState, last_e18: int) -> None:
        new = algo.new
        if new.callback_rate is None or not CALLBACK_MIN <= new.callback_rate <= CALLBACK_MAX:
            raise VenueRefusal(-2007, "Invalid callBack rate.")
        algo.callback_e18 = e18_of(new.callback_rate) or 0
        if new.activation_price is None:
            algo.extreme_e18 = last_e18
            return
        algo.activation_e18 = e18_of(new.activation_price) or 0
        is_sell = SIDES[new.side] != BUY
        if algo.activation_e18 < last_e18 if is_sell else algo.activation_e18 > last_e18:
            raise VenueRefusal(-2021, "Order would immediately trigger.")

    def cancel(self, account: str, algo_id: int, client_algo_id: str, now_ms: int) -> AlgoOrder:
        """Cancel a waiting conditional order (-2011)."""
        algo = self.open.get(algo_id or self._by_client.get((account, client_algo_id), 0))
        if algo is None or algo.account != account:
            raise VenueRefusal(-2011, "Unknown order sent.")
        self._end(algo, "CANCELED", "", now_ms)
        return self.record(algo)

    def cancel_all(self, account: str, symbol: str, now_ms: int) -> list[AlgoOrder]:
        """Cancel all waiting conditional orders of a market, of all markets for ""."""
        mine = [a for a in self.open.values() if a.account == account and symbol in {"", a.new.symbol}]
        for algo in mine:
            self._end(algo, "CANCELED", "", now_ms)
        return [self.record(algo) for algo in mine]

    def order(self, account: str, algo_id: int, client_algo_id: str) -> AlgoOrder:
        """Return a conditional order, waiting or not (-2013)."""
        for algo in reversed(self._all(account)):
            if algo.algo_id == algo_id or (not algo_id and algo.new.client_order_id == client_algo_id):
                return self.record(algo)
        raise VenueRefusal(-2013, "Order does not exist.")

    def open_orders(self, account: str, symbol: str = "") -> list[AlgoOrder]:
        """Return the waiting ones of a market, of all for ""."""
        return [
            self.record(algo)
            for algo in self.open.values()
            if algo.account == account and symbol in {"", algo.new.symbol}
        ]

    def all_orders(self, account: str, symbol: str = "", limit: int = 500) -> list[AlgoOrder]:
        """Return the newest ones, whatever their status, oldest first."""
        mine = [algo for algo in self._all(account) if symbol in {"", algo.new.symbol}]
        return [self.record(algo) for algo in mine[-limit:]]

    def _all(self, account: str) -> list[AlgoState]:
        every = {algo.algo_id: algo for algo in (*self._closed, *self.open.values())}
        return [every[algo_id] for algo_id in sorted(every) if every[algo_id].account == account]

    def has_open(self, account: str, symbol: str) -> bool:
        """Return whether any waits in a market, in any for ""."""
        return any(a.account == account and symbol in {"", a.new.symbol} for a in self.open.values())

    # ---- time

    @property
    def is_idle(self) -> bool:
        """Return whether there is nothing to look after."""
        return not self.open and not self._running

    def advance(self, now_ms: int) -> None:
        """Trigger what the prices have reached, end what is over."""
        for order_id, algo in list(self._running.items()):
            if order_id not in self._desk.store.open:
                del self._running[order_id]
                algo.status, algo.updated_ms = "FINISHED", now_ms
                self._say(algo, now_ms)
        if not self.open:
            return
        for symbol in dict.fromkeys(algo.new.symbol for algo in self.open.values()):
            side, tick_e18 = self._desk.sides[symbol], self._desk.rules[symbol].units.tick_e18
            low, high = (ticks * tick_e18 for ticks in side.trade_range())
            mark_e18 = side.mark_e18()
            self._trail(symbol, {False: (low, high), True: (mark_e18, mark_e18)}, now_ms)
            reached = self._triggers[False].due(symbol, low, high)
            reached += self._triggers[True].due(symbol, mark_e18, mark_e18)
            for algo_id in reached:
                self._start(self.open[algo_id], now_ms)
        for algo in [a for a in self.open.values() if 0 < a.new.good_till_ms <= now_ms]:
            self._end(algo, "EXPIRED", "GTD", now_ms)

    def _trail(self, symbol: str, ranges: dict[bool, tuple[int, int]], now_ms: int) -> None:
        """Let trailing stops follow the price and start those that it has turned back to by their rate."""
        for algo in [a for a in self._trailing.values() if a.new.symbol == symbol]:
            low, high = ranges[algo.is_marked]
            best, worst = (high, low) if algo.is_falling else (low, high)
            if not algo.extreme_e18:
                is_active = best >= algo.activation_e18 if algo.is_falling else best <= algo.activation_e18
                if not is_active:
                    continue
                algo.extreme_e18 = best
            pick = max if algo.is_falling else min
            algo.extreme_e18 = pick(algo.extreme_e18, best)
            back_e18 = algo.extreme_e18 * algo.callback_e18 // (100 * E18)
            algo.trigger_e18 = algo.extreme_e18 + (-back_e18 if algo.is_falling else back_e18)
            if Trigger(algo.trigger_e18, algo.is_falling).is_reached(worst, worst):
                self._start(algo, now_ms)

    def _start(self, algo: AlgoState, now_ms: int) -> None:
        """Place the order that a conditional order becomes; a refusal of it ends both."""
        self._forget(algo)
        algo.trigger_ms = algo.updated_ms = now_ms
        algo.status = "TRIGGERING"
        self._say(algo, now_ms)
        new = self._order_of(algo)
        if new is None:
            algo.status, algo.reason = "EXPIRED", "no position to close"
        else:
            try:
                placed = self._desk.place(algo.account, new, now_ms)
                algo.status, algo.order_id = "TRIGGERED", placed.order.order_id
                self._running[algo.order_id] = algo
            except VenueRefusal as refusal:
                algo.status, algo.reason = "REJECTED", refusal.msg
        self._closed.append(algo)
        self._say(algo, now_ms)

    def _order_of(self, algo: AlgoState) -> NewOrder | None:
        """Return the order to place, None when there is no position to close."""
        new = algo.new
        units = self._desk.rules[new.symbol].units
        lots, reduces = algo.lots, new.reduce_only
        if new.close_position:
            position = self._floor.account(algo.account).position(new.symbol, new.position_side or "BOTH")
            lots = -position.lots if SIDES[new.side] == BUY else position.lots
            reduces = not self._floor.account(algo.account).is_hedge
            if lots <= 0:
                return None
        is_limit = new.type in LIMIT_KINDS
        return msgspec.structs.replace(
            new,
            type="LIMIT" if is_limit else "MARKET",
            time_in_force=(new.time_in_force or "GTC") if is_limit else "",
            quantity=units.quantity(lots),
            price=new.price if is_limit else None,
            stop_price=None,
            reduce_only=reduces,
            close_position=False,
            good_till_ms=new.good_till_ms if new.time_in_force == "GTD" else 0,
        )

    def _wait(self, algo: AlgoState) -> None:
        if algo.new.type == TRAILING:
            self._trailing[algo.algo_id] = algo
        else:
            trigger = Trigger(algo.trigger_e18, algo.is_falling)
            self._triggers[algo.is_marked].add(algo.new.symbol, algo.algo_id, trigger)

    def _forget(self, algo: AlgoState) -> None:
        del self.open[algo.algo_id]
        del self._by_client[algo.account, algo.new.client_order_id]
        self._trailing.pop(algo.algo_id, None)
        self._triggers[algo.is_marked].remove(algo.new.symbol, algo.algo_id)

    def _end(self, algo: AlgoState, status: str, reason: str, now_ms: int) -> None:
        self._forget(algo)
        algo.status, algo.reason, algo.updated_ms = status, reason, now_ms
        self._closed.append(algo)
        self._say(algo, now_ms)

    def _price_e18(self, algo: AlgoState) -> int:
        side = self._desk.sides[algo.new.symbol]
        if algo.is_marked:
            return side.mark_e18()
        return side.last_ticks() * self._desk.rules[algo.new.symbol].units.tick_e18

    def _say(self, algo: AlgoState, now_ms: int) -> None:
        self._floor.say(algo.account, AlgoEvent(venue=USDM, time_ms=now_ms, algo=self.record(algo)))

    def record(self, algo: AlgoState) -> AlgoOrder:
        """Return a conditional order as it is now."""
        new, units = algo.new, self._desk.rules[algo.new.symbol].units
        return AlgoOrder(
            algo_id=algo.algo_id,
            client_algo_id=new.client_order_id,
            account=algo.account,
            symbol=new.symbol,
            side=SIDE_NAMES[SIDES[new.side]],
            type=new.type,
            time_in_force=new.time_in_force or "GTC",
            position_side=new.position_side or "BOTH",
            quantity=units.quantity(algo.lots),
            trigger_price=decimal_of(algo.trigger_e18, 2),
            price=units.price(algo.price_ticks),
            status=algo.status,
            working_type=new.working_type or "CONTRACT_PRICE",
            reduce_only=new.reduce_only,
            close_position=new.close_position,
            price_protect=new.price_protect,
            price_match=new.price_match or "NONE",
            stp=new.stp or "EXPIRE_MAKER",
            good_till_ms=new.good_till_ms,
            created_ms=algo.created_ms,
            updated_ms=algo.updated_ms,
            trigger_ms=algo.trigger_ms,
            order_id=algo.order_id,
            activate_price=new.activation_price or ZERO,
            callback_rate=new.callback_rate or ZERO,
            reason=algo.reason,
        )

    def dump(self) -> list[Any]:
        """Return the state."""
        return [list(self.open.values()), list(self._closed), list(self._running)]

    def load(self, dumped: list[Any]) -> None:
        """Take the state of `dump`."""
        opened, closed, running = dumped
        for algo in msgspec.convert(opened, list[AlgoState], strict=False):
            self.open[algo.algo_id] = algo
            self._by_client[algo.account, algo.new.client_order_id] = algo.algo_id
            self._wait(algo)
        for algo in msgspec.convert(closed, list[AlgoState], strict=False):
            self._closed.append(algo)
            if algo.order_id in running:
                self._running[algo.order_id] = algo
