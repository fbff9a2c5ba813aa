"""The rules of one market: the filters that exchangeInfo serves are the ones that orders are checked against.

Codes and texts are those of binance.md 4.4 and 5 (spot: -1013 `Filter failure: NAME`; USD-M: -4xxx).
"""

from decimal import Decimal
from typing import Any

from services.venue_sim.exchange.amounts import E18, PPM, e18_of
from services.venue_sim.exchange.sides import Units
from services.venue_sim.matching import BUY
from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.venue import USDM, Market

Filter = dict[str, Any]
QUOTE_ASSETS = (
    "FDUSD",
    "USDT",
    "USDC",
    "BUSD",
    "TUSD",
    "USD1",
    "BTC",
    "ETH",
    "BNB",
    "EUR",
    "TRY",
    "BRL",
    "JPY",
)
SPOT_DECIMALS = 8
# Values of filters that are no numbers.
TEXTS = frozenset({"filterType", "positionControlSide"})
TOO_FINE_SPOT = "Parameter '{}' has too much precision."
TOO_FINE_USDM = "Precision is over the maximum defined for this asset."


def split_assets(name: str) -> tuple[str, str]:
    """Return (base, quote) of a market's name; the known quote assets decide."""
    for quote in QUOTE_ASSETS:
        if name.endswith(quote) and len(name) > len(quote):
            return name.removesuffix(quote), quote
    return name, ""


def default_filters(market: Market) -> list[Filter]:
    """Return the filters of a simulated market in the form and order of the venue."""
    return _usdm_filters(market) if market.venue == USDM else _spot_filters(market)


def _spot_filters(market: Market) -> list[Filter]:
    tick, lot = padded(market.tick_size), padded(market.lot_size)
    return [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00000000", "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": "9000.00000000", "stepSize": lot},
        {"filterType": "ICEBERG_PARTS", "limit": 10},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": "0.00000000",
            "maxQty": "1000.00000000",
            "stepSize": "0.00000000",
        },
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": "5",
            "bidMultiplierDown": "0.2",
            "askMultiplierUp": "5",
            "askMultiplierDown": "0.2",
            "avgPriceMins": 0,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": "5.00000000",
            "applyMinToMarket": True,
            "maxNotional": "9000000.00000000",
            "applyMaxToMarket": False,
            "avgPriceMins": 0,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
        {"filterType": "MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders": 5},
        {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": 10},
    ]


def _usdm_filters(market: Market) -> list[Filter]:
    tick, lot = market.tick_size, market.lot_size
    return [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000", "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": "1000", "stepSize": lot},
        {"filterType": "MARKET_LOT_SIZE", "minQty": lot, "maxQty": "120", "stepSize": lot},
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 100},
        {"filterType": "MIN_NOTIONAL", "notional": "5"},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": "1.0500",
            "multiplierDown": "0.9500",
            "multiplierDecimal": "4",
        },
    ]


def padded(text: str) -> str:
    """Return a decimal text with the 8 decimals of spot."""
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.ljust(SPOT_DECIMALS, '0')}"


def filter_failure(name: str) -> VenueRefusal:
    """Return the refusal of spot for a filter."""
    return VenueRefusal(-1013, f"Filter failure: {name}")


class MarketRules:
    """Filters and status of one market; setting them changes what is served and enforced at once.

    Checks raise VenueRefusal. Prices are ticks, quantities lots, values 1e-18 of the quote asset.
    """

    def __init__(self, market: Market, base: str, quote: str, filters: list[Filter] | None = None) -> None:
        self.market = market
        self.base, self.quote = base, quote
        self.units = Units(market)
        self.is_usdm = market.venue == USDM
        self.status = "TRADING"
        self.filters: list[Filter] = []
        self._by_type: dict[str, dict[str, int]] = {}
        self.is_changed = False
        self._take(filters if filters is not None else default_filters(market))

    def set_status(self, status: str) -> None:
        """Serve and enforce another status; only TRADING takes new orders."""
        self.status, self.is_changed = status, True

    def set_filters(self, filters: list[Filter]) -> None:
        """Serve and enforce other filters; ValueError for one without `filterType` or with no number."""
        self._take(filters)
        self.is_changed = True

    def _take(self, filters: list[Filter]) -> None:
        by_type: dict[str, dict[str, int]] = {}
        for one in filters:
            kind = one.get("filterType")
            if not isinstance(kind, str):
                raise ValueError(f"filter {one} of {self.market.name} has no filterType")
            by_type[kind] = {key: _number(key, value) for key, value in one.items() if key not in TEXTS}
        self.filters, self._by_type = filters, by_type

    def limit(self, kind: str, key: str) -> int:
        """Return a number of a filter (prices and quantities in 1e-18), 0 where there is none."""
        return self._by_type.get(kind, {}).get(key, 0)

    # ---- numbers of an order

    def ticks_of(self, price: Decimal, name: str = "price") -> int:
        """Return a price in ticks; refuses one that is off the tick, too fine or outside the limits."""
        price_e18 = self._exact(price, name, self.market.price_decimals)
        low, high = self.limit("PRICE_FILTER", "minPrice"), self.limit("PRICE_FILTER", "maxPrice")
        step = self.limit("PRICE_FILTER", "tickSize")
        if self.is_usdm:
            if price_e18 <= 0:
                raise VenueRefusal(-4001, "Price less than 0.")
            if price_e18 < low:
                raise VenueRefusal(-4013, f"Price less than min price {self._plain(low)}.")
            if high and price_e18 > high:
                raise VenueRefusal(-4002, "Price greater than max price.")
            if step and (price_e18 - low) % step:
                raise VenueRefusal(-4014, "Price not increased by tick size.")
        elif price_e18 <= 0 or price_e18 < low or (high and price_e18 > high) or (step and price_e18 % step):
            raise filter_failure("PRICE_FILTER")
        ticks, rest = divmod(price_e18, self.units.tick_e18)
        if rest:
            raise VenueRefusal(-1111, TOO_FINE_USDM) if self.is_usdm else filter_failure("PRICE_FILTER")
        return ticks

    def lots_of(self, quantity: Decimal, *, is_market: bool, name: str = "quantity") -> int:
        """Return a quantity in lots; refuses one that is off the step, too fine or outside the limits."""
        qty_e18 = self._exact(quantity, name, self.market.lot_decimals)
        if qty_e18 <= 0:
            raise (
                VenueRefusal(-4003, "Quantity less than or equal to zero.")
                if self.is_usdm
                else VenueRefusal(-1013, "Invalid quantity.")
            )
        self._check_lot(qty_e18, "LOT_SIZE")
        if is_market:
            self._check_lot(qty_e18, "MARKET_LOT_SIZE")
        lots, rest = divmod(qty_e18, self.units.lot_e18)
        if rest:
            raise VenueRefusal(-1111, TOO_FINE_USDM) if self.is_usdm else filter_failure("LOT_SIZE")
        return lots

    def _check_lot(self, qty_e18: int, kind: str) -> None:
        low, high, step = (self.limit(kind, key) for key in ("minQty", "maxQty", "stepSize"))
        if not self.is_usdm:
            if qty_e18 < low or (high and qty_e18 > high) or (step and qty_e18 % step):
                raise filter_failure(kind)
        elif qty_e18 < low:
            raise VenueRefusal(-4004, "Quantity less than min quantity.")
        elif high and qty_e18 > high:
            raise VenueRefusal(-4005, "Quantity greater than max quantity.")
        elif step and (qty_e18 - low) % step:
            raise VenueRefusal(-4023, "Qty not increased by step size.")

    def _exact(self, value: Decimal, name: str, decimals: int) -> int:
        """Return a number in 1e-18; refuses more decimals than the market (USD-M) or the asset (spot) has."""
        exact = e18_of(value)
        allowed = decimals if self.is_usdm else SPOT_DECIMALS
        if exact is None or exact % 10 ** (18 - allowed):
            raise VenueRefusal(-1111, TOO_FINE_USDM if self.is_usdm else TOO_FINE_SPOT.format(name))
        return exact

    def _plain(self, amount_e18: int) -> str:
        return format(Decimal(amount_e18).scaleb(-18).normalize(), "f")

    # ---- value, band, counts

    def check_value(self, value_e18: int, *, is_market: bool, is_reduce_only: bool = False) -> None:
        """Refuse an order that is worth too little or too much; USD-M exempts reduce-only orders."""
        if self.is_usdm:
            low = self.limit("MIN_NOTIONAL", "notional")
            if value_e18 < low and not is_reduce_only:
                least = self._plain(low)
                raise VenueRefusal(
                    -4164,
                    f"Order's notional must be no smaller than {least} (unless you choose reduce only).",
                )
            return
        low, high = self.limit("NOTIONAL", "minNotional"), self.limit("NOTIONAL", "maxNotional")
        applies_min = not is_market or self.limit("NOTIONAL", "applyMinToMarket")
        applies_max = not is_market or self.limit("NOTIONAL", "applyMaxToMarket")
        if (applies_min and value_e18 < low) or (applies_max and high and value_e18 > high):
            raise filter_failure("NOTIONAL")
        if value_e18 < self.limit("MIN_NOTIONAL", "minNotional"):
            raise filter_failure("MIN_NOTIONAL")

    def check_band(self, side: int, price_ticks: int, reference_e18: int) -> None:
        """Refuse a price too far from the last price (spot) or the mark price (USD-M)."""
        price_e18 = price_ticks * self.units.tick_e18
        if not self.is_usdm:
            which = "bid" if side == BUY else "ask"
            for kind, prefix in (("PERCENT_PRICE_BY_SIDE", which + "M"), ("PERCENT_PRICE", "m")):
                up, down = (self.limit(kind, f"{prefix}ultiplier{way}") for way in ("Up", "Down"))
                if (up and price_e18 * E18 > reference_e18 * up) or price_e18 * E18 < reference_e18 * down:
                    raise filter_failure(kind)
            return
        up, down = self.limit("PERCENT_PRICE", "multiplierUp"), self.limit("PERCENT_PRICE", "multiplierDown")
        if side == BUY and up and price_e18 * E18 > reference_e18 * up:
            highest = self._plain(reference_e18 * up // E18 // self.units.tick_e18 * self.units.tick_e18)
            raise VenueRefusal(-4016, f"Limit price can't be higher than {highest}.")
        if side != BUY and price_e18 * E18 < reference_e18 * down:
            lowest = self._plain(-(-reference_e18 * down // E18 // self.units.tick_e18) * self.units.tick_e18)
            raise VenueRefusal(-4024, f"Limit price can't be lower than {lowest}.")

    def check_counts(self, open_orders: int, open_stops: int, *, is_stop: bool) -> None:
        """Refuse an order beyond the number of open orders of an account in this market."""
        key, algo_key = ("limit", "limit") if self.is_usdm else ("maxNumOrders", "maxNumAlgoOrders")
        most, most_stops = self.limit("MAX_NUM_ORDERS", key), self.limit("MAX_NUM_ALGO_ORDERS", algo_key)
        if self.is_usdm:
            if not is_stop and most and open_orders >= most:
                raise VenueRefusal(-2025, "Reach max open order limit.")
            if is_stop and most_stops and open_stops >= most_stops:
                raise VenueRefusal(-4045, "Reach max stop order limit.")
        elif most and open_orders >= most:
            raise filter_failure("MAX_NUM_ORDERS")
        elif is_stop and most_stops and open_stops >= most_stops:
            raise filter_failure("MAX_NUM_ALGO_ORDERS")


def _number(key: str, value: Any) -> int:
    """Return a filter's value: counts and flags as they are, decimal texts in 1e-18."""
    if isinstance(value, bool | int):
        return int(value)
    try:
        exact = e18_of(Decimal(value))
    except (ArithmeticError, TypeError, ValueError):
        exact = None
    if exact is None:
        raise ValueError(f"filter value {key} is {value!r}; it must be a plain decimal text")
    return exact


def ppm_of(text: str) -> int:
    """Return a rate written as a decimal text (0.0004) in millionths."""
    return int(Decimal(text) * PPM)
