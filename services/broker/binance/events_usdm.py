"""Events of the private stream of USD-M, as reports. What cannot be read raises one of `UNREADABLE`.

`TRADE_LITE` tells an execution faster but without its fee: it is kept only to see whether the whole event
follows.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from services.broker.binance.answers import TimeMs, VenueId, side_of, state_of, tif_of, type_of
from services.broker.binance.markets import Market, decimal_of
from shared.execution.reports import (
    AnyReport,
    Balance,
    BalancesChanged,
    Filled,
    OrderChanged,
    VenueFill,
    VenueOrder,
    VenuePosition,
)
from shared.units import NS_PER_MS

FUNDING = "FUNDING_FEE"
_REASONS = {
    "1": "self-trade prevention",
    "2": "the rest of an IOC order",
    "3": "a FOK order that could not be filled",
    "4": "liquidation",
    "5": "liquidation",
    "6": "market protection",
    "7": "delisting",
    "9": "the rest of a market order",
}
_ENDS_OF_OTHERS = ("autoclose-", "adl_autoclose", "settlement_autoclose-")


class Event(msgspec.Struct):
    """What every event begins with; the listen key is never read further."""

    e: str = ""


class _Order(msgspec.Struct):
    """`o` of ORDER_TRADE_UPDATE; `t` is 0 where nothing was executed."""

    s: str
    c: str
    S: str
    o: str
    f: str
    q: str
    p: str
    x: str
    X: str
    i: VenueId
    l: str  # noqa: E741
    z: str
    L: str
    T: TimeMs
    n: str = "0"
    N: str = ""
    t: int = 0
    m: bool = False
    R: bool = False
    ps: str = "BOTH"
    er: str | int = ""


class _OrderUpdate(msgspec.Struct):
    o: _Order
    T: TimeMs = 0


class _Wallet(msgspec.Struct):
    a: str
    wb: str
    bc: str = "0"


class _Position(msgspec.Struct):
    s: str
    pa: str
    ep: str = "0"
    ps: str = "BOTH"


class _Account(msgspec.Struct):
    m: str = ""
    B: list[_Wallet] = []
    P: list[_Position] = []


class _AccountUpdate(msgspec.Struct):
    a: _Account
    T: TimeMs = 0


class _MarginCall(msgspec.Struct):
    p: list[_Position]


class _Lite(msgspec.Struct):
    s: str
    c: str
    t: VenueId
    i: VenueId


class FundingSeen(NamedTuple):
    """The venue booked funding; on cross margin it does not say for which market."""

    ts_ns: int


class LiteSeen(NamedTuple):
    """An execution whose whole event must follow."""

    symbol: str
    trade_id: int
    client_order_id: str


_event = msgspec.json.Decoder(Event)
_order_update = msgspec.json.Decoder(_OrderUpdate)
_account_update = msgspec.json.Decoder(_AccountUpdate)
_margin_call = msgspec.json.Decoder(_MarginCall)
_lite = msgspec.json.Decoder(_Lite)

Seen = AnyReport | FundingSeen | LiteSeen


def kind_of(event: bytes) -> str:
    """Return the type of an event."""
    return _event.decode(event).e


def is_of_venue(client_order_id: str) -> bool:
    """Return whether an id is one that the venue gives to liquidations, deleveraging and settlement."""
    return client_order_id.startswith(_ENDS_OF_OTHERS)


def seen_in(kind: str, event: bytes, markets: Mapping[str, Market]) -> list[Seen]:
    """Return what an event says; nothing for one that does not concern orders or money of ours."""
    if kind == "ORDER_TRADE_UPDATE":
        order = _order_update.decode(event).o
        market = markets.get(order.s)
        return [] if market is None else _order_of(order, market)
    if kind == "ACCOUNT_UPDATE":
        return _account_of(_account_update.decode(event), markets)
    if kind == "MARGIN_CALL":
        called = _margin_call.decode(event).p
        return [BalancesChanged([], _positions(called, markets), "MARGIN_CALL")]
    if kind == "TRADE_LITE":
        lite = _lite.decode(event)
        return [LiteSeen(lite.s, lite.t, lite.c)] if lite.s in markets else []
    return []


def _order_of(told: _Order, market: Market) -> list[Seen]:
    qty_lots, filled_lots = market.lots(told.q), market.lots(told.z)
    reason = _REASONS.get(str(told.er), "")
    if told.x == "CALCULATED":
        reason = "liquidation or deleveraging"
    order = VenueOrder(
        market.symbol,
        told.c,
        str(told.i),
        state_of(told.X),
        side_of(told.S),
        market.near_ticks(told.p),
        qty_lots,
        filled_lots,
        type_of(told.o),
        tif_of(told.f),
        told.f == "GTX",
        told.R,
        told.T * NS_PER_MS,
        reason,
    )
    executed_lots = market.lots(told.l) if told.x in {"TRADE", "CALCULATED"} else 0
    if not executed_lots or told.t <= 0:
        return [OrderChanged(order)]
    fill = VenueFill(
        market.symbol,
        str(told.t),
        order.venue_order_id,
        told.c,
        order.side,
        market.ticks(told.L),
        executed_lots,
        decimal_of(told.n),
        told.N,
        told.m,
        order.ts_venue_ns,
        filled_lots,
        qty_lots - filled_lots,
    )
    # The fill first: the state that follows from it may end the order.
    return [Filled(fill), OrderChanged(order)]


def _account_of(update: _AccountUpdate, markets: Mapping[str, Market]) -> list[Seen]:
    account = update.a
    balances = [Balance(wallet.a, decimal_of(wallet.wb)) for wallet in account.B]
    said: list[Seen] = [BalancesChanged(balances, _positions(account.P, markets), account.m[:40])]
    if account.m == FUNDING:
        said.append(FundingSeen(update.T * NS_PER_MS))
    return said


def _positions(told: list[_Position], markets: Mapping[str, Market]) -> list[VenuePosition]:
    found = []
    for one in told:
        market = markets.get(one.s)
        if market is not None:
            found.append(VenuePosition(market.symbol, market.lots(one.pa), decimal_of(one.ep)))
    return found
