"""The public REST calls for candles, mark price and open interest, with the venue's answers and errors."""

from collections.abc import Collection
from typing import Protocol

from services.venue_sim.venue import USDM
from shared.units import NS_PER_MS

KLINES, PREMIUM_INDEX, OPEN_INTEREST = "klines", "premiumIndex", "openInterest"
KLINES_DEFAULT = 500
KLINES_MAX = {"binance": 1000, "binance_usdm": 1500}
END_OF_TIME_MS = 2**42

Refused = tuple[int, int, str]
"""HTTP status, code and message of an error."""


class FactsBackend(Protocol):
    """What the calls need of a venue; None where it holds no such data (yet)."""

    def candles(self, venue: str, name: str, start_ms: int, end_ms: int, limit: int) -> bytes | None:
        """Return the one-minute candles that open in a span: the newest without a start, else the first."""

    def premium_index(self, venue: str, name: str, now_ms: int) -> bytes | None:
        """Return mark, index and funding rate."""

    def open_interest(self, venue: str, name: str, now_ms: int) -> bytes | None:
        """Return the open interest."""


def calls_of(venue: str) -> frozenset[str]:
    """Return the calls that a venue has."""
    return frozenset({KLINES, PREMIUM_INDEX, OPEN_INTEREST} if venue == USDM else {KLINES})


def answer(
    backend: FactsBackend, venue: str, call: str, params: dict[str, str], names: Collection[str], now_ns: int
) -> bytes | Refused | None:
    """Return the body of an answer, why it is refused, or None when the venue holds no such data."""
    name = params.get("symbol", "")
    if not name:
        return _missing("symbol")
    name = name.upper() if venue == USDM else name
    if name not in names:
        return 400, -1121, "Invalid symbol."
    now_ms = now_ns // NS_PER_MS
    if call == PREMIUM_INDEX:
        return backend.premium_index(venue, name, now_ms)
    if call == OPEN_INTEREST:
        return backend.open_interest(venue, name, now_ms)
    return _klines(backend, venue, name, params)


def _klines(backend: FactsBackend, venue: str, name: str, params: dict[str, str]) -> bytes | Refused | None:
    if not params.get("interval"):
        return _missing("interval")
    if params["interval"] != "1m":
        return 400, -1120, "Invalid interval."
    numbers = {"limit": KLINES_DEFAULT, "startTime": 0, "endTime": END_OF_TIME_MS}
    for key in numbers.keys() & params.keys():
        text = params[key]
        if not (text.isascii() and text.isdigit() and len(text) <= 20):
            return (
                400,
                -1100,
                f"Illegal characters found in parameter '{key}'; legal range is '^[0-9]{{1,20}}$'.",
            )
        numbers[key] = int(text)
    if numbers["limit"] < 1:
        return 400, -1130, "Data sent for parameter 'limit' is not valid."
    limit = min(numbers["limit"], KLINES_MAX[venue])
    return backend.candles(venue, name, numbers["startTime"], numbers["endTime"], limit)


def _missing(key: str) -> Refused:
    return 400, -1102, f"Mandatory parameter '{key}' was not sent, was empty/null, or malformed."
