"""Fills where there is no trusted book: last trade, slippage, impact and a seeded chance (BR-18).

Off by default: an order that meets no trusted book is rejected. With `without_book: simple` an order that
would trade at once is filled whole near the last public trade, so that a position can be left while the book
is broken. Orders that would rest are rejected in any case; risk lets only reducing orders come so far.
"""

import hashlib

from services.broker.order import BrokerOrder
from services.broker.settings import BrokerSettings
from shared.messages.orders import OrderType
from shared.paper.market import Part
from shared.units import PPM, Side, ceil_div

E2_BPS = 1_000_000
"""The whole, in hundredths of a basis point."""
IMPACT_SHARE_MAX = 100
"""An order larger than all visible volume moves the price no further than one of its size."""


def simple_part(
    order: BrokerOrder, last_ticks: int, visible_lots: int, settings: BrokerSettings
) -> Part | str:
    """Return the fill of `order` by the simple model, or why there is none.

    Price = last trade, worse by the slippage and by the impact of each percent of `visible_lots` (the volume
    of the recent trades) that the order is large; rounded against us. The chance is a draw from an integer
    hash of seed and client order id, so a re-run repeats it.
    """
    if last_ticks <= 0 or visible_lots <= 0:
        return "the book is not trusted, and no public trade says a price"
    share = min(IMPACT_SHARE_MAX, ceil_div(order.leaves_lots * 100, visible_lots))
    worse_e2_bps = settings.simple_slippage_bps * 100 + settings.simple_impact_e2_bps * share
    if order.side is Side.BUY:
        price_ticks = ceil_div(last_ticks * (E2_BPS + worse_e2_bps), E2_BPS)
    else:
        price_ticks = max(1, last_ticks * (E2_BPS - worse_e2_bps) // E2_BPS)
    is_market = order.order_type is OrderType.MARKET
    if not is_market and order.side.sign * (price_ticks - order.price_ticks) > 0:
        return f"the book is not trusted, and {price_ticks} (last trade {last_ticks}) is beyond the limit"
    if order.is_post_only:
        return "the book is not trusted, and a post-only order may not take"
    if _draw_ppm(settings.seed, order.client_order_id) >= settings.simple_fill_ppm:
        return "the simple model let it miss"
    return Part(price_ticks, order.leaves_lots)


def _draw_ppm(seed: int, client_order_id: str) -> int:
    digest = hashlib.blake2b(f"{seed}:simple:{client_order_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") * PPM >> 64
