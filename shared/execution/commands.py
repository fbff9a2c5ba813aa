"""Commands of a desk to the adapter of one venue; each with a number that its answer repeats."""

import msgspec

from shared.messages.orders import OrderType, TimeInForce
from shared.units import Side


class Command(msgspec.Struct, frozen=True, array_like=True):
    """Something to ask of the venue. `request_id` counts from 1 in one life of the broker."""

    request_id: int


class Place(Command, frozen=True, array_like=True, tag="place"):
    """Create one order. Sent at most once, ever: a doubtful outcome is asked about, never repeated (I-05).

    `price_ticks` is 0 for a market order; `expire_ns` 0 for no end; `stop_ticks` 0 for no trigger.
    """

    client_order_id: str
    symbol: str
    side: Side
    price_ticks: int
    qty_lots: int
    order_type: OrderType = OrderType.LIMIT
    tif: TimeInForce = TimeInForce.GTC
    is_post_only: bool = False
    is_reduce_only: bool = False
    expire_ns: int = 0
    stop_ticks: int = 0


class Cancel(Command, frozen=True, array_like=True, tag="cancel"):
    """Cancel one order; may be sent again at any time."""

    symbol: str
    client_order_id: str
    venue_order_id: str = ""


class CancelAll(Command, frozen=True, array_like=True, tag="cancel_all"):
    """Cancel every order of a market with the venue's own call, those of others included."""

    symbol: str


class AskOrder(Command, frozen=True, array_like=True, tag="ask_order"):
    """Ask for one order by our id, or by the venue's where ours is not known."""

    symbol: str
    client_order_id: str
    venue_order_id: str = ""


class AskOpenOrders(Command, frozen=True, array_like=True, tag="ask_open_orders"):
    """Ask for every open order of a market, of the whole account when `symbol` is empty."""

    symbol: str = ""


class AskFills(Command, frozen=True, array_like=True, tag="ask_fills"):
    """Ask for our executions in a market after a trade id, or from a time where no id is known.

    The adapter pages until all are there.
    """

    symbol: str
    after_trade_id: str = ""
    since_ns: int = 0


class AskAccount(Command, frozen=True, array_like=True, tag="ask_account"):
    """Ask for balances and positions."""


class AskKeyRights(Command, frozen=True, array_like=True, tag="ask_key_rights"):
    """Ask what the key may do; a key that can withdraw is refused (RK-17)."""


class Countdown(Command, frozen=True, array_like=True, tag="countdown"):
    """Arm the venue's own dead-man's switch for a market, 0 disarms; renewed by the desk (BR-24)."""

    symbol: str
    countdown_ms: int


AnyCommand = (
    Place | Cancel | CancelAll | AskOrder | AskOpenOrders | AskFills | AskAccount | AskKeyRights | Countdown
)
