"""What the risk core remembers, as it is written to a snapshot."""

from collections.abc import Sequence
from typing import Literal, assert_never

import msgspec

from services.risk.exposure import ClosedOrder, OpenOrder
from services.risk.guard import Hold
from shared.book_state import BookState
from shared.ledger import LedgerState
from shared.messages.market import InstrumentRules
from shared.messages.orders import OrderIntent

Allowance = Literal["active", "reducing", "halted"]
"""What trading is allowed: all, only orders that shrink a position, none."""


class MarketState(msgspec.Struct, array_like=True, frozen=True):
    """One `Market`."""

    symbol: str
    book: BookState
    rules: InstrumentRules | None
    fresh_ns: int
    mark_half_ticks: int
    other_rules: InstrumentRules | None = None


class Pending(msgspec.Struct, array_like=True, frozen=True):
    """An intent without a verdict, with the time and the reference price of its asking."""

    intent: OrderIntent
    ts_ns: int
    price_ticks: int


class Mood(msgspec.Struct, array_like=True):
    """All that may hold trading back.

    The loss counts from `pnl_base_money` (10^-18 of the account currency) + `pnl_base_e8` (10^-8); the first
    comes from snapshots of former builds and is 0 since.
    """

    is_killed: bool = False
    kill_reason: str = ""
    broker_run: int = 0
    reconciled_run: int = 0
    silent: list[str] = []
    diverged: list[str] = []
    quarantine: dict[str, str] = {}
    pnl_base_money: int = 0
    is_loss_said: bool = False
    said_state: str = ""
    said_reasons: list[str] = []
    said_scopes: dict[str, list[str]] = {}
    pnl_base_e8: int = 0

    def reducing_reasons(self) -> tuple[str, ...]:
        """Return why only reducing orders may pass, the strongest first; empty when all may."""
        is_reconciled = self.broker_run != 0 and self.reconciled_run == self.broker_run
        if is_reconciled and not (self.silent or self.diverged or self.quarantine):
            return ()
        reasons: list[str] = []
        if self.broker_run == 0:
            reasons.append("broker has not started")
        elif self.reconciled_run != self.broker_run:
            reasons.append(f"broker has not reconciled run {self.broker_run}")
        reasons.extend(f"{service} is silent" for service in self.silent)
        reasons.extend(f"{service} diverged from the log" for service in self.diverged)
        reasons.extend(f"quarantine {symbol}: {why}" for symbol, why in sorted(self.quarantine.items()))
        return tuple(reasons)

    def trading_state(self, holds: Sequence[Hold] = ()) -> tuple[Allowance, list[str]]:
        """Return the state to announce with all its reasons; `holds` are those of guards on everything."""
        halted = [f"kill: {self.kill_reason}"] if self.is_killed else []
        reducing = list(self.reducing_reasons())
        for hold in holds:
            match hold.state:
                case "halted":
                    halted.append(f"{hold.code}: {hold.reason}")
                case "reducing":
                    reducing.append(f"{hold.code}: {hold.reason}")
                case _:
                    assert_never(hold.state)
        if halted:
            return "halted", [*halted, *reducing]
        return ("reducing" if reducing else "active"), reducing


def scope_key(strategy: str, symbol: str) -> str:
    """Return the key of a part of the mesh: neither name holds a space."""
    return f"{strategy} {symbol}"


def scoped_states(holds: Sequence[Hold]) -> dict[tuple[str, str], tuple[Allowance, list[str]]]:
    """Return state and reasons of each part that is held, the strictest state of a part."""
    scopes: dict[tuple[str, str], tuple[Allowance, list[str]]] = {}
    for hold in holds:
        if hold.strategy or hold.symbol:
            state, reasons = scopes.get((hold.strategy, hold.symbol), ("reducing", []))
            strictest: Allowance = "halted" if "halted" in (state, hold.state) else "reducing"
            scopes[hold.strategy, hold.symbol] = (strictest, [*reasons, f"{hold.code}: {hold.reason}"])
    return scopes


class RiskState(msgspec.Struct, array_like=True, frozen=True):
    """The whole core."""

    now_ns: int
    settings: bytes
    mood: Mood
    markets: list[MarketState]
    ledger: LedgerState
    open_orders: list[OpenOrder]
    closed_orders: list[tuple[str, ClosedOrder]]
    approvals: bytes
    pending: list[Pending]
    guards: list[tuple[str, bytes]] = []
    held: list[Hold] = []
    failed: list[tuple[str, str]] = []
    said_failed: list[str] = []
