"""What the public calls weigh (binance.md 2.3 and 3.3)."""

from urllib.parse import parse_qsl

from services.venue_sim.venue import USDM
from services.venue_sim.wire.calls import bracket

SPOT_DEPTH = bracket(100, ((100, 5), (500, 25), (1000, 50), (5000, 250)))
USDM_DEPTH = bracket(500, ((50, 2), (100, 5), (500, 10), (1000, 20)))
USDM_KLINES = bracket(500, ((99, 1), (499, 2), (1000, 5), (1500, 10)))


def public_weight(venue: str, target: str) -> int:
    """Return the weight of a public call, 1 for one that does not exist."""
    path, _, query = target.partition("?")
    name = path.rpartition("/")[2]
    if name not in {"depth", "klines"}:
        return 1
    values = dict(parse_qsl(query))
    if venue == USDM:
        return {"depth": USDM_DEPTH(values), "klines": USDM_KLINES(values)}[name]
    return {"depth": SPOT_DEPTH(values), "klines": 2}[name]
