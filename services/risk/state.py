"""What the risk core remembers, as it is written to a snapshot."""

import msgspec

from services.risk.exposure import ClosedOrder, OpenOrder
from shared.book_state import BookState
from shared.ledger import LedgerState
from shared.messages.market import InstrumentRules
from shared.messages.orders import OrderIntent


class MarketState(msgspec.Struct, array_like=True, frozen=True):
    """One `Market`."""

    symbol: str
    book: BookState
    rules: InstrumentRules | None
    fresh_ns: int
    mark_half_ticks: int


class Pending(msgspec.Struct, array_like=True, frozen=True):
    """An intent without a verdict, with the time and the reference price of its asking."""

    intent: OrderIntent
    ts_ns: int
    price_ticks: int


class Mood(msgspec.Struct, array_like=True):
    """All that may hold trading back. Money is in 10^-18 of the account currency."""

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

    def trading_state(self) -> tuple[str, list[str]]:
        """Return the state to announce, with all its reasons."""
        reducing = list(self.reducing_reasons())
        if self.is_killed:
            return "halted", [f"kill: {self.kill_reason}", *reducing]
        return ("reducing" if reducing else "active"), reducing


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
