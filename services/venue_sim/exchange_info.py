"""The exchangeInfo answers: the rules of the markets as they are enforced, in the venue's form."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from services.venue_sim.exchange.rules import MarketRules
from shared.units import NS_PER_MS

SPOT_ORDER_TYPES = [
    "LIMIT",
    "LIMIT_MAKER",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
]
USDM_ORDER_TYPES = [
    "LIMIT",
    "MARKET",
    "STOP",
    "STOP_MARKET",
    "TAKE_PROFIT",
    "TAKE_PROFIT_MARKET",
    "TRAILING_STOP_MARKET",
]


def spot(markets: Sequence[MarketRules], now_ns: int) -> dict[str, object]:
    """Return the spot exchangeInfo of markets."""
    return {
        "timezone": "UTC",
        "serverTime": now_ns // NS_PER_MS,
        "rateLimits": _rate_limits(6000),
        "exchangeFilters": [],
        "symbols": [_spot_symbol(rules) for rules in markets],
    }


def _spot_symbol(rules: MarketRules) -> dict[str, object]:
    return {
        "symbol": rules.market.name,
        "status": rules.status,
        "baseAsset": rules.base,
        "baseAssetPrecision": 8,
        "quoteAsset": rules.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": SPOT_ORDER_TYPES,
        "icebergAllowed": True,
        "ocoAllowed": False,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": rules.filters,
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }


def usdm(markets: Sequence[MarketRules], now_ns: int) -> dict[str, object]:
    """Return the USD-M exchangeInfo of markets."""
    assets = dict.fromkeys(rules.quote for rules in markets)
    return {
        "timezone": "UTC",
        "serverTime": now_ns // NS_PER_MS,
        "futuresType": "U_MARGINED",
        "rateLimits": _rate_limits(2400),
        "exchangeFilters": [],
        "assets": [
            {"asset": asset, "marginAvailable": True, "autoAssetExchange": "-10000"} for asset in assets
        ],
        "symbols": [_usdm_symbol(rules) for rules in markets],
    }


def _usdm_symbol(rules: MarketRules) -> dict[str, object]:
    market = rules.market
    return {
        "symbol": market.name,
        "pair": market.name,
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000,
        "status": rules.status,
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": rules.base,
        "quoteAsset": rules.quote,
        "marginAsset": rules.quote,
        "pricePrecision": market.price_decimals,
        "quantityPrecision": market.lot_decimals,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.000000",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10_000,
        "filters": rules.filters,
        "orderTypes": USDM_ORDER_TYPES,
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }


def _rate_limits(weight: int) -> list[dict[str, object]]:
    return [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": weight},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
    ]


def patched(body: bytes, changed: Mapping[str, MarketRules]) -> bytes:
    """Return a recorded exchangeInfo with the filters and status of the markets that have changed since."""
    answer: dict[str, Any] = msgspec.json.decode(body)
    for symbol in answer["symbols"]:
        rules = changed.get(symbol["symbol"])
        if rules is not None:
            symbol |= {"filters": rules.filters, "status": rules.status}
    return msgspec.json.encode(answer)


def filters_of(bodies: Mapping[str, bytes]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return the filters in recorded answers by (venue, market), to be enforced as they are served."""
    return {
        (venue, symbol["symbol"]): symbol["filters"]
        for venue, body in bodies.items()
        for symbol in msgspec.json.decode(body)["symbols"]
    }
