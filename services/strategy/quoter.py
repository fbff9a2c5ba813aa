"""Target quotes against own resting orders: the fewest cancels and orders that lead from one to the other.

Rules: one live order per slot, so a replacement waits until the cancel is confirmed (I-04); an order in
doubt blocks its slot alone (I-05); a resting order that is still wanted stays however long it rests
(ST-17); no new order crosses an own live one; a refused order is not sent again in a hot loop (X-04).
"""

from collections.abc import Container, Iterable
from typing import NamedTuple

from services.strategy.base import Quote
from services.strategy.own_orders import OwnOrder, OwnOrders
from shared.orders import OrderState
from shared.units import NS_PER_S, Side

TRIES_PER_WINDOW = 3
WINDOW_NS = 60 * NS_PER_S
RETRY_NS = NS_PER_S
CANCEL_AGAIN_NS = 30 * NS_PER_S
"""After this long without an answer a cancel is sent again."""

SLOTS_KEPT = 1000
"""How many slots are remembered as the quoter's; those with an order on top of it."""

DOUBT_NS = 30 * NS_PER_S
"""After this long in doubt an order is cancelled, wanted or not (ST-17)."""


class Touch(NamedTuple):
    """Best prices of the market, 0 when unknown."""

    bid_ticks: int
    ask_ticks: int


class Plan(NamedTuple):
    """What to send now. `is_complete` is false when something wanted has to wait."""

    cancels: list[tuple[OwnOrder, str]]
    places: list[Quote]
    is_complete: bool


class BackOff:
    """Failed tries by slot: at most three a minute, and a second between two (X-04)."""

    def __init__(self) -> None:
        self._failed_ns: dict[str, list[int]] = {}

    def failed(self, slot: str, now_ns: int) -> None:
        """Count a refusal of risk, the send gate or the venue."""
        # Pruned here alone: what is asked while deciding changes nothing.
        kept = ((one, [at for at in times if at > now_ns - WINDOW_NS]) for one, times in self.dump())
        self._failed_ns = {one: times for one, times in kept if times}
        self._failed_ns.setdefault(slot, []).append(now_ns)

    def allows(self, slot: str, now_ns: int) -> bool:
        """Return whether an order may be tried in `slot`."""
        failed = self._failed_ns.get(slot)
        if not failed:
            return True
        recent = [at for at in failed if at > now_ns - WINDOW_NS]
        if not recent:
            return True
        return len(recent) < TRIES_PER_WINDOW and now_ns - recent[-1] >= RETRY_NS

    def clear(self) -> None:
        """Forget all: what refused them has changed."""
        self._failed_ns.clear()

    def dump(self) -> list[tuple[str, list[int]]]:
        """Return what is counted, by slot."""
        return sorted(self._failed_ns.items())

    def load(self, dumped: list[tuple[str, list[int]]]) -> None:
        """Replace everything by the result of `dump`."""
        self._failed_ns = dict(dumped)


def is_still_wanted(order: OwnOrder, quote: Quote) -> bool:
    """Return whether a resting order serves `quote`: same place, and no larger than wanted.

    A rest after a partial fill and an order that risk made smaller serve it too (ST-17, ST-48).
    """
    return (
        order.side is quote.side
        and order.price_ticks == quote.price_ticks
        and order.is_post_only == quote.is_post_only
        and order.is_reduce_only == quote.is_reduce_only
        and order.leaves_lots <= quote.qty_lots
        and (order.filled_lots > 0 or order.asked_lots == quote.qty_lots)
    )


def is_in_doubt_for_long(order: OwnOrder, now_ns: int) -> bool:
    """Return whether nobody could say for long where the order is (ST-17)."""
    return order.doubt_ns != 0 and now_ns - order.doubt_ns >= DOUBT_NS


def should_cancel(order: OwnOrder, now_ns: int) -> bool:
    """Return whether a cancel of `order` has to be sent: none is under way, or it got no answer for long."""
    return not order.is_cancel_asked or now_ns - order.cancel_ns >= CANCEL_AGAIN_NS


def crosses_own(side: Side, price_ticks: int, orders: Iterable[OwnOrder]) -> bool:
    """Return whether a new order could trade with one of `orders`; price 0 is a market order (I-12).

    One that waits for its stop meets nothing yet.
    """
    for order in orders:
        if order.side is side or order.stop_ticks:
            continue
        if price_ticks == 0 or order.price_ticks == 0:
            return True
        if (price_ticks - order.price_ticks) * side.sign >= 0:
            return True
    return False


def _crosses_touch(quote: Quote, touch: Touch) -> bool:
    if not quote.is_post_only:
        return False
    if quote.side is Side.BUY:
        return touch.ask_ticks != 0 and quote.price_ticks >= touch.ask_ticks
    return touch.bid_ticks != 0 and quote.price_ticks <= touch.bid_ticks


def remember_slots(
    known: dict[str, None], slots: Iterable[str], live: Container[str], most: int = SLOTS_KEPT
) -> None:
    """Note slots that are targets: an order in one is the quoter's, in any other it is a command's.

    Past `most` those are forgotten that were targets longest ago and hold no order.
    """
    for slot in slots:
        known.pop(slot, None)
        known[slot] = None
    if len(known) > most:
        idle = [slot for slot in known if slot not in live]
        for slot in idle[: len(known) - most]:
            del known[slot]


def plan(
    quotes: Iterable[Quote],
    orders: OwnOrders,
    back_off: BackOff,
    touch: Touch,
    now_ns: int,
    left_alone: Container[str] = (),
) -> Plan:
    """Return what to send now so that the resting orders become `quotes`.

    Orders in slots that are `left_alone` stay, wanted or not, unless they are in doubt for long.
    """
    wanted = {quote.slot: quote for quote in quotes}
    cancels: list[tuple[OwnOrder, str]] = []
    is_complete = True
    for order in orders.by_slot.values():
        quote = wanted.get(order.slot)
        doubtful = is_in_doubt_for_long(order, now_ns)
        if quote is not None and is_still_wanted(order, quote) and not doubtful:
            # A cancel that is under way for a quote wanted again cannot be called back: its slot refills.
            is_complete = is_complete and not order.is_cancel_asked and order.doubt_ns == 0
            continue
        if quote is None and order.slot in left_alone and not doubtful:
            continue
        is_complete = False
        if should_cancel(order, now_ns):
            reason = quote.reason if quote is not None else ""
            cancels.append((order, "in doubt for 30 s" if doubtful else reason))
    places: list[Quote] = []
    for quote in wanted.values():
        if quote.slot in orders.by_slot:
            continue
        is_free = back_off.allows(quote.slot, now_ns) and not _crosses_touch(quote, touch)
        if is_free and not crosses_own(quote.side, quote.price_ticks, orders.by_slot.values()):
            places.append(quote)
        else:
            is_complete = False
    return Plan(cancels, places, is_complete)


def is_failure(order: OwnOrder, state: OrderState) -> bool:
    """Return whether the end `state` of `order` is a refusal that counts for the back-off.

    What we asked to cancel ended as asked; an order that never may rest expires by design.
    """
    if order.is_cancel_asked or order.filled_lots > 0:
        return False
    if state is OrderState.EXPIRED:
        return order.is_post_only
    return state in (OrderState.REFUSED, OrderState.NOT_SENT, OrderState.REJECTED)
