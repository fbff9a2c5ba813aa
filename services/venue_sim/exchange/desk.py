"""Order entry of one venue: admission, matching with self-trade prevention, fills, cancels and queries."""

from collections.abc import Sequence
from typing import NamedTuple

from services.venue_sim.exchange.amounts import decimal_of
from services.venue_sim.exchange.floor import Floor
from services.venue_sim.exchange.orders import (
    SIDE_NAMES,
    OrderState,
    OrderStore,
    crosses,
    opposite,
    unknown_cancel,
)
from services.venue_sim.exchange.queries import OrderBooks
from services.venue_sim.exchange.records import ZERO, Fill, NewOrder, OrderEvent, PlacedOrder, VenueOrder
from services.venue_sim.exchange.rules import MarketRules
from services.venue_sim.exchange.sides import MarketSide
from services.venue_sim.market import Execution
from services.venue_sim.matching import BUY
from services.venue_sim.refusal import VenueRefusal

STP_MAKER = frozenset({"EXPIRE_MAKER", "EXPIRE_BOTH"})
STP_TAKER = frozenset({"EXPIRE_TAKER", "EXPIRE_BOTH"})
MARKET_TYPES = frozenset({"MARKET", "STOP_LOSS", "TAKE_PROFIT"})


class Paid(NamedTuple):
    """What a fill cost: the commission in 1e-18 of its asset, and the profit it realised."""

    fee_e18: int
    fee_asset: str
    realized_e18: int = 0


class Desk(OrderBooks):
    """What spot and USD-M have in common. Subclasses know money: `_admit`, `_pay`, `_release`, `_settled`."""

    # The kind of event that tells an order which expired against another of its account.
    prevention_kind = "EXPIRED"
    # Whether the event of a cancel carries an id of its own.
    names_cancels = False

    def __init__(
        self, floor: Floor, sides: Sequence[MarketSide], rules: dict[str, MarketRules], store: OrderStore
    ) -> None:
        super().__init__(floor, sides, rules, store)
        for side in sides:
            side.listen(self.on_execution)
        self._shown_out: list[int] = []
        self.touched: dict[tuple[str, str], None] = {}

    # ---- what the venues do differently

    def _made(self, account: str, rules: MarketRules, new: NewOrder, now_ms: int) -> OrderState:
        """Return the order of a request that passes the filters."""
        raise NotImplementedError

    def _admit(self, order: OrderState, rules: MarketRules, now_ms: int) -> None:
        """Refuse an order that has no money behind it, else set its money aside."""
        raise NotImplementedError

    def _pay(self, order: OrderState, execution: Execution, now_ms: int, *, is_maker: bool) -> Paid:
        """Move the money of one fill; the order's sums are those before it."""
        raise NotImplementedError

    def _release(self, order: OrderState) -> None:
        """Give back what a closed order still holds."""

    def reopen(self, order: OrderState, lots: int) -> None:
        """Set money aside for a late fill of a closed order; ValueError without it."""

    def _before_trade_event(self, order: OrderState, now_ms: int) -> None:
        """Say what comes before the event of a trade."""

    def _settled(self, account: str, symbol: str, now_ms: int) -> None:
        """Say what comes after the events of an act."""

    def _trade_kind(self, order: OrderState) -> str:  # noqa: ARG002
        """Return the kind of event that tells a fill."""
        return "TRADE"

    def _refuse_post_only(self) -> VenueRefusal:
        raise NotImplementedError

    # ---- orders

    def place(self, account: str, new: NewOrder, now_ms: int, *, is_test: bool = False) -> PlacedOrder:
        """Take a new order; raises VenueRefusal. `is_test` checks the request and leaves no order."""
        self.floor.account(account)
        rules = self.rules_of(new.symbol)
        order = self._made(account, rules, new, now_ms)
        if is_test:
            return PlacedOrder(order=order.record(self.venue, rules.units))
        if self.store.is_duplicate(account, new.symbol, order.client_order_id):
            raise self._refuse_duplicate()
        mine = self.store.of_market(account, new.symbol)
        stops = sum(other.is_stop for other in mine)
        rules.check_counts(len(mine), stops, is_stop=order.is_stop)
        fills = self.enter(order, rules, now_ms)
        self.finish(now_ms)
        return PlacedOrder(order=order.record(self.venue, rules.units), fills=tuple(fills))

    def _refuse_duplicate(self) -> VenueRefusal:
        raise NotImplementedError

    def _new_order_id(self, new: NewOrder) -> tuple[int, str]:
        """Return (order id, client order id)."""
        order_id = self.floor.next_order_id()
        return order_id, new.client_order_id or f"sim{order_id:x}"

    def enter(self, order: OrderState, rules: MarketRules, now_ms: int) -> list[Fill]:
        """Let an order in: as a stop it waits, else it takes what it may and rests with what is left."""
        side = self.sides[order.symbol]
        is_blocked = order.tif in {"GTX"} or order.type == "LIMIT_MAKER"
        if order.is_working and is_blocked and self._would_take(order, side):
            raise self._refuse_post_only()
        self._check_fok(order, side)
        self._admit(order, rules, now_ms)
        order.working_ms = now_ms if order.is_working else -1
        self.store.add(order)
        self.touched[order.account, order.symbol] = None
        self.say(order, "NEW", now_ms)
        return self.work(order, side, now_ms) if order.is_working else []

    def _would_take(self, order: OrderState, side: MarketSide) -> bool:
        return crosses(order.side, order.price_ticks, side.best(opposite(order.side)))

    def _check_fok(self, order: OrderState, side: MarketSide) -> None:
        """Refuse a fill-or-kill order at entry where the venue does."""

    def can_fill(self, order: OrderState, side: MarketSide) -> bool:
        """Return whether all of an order can be taken now, without orders of its own account."""
        own = self.own_crossing(order, order.price_ticks)
        if order.stp in STP_TAKER and any(side.lots_before(o.book_id) < order.left_lots for o in own):
            return False
        total = -sum(side.visible_lots(other.book_id) for other in own)
        for price_ticks, lots in side.walk(opposite(order.side)):
            if total >= order.left_lots or not crosses(order.side, order.price_ticks, price_ticks):
                break
            total += lots
        return total >= order.left_lots

    def own_crossing(self, order: OrderState, limit_ticks: int) -> list[OrderState]:
        """Return the resting orders of the same account that an order would meet."""
        if order.stp in {"", "NONE"}:
            return []
        side = self.sides[order.symbol]
        return [
            other
            for other in self.store.of_market(order.account, order.symbol)
            if other.side != order.side
            and other.is_working
            and other.price_ticks
            and crosses(order.side, limit_ticks, other.price_ticks)
            and side.visible_lots(other.book_id)
        ]

    def work(self, order: OrderState, side: MarketSide, now_ms: int) -> list[Fill]:
        """Take what the order may take, then rest it or end it by its time in force."""
        order.working_ms = now_ms
        if order.tif == "FOK" and not self.can_fill(order, side):
            self.end(order, "EXPIRED", "FOK", now_ms)
            return []
        is_market = order.type in MARKET_TYPES
        fills = self._take(order, side, self._limit_of(order, side), now_ms)
        if order.order_id not in self.store.open:
            return fills
        if is_market:
            self.end(order, "EXPIRED", "MARKET", now_ms)
        elif order.tif in {"IOC", "FOK"}:
            self.end(order, "EXPIRED", order.tif, now_ms)
        else:
            lots = order.left_lots
            shown = min(lots, order.iceberg_lots) if order.iceberg_lots else lots
            side.rest(order.book_id, order.side, order.price_ticks, shown, now_ms)
        return fills

    def _limit_of(self, order: OrderState, side: MarketSide) -> int:
        """Return the worst price an order accepts; a market order takes the whole other side."""
        if order.type not in MARKET_TYPES:
            return order.price_ticks
        levels = [price_ticks for price_ticks, _ in side.walk(opposite(order.side))]
        return levels[-1] if levels else 1

    def _take(self, order: OrderState, side: MarketSide, limit_ticks: int, now_ms: int) -> list[Fill]:
        """Take from the other side up to a price; orders of the same account in the way meet its STP mode."""
        own = sorted(self.own_crossing(order, limit_ticks), key=lambda other: side.lots_before(other.book_id))
        fills: list[Fill] = []
        for maker in own:
            before = side.lots_before(maker.book_id)
            if before >= order.left_lots:
                break
            if before:
                fills += self._match(order, side, limit_ticks, before, now_ms)
            self._prevent(order, maker, side, now_ms)
            if order.order_id not in self.store.open:
                return fills
        if crosses(order.side, limit_ticks, side.best(opposite(order.side))):
            fills += self._match(order, side, limit_ticks, order.left_lots, now_ms)
        return fills

    def _match(
        self, order: OrderState, side: MarketSide, limit_ticks: int, lots: int, now_ms: int
    ) -> list[Fill]:
        fills = []
        for execution in side.take(order.book_id, order.side, limit_ticks, lots, now_ms):
            fills += self._settle(execution, now_ms)
        return [fill for fill in fills if fill.order_id == order.order_id]

    def _prevent(self, taker: OrderState, maker: OrderState, side: MarketSide, now_ms: int) -> None:
        """Let the taker's mode decide which of two orders of one account expires."""
        match_id = self.floor.next_prevented_id()
        lots = min(taker.left_lots, maker.left_lots)
        for order, other, modes in ((maker, taker, STP_MAKER), (taker, maker, STP_TAKER)):
            if taker.stp in modes:
                order.prevented_lots += lots
                order.prevented_match_id = match_id
                side.withdraw(order.book_id, now_ms)
                self.close(order, "EXPIRED_IN_MATCH", "STP", now_ms)
                self.say(
                    order,
                    self.prevention_kind,
                    now_ms,
                    counter=other,
                    price_ticks=maker.price_ticks,
                    lots=lots,
                )

    # ---- fills

    def on_execution(self, execution: Execution, now_ms: int) -> None:
        """Book a trade that the flow made with a resting order."""
        self._settle(execution, now_ms)
        self.finish(now_ms)

    def finish(self, now_ms: int) -> None:
        """Say what follows the events of an act, for each account it touched."""
        touched, self.touched = self.touched, {}
        for account, symbol in touched:
            self._settled(account, symbol, now_ms)

    def _settle(self, execution: Execution, now_ms: int) -> list[Fill]:
        """Book a trade for those of its two orders that belong to accounts: the maker first."""
        fills = []
        for book_id, is_maker in ((execution.maker_id, True), (execution.taker_id, False)):
            if book_id < 0:
                order = self.store.open[-book_id]
                fills.append(self.book_fill(order, execution, now_ms, is_maker=is_maker))
        return fills

    def book_fill(
        self, order: OrderState, execution: Execution, now_ms: int, *, is_maker: bool, ended_as: str = ""
    ) -> Fill:
        """Book one fill of an order; `ended_as` is the status of one that had ended before (a late fill)."""
        paid = self._pay(order, execution, now_ms, is_maker=is_maker)
        fill = self._apply(order, execution, paid, now_ms, is_maker=is_maker)
        self.touched[order.account, order.symbol] = None
        self.store.add_trade(fill)
        lots = execution.lots
        self.floor.ledger.note_fill(fill, lots if order.side == BUY else -lots)
        if order.status == "FILLED":
            self._release(order)
            if not ended_as:
                self.store.close(order)
        elif ended_as:
            order.status = ended_as
        elif order.iceberg_lots and is_maker:
            self._shown_out.append(order.order_id)
        if ended_as:
            self.store.renew(order)
        self._before_trade_event(order, now_ms)
        self.say(order, self._trade_kind(order), now_ms, fill=fill)
        return fill

    def _apply(
        self, order: OrderState, execution: Execution, paid: Paid, now_ms: int, *, is_maker: bool
    ) -> Fill:
        """Add a fill to the sums of its order and return it."""
        units = self.rules[order.symbol].units
        value_e18 = units.value_e18(execution.price_ticks, execution.lots)
        order.filled_lots += execution.lots
        order.value_e18 += value_e18
        order.realized_e18 += paid.realized_e18
        order.updated_ms = now_ms
        assert order.filled_lots <= order.lots, f"order {order.order_id} is overfilled"
        order.status = "FILLED" if order.left_lots == 0 else "PARTIALLY_FILLED"
        return Fill(
            venue=self.venue,
            symbol=order.symbol,
            account=order.account,
            trade_id=execution.trade_id,
            order_id=order.order_id,
            client_order_id=order.client_order_id,
            side=SIDE_NAMES[order.side],
            price=units.price(execution.price_ticks),
            quantity=units.quantity(execution.lots),
            quote=decimal_of(value_e18),
            commission=decimal_of(paid.fee_e18),
            commission_asset=paid.fee_asset,
            is_maker=is_maker,
            time_ms=now_ms,
            position_side=order.position_side,
            realized=decimal_of(paid.realized_e18) if paid.realized_e18 else ZERO,
        )

    def refill(self, now_ms: int) -> None:
        """Let icebergs whose shown part is gone show the next one, at the end of the queue."""
        while self._shown_out:
            order = self.store.open.get(self._shown_out.pop(0))
            if order is None:
                continue
            side = self.sides[order.symbol]
            if not side.visible_lots(order.book_id):
                self.work(order, side, now_ms)
                self.finish(now_ms)

    # ---- ends

    def close(self, order: OrderState, status: str, reason: str, now_ms: int) -> None:
        """Move an order that is off the book to the closed ones; the money it held is free again."""
        order.status, order.expiry_reason, order.updated_ms = status, reason, now_ms
        self._release(order)
        self.store.close(order)
        self.touched[order.account, order.symbol] = None

    def end(self, order: OrderState, status: str, reason: str, now_ms: int, client_id: str = "") -> None:
        """Take an order off the book, close it and say so."""
        self.sides[order.symbol].withdraw(order.book_id, now_ms)
        self.close(order, status, reason, now_ms)
        self.say(order, "CANCELED" if status == "CANCELED" else "EXPIRED", now_ms, client_id=client_id)

    def say(
        self,
        order: OrderState,
        kind: str,
        now_ms: int,
        *,
        fill: Fill | None = None,
        client_id: str = "",
        counter: OrderState | None = None,
        price_ticks: int = 0,
        lots: int = 0,
        modify_id: str = "",
    ) -> None:
        """Write an event of an order into the ledger and the user stream."""
        units = self.rules[order.symbol].units
        record = order.record(self.venue, units)
        self.floor.ledger.note_order(kind, record, now_ms)
        event = OrderEvent(
            venue=self.venue,
            time_ms=now_ms,
            kind=kind,
            order=record,
            client_order_id=client_id or order.client_order_id,
            event_id=self.floor.next_execution_id(),
            fill=fill,
            counter_order_id=counter.order_id if counter is not None else 0,
            prevented_price=units.price(price_ticks) if price_ticks else ZERO,
            prevented_quantity=units.quantity(lots) if lots else ZERO,
            modify_id=modify_id,
        )
        self.floor.say(order.account, event)

    def cancel(
        self,
        account: str,
        symbol: str,
        order_id: int,
        client_order_id: str,
        now_ms: int,
        *,
        new_client_order_id: str = "",
        restrictions: str = "",
    ) -> VenueOrder:
        """Cancel an open order; returns it as it ended. Raises VenueRefusal -2011."""
        rules = self.rules_of(symbol)
        order = self.store.find_open(account, symbol, order_id, client_order_id)
        if order is None or (order_id and client_order_id and order.client_order_id != client_order_id):
            raise unknown_cancel()
        if restrictions and restrictions.removeprefix("ONLY_") != order.status:
            raise VenueRefusal(-2011, "Order was not canceled due to cancel restrictions.")
        cancel_id = new_client_order_id or f"simc{order.order_id:x}" if self.names_cancels else ""
        self.end(order, "CANCELED", "", now_ms, cancel_id)
        self.finish(now_ms)
        return order.record(self.venue, rules.units)

    def cancel_all(self, account: str, symbol: str, now_ms: int, reason: str = "") -> list[VenueOrder]:
        """Cancel every open order of an account in a market, oldest first; returns them."""
        rules = self.rules_of(symbol)
        orders = self.store.of_market(account, symbol)
        for order in orders:
            self.end(order, "CANCELED", reason, now_ms)
        self.finish(now_ms)
        return [order.record(self.venue, rules.units) for order in orders]
