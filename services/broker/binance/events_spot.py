"""Events of the private stream of spot, as reports. What cannot be read raises one of `UNREADABLE`."""

from collections.abc import Mapping

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
)
from shared.units import NS_PER_MS

NO_REASON = "NONE"


class Kind(msgspec.Struct):
    """What every event begins with."""

    e: str = ""


class _Report(msgspec.Struct):
    """`executionReport`; `t` is -1 where nothing was executed."""

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
    C: str = ""
    r: str = NO_REASON
    n: str = "0"
    N: str | None = None
    t: int = -1
    m: bool = False
    eR: int | str = ""  # noqa: N815
    pY: str = ""  # noqa: N815


class _Held(msgspec.Struct):
    a: str
    f: str
    l: str  # noqa: E741


class _AccountPosition(msgspec.Struct):
    B: list[_Held]


class _BalanceUpdate(msgspec.Struct):
    a: str
    d: str


_kind = msgspec.json.Decoder(Kind)
_report = msgspec.json.Decoder(_Report)
_position = msgspec.json.Decoder(_AccountPosition)
_balance = msgspec.json.Decoder(_BalanceUpdate)


def kind_of(event: bytes) -> str:
    """Return the type of an event."""
    return _kind.decode(event).e


def reports_of(kind: str, event: bytes, markets: Mapping[str, Market]) -> list[AnyReport]:
    """Return what an event says; nothing for one that does not concern orders or money of ours."""
    if kind == "executionReport":
        told = _report.decode(event)
        market = markets.get(told.s)
        return [] if market is None else _execution(told, market)
    if kind == "outboundAccountPosition":
        held = _position.decode(event).B
        return [BalancesChanged([Balance(b.a, decimal_of(b.f), decimal_of(b.l)) for b in held], [], kind)]
    if kind == "balanceUpdate":
        # Only the difference: the account position that follows tells what is held now.
        change = _balance.decode(event)
        return [BalancesChanged([], [], f"{kind} {change.a[:20]} {decimal_of(change.d)}")]
    return []


def _execution(told: _Report, market: Market) -> list[AnyReport]:
    # On a cancel `c` is the cancel's own id and `C` the order's; on an amendment it is the other way round.
    own_id = told.C if told.C and told.x != "REPLACED" else told.c
    qty_lots, filled_lots = market.lots(told.q), market.lots(told.z)
    reason = "" if told.r == NO_REASON else told.r
    if told.x == "TRADE_PREVENTION":
        reason = f"self-trade prevention {told.pY}".rstrip()
    elif told.eR:
        reason = str(told.eR)
    order = VenueOrder(
        market.symbol,
        own_id,
        str(told.i),
        state_of(told.X),
        side_of(told.S),
        market.near_ticks(told.p),
        qty_lots,
        filled_lots,
        type_of(told.o),
        tif_of(told.f),
        told.o == "LIMIT_MAKER",
        False,
        told.T * NS_PER_MS,
        reason[:120],
    )
    if told.x != "TRADE":
        return [OrderChanged(order)]
    if told.t < 0:
        raise ValueError(f"an execution of {told.s} has no trade id")
    fill = VenueFill(
        market.symbol,
        str(told.t),
        order.venue_order_id,
        own_id,
        order.side,
        market.ticks(told.L),
        market.lots(told.l),
        decimal_of(told.n),
        told.N or "",
        told.m,
        order.ts_venue_ns,
        filled_lots,
        qty_lots - filled_lots,
    )
    # The fill first: the state that follows from it may end the order.
    return [Filled(fill), OrderChanged(order)]
