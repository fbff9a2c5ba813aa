"""Checks that calls of both venues share: symbols, client order ids, spans of time."""

import re

from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.wire.params import Params, illegal

END_OF_TIME_MS = 2**62
CLIENT_ID_MAX = 36


def spot_symbol(params: Params) -> str:
    """Return the symbol as sent: spot is strict about case."""
    return params.required("symbol")


def usdm_symbol(params: Params) -> str:
    """Return the symbol in upper case: USD-M takes either."""
    return params.required("symbol").upper()


def check_client_id(params: Params, name: str, legal_range: str) -> str:
    """Return a client order id, empty when none was sent (-1100)."""
    value = params.text(name)
    if value and not re.fullmatch(legal_range.removeprefix("^").removesuffix("$"), value, re.ASCII):
        raise illegal(name, legal_range)
    return value


def check_span(params: Params, longest_ms: int) -> tuple[int, int]:
    """Return (startTime, endTime) in ms, all of time when not sent; a span too long is refused (-1127)."""
    start_ms = params.integer("startTime")
    end_ms = params.integer("endTime", END_OF_TIME_MS)
    if start_ms > end_ms:
        raise VenueRefusal(-1128, "Combination of optional parameters invalid.")
    if params.has("startTime") and params.has("endTime") and end_ms - start_ms > longest_ms:
        hours = longest_ms // 3_600_000
        raise VenueRefusal(
            -1127,
            f"Lookup interval is too big. More than {hours} hours between startTime and endTime.",
        )
    return start_ms, end_ms
