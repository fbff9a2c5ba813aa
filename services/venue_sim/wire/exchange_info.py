"""exchangeInfo of a venue with the request limits that are in force."""

from typing import Any

import msgspec

from services.venue_sim.wire.calls import Ask
from services.venue_sim.wire.market_calls import public_body


def exchange_info(ask: Ask) -> object:
    """Tell markets as the venue lists them, and the limits as they are counted."""
    backend = ask.backend
    path = "/fapi/v1/exchangeInfo" if backend.is_usdm else "/api/v3/exchangeInfo"
    names = () if backend.is_usdm else ("symbol", "symbols")
    wanted = {name: ask.params.values[name] for name in names if ask.params.has(name)}
    told: dict[str, Any] = msgspec.json.decode(public_body(ask, path, wanted))
    told["rateLimits"] = backend.limits.exchange_info()
    return told
