"""Filters of the venue, checked before an order leaves (BR-26): a plain refusal with name, value and limit.

The adapter reads them itself from exchangeInfo, apart from the rules on the log, and compares both: where
they differ the market takes no orders until they agree.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from services.broker.binance.calls import RateLimit
from services.broker.binance.markets import Market
from shared.execution.commands import Place
from shared.messages.orders import OrderType
from shared.units import Side

TRADING = "TRADING"
ZERO = Decimal(0)


class _Symbol(msgspec.Struct):
    symbol: str
    filters: list[dict[str, Any]]
    status: str = ""
    allowedSelfTradePreventionModes: list[str] = []  # noqa: N815


class ExchangeInfo(msgspec.Struct):
    """Limits and markets, as the venue publishes them."""

    symbols: list[_Symbol]
    rateLimits: list[RateLimit] = []  # noqa: N815


_info = msgspec.json.Decoder(ExchangeInfo)


def info_of(body: bytes) -> ExchangeInfo:
    """Return an exchangeInfo answer."""
    return _info.decode(body)


class Breach(NamedTuple):
    """A filter that an order breaks; the text names value and limit."""

    filter: str
    reason: str


@dataclass(slots=True)
class Bounds:
    """Least, most and step of a price or a quantity; 0 disables each."""

    least: Decimal = ZERO
    most: Decimal = ZERO
    step: Decimal = ZERO
    is_from_least: bool = False  # USD-M counts steps from the least value

    def breach(self, name: str, what: str, value: Decimal) -> Breach | None:
        """Return how `value` breaks these bounds."""
        if self.least and value < self.least:
            return Breach(name, f"{what} {value} is below {self.least}")
        if self.most and value > self.most:
            return Breach(name, f"{what} {value} is above {self.most}")
        base = self.least if self.is_from_least else ZERO
        if self.step and (value - base) % self.step:
            return Breach(name, f"{what} {value} is no multiple of {self.step}")
        return None


@dataclass(slots=True)
class Filters:
    """What the venue demands of orders in one market. `stp_modes` are those it offers there."""

    name: str
    status: str
    is_derivative: bool
    stp_modes: tuple[str, ...] = ()
    price: Bounds = field(default_factory=Bounds)
    qty: Bounds = field(default_factory=Bounds)
    market_qty: Bounds = field(default_factory=Bounds)
    notional_name: str = "NOTIONAL"
    notional_min: Decimal = ZERO
    notional_max: Decimal = ZERO
    applies_min_to_market: bool = True
    applies_max_to_market: bool = False
    band_name: str = ""
    # Multipliers of the reference price by side: (down, up).
    bands: tuple[tuple[Decimal, Decimal], tuple[Decimal, Decimal]] | None = None
    orders_max: int = 0

    def difference(self, market: Market) -> str:
        """Return how the rules on the log differ from these filters, empty when they agree."""
        pairs = (
            ("tick", market.tick, self.price.step or market.tick),
            ("lot", market.lot, self.qty.step or market.lot),
        )
        for what, ours, theirs in pairs:
            if ours != theirs:
                return f"the log says {what} {ours}, the venue's exchangeInfo {theirs}"
        return ""

    def breach(
        self, place: Place, market: Market, reference: Decimal | None, open_count: int
    ) -> Breach | None:
        """Return the first filter that an order breaks; `reference` None leaves out what needs a price."""
        if self.status != TRADING:
            return Breach("STATUS", f"the venue says {self.status} of {self.name}: no new orders")
        is_limit = place.order_type is OrderType.LIMIT
        price = market.tick * place.price_ticks
        qty = market.lot * place.qty_lots
        bounds, name = (self.qty, "LOT_SIZE") if is_limit else (self.market_qty, "MARKET_LOT_SIZE")
        found = (
            (self.price.breach("PRICE_FILTER", "price", price) if is_limit else None)
            or (self._stop_breach(place, market) if place.stop_ticks else None)
            or (self.qty.breach("LOT_SIZE", "quantity", qty) if not is_limit else None)
            or bounds.breach(name, "quantity", qty)
        )
        if found is not None:
            return found
        if self.orders_max and open_count >= self.orders_max:
            return Breach(
                "MAX_NUM_ORDERS", f"{open_count} orders are open, the venue allows {self.orders_max}"
            )
        value_price = price if is_limit else reference
        if value_price is not None:
            found = self._notional_breach(value_price * qty, is_limit, place.is_reduce_only)
        if found is None and is_limit and reference is not None:
            found = self._band_breach(place.side, price, reference)
        return found

    def _stop_breach(self, place: Place, market: Market) -> Breach | None:
        return self.price.breach("PRICE_FILTER", "stop price", market.tick * place.stop_ticks)

    def _notional_breach(self, value: Decimal, is_limit: bool, is_reduce_only: bool) -> Breach | None:
        if is_reduce_only and self.is_derivative:
            return None
        if self.notional_min and value < self.notional_min and (is_limit or self.applies_min_to_market):
            return Breach(self.notional_name, f"value {value:f} is below {self.notional_min:f}")
        if self.notional_max and value > self.notional_max and (is_limit or self.applies_max_to_market):
            return Breach(self.notional_name, f"value {value:f} is above {self.notional_max:f}")
        return None

    def _band_breach(self, side: Side, price: Decimal, reference: Decimal) -> Breach | None:
        if self.bands is None or reference <= 0:
            return None
        down, up = self.bands[side]
        # USD-M bounds a buy from above and a sell from below, spot bounds both.
        if (not self.is_derivative or side is Side.BUY) and up and price > reference * up:
            return Breach(self.band_name, f"price {price:f} is above {reference * up:f}")
        if (not self.is_derivative or side is Side.SELL) and down and price < reference * down:
            return Breach(self.band_name, f"price {price:f} is below {reference * down:f}")
        return None


def filters_of(symbol: _Symbol, *, is_derivative: bool) -> Filters:
    """Return the filters of a market; raises `ValueError` or `ArithmeticError` where they cannot be read."""
    found = Filters(
        symbol.symbol, symbol.status, is_derivative, tuple(symbol.allowedSelfTradePreventionModes)
    )
    for item in symbol.filters:
        _take(found, str(item.get("filterType", "")), item, is_derivative)
    if found.market_qty == Bounds():
        found.market_qty = found.qty
    return found


def _take(found: Filters, name: str, item: dict[str, Any], is_derivative: bool) -> None:
    if name == "PRICE_FILTER":
        found.price = Bounds(
            _of(item, "minPrice"), _of(item, "maxPrice"), _of(item, "tickSize"), is_derivative
        )
    elif name in {"LOT_SIZE", "MARKET_LOT_SIZE"}:
        bounds = Bounds(_of(item, "minQty"), _of(item, "maxQty"), _of(item, "stepSize"), is_derivative)
        if name == "LOT_SIZE":
            found.qty = bounds
        else:
            found.market_qty = bounds
    elif name in {"NOTIONAL", "MIN_NOTIONAL"}:
        found.notional_name = name
        found.notional_min = _of(item, "minNotional") or _of(item, "notional")
        found.notional_max = _of(item, "maxNotional")
        found.applies_min_to_market = bool(item.get("applyMinToMarket", item.get("applyToMarket", True)))
        found.applies_max_to_market = bool(item.get("applyMaxToMarket", False))
    elif name == "PERCENT_PRICE":
        band = (_of(item, "multiplierDown"), _of(item, "multiplierUp"))
        found.band_name, found.bands = name, (band, band)
    elif name == "PERCENT_PRICE_BY_SIDE":
        found.band_name = name
        found.bands = (
            (_of(item, "bidMultiplierDown"), _of(item, "bidMultiplierUp")),
            (_of(item, "askMultiplierDown"), _of(item, "askMultiplierUp")),
        )
    elif name == "MAX_NUM_ORDERS":
        found.orders_max = int(item.get("maxNumOrders", item.get("limit", 0)))


def _of(item: dict[str, Any], key: str) -> Decimal:
    value = Decimal(str(item.get(key, "0")))
    if not value.is_finite() or value < 0:
        raise ValueError(f"{item.get('filterType')}.{key} is {value}")
    return value
