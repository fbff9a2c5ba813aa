"""How a strategy with one entry and one exit order leaves: at the market, one at a time, until it is flat."""

from services.strategy.base import NOTHING, CancelOrder, Context, Intents, PlaceOrder
from shared.messages.orders import OrderType, TimeInForce
from shared.units import NS_PER_S, Side

ENTRY = "entry"
EXIT = "exit"
EXIT_AGAIN_NS = NS_PER_S
"""An exit that did not fill is sent again after this time."""


def leave(ctx: Context, held_lots: int, reason: str, last_exit_ns: int) -> Intents:
    """Return what closes a position of `held_lots` (signed, not 0); nothing while an exit is under way.

    `last_exit_ns` is when the last exit was sent, 0 for never. An entry is cancelled first: it could trade
    with the exit (I-12).
    """
    if ENTRY in ctx.orders:
        return (CancelOrder(ENTRY, reason),)
    if EXIT in ctx.orders or ctx.now_ns - last_exit_ns < EXIT_AGAIN_NS:
        return NOTHING
    return (
        PlaceOrder(
            EXIT,
            Side.SELL if held_lots > 0 else Side.BUY,
            0,
            abs(held_lots),
            OrderType.MARKET,
            TimeInForce.IOC,
            is_reduce_only=ctx.rules.is_derivative and not ctx.shares_market,
            reason=reason,
        ),
    )
