"""What the guards of risk say: restrictions of parts of the mesh, breakers, sessions, margin, round trips."""

from typing import ClassVar

from shared.messages.base import Message
from shared.units import Side

_RISK = frozenset({"risk"})
_PEOPLE = frozenset({"operator", "gateway"})


class ScopedState(Message, frozen=True, tag="scoped_state"):
    """What risk allows a part of the mesh: one strategy, one market, or one strategy in one market.

    An empty `strategy` means all, an empty `symbol` every market. `state` is active, reducing or halted, as
    in `TradingState`; the strictest of all that apply counts.
    """

    family: ClassVar[str] = "trading_state"
    owners: ClassVar[frozenset[str]] = _RISK

    strategy: str
    symbol: str
    state: str
    reasons: list[str]


class GuardRaised(Message, frozen=True, tag="guard_raised"):
    """A guard noticed something: `code` names it, `value` passed `limit` (RK-7, RK-9, RK-18, RK-27, I-14).

    `is_tripped` tells that it holds trading back until `GuardReleased`.
    """

    family: ClassVar[str] = "guard"
    owners: ClassVar[frozenset[str]] = _RISK

    code: str
    strategy: str
    symbol: str
    text: str
    value: int = 0
    limit: int = 0
    is_tripped: bool = False


class GuardReleased(Message, frozen=True, tag="guard_released"):
    """A guard that was tripped holds nothing back any more; `by` is what or who released it."""

    family: ClassVar[str] = "guard"
    owners: ClassVar[frozenset[str]] = _RISK

    code: str
    strategy: str
    symbol: str
    by: str
    reason: str


class SessionReset(Message, frozen=True, tag="session_reset"):
    """A new day of risk began: session counters start over, positions and kill stay (RK-14, I-21).

    `equity_money` is initial equity and profit at that moment, in 10^-8 of the account currency.
    """

    family: ClassVar[str] = "guard"
    owners: ClassVar[frozenset[str]] = _RISK

    date: str
    equity_money: int


class RoundTrip(Message, frozen=True, tag="round_trip"):
    """A position of a strategy went from flat to flat (RK-9, RK-29); money in atoms of `quote_asset`.

    `side` is that of the opening; net = gross - fees + funding.
    """

    family: ClassVar[str] = "position"
    owners: ClassVar[frozenset[str]] = _RISK
    key: ClassVar[str] = "strategy"

    strategy: str
    symbol: str
    side: Side
    qty_lots: int
    opened_ns: int
    closed_ns: int
    gross_atoms: int
    fees_atoms: int
    funding_atoms: int
    quote_asset: str


class ProfitParts(Message, frozen=True, tag="profit_parts"):
    """Where the profit of a strategy in a market came from; the parts sum to the change of equity exactly.

    Spread is what fills earned against the mid of their moment; adverse what the mid took back within 0.1, 1,
    10 and 60 s (each beyond the former); inventory the rest of the mark to market. Atoms of `quote_asset`.
    """

    family: ClassVar[str] = "position"
    owners: ClassVar[frozenset[str]] = _RISK
    key: ClassVar[str] = "strategy"

    strategy: str
    symbol: str
    quote_asset: str
    spread_atoms: int
    adverse_100ms_atoms: int
    adverse_1s_atoms: int
    adverse_10s_atoms: int
    adverse_60s_atoms: int
    inventory_atoms: int
    fees_atoms: int
    funding_atoms: int
    equity_atoms: int


class MarginStatus(Message, frozen=True, tag="margin_status"):
    """Margin of a derivatives venue (RK-23): maintenance over equity in ppm, and each liquidation price.

    Money is in 10^-8 of the account currency. `state` is ok, warning or reduce. Of each of `symbols`:
    `liquidation_ticks` (0: none) and its distance from the mark in `distance_ppm`.
    """

    family: ClassVar[str] = "margin"
    owners: ClassVar[frozenset[str]] = _RISK
    key: ClassVar[str] = "venue"

    venue: str
    state: str
    equity_money: int
    maintenance_money: int
    ratio_ppm: int
    symbols: list[str]
    liquidation_ticks: list[int]
    distance_ppm: list[int]


class MostOrderAsked(Message, frozen=True, tag="most_order_asked"):
    """A person asks how large an order could be now (RK-21); `price_ticks` 0 means at the touch."""

    family: ClassVar[str] = "control"
    owners: ClassVar[frozenset[str]] = _PEOPLE

    strategy: str
    symbol: str
    side: Side
    price_ticks: int
    by: str


class MostOrderTold(Message, frozen=True, tag="most_order_told"):
    """The answer: `qty_lots` would pass every check now; `code` and `reason` name what allows no more."""

    family: ClassVar[str] = "guard"
    owners: ClassVar[frozenset[str]] = _RISK

    strategy: str
    symbol: str
    side: Side
    price_ticks: int
    qty_lots: int
    code: str
    reason: str
