"""What each message about an order means for a grid."""

from services.strategy.grid_slots import Happened
from services.strategy.own_orders import OwnOrder
from shared.messages import Message, orders

HAPPENED: dict[type[Message], Happened] = {
    orders.OrderIntent: Happened.ASKED,
    orders.OrderSent: Happened.SENT,
    orders.OrderAccepted: Happened.ACCEPTED,
    orders.CancelIntent: Happened.CANCEL_ASKED,
    orders.CancelRejected: Happened.CANCEL_REFUSED,
    orders.OrderCanceled: Happened.CANCELED,
    orders.OrderExpired: Happened.CANCELED,
    orders.OrderRefused: Happened.REFUSED,
    orders.NotSent: Happened.REFUSED,
    orders.OrderRejected: Happened.REFUSED,
    orders.OrderUnknown: Happened.IN_DOUBT,
}
"""What each message means for a slot; the verdicts of risk that allow an order mean nothing to it."""

_LACK_CODES = frozenset({"-2018", "-2019", "insufficient_balance"})
_LACK_WORDS = ("insufficient", "margin", "balance")


def is_lack_of_money(event: Message) -> bool:
    """Return whether an order was refused because there is not enough money or margin for it (ST-29).

    Binance says -2018 and -2019; -2010 is said of everything, and there the text decides.
    """
    if not isinstance(event, orders.OrderRejected | orders.OrderRefused):
        return False
    if event.code in _LACK_CODES or any(word in event.code.lower() for word in _LACK_WORDS):
        return True
    return isinstance(event, orders.OrderRejected) and "insufficient" in event.reason.lower()


def is_post_only_failure(order: OwnOrder, event: Message) -> bool:
    """Return whether the venue would not let an order rest: rejected, or ended at once by its own rules."""
    if not order.is_post_only or order.is_cancel_asked or order.filled_lots:
        return False
    return isinstance(event, orders.OrderRejected | orders.OrderExpired)
