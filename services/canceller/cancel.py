"""Cancel every order of ours at one venue, whatever our log says: what the venue shows is what is cancelled.

Orders of others stay: an order is ours by the form of its id. Nothing is lost by doing it twice.
"""

import asyncio
from typing import NamedTuple

from services.canceller.direct import DirectVenue, VenueSilentError
from services.canceller.truth import is_ours, open_orders
from shared.execution import commands, reports

ROUNDS = 3
"""An order that a list did not show yet, or a cancel that got lost, is found in the next round."""
AT_ONCE = 20


class Cancelled(NamedTuple):
    """What became of it: orders gone, ours that are still open with the reason, others untouched."""

    venue: str
    gone: list[reports.VenueOrder]
    left: list[tuple[reports.VenueOrder, str]]
    others: list[reports.VenueOrder]


async def cancel_ours(name: str, venue: DirectVenue, limit_s: float, symbol: str = "") -> Cancelled:
    """Cancel until the venue shows none of ours, in `symbol` or everywhere; a few rounds at most.

    Raises `VenueSilentError` when the venue does not even tell what is open.
    """
    gone: dict[str, reports.VenueOrder] = {}
    why: dict[str, str] = {}
    for _ in range(ROUNDS):
        found = await open_orders(venue, limit_s)
        wanted = [one for one in found if not symbol or one.symbol == symbol]
        own = [one for one in wanted if is_ours(one.client_order_id)]
        others = [one for one in wanted if not is_ours(one.client_order_id)]
        if not own:
            return Cancelled(name, list(gone.values()), [], others)
        for at in range(0, len(own), AT_ONCE):
            await asyncio.gather(*(_cancel(venue, one, limit_s, gone, why) for one in own[at : at + AT_ONCE]))
    left = {one.client_order_id: one for one in await open_orders(venue, limit_s)}
    still = [one for name_, one in left.items() if is_ours(name_) and (not symbol or one.symbol == symbol)]
    done = [one for one in gone.values() if one.client_order_id not in left]
    return Cancelled(name, done, [(one, why.get(one.client_order_id, "still open")) for one in still], others)


async def _cancel(
    venue: DirectVenue,
    order: reports.VenueOrder,
    limit_s: float,
    gone: dict[str, reports.VenueOrder],
    why: dict[str, str],
) -> None:
    """Cancel one order and note how it went; the next list of open orders is the proof."""
    try:
        answer = await venue.ask(
            lambda number: commands.Cancel(number, order.symbol, order.client_order_id, order.venue_order_id),
            limit_s,
        )
    except VenueSilentError as error:
        why[order.client_order_id] = str(error)
        return
    if isinstance(answer, reports.Acted):
        gone[order.client_order_id] = order
    else:
        why[order.client_order_id] = getattr(answer, "reason", type(answer).__name__)
