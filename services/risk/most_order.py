"""The largest order that would pass every check now (RK-21)."""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from services.risk.ask import NO_LIMIT, Ask, Objection
from services.risk.checks import is_worth_sending, judge
from shared.messages import Event
from shared.messages.guards import MostOrderTold
from shared.messages.orders import OrderIntent

if TYPE_CHECKING:
    from services.risk.knowledge import RiskKnowledge


def most_order(known: "RiskKnowledge", event: Event) -> MostOrderTold:
    """Answer a `MostOrderAsked`: the quantity, and what allows no more. Price 0 is that of the far touch."""
    asked = event.message
    place = known.markets.get(asked.symbol)
    name = (asked.strategy, asked.symbol, asked.side)
    if place is None or place.rules is None:
        return MostOrderTold(
            *name, asked.price_ticks, 0, "unknown_symbol", f"no rules of {asked.symbol} are known"
        )
    touch_ticks = place.book.ask_ticks if asked.side == 0 else place.book.bid_ticks
    price_ticks = asked.price_ticks or int(touch_ticks)
    intent = OrderIntent("", asked.strategy, asked.symbol, asked.side, price_ticks, 1)
    # The question is about now: the order would be decided on data of now.
    ask = replace(known.ask(intent, event, place, place.rules), age_ns=0)
    qty_lots, objection = largest(ask)
    return MostOrderTold(*name, price_ticks, qty_lots, objection.code, objection.reason)


def largest(ask: Ask) -> tuple[int, Objection]:
    """Return the largest quantity that passes as it is, and what objects to one lot more.

    Orders that only reduce, the account or their strategy, meet fewer checks than larger ones: what passes is
    up to three ranges from the least quantity, so the best of all kinds is the answer.
    """
    below = _cut(ask, NO_LIMIT)
    for reducible_lots in (ask.own_reducible_lots, ask.reducible_lots):
        if below < reducible_lots:
            below = max(below, _cut(ask, reducible_lots))
    beyond = judge(replace(ask, qty_lots=min(NO_LIMIT, below + 1)), may_adjust=False).objection
    if below and not is_worth_sending(below, ask):
        return 0, Objection("too_small", f"only {below} lots would pass, less than the venue takes")
    return below, beyond or Objection("", "no limit is set")


def _cut(ask: Ask, qty_lots: int) -> int:
    return judge(replace(ask, qty_lots=qty_lots), may_adjust=True).qty_lots
