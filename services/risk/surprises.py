"""What in a market a person should know of: volume that multiplies, a price that jumps (RK-7).

    volume_spike  the volume of the running window > factor * mean of the `WINDOWS` windows before it
                  (at least `WINDOWS_MIN` of them); said once in a window
    price_jump    |price - former| > price_jump_bps of the former, between two trades or two ticks' marks

Both are events; only with `surprises.holds` do they leave reducing orders alone in that market, until the
next day or a resume.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

import msgspec

from services.risk.guard import HoldState
from services.risk.trips import Trip, TrippingGuard
from shared.messages import Event, Message
from shared.messages.control import ResumeRequested
from shared.messages.guards import GuardRaised
from shared.messages.market import Trade
from shared.messages.system import Tick
from shared.units import INT64_MAX, NS_PER_S

if TYPE_CHECKING:
    from services.risk.knowledge import RiskKnowledge

WINDOWS = 20
WINDOWS_MIN = 5
BPS = 10_000


class Watched(msgspec.Struct, array_like=True):
    """One market: volume by window in lots, the last price of a trade and the last mark in half ticks."""

    window_n: int = 0
    volume_lots: int = 0
    before_lots: list[int] = []
    is_spike_said: bool = False
    price_ticks: int = 0
    mark_half_ticks: int = 0


class Surprise(msgspec.Struct, array_like=True, frozen=True):
    """Something to say of a market."""

    code: str
    symbol: str
    text: str
    value: int
    limit: int


class _State(msgspec.Struct, array_like=True):
    trips: list[Trip]
    watched: list[tuple[str, Watched]]
    now_ns: int


class Surprises(TrippingGuard):
    """See the module."""

    name = "surprises"
    watches = frozenset({Trade, Tick, ResumeRequested})
    CODES: ClassVar[Mapping[str, HoldState]] = {"volume_spike": "reducing", "price_jump": "reducing"}
    DAILY = frozenset(CODES)

    def __init__(self) -> None:
        super().__init__()
        self.watched: dict[str, Watched] = {}
        self._found: list[Surprise] = []

    def observe(self, event: Event, known: "RiskKnowledge") -> None:
        """Compare a trade, or the marks at a tick, with what was before."""
        super().observe(event, known)
        self._found = []
        message = event.message
        if type(message) is Trade:
            self._take_trade(message, known)
        elif type(message) is Tick:
            for symbol, place in known.markets.items():
                mark = place.mark_half_ticks
                watched = self._of(symbol)
                if mark != watched.mark_half_ticks:
                    self._compare(symbol, watched.mark_half_ticks, mark, known)
                    watched.mark_half_ticks = mark

    def _of(self, symbol: str) -> Watched:
        watched = self.watched.get(symbol)
        if watched is None:
            watched = self.watched[symbol] = Watched()
        return watched

    def _take_trade(self, trade: Trade, known: "RiskKnowledge") -> None:
        settings = known.settings.surprises
        watched = self._of(trade.symbol)
        self._compare(trade.symbol, watched.price_ticks, trade.price_ticks, known)
        watched.price_ticks = trade.price_ticks
        window_n = self.now_ns // (settings.volume_window_s * NS_PER_S)
        if window_n != watched.window_n:
            empty = min(WINDOWS, window_n - watched.window_n - 1)
            if watched.window_n:
                watched.before_lots = [*watched.before_lots, watched.volume_lots, *[0] * empty][-WINDOWS:]
            watched.window_n, watched.volume_lots, watched.is_spike_said = window_n, 0, False
        watched.volume_lots += trade.qty_lots
        before = watched.before_lots
        limit_lots = settings.volume_spike_factor * sum(before)
        if (
            watched.is_spike_said
            or len(before) < WINDOWS_MIN
            or watched.volume_lots * len(before) <= limit_lots
        ):
            return
        watched.is_spike_said = True
        mean_lots = sum(before) // len(before)
        text = (
            f"{watched.volume_lots} lots traded in this window, the {len(before)} before had {mean_lots} each"
        )
        limit = settings.volume_spike_factor * mean_lots
        self._found.append(Surprise("volume_spike", trade.symbol, text, watched.volume_lots, limit))

    def _compare(self, symbol: str, former: int, price: int, known: "RiskKnowledge") -> None:
        limit_bps = known.settings.surprises.price_jump_bps
        if former <= 0 or price <= 0 or abs(price - former) * BPS <= limit_bps * former:
            return
        jump_bps = abs(price - former) * BPS // former
        text = f"the price jumped by {jump_bps} bps between two updates"
        self._found.append(Surprise("price_jump", symbol, text, jump_bps, limit_bps))

    def decide(self, event: Event, known: "RiskKnowledge") -> Iterable[Message]:
        """Say what was found."""
        yield from super().decide(event, known)
        holds = known.settings.surprises.holds
        for found in self._found:
            if not self.is_tripped(found.code, "", found.symbol):
                value, limit = min(found.value, INT64_MAX), min(found.limit, INT64_MAX)
                yield GuardRaised(found.code, "", found.symbol, found.text, value, limit, is_tripped=holds)

    def dump(self) -> bytes:
        """Return the whole state."""
        return msgspec.msgpack.encode(_State(self.dump_trips(), sorted(self.watched.items()), self.now_ns))

    def load(self, data: bytes) -> None:
        """Replace everything by a dump."""
        state = msgspec.msgpack.decode(data, type=_State)
        self.load_trips(state.trips)
        self.watched = dict(state.watched)
        self.now_ns = state.now_ns
        self._found = []
