"""What the parts of one desk share: its orders, what it says, what it asks."""

from collections import Counter
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import NamedTuple

from services.broker.desk.order import OrderTable
from services.broker.live_order import TradeMemory
from services.broker.live_settings import LiveSettings
from shared.double_entry import asset_exponent, terms_of
from shared.execution.commands import AnyCommand
from shared.execution.outside import OutsideWork
from shared.messages import Message
from shared.messages.market import InstrumentRules
from shared.messages.venue import VenueDifference
from shared.units import NS_PER_MS

WANT_FILLS_AFTER_MS = 300


class Fact(NamedTuple):
    """A message to publish as `broker.io`; `origin_ns` 0 means now."""

    message: Message
    cause_seq: int = 0
    origin_ns: int = 0


class Work(NamedTuple):
    """Outside work of one venue's adapter, for the shell."""

    venue: str
    work: OutsideWork


Out = list[Fact | Work]


class Request(NamedTuple):
    """A question or wish under way: `kind` names the command, `subject` an order or a market."""

    kind: str
    subject: str
    asked_ns: int


@dataclass(slots=True)
class Wanted:
    """Executions of a market that the venue counts and nobody told: asked for when they do not come."""

    due_ns: int
    tries: int = 0


@dataclass(slots=True)
class DeskState:
    """State of one desk. `halted` markets get no new order; `counts` tell what was met, by name."""

    venue: str
    settings: LiveSettings
    rules: dict[str, InstrumentRules] = field(default_factory=dict)
    orders: OrderTable = field(default_factory=OrderTable)
    trades: dict[str, TradeMemory] = field(default_factory=dict)
    halted: dict[str, str] = field(default_factory=dict)
    requests: dict[int, Request] = field(default_factory=dict)
    commands: list[AnyCommand] = field(default_factory=list)
    out: Out = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    request_id: int = 0
    is_reachable: bool = False
    is_stream_up: bool = False
    stream_up_ns: int = 0
    last_fill_ns: int = 0
    wanted_fills: dict[str, "Wanted"] = field(default_factory=dict)
    vanished: set[str] = field(default_factory=set)

    def say(self, message: Message, cause_seq: int = 0, origin_ns: int = 0) -> None:
        """Say a fact."""
        self.out.append(Fact(message, cause_seq, origin_ns))

    def request(self, kind: str, subject: str, now_ns: int) -> int:
        """Return the number of a new request."""
        self.request_id += 1
        self.requests[self.request_id] = Request(kind, subject, now_ns)
        return self.request_id

    def differ(
        self,
        kind: str,
        symbol: str,
        order_id: str,
        ours: str,
        theirs: str,
        repair: str,
        *,
        is_halted: bool = False,
    ) -> None:
        """Say a difference between the venue and our books, and halt its market where it must not go on."""
        self.counts[kind] += 1
        if is_halted:
            self.halted.setdefault(symbol, f"{kind}: {theirs}")
        self.say(VenueDifference(symbol, kind, order_id, ours, theirs, repair, is_halted))

    def want_fills(self, symbol: str, now_ns: int) -> None:
        """Ask for the executions of a market soon, unless the stream tells them before."""
        self.wanted_fills.setdefault(symbol, Wanted(now_ns + ms(WANT_FILLS_AFTER_MS)))

    def memory(self, symbol: str) -> TradeMemory:
        """Return which executions of a market were booked."""
        memory = self.trades.get(symbol)
        if memory is None:
            memory = self.trades[symbol] = TradeMemory()
        return memory


def fee_atoms(text: str, asset: str, rules: InstrumentRules) -> tuple[int, bool]:
    """Return a fee in atoms of its asset, rounded against us, and whether it was a whole number of them.

    Raises `ValueError` when it is no number.
    """
    exponent = asset_exponent(asset, terms_of(rules))
    try:
        value = Decimal(text or "0").scaleb(exponent)
        whole = value.to_integral_value(ROUND_CEILING)
        return int(whole), whole == value
    except (InvalidOperation, OverflowError, ValueError) as error:
        raise ValueError(f"the fee {text!r} {asset} is no number") from error


def ms(milliseconds: int) -> int:
    """Return milliseconds in nanoseconds."""
    return milliseconds * NS_PER_MS
