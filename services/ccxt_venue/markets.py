"""The rules of a market out of ccxt's market structure, as exact texts in units of the base asset."""

from decimal import Decimal, InvalidOperation
from typing import Any

import ccxt

from shared.venues.registry import LINEAR, SPOT, kind_of
from shared.venues.remote import ListedMarket


def text_of(number: Decimal) -> str:
    """Return a plain decimal text without an exponent and without zeros at its end."""
    return format(number.normalize(), "f") if number else "0"


def exact(value: Any) -> Decimal:
    """Return the decimal that ccxt's number stands for.

    ccxt reads the venue's text into a float; its shortest text is that of the venue up to 15 digits. Raises
    `ValueError` on what is no finite number.
    """
    try:
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{value!r} is no number") from None
    if not number.is_finite():
        raise ValueError(f"{value!r} is no finite number")
    return number


def contract_of(market: dict[str, Any]) -> Decimal:
    """Return how much of the base asset one unit of ccxt's amounts is: 1 on spot."""
    if market.get("spot"):
        return Decimal(1)
    size = exact(market.get("contractSize"))
    if size <= 0:
        raise ValueError(f"a contract of {market['symbol']} has the size {size}")
    return size


def steps_of(exchange: Any, market: dict[str, Any]) -> tuple[Decimal, Decimal]:
    """Return the step of prices, and of amounts in ccxt's units; raises `ValueError` where there is none."""
    if exchange.precisionMode == ccxt.SIGNIFICANT_DIGITS:
        raise ValueError("the venue gives prices in significant digits, which is no fixed tick")
    steps = []
    for name in ("price", "amount"):
        value = market["precision"].get(name)
        if value is None:
            raise ValueError(f"ccxt tells no step of {name}s")
        number = exact(value)
        step = Decimal(1).scaleb(-int(number)) if exchange.precisionMode == ccxt.DECIMAL_PLACES else number
        if step <= 0:
            raise ValueError(f"the step of {name}s is {step}")
        steps.append(step)
    return steps[0], steps[1]


def listed(exchange: Any, symbol: str) -> ListedMarket | None:
    """Return the market as the feed reads it, with a `defect` when it cannot be followed; None if unknown."""
    market = exchange.markets.get(symbol)
    if market is None:
        return None
    try:
        return _listed(exchange, symbol, market)
    except (ValueError, ArithmeticError, KeyError, TypeError) as error:
        return ListedMarket(symbol, defect=str(error)[:200])


def _listed(exchange: Any, symbol: str, market: dict[str, Any]) -> ListedMarket:
    kind = kind_of(symbol)
    is_linear = bool(market.get("swap")) and market.get("linear") is True and not market.get("inverse")
    if not ((kind == SPOT and market.get("spot")) or (kind == LINEAR and is_linear)):
        raise ValueError(
            f"{symbol} is a {market.get('type')} market; spot and linear perpetuals are followed"
        )
    tick, step = steps_of(exchange, market)
    contract = contract_of(market)

    def limit(name: str, side: str, unit: Decimal) -> str:
        value = (market["limits"].get(name) or {}).get(side)
        return "" if value is None else text_of(exact(value) * unit)

    return ListedMarket(
        symbol=symbol,
        base=market["base"],
        quote=market["quote"],
        tick_size=text_of(tick),
        lot_size=text_of(step * contract),
        min_qty=limit("amount", "min", contract),
        max_qty=limit("amount", "max", contract),
        min_notional=limit("cost", "min", Decimal(1)),
        min_price=limit("price", "min", Decimal(1)),
        max_price=limit("price", "max", Decimal(1)),
        maker_fee_ppm=_ppm(market.get("maker")),
        taker_fee_ppm=_ppm(market.get("taker")),
        is_derivative=kind == LINEAR,
        is_active=market.get("active") is not False,
    )


def _ppm(fee: Any) -> int:
    return -1 if fee is None else int(exact(fee) * 1_000_000)
