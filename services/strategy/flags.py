"""Feature flags that every strategy understands: what a version leaves out or does otherwise (ST-45).

They act between the strategy and the quoter, so that a version in shadow can show what a feature is worth.
A strategy adds flags of its own by `FLAGS` in its class and reads them from `ctx.flags`.
"""

from collections.abc import Mapping

import msgspec

from services.strategy.base import CancelOrder, Note, PlaceOrder, Quote, TargetQuotes
from shared.messages.orders import OrderType
from shared.units import Side

FLAGS: Mapping[str, str] = {
    "hide_trades": "public trades are not told",
    "hide_candles": "candles are not told",
    "hide_facts": "funding, open interest, liquidations, basis and regime are not told",
    "no_buys": "buys are left out, except what closes a short position",
    "no_sells": "sells are left out, except what closes a long position",
    "passive_only": "quotes are post-only, and orders that would take are dropped, except what closes",
    "half_size": "orders that do not shrink the position have half the quantity, rounded up",
    "inner_only": "the best quote of each side alone",
}
"""What each flag does when it is on; off is as if it were not there."""

Intent = TargetQuotes | PlaceOrder | CancelOrder | Note


def flagged(intent: Intent, flags: frozenset[str], position_lots: int) -> Intent | None:
    """Return what is left of `intent` under `flags`, None when nothing is."""
    if isinstance(intent, TargetQuotes):
        quotes = [quote for each in intent.quotes if (quote := _quote(each, flags, position_lots))]
        if "inner_only" in flags:
            quotes = _inner(quotes)
        return msgspec.structs.replace(intent, quotes=tuple(quotes))
    if not isinstance(intent, PlaceOrder):
        return intent
    qty_lots = _qty(intent.side, intent.qty_lots, flags, position_lots)
    if "passive_only" in flags and (not intent.is_post_only or intent.order_type is OrderType.MARKET):
        qty_lots = min(qty_lots, _closes_lots(intent.side, position_lots))
    return msgspec.structs.replace(intent, qty_lots=qty_lots) if qty_lots else None


def _quote(quote: Quote, flags: frozenset[str], position_lots: int) -> Quote | None:
    qty_lots = _qty(quote.side, quote.qty_lots, flags, position_lots)
    if not qty_lots:
        return None
    is_post_only = quote.is_post_only
    if "passive_only" in flags and not is_post_only:
        # A stop has to get out: what closes the position may take, and no more than that.
        closes_lots = _closes_lots(quote.side, position_lots)
        is_post_only = closes_lots == 0
        qty_lots = qty_lots if is_post_only else min(qty_lots, closes_lots)
    return msgspec.structs.replace(quote, qty_lots=qty_lots, is_post_only=is_post_only)


def _closes_lots(side: Side, position_lots: int) -> int:
    """Return how many lots an order of this side may have and only shrink the position."""
    return max(0, -side.sign * position_lots)


def _qty(side: Side, qty_lots: int, flags: frozenset[str], position_lots: int) -> int:
    closes_lots = _closes_lots(side, position_lots)
    if ("no_buys" if side is Side.BUY else "no_sells") in flags:
        return min(qty_lots, closes_lots)
    if "half_size" in flags and qty_lots > closes_lots:
        return (qty_lots + 1) // 2
    return qty_lots


def _inner(quotes: list[Quote]) -> list[Quote]:
    best: dict[Side, Quote] = {}
    for quote in quotes:
        known = best.get(quote.side)
        if known is None or (quote.price_ticks - known.price_ticks) * quote.side.sign > 0:
            best[quote.side] = quote
    return [quote for quote in quotes if best[quote.side] is quote]
