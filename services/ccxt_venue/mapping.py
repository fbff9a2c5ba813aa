"""ccxt's order, trade, balance and position structures as the reports of our desk, in ticks and lots."""

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, NamedTuple

from services.ccxt_venue.markets import contract_of, exact, steps_of, text_of
from shared.execution.commands import Place
from shared.execution.reports import Balance, VenueFill, VenueOrder, VenuePosition, VenueState
from shared.messages.orders import OrderType, TimeInForce
from shared.units import NS_PER_MS, Side
from shared.venues.ids import from_venue
from shared.venues.registry import Entry

_STATES = {
    "canceled": VenueState.CANCELED,
    "cancelled": VenueState.CANCELED,
    "canceling": VenueState.NEW,
    "expired": VenueState.EXPIRED,
    "rejected": VenueState.REJECTED,
}
_SIDES = {"buy": Side.BUY, "sell": Side.SELL}
_TIFS = {"IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK}


class WalletPlace(NamedTuple):
    """Where the wallets stand in a venue's answer: the way to their list, and two fields of each."""

    path: tuple[str | int, ...]
    asset: str
    amount: str


WALLETS = {
    "binanceusdm": WalletPlace(("assets",), "asset", "walletBalance"),
    "bybit": WalletPlace(("result", "list", 0, "coin"), "coin", "walletBalance"),
    "okx": WalletPlace(("data", 0, "details"), "ccy", "cashBal"),
}
"""Linear markets take orders on these venues alone."""


class Steps(NamedTuple):
    """Units of one market: price per tick, ccxt's amount per lot, base asset per ccxt's amount."""

    tick: Decimal
    step: Decimal
    contract: Decimal

    def ticks(self, price: Any) -> int:
        """Return a price in ticks, 0 for none; ccxt's floats are within half a tick of the venue's text."""
        return 0 if price is None else _nearest(exact(price) / self.tick)

    def lots(self, amount: Any) -> int:
        """Return an amount of ccxt in lots, 0 for none."""
        return 0 if amount is None else _nearest(exact(amount) / self.step)


def steps_for(exchange: Any, symbol: str) -> Steps:
    """Return the units of a market; raises `ValueError` where it has none."""
    market = exchange.markets[symbol]
    return Steps(*steps_of(exchange, market), contract_of(market))


def _nearest(number: Decimal) -> int:
    return int(number.to_integral_value(ROUND_HALF_EVEN))


class Mapper:
    """Reads one venue's structures; raises `ValueError` or `KeyError` on what no report can be made of."""

    def __init__(self, entry: Entry, exchange: Any) -> None:
        self.entry = entry
        self._exchange = exchange
        self._steps: dict[str, Steps] = {}

    def steps(self, symbol: str) -> Steps:
        """Return the units of a market of ccxt's name."""
        if symbol not in self._steps:
            self._steps[symbol] = steps_for(self._exchange, symbol)
        return self._steps[symbol]

    def client_id(self, order: Mapping[str, Any]) -> str:
        """Return our id of an order, the venue's text for one of others, empty when it has none."""
        return from_venue(self.entry.ids, str(order.get("clientOrderId") or ""))

    def order(self, order: Mapping[str, Any], listed_as: str = "") -> VenueOrder:
        """Return an order that the venue describes; raises `ValueError` when its side or state is missing.

        `listed_as` is the state that its list stands for (`open`, `closed`): some venues say it nowhere else,
        and stops have states of their own.
        """
        symbol = order["symbol"]
        steps = self.steps(symbol)
        qty_lots, filled_lots = steps.lots(order.get("amount")), steps.lots(order.get("filled"))
        side = _SIDES.get(str(order.get("side")).lower())
        if side is None:
            raise ValueError(f"an order of {symbol} has the side {order.get('side')!r}")
        try:
            state = state_of(order, qty_lots, filled_lots)
        except ValueError:
            if not listed_as:
                raise
            state = state_of({**order, "status": listed_as}, qty_lots, filled_lots)
        return VenueOrder(
            symbol=f"{self.entry.name}:{symbol}",
            client_order_id=self.client_id(order),
            venue_order_id=str(order.get("id") or ""),
            state=state,
            side=side,
            price_ticks=steps.ticks(order.get("price")),
            qty_lots=qty_lots,
            filled_lots=qty_lots if state is VenueState.FILLED else filled_lots,
            order_type=OrderType.MARKET if order.get("type") == "market" else OrderType.LIMIT,
            tif=_TIFS.get(str(order.get("timeInForce")), TimeInForce.GTC),
            is_post_only=order.get("postOnly") is True or order.get("timeInForce") == "PO",
            is_reduce_only=order.get("reduceOnly") is True,
            ts_venue_ns=int(order.get("lastUpdateTimestamp") or order.get("timestamp") or 0) * NS_PER_MS,
        )

    def placed(self, order: Mapping[str, Any], place: Place) -> VenueOrder:
        """Return the order of a create that was answered: what the answer leaves out is as we asked."""
        symbol = place.symbol.partition(":")[2]
        steps = self.steps(symbol)
        filled_lots = steps.lots(order.get("filled"))
        try:
            state = state_of(order, place.qty_lots, filled_lots)
        except ValueError:
            state = VenueState.PARTIALLY_FILLED if filled_lots else VenueState.NEW
        return VenueOrder(
            symbol=place.symbol,
            client_order_id=place.client_order_id,
            venue_order_id=str(order.get("id") or ""),
            state=state,
            side=place.side,
            price_ticks=place.price_ticks,
            qty_lots=place.qty_lots,
            filled_lots=place.qty_lots if state is VenueState.FILLED else filled_lots,
            order_type=place.order_type,
            tif=place.tif,
            is_post_only=place.is_post_only,
            is_reduce_only=place.is_reduce_only,
            ts_venue_ns=int(order.get("timestamp") or 0) * NS_PER_MS,
        )

    def fill(self, trade: Mapping[str, Any]) -> VenueFill:
        """Return one execution of ours; raises `ValueError` without an id, side, price or amount."""
        symbol = trade["symbol"]
        steps = self.steps(symbol)
        side = _SIDES.get(str(trade.get("side")).lower())
        if side is None or not trade.get("id") or trade.get("price") is None or trade.get("amount") is None:
            raise ValueError(f"an execution of {symbol} lacks its id, side, price or amount")
        fee, fee_asset = _fee_of(trade)
        return VenueFill(
            symbol=f"{self.entry.name}:{symbol}",
            trade_id=str(trade["id"]),
            venue_order_id=str(trade.get("order") or ""),
            client_order_id=self.client_id(trade),
            side=side,
            price_ticks=steps.ticks(trade["price"]),
            qty_lots=steps.lots(trade["amount"]),
            fee=fee,
            fee_asset=fee_asset,
            is_maker=trade.get("takerOrMaker") == "maker",
            ts_venue_ns=int(trade.get("timestamp") or 0) * NS_PER_MS,
        )

    def wallets(self, answer: Mapping[str, Any]) -> list[Balance]:
        """Return what a margin account holds without the profit of its open positions.

        ccxt's totals hold that profit on some venues, so this reads the venue's own answer; raises
        `ValueError` on a venue whose answer is not known here.
        """
        place = WALLETS.get(self._exchange.id)
        if place is None:
            raise ValueError(f"{self.entry.name} does not tell its wallets in a way that is known here")
        told: Any = answer["info"]
        for step in place.path:
            told = told[step]
        found = {}
        for wallet in told:
            asset = self._exchange.safe_currency_code(wallet[place.asset])
            amount = exact(wallet[place.amount] or 0)
            if amount:
                found[asset] = Balance(asset, text_of(amount))
        return list(found.values())

    def balances(self, answer: Mapping[str, Any]) -> list[Balance]:
        """Return what a spot account holds and is not zero."""
        totals = answer.get("total") or {}
        found = []
        for asset, total in totals.items():
            if total is None or exact(total) == 0:
                continue
            part = answer.get(asset) or {}
            free, used = part.get("free"), part.get("used")
            if free is None:
                found.append(Balance(asset, text_of(exact(total))))
            else:
                found.append(Balance(asset, text_of(exact(free)), text_of(exact(used or 0))))
        return found

    def positions(self, answer: list[Mapping[str, Any]]) -> list[VenuePosition]:
        """Return open positions; a long and a short of one market (hedge mode) are one net position."""
        net: dict[str, VenuePosition] = {}
        for position in answer:
            symbol = str(position.get("symbol"))
            if symbol not in self._exchange.markets or position.get("contracts") is None:
                continue
            lots = self.steps(symbol).lots(position["contracts"])
            lots = -abs(lots) if position.get("side") == "short" else lots
            name = f"{self.entry.name}:{symbol}"
            entry = text_of(exact(position.get("entryPrice") or 0))
            held = net.get(name)
            net[name] = VenuePosition(name, lots + (held.position_lots if held else 0), entry)
        return [position for position in net.values() if position.position_lots]


def state_of(order: Mapping[str, Any], qty_lots: int, filled_lots: int) -> VenueState:
    """Return the state of an order; raises `ValueError` when ccxt could not read one.

    Some venues call an order closed that was canceled after a part of it was filled.
    """
    status = order.get("status")
    if status == "open":
        return VenueState.PARTIALLY_FILLED if filled_lots else VenueState.NEW
    if status == "closed":
        is_part = order.get("filled") is not None and filled_lots < qty_lots
        return VenueState.CANCELED if is_part else VenueState.FILLED
    if status in _STATES:
        return _STATES[status]
    raise ValueError(f"order {order.get('id')} has the status {status!r}")


def _fee_of(trade: Mapping[str, Any]) -> tuple[str, str]:
    """Return what the execution cost and in which asset; a venue that does not tell costs 0 here."""
    fees = [
        fee for fee in (trade.get("fee"), *(trade.get("fees") or ())) if fee and fee.get("cost") is not None
    ]
    if not fees:
        return "0", ""
    return text_of(exact(fees[0]["cost"])), str(fees[0].get("currency") or "")
