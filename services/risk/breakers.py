"""The breakers of tier 2: losses that stop new risk until the next day or a person (RK-9, RK-10).

    round trip        the fills of a strategy in one market from flat to flat; net = realized - fees of it.
                      A fill beyond flat ends one and begins the next; its fee is shared by quantity
    losing_streak     losing_streak_max round trips of one strategy with net < 0 in a row; net > 0 begins anew
    session_drawdown  (peak - equity) / peak, the peak of equity since the day began or the last release
    total_drawdown    loss since the start, or since a person released it, over initial_equity
    session_loss      loss since the day began, or since a person released it
    session_volume    value traded since then

Equity is initial_equity + realized - fees + unrealized at the last trusted mid, so an open loss counts. All
hold the whole account but the streak, which holds its strategy. All but total_drawdown end with the day.
Money is in 10^-8 of the account currency.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

import msgspec

from services.risk.ask import E8, e8_text
from services.risk.guard import HoldState
from services.risk.trips import Trip, TrippingGuard
from shared.messages import Event, Message
from shared.messages.control import ResumeRequested
from shared.messages.guards import SessionReset
from shared.messages.orders import Fill
from shared.messages.system import Tick

if TYPE_CHECKING:
    from services.risk.knowledge import RiskKnowledge

BPS = 10_000


class _State(msgspec.Struct, array_like=True):
    trips: list[Trip]
    streaks: list[tuple[str, int]]
    nets: list[tuple[str, str, str]]
    now_ns: int
    is_begun: bool
    pnl_e8: int
    peak_e8: int
    session_base_e8: int
    total_base_e8: int
    volume_e8: int


class Breakers(TrippingGuard):
    """See the module."""

    name = "breakers"
    watches = frozenset({Tick, Fill, ResumeRequested})
    CODES: ClassVar[Mapping[str, HoldState]] = {
        "losing_streak": "reducing",
        "session_drawdown": "reducing",
        "total_drawdown": "reducing",
        "session_loss": "reducing",
        "session_volume": "reducing",
    }
    DAILY = frozenset(CODES) - {"total_drawdown"}

    def __init__(self) -> None:
        super().__init__()
        self.streaks: dict[str, int] = {}
        self.nets: dict[tuple[str, str], int] = {}
        self.is_begun = False
        self.pnl_e8 = self.peak_e8 = 0
        self.session_base_e8 = self.total_base_e8 = 0
        self.volume_e8 = 0

    # ---- what happened

    def observe(self, event: Event, known: "RiskKnowledge") -> None:
        """Follow equity, its peak, round trips and volume."""
        super().observe(event, known)
        if type(event.message) is Fill:
            self._take_fill(event.message, known)
        self.pnl_e8 = known.pnl_e8()
        if not self.is_begun:
            self.is_begun = True
            self.peak_e8 = self.session_base_e8 = self.pnl_e8
        self.peak_e8 = max(self.peak_e8, self.pnl_e8)

    def _take_fill(self, fill: Fill, known: "RiskKnowledge") -> None:
        self.volume_e8 += known.value_e8(fill.symbol, fill.price_ticks, fill.qty_lots)
        position = known.ledger.by_strategy[fill.strategy, fill.symbol]
        after = int(position.position_lots)
        before = after - fill.side.sign * fill.qty_lots
        if before == 0 or before * after > 0:
            return
        # The part of the fill that opens the next position takes its share of the fee along.
        net = int(position.realized_atoms) - int(position.fees_atoms)
        fee_atoms = known.ledger.fee_atoms(fill, known.fee_mark(fill))
        net += fee_atoms * abs(after) // fill.qty_lots
        key = (fill.strategy, fill.symbol)
        gained = net - self.nets.get(key, 0)
        self.nets[key] = net
        if gained > 0:
            self.streaks[fill.strategy] = 0
        elif gained < 0:
            self.streaks[fill.strategy] = self.streaks.get(fill.strategy, 0) + 1

    # ---- what follows

    def decide(self, event: Event, known: "RiskKnowledge") -> Iterable[Message]:
        """Say each limit that is passed, once."""
        yield from super().decide(event, known)
        limits = known.settings.breakers
        streak_max = limits.losing_streak_max
        for strategy, streak in sorted(self.streaks.items()):
            if 0 < streak_max <= streak:
                text = f"{streak} losing round trips in a row"
                yield from self.raised("losing_streak", text, streak, streak_max, strategy=strategy)
        start_e8 = int(known.settings.initial_equity * E8)
        peak_e8 = start_e8 + self.peak_e8
        fall_e8 = self.peak_e8 - self.pnl_e8
        # An account without any equity left has lost all of it.
        fall_bps = fall_e8 * BPS // peak_e8 if peak_e8 > 0 else BPS
        if 0 < limits.session_drawdown_bps <= fall_bps:
            text = f"equity fell by {e8_text(fall_e8)} from its peak of {e8_text(peak_e8)}"
            yield from self.raised("session_drawdown", text, fall_bps, limits.session_drawdown_bps)
        loss_e8 = self.total_base_e8 - self.pnl_e8
        loss_bps = loss_e8 * BPS // start_e8
        if 0 < limits.total_drawdown_bps <= loss_bps:
            text = f"{e8_text(loss_e8)} of the initial {e8_text(start_e8)} are lost"
            yield from self.raised("total_drawdown", text, loss_bps, limits.total_drawdown_bps)
        yield from self._past("session_loss", self.session_base_e8 - self.pnl_e8, limits.session_loss_max)
        yield from self._past("session_volume", self.volume_e8, limits.session_volume_max)

    def _past(self, code: str, value_e8: int, limit: Decimal) -> Iterable[Message]:
        limit_e8 = int(limit * E8)
        if 0 < limit_e8 <= value_e8:
            what = "lost" if code == "session_loss" else "traded"
            text = f"{e8_text(value_e8)} {what} since the day began, the limit is {limit}"
            yield from self.raised(code, text, value_e8, limit_e8)

    def released(self, trip: Trip) -> None:
        """Begin anew what was released: whoever released it has accepted what is lost."""
        match trip.code:
            case "losing_streak":
                self.streaks[trip.strategy] = 0
            case "session_drawdown":
                self.peak_e8 = self.pnl_e8
            case "total_drawdown":
                self.total_base_e8 = self.pnl_e8
            case "session_loss":
                self.session_base_e8 = self.pnl_e8
            case "session_volume":
                self.volume_e8 = 0
            case _:
                raise ValueError(f"{trip.code} is no breaker: {', '.join(self.CODES)}")

    def new_day(self, message: SessionReset) -> None:
        """Begin the counts of a day; positions, their cost and the total loss stay."""
        del message
        self.streaks.clear()
        self.peak_e8 = self.session_base_e8 = self.pnl_e8
        self.volume_e8 = 0

    # ---- state

    def dump(self) -> bytes:
        """Return the whole state; sums of one market may be wider than 64 bits."""
        state = _State(
            self.dump_trips(),
            sorted(self.streaks.items()),
            [(*key, str(net)) for key, net in sorted(self.nets.items())],
            self.now_ns,
            self.is_begun,
            self.pnl_e8,
            self.peak_e8,
            self.session_base_e8,
            self.total_base_e8,
            self.volume_e8,
        )
        return msgspec.msgpack.encode(state)

    def load(self, data: bytes) -> None:
        """Replace everything by a dump."""
        state = msgspec.msgpack.decode(data, type=_State)
        self.load_trips(state.trips)
        self.streaks = dict(state.streaks)
        self.nets = {(strategy, symbol): int(net) for strategy, symbol, net in state.nets}
        self.now_ns, self.is_begun = state.now_ns, state.is_begun
        self.pnl_e8, self.peak_e8 = state.pnl_e8, state.peak_e8
        self.session_base_e8, self.total_base_e8 = state.session_base_e8, state.total_base_e8
        self.volume_e8 = state.volume_e8
