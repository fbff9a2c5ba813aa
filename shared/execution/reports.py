"""Reports of a venue's adapter to the desk: answers to commands, and what the venue says of itself.

Numbers are in the units of the market's rules; an amount of an asset is the text of the venue, an exact
decimal. A report never guesses: what the venue did not say is empty, and what is in doubt is `Doubtful`.
"""

from enum import StrEnum

import msgspec

from shared.messages.orders import OrderType, TimeInForce
from shared.units import Side


class VenueState(StrEnum):
    """The life of an order as the venue tells it."""

    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"

    @property
    def is_open(self) -> bool:
        """Return whether the venue still holds it."""
        return self in (VenueState.NEW, VenueState.PARTIALLY_FILLED)


class RefusalKind(StrEnum):
    """What a certain refusal means for what to do next (binance.md 5)."""

    FILTER = "filter"  # price, quantity or notional against the venue's rules: read them again
    WOULD_TAKE = "would_take"  # post-only would have taken: reprice
    BALANCE = "balance"  # not enough money or margin
    REDUCE_ONLY = "reduce_only"  # the position is smaller than we think
    RATE = "rate"  # over a limit of the venue: nothing before `retry_ns`
    OVERLOADED = "overloaded"  # certain failure: back off
    CLOCK = "clock"  # our time was outside the window: synchronise, then once more
    KEY = "key"  # key, signature or permission: stop trading on this venue
    DUPLICATE = "duplicate"  # this id is open already: ask for it
    NOT_FOUND = "not_found"  # no such order: says nothing about whether it ever was (I-06)
    HALTED = "halted"  # the market does not trade now
    INVALID = "invalid"  # our request is wrong: a bug, never repeated
    OTHER = "other"


class Report(msgspec.Struct, frozen=True, array_like=True):
    """Something the venue said. Answers repeat the `request_id` of their command, streams have none."""


class VenueOrder(msgspec.Struct, frozen=True, array_like=True):
    """One order as the venue tells it. `client_order_id` is that of the order, never that of a cancel."""

    symbol: str
    client_order_id: str
    venue_order_id: str
    state: VenueState
    side: Side
    price_ticks: int
    qty_lots: int
    filled_lots: int
    order_type: OrderType = OrderType.LIMIT
    tif: TimeInForce = TimeInForce.GTC
    is_post_only: bool = False
    is_reduce_only: bool = False
    ts_venue_ns: int = 0
    reason: str = ""


class VenueFill(msgspec.Struct, frozen=True, array_like=True):
    """One execution. `client_order_id` is empty where the venue tells only its own id of the order.

    `fee` is a cost when positive, in units of `fee_asset`; `filled_lots` the order's total after it, -1 where
    the venue does not say.
    """

    symbol: str
    trade_id: str
    venue_order_id: str
    client_order_id: str
    side: Side
    price_ticks: int
    qty_lots: int
    fee: str
    fee_asset: str
    is_maker: bool
    ts_venue_ns: int
    filled_lots: int = -1
    leaves_lots: int = -1


class Balance(msgspec.Struct, frozen=True, array_like=True):
    """What the account holds of one asset: `free` and `locked` on spot, the wallet as `free` on margin."""

    asset: str
    free: str
    locked: str = "0"


class VenuePosition(msgspec.Struct, frozen=True, array_like=True):
    """A position of a derivative: signed lots, average entry as the venue's text."""

    symbol: str
    position_lots: int
    entry_price: str = "0"


# ---- answers


class Acted(Report, frozen=True, array_like=True, tag="acted"):
    """The venue did what a Place or a Cancel asked; `order` is its state after that, as far as told."""

    request_id: int
    order: VenueOrder


class Done(Report, frozen=True, array_like=True, tag="done"):
    """The venue did what a CancelAll or a Countdown asked."""

    request_id: int


class Refused(Report, frozen=True, array_like=True, tag="refused"):
    """The venue, or the adapter before sending, certainly did nothing. `is_sent` tells which.

    `code` is the venue's own (-2010) or the name of the filter, `retry_ns` the earliest time for another try.
    """

    request_id: int
    kind: RefusalKind
    code: str
    reason: str
    is_sent: bool = True
    retry_ns: int = 0


class Doubtful(Report, frozen=True, array_like=True, tag="doubtful"):
    """The venue may or may not have acted: timeout, 5xx, a connection lost after sending."""

    request_id: int
    reason: str


class OrderFound(Report, frozen=True, array_like=True, tag="order_found"):
    """Answer to AskOrder."""

    request_id: int
    order: VenueOrder


class OpenOrders(Report, frozen=True, array_like=True, tag="open_orders"):
    """Answer to AskOpenOrders: all of them; `asked_ns` is when the question left."""

    request_id: int
    symbol: str
    orders: list[VenueOrder]
    asked_ns: int = 0


class Fills(Report, frozen=True, array_like=True, tag="fills"):
    """Answer to AskFills: all after the id asked for, oldest first."""

    request_id: int
    symbol: str
    fills: list[VenueFill]
    asked_ns: int = 0


class AccountTold(Report, frozen=True, array_like=True, tag="account"):
    """Answer to AskAccount. Assets and markets that are not listed are at zero."""

    request_id: int
    balances: list[Balance]
    positions: list[VenuePosition]
    asked_ns: int = 0


class KeyRightsTold(Report, frozen=True, array_like=True, tag="key_rights"):
    """Answer to AskKeyRights."""

    request_id: int
    can_trade: bool
    can_withdraw: bool
    can_transfer: bool
    is_address_limited: bool


# ---- what the venue says of itself


class OrderChanged(Report, frozen=True, array_like=True, tag="order_changed"):
    """The user stream told a new state of an order, ours or another's."""

    order: VenueOrder


class Filled(Report, frozen=True, array_like=True, tag="filled"):
    """The user stream told an execution; may come twice and late."""

    fill: VenueFill


class BalancesChanged(Report, frozen=True, array_like=True, tag="balances_changed"):
    """The user stream told what changed of balances and positions; `reason` as the venue names it."""

    balances: list[Balance]
    positions: list[VenuePosition]
    reason: str = ""


class FundingBooked(Report, frozen=True, array_like=True, tag="funding_booked"):
    """The venue paid or took funding: `amount` in the asset, positive when it came in."""

    symbol: str
    asset: str
    amount: str
    ts_venue_ns: int
    position_lots: int = 0


class UserStreamUp(Report, frozen=True, array_like=True, tag="user_stream_up"):
    """The private stream delivers from now on; everything before may have been missed (BR-11)."""


class UserStreamDown(Report, frozen=True, array_like=True, tag="user_stream_down"):
    """The private stream does not deliver, or may not; orders may change unseen (I-27)."""

    reason: str


class Reachable(Report, frozen=True, array_like=True, tag="reachable"):
    """The venue takes orders from us: connected, logged on, time synchronised, limits known."""


class Unreachable(Report, frozen=True, array_like=True, tag="unreachable"):
    """The venue does not take orders from us now; `until_ns` is told for bans, else 0."""

    reason: str
    until_ns: int = 0
    is_final: bool = False  # a key that is wrong or may withdraw: only a person can mend it


class RulesDoubtful(Report, frozen=True, array_like=True, tag="rules_doubtful"):
    """The venue refused by a filter that our rules pass: they have changed (MD-20)."""

    symbol: str
    filter: str


AnyReport = (
    Acted
    | Done
    | Refused
    | Doubtful
    | OrderFound
    | OpenOrders
    | Fills
    | AccountTold
    | KeyRightsTold
    | OrderChanged
    | Filled
    | BalancesChanged
    | FundingBooked
    | UserStreamUp
    | UserStreamDown
    | Reachable
    | Unreachable
    | RulesDoubtful
)
