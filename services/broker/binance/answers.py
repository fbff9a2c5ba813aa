"""Answers of the venue, as the reports' own types. What cannot be read raises one of `UNREADABLE`."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import Meta

from services.broker.binance.markets import Market, decimal_of
from shared.execution.reports import (
    AccountTold,
    Balance,
    KeyRightsTold,
    VenueFill,
    VenueOrder,
    VenuePosition,
    VenueState,
)
from shared.messages.orders import OrderType, TimeInForce
from shared.units import NS_PER_MS, Side

UNREADABLE = (ValueError, ArithmeticError, msgspec.MsgspecError, RecursionError)

VenueId = Annotated[int, Meta(ge=0, le=2**62)]
TimeMs = Annotated[int, Meta(ge=0, le=2**42)]

STATES = {
    "NEW": VenueState.NEW,
    "PENDING_NEW": VenueState.NEW,
    "PENDING_CANCEL": VenueState.NEW,
    "PARTIALLY_FILLED": VenueState.PARTIALLY_FILLED,
    "FILLED": VenueState.FILLED,
    "CANCELED": VenueState.CANCELED,
    "REJECTED": VenueState.REJECTED,
    "EXPIRED": VenueState.EXPIRED,
    "EXPIRED_IN_MATCH": VenueState.EXPIRED,
}
SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
_TIFS = {str(tif).upper(): tif for tif in TimeInForce}
_MARKET_TYPES = frozenset(
    {"MARKET", "STOP_LOSS", "TAKE_PROFIT", "STOP_MARKET", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"}
)


class OrderFill(msgspec.Struct):
    """An execution in the answer to a new order of spot."""

    price: str
    qty: str
    commission: str
    commissionAsset: str  # noqa: N815
    tradeId: VenueId  # noqa: N815


class Order(msgspec.Struct):
    """An order as both venues answer it; times differ in name."""

    symbol: str
    orderId: VenueId  # noqa: N815
    status: str
    side: str
    origQty: str  # noqa: N815
    executedQty: str  # noqa: N815
    clientOrderId: str = ""  # noqa: N815
    origClientOrderId: str = ""  # noqa: N815
    price: str = "0"
    type: str = "LIMIT"
    timeInForce: str = "GTC"  # noqa: N815
    reduceOnly: bool = False  # noqa: N815
    transactTime: TimeMs = 0  # noqa: N815
    updateTime: TimeMs = 0  # noqa: N815
    time: TimeMs = 0
    fills: list[OrderFill] = []


class Trade(msgspec.Struct):
    """An execution in `myTrades` (`isBuyer`) or `userTrades` (`side`)."""

    symbol: str
    id: VenueId
    orderId: VenueId  # noqa: N815
    price: str
    qty: str
    commission: str
    commissionAsset: str  # noqa: N815
    time: TimeMs
    isBuyer: bool | None = None  # noqa: N815
    isMaker: bool | None = None  # noqa: N815
    buyer: bool | None = None
    maker: bool | None = None
    side: str = ""


class _SpotBalance(msgspec.Struct):
    asset: str
    free: str
    locked: str


class _SpotAccount(msgspec.Struct):
    balances: list[_SpotBalance]


class _Asset(msgspec.Struct):
    asset: str
    walletBalance: str  # noqa: N815


class _Position(msgspec.Struct):
    symbol: str
    positionAmt: str  # noqa: N815
    entryPrice: str = ""  # noqa: N815
    notional: str = ""
    unrealizedProfit: str = ""  # noqa: N815
    positionSide: str = "BOTH"  # noqa: N815

    @property
    def entry_price(self) -> str:
        """Return the average entry; the account call of v3 tells only value and profit of a position."""
        lots = Decimal(self.positionAmt)
        if self.entryPrice or not self.notional or not lots:
            return decimal_of(self.entryPrice or "0")
        return format((Decimal(self.notional) - Decimal(self.unrealizedProfit or "0")) / lots, "f")


class _UsdmAccount(msgspec.Struct):
    assets: list[_Asset]
    positions: list[_Position]


class _Restrictions(msgspec.Struct):
    enableWithdrawals: bool  # noqa: N815
    ipRestrict: bool = False  # noqa: N815
    enableInternalTransfer: bool = False  # noqa: N815
    permitsUniversalTransfer: bool = False  # noqa: N815
    enableSpotAndMarginTrading: bool = False  # noqa: N815
    enableFutures: bool = False  # noqa: N815


class _AccountFlags(msgspec.Struct):
    canTrade: bool  # noqa: N815
    canWithdraw: bool = False  # noqa: N815


class Income(msgspec.Struct):
    """A record of `income`; the amount is positive when it came in."""

    symbol: str
    incomeType: str  # noqa: N815
    income: str
    asset: str
    time: TimeMs


class BatchEntry(msgspec.Struct):
    """One result of a batch: an error has a code, an order none."""

    code: int = 0
    msg: str = ""


class PositionMode(msgspec.Struct):
    """Whether the account holds long and short positions apart."""

    dualSidePosition: bool  # noqa: N815


order_decoder = msgspec.json.Decoder(Order)
orders_decoder = msgspec.json.Decoder(list[Order])
trades_decoder = msgspec.json.Decoder(list[Trade])
income_decoder = msgspec.json.Decoder(list[Income])
batch_decoder = msgspec.json.Decoder(list[msgspec.Raw])
entry_decoder = msgspec.json.Decoder(BatchEntry)
mode_decoder = msgspec.json.Decoder(PositionMode)
_spot_account = msgspec.json.Decoder(_SpotAccount)
_usdm_account = msgspec.json.Decoder(_UsdmAccount)
_restrictions = msgspec.json.Decoder(_Restrictions)
_flags = msgspec.json.Decoder(_AccountFlags)


def side_of(text: str) -> Side:
    """Return the side; raises `ValueError` for anything else."""
    side = SIDES.get(text)
    if side is None:
        raise ValueError(f"{text[:20]!r} is no side")
    return side


def state_of(text: str) -> VenueState:
    """Return the state of an order; raises `ValueError` for one that the documents do not name."""
    state = STATES.get(text)
    if state is None:
        raise ValueError(f"{text[:20]!r} is no state of an order")
    return state


def type_of(text: str) -> OrderType:
    """Return whether an order has a price of its own."""
    return OrderType.MARKET if text in _MARKET_TYPES else OrderType.LIMIT


def tif_of(text: str) -> TimeInForce:
    """Return the time in force; GTX is GTC that is post-only, and what is not known is GTC."""
    return _TIFS.get(text, TimeInForce.GTC)


def order_of(order: Order, market: Market, reason: str = "") -> VenueOrder:
    """Return an order of an answer in the market's units.

    In the answer to a cancel `clientOrderId` may be the cancel's: `origClientOrderId` is the order's.
    """
    return VenueOrder(
        market.symbol,
        order.origClientOrderId or order.clientOrderId,
        str(order.orderId),
        state_of(order.status),
        side_of(order.side),
        market.near_ticks(order.price),
        market.lots(order.origQty),
        market.lots(order.executedQty),
        type_of(order.type),
        tif_of(order.timeInForce),
        order.type == "LIMIT_MAKER" or order.timeInForce == "GTX",
        order.reduceOnly,
        (order.updateTime or order.transactTime or order.time) * NS_PER_MS,
        reason,
    )


def fills_in(order: Order, market: Market) -> list[VenueFill]:
    """Return the executions in the answer to a new order of spot; all of them took."""
    found, filled_lots = [], 0
    total = market.lots(order.origQty)
    for fill in order.fills:
        qty_lots = market.lots(fill.qty)
        filled_lots += qty_lots
        found.append(
            VenueFill(
                market.symbol,
                str(fill.tradeId),
                str(order.orderId),
                order.clientOrderId,
                side_of(order.side),
                market.ticks(fill.price),
                qty_lots,
                decimal_of(fill.commission),
                fill.commissionAsset,
                False,
                order.transactTime * NS_PER_MS,
                filled_lots,
                total - filled_lots,
            )
        )
    return found


def fill_of(trade: Trade, market: Market) -> VenueFill:
    """Return an execution of the history; it names only the venue's id of the order."""
    is_buyer = trade.isBuyer if trade.isBuyer is not None else trade.buyer
    is_maker = trade.isMaker if trade.isMaker is not None else trade.maker
    if is_maker is None or (is_buyer is None and not trade.side):
        raise ValueError(f"trade {trade.id} of {trade.symbol} does not say who was maker and which side")
    side = side_of(trade.side) if trade.side else Side.BUY if is_buyer else Side.SELL
    return VenueFill(
        market.symbol,
        str(trade.id),
        str(trade.orderId),
        "",
        side,
        market.ticks(trade.price),
        market.lots(trade.qty),
        decimal_of(trade.commission),
        trade.commissionAsset,
        is_maker,
        trade.time * NS_PER_MS,
    )


def spot_account(body: bytes, request_id: int, asked_ns: int) -> AccountTold:
    """Return balances of a spot account."""
    account = _spot_account.decode(body)
    balances = [Balance(b.asset, decimal_of(b.free), decimal_of(b.locked)) for b in account.balances]
    return AccountTold(request_id, balances, [], asked_ns)


def usdm_account(body: bytes, request_id: int, asked_ns: int, markets: Mapping[str, Market]) -> AccountTold:
    """Return wallets and positions; markets that are not followed have no units and are left out."""
    account = _usdm_account.decode(body)
    balances = [Balance(one.asset, decimal_of(one.walletBalance)) for one in account.assets]
    positions = []
    for one in account.positions:
        market = markets.get(one.symbol)
        if market is not None:
            positions.append(VenuePosition(market.symbol, market.lots(one.positionAmt), one.entry_price))
    return AccountTold(request_id, balances, positions, asked_ns)


def restrictions_of(body: bytes, request_id: int, *, is_spot: bool) -> KeyRightsTold:
    """Return the rights in an answer of /sapi/v1/account/apiRestrictions."""
    told = _restrictions.decode(body)
    return KeyRightsTold(
        request_id,
        told.enableSpotAndMarginTrading if is_spot else told.enableFutures,
        told.enableWithdrawals,
        told.enableInternalTransfer or told.permitsUniversalTransfer,
        told.ipRestrict,
    )


def flags_of(body: bytes, request_id: int, *, is_spot: bool) -> KeyRightsTold:
    """Return the rights of an account at a venue without /sapi, a testnet.

    `canWithdraw` of USD-M is of the account and means the transfer to spot: every account may, no key can
    withdraw from it.
    """
    told = _flags.decode(body)
    return KeyRightsTold(request_id, told.canTrade, told.canWithdraw and is_spot, False, False)
