"""Questions about the orders and trades of one venue."""

from collections.abc import Sequence

from services.venue_sim.exchange.floor import Floor
from services.venue_sim.exchange.orders import OrderStore, newest
from services.venue_sim.exchange.records import Fill, VenueOrder
from services.venue_sim.exchange.rules import MarketRules
from services.venue_sim.exchange.sides import MarketSide
from services.venue_sim.refusal import VenueRefusal

BAD_SYMBOL = -1121, "Invalid symbol."
NO_SUCH_ORDER = -2013, "Order does not exist."
END_OF_TIME_MS = 2**62


class OrderBooks:
    """Markets, rules and orders of one venue, and what can be asked about them."""

    venue = ""

    def __init__(
        self, floor: Floor, sides: Sequence[MarketSide], rules: dict[str, MarketRules], store: OrderStore
    ) -> None:
        self.floor = floor
        self.sides = {side.market.name: side for side in sides}
        self.rules = rules
        self.store = store

    def rules_of(self, symbol: str) -> MarketRules:
        """Return the rules of a market; refuses an unknown symbol."""
        rules = self.rules.get(symbol)
        if rules is None:
            raise VenueRefusal(*BAD_SYMBOL)
        return rules

    def set_status(self, symbol: str, status: str) -> None:
        """Set the status of a market; but for TRADING nothing trades in it."""
        self.rules_of(symbol).set_status(status)
        self.sides[symbol].halt(status != "TRADING")

    def order(self, account: str, symbol: str, order_id: int, client_order_id: str) -> VenueOrder:
        """Return an order, open or closed; raises VenueRefusal -2013."""
        rules = self.rules_of(symbol)
        order = self.store.find(account, symbol, order_id, client_order_id)
        if order is None:
            raise VenueRefusal(*NO_SUCH_ORDER)
        return order.record(self.venue, rules.units)

    def open_orders(self, account: str, symbol: str = "") -> list[VenueOrder]:
        """Return the open orders of a market, of all markets for ""."""
        if symbol:
            self.rules_of(symbol)
            orders = self.store.of_market(account, symbol)
        else:
            orders = self.store.of_account(account)
        return [order.record(self.venue, self.rules[order.symbol].units) for order in orders]

    def all_orders(
        self,
        account: str,
        symbol: str,
        *,
        order_id: int = 0,
        start_ms: int = 0,
        end_ms: int = END_OF_TIME_MS,
        limit: int = 500,
    ) -> list[VenueOrder]:
        """Return orders from an id, else of a span, else the newest; USD-M takes "" for all markets."""
        if symbol:
            self.rules_of(symbol)
        found = [
            order
            for order in self.store.every(account, symbol)
            if order.order_id >= order_id and start_ms <= order.created_ms <= end_ms
        ]
        found = newest(found, limit, is_from_start=bool(order_id or start_ms))
        return [order.record(self.venue, self.rules[order.symbol].units) for order in found]

    def trades(
        self,
        account: str,
        symbol: str,
        *,
        order_id: int = 0,
        from_id: int | None = None,
        start_ms: int = 0,
        end_ms: int = END_OF_TIME_MS,
        limit: int = 500,
    ) -> list[Fill]:
        """Return trades of an order, from a trade id, of a span, else the newest; oldest first."""
        self.rules_of(symbol)
        found = [
            fill
            for fill in self.store.trades(account, symbol)
            if order_id in {0, fill.order_id}
            and (from_id is None or fill.trade_id >= from_id)
            and start_ms <= fill.time_ms <= end_ms
        ]
        return newest(found, limit, is_from_start=from_id is not None or bool(start_ms))
