"""The volume-anomaly monitor over candles: new risk stops while several markets run away (RK-18, RK-19).

    loud(c)    = volume(c) > multiplier * mean volume of the `average_window` closed candles before c
    low(c)     = close(c) < mean close of the same candles
    anomaly    = the open or the last closed candle is loud, and (when `needs_price_drop`) low
    n          = `symbols`, or all markets that are followed
    k          = min(symbols_min, n); by default three fifths of them, rounded up: 3 of 5, 2 of 3
    trips      when k markets are an anomaly at once
    normal     = the last closed candle is not loud (and, when `needs_price_drop`, not low), follows the one
                 before it without a hole, closed since the trip and less than `stale_s` ago
    recovers   when min(recovery_min, n) markets (default as k) are normal and fewer than k an anomaly

A market counts from its first `average_window` closed candles on. What is missing or stale is never normal,
so it delays the recovery; it is no anomaly either, so it never trips. A person who resumes everything with a
reason ends a hold that only stands because candles are missing: where enough markets would be normal if those
that are not known were. What then comes may trip anew.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from services.risk.guard import Hold, QuietGuard
from services.risk.monitor_settings import CandleMonitorSettings
from shared.messages import Event, Message, system
from shared.messages.control import ResumeRequested
from shared.messages.guards import GuardRaised, GuardReleased
from shared.messages.market import Candle
from shared.units import NS_PER_S

if TYPE_CHECKING:
    from services.risk.knowledge import RiskKnowledge

CODE = "volume_anomaly"
STALE_CODE = "candle_stale"


def needed_of(setting: int, count: int) -> int:
    """Return how many of `count` markets must agree: `setting`, at most all; 0 for three fifths, rounded up.

    All of a few markets would make the slowest one a veto, so the default is never all of three or more.
    """
    return min(setting, count) if setting else -(-3 * count // 5)


class Watched(msgspec.Struct, array_like=True):
    """One market: the closed candles of the average, the oldest first, and what the newest ones are."""

    volumes_lots: list[int] = []
    closes_ticks: list[int] = []
    open_ns: int = 0
    received_ns: int = 0
    closed_ns: int = 0
    is_open_anomalous: bool = False
    is_closed_anomalous: bool = False
    is_closed_normal: bool = False
    has_closed_since_trip: bool = False
    is_judged: bool = False

    def take(self, candle: Candle, received_ns: int, settings: CandleMonitorSettings) -> None:
        """Take the next state of the newest candle; a repeated or an older one changes nothing."""
        end_ns = candle.open_ns + candle.interval_s * NS_PER_S
        if candle.open_ns < self.open_ns or end_ns <= self.closed_ns:
            return
        is_loud, is_low = self._judge(candle, settings)
        is_anomalous = is_loud and (is_low or not settings.needs_price_drop)
        self.open_ns, self.received_ns = candle.open_ns, received_ns
        self.is_open_anomalous = is_anomalous and not candle.is_closed
        if not candle.is_closed:
            return
        follows = candle.open_ns == self.closed_ns
        self.is_closed_anomalous = is_anomalous
        is_calm = not is_loud and not (is_low and settings.needs_price_drop)
        self.is_judged = self.is_full(settings) and (follows or not is_calm)
        self.is_closed_normal = is_calm and self.is_judged
        self.has_closed_since_trip = True
        self.closed_ns = end_ns
        keep = settings.average_window
        self.volumes_lots = [*self.volumes_lots, candle.volume_lots][-keep:]
        self.closes_ticks = [*self.closes_ticks, candle.close_ticks][-keep:]

    def is_full(self, settings: CandleMonitorSettings) -> bool:
        """Return whether there are as many closed candles as the averages need."""
        return len(self.volumes_lots) >= settings.average_window

    def is_anomalous(self, now_ns: int, stale_ns: int) -> bool:
        """Return whether the open or the last closed candle is an anomaly of now."""
        if self.is_open_anomalous and now_ns - self.received_ns <= stale_ns:
            return True
        return self.is_closed_anomalous and now_ns - self.closed_ns <= stale_ns

    def is_normal(self, now_ns: int, stale_ns: int) -> bool:
        """Return whether the last closed candle is known, fresh, after the trip, and normal."""
        return self.is_closed_normal and self.has_closed_since_trip and now_ns - self.closed_ns <= stale_ns

    def is_known(self, now_ns: int, stale_ns: int) -> bool:
        """Return whether a fresh candle that closed after the trip says if the market is normal.

        One after a hole says so only when it is loud or low.
        """
        return self.has_closed_since_trip and self.is_judged and now_ns - self.closed_ns <= stale_ns

    def _judge(self, candle: Candle, settings: CandleMonitorSettings) -> tuple[bool, bool]:
        if not self.is_full(settings):
            return False, False
        count = settings.average_window
        volumes, closes = self.volumes_lots[-count:], self.closes_ticks[-count:]
        above, below = settings.volume_multiplier.as_integer_ratio()
        is_loud = candle.volume_lots * count * below > above * sum(volumes)
        return is_loud, candle.close_ticks * count < sum(closes)


class _State(msgspec.Struct, array_like=True):
    watched: dict[str, Watched] = {}
    reason: str = ""
    value: int = 0
    limit: int = 0
    stale: list[str] = []


_encoder = msgspec.msgpack.Encoder(order="sorted")
_decoder = msgspec.msgpack.Decoder(_State)


class CandleMonitor(QuietGuard):
    """Holds everything to reducing orders while k of n markets show unusual volume."""

    name = "candle_monitor"
    watches = frozenset({Candle, system.Tick, ResumeRequested})
    folds = frozenset({GuardRaised, GuardReleased})

    def __init__(self) -> None:
        self._state = _State()

    def observe(self, event: Event, known: "RiskKnowledge") -> None:
        """Take a candle of a market that is watched."""
        candle = event.message
        if not isinstance(candle, Candle):
            return
        settings = known.settings.candle_monitor
        if candle.interval_s != settings.interval_s:
            return
        if candle.open_ns > known.now_ns + candle.interval_s * NS_PER_S:
            return  # of the future: the true ones would all look old after it
        watched = self._state.watched.setdefault(candle.symbol, Watched())
        watched.take(candle, event.header.origin_ns, settings)
        if candle.symbol in self._state.stale and not self._is_stale(watched, known):
            self._state.stale.remove(candle.symbol)

    def decide(self, event: Event, known: "RiskKnowledge") -> Iterable[Message]:
        """Trip, recover, end what nobody can see any more, or warn of candles that do not come."""
        state, settings = self._state, known.settings.candle_monitor
        if not settings.enabled:
            if state.reason:
                yield GuardReleased(CODE, "", "", "settings", "risk.candle_monitor.enabled is false")
            return
        names = settings.symbols or known.settings.prepared.symbols or tuple(sorted(state.watched))
        if not names:
            return
        now_ns, stale_ns = known.now_ns, settings.stale_s * NS_PER_S
        watched = [state.watched[name] for name in names if name in state.watched]
        anomalous = [name for name in names if self._is_anomalous(name, now_ns, stale_ns)]
        least = needed_of(settings.symbols_min, len(names))
        if not state.reason:
            if len(anomalous) >= least:
                yield self._raised(anomalous, least, names, settings)
        elif len(anomalous) < least:
            normal = sum(one.is_normal(now_ns, stale_ns) for one in watched)
            unknown = len(names) - sum(one.is_known(now_ns, stale_ns) for one in watched)
            needed = needed_of(settings.recovery_min, len(names))
            if normal >= needed:
                text = f"closed candles of {normal} of {len(names)} markets are normal"
                yield GuardReleased(CODE, "", "", "risk", text)
            elif isinstance(event.message, ResumeRequested):
                yield from _resumed(event.message, normal, unknown, needed)
        for name in names:
            one = state.watched.get(name)
            if one is not None and name not in state.stale and self._is_stale(one, known):
                age_s = (now_ns - one.received_ns) // NS_PER_S
                text = f"no candle of {name} for {age_s} s: it cannot be seen whether its volume is normal"
                yield GuardRaised(STALE_CODE, "", name, text, age_s, settings.stale_s)

    def fold(self, message: Message) -> None:
        """Take what was said."""
        state = self._state
        if isinstance(message, GuardRaised) and message.code == CODE:
            state.reason, state.value, state.limit = message.text, message.value, message.limit
            for watched in state.watched.values():
                watched.has_closed_since_trip = False
        elif isinstance(message, GuardReleased) and message.code == CODE:
            state.reason, state.value, state.limit = "", 0, 0
        elif isinstance(message, GuardRaised) and message.code == STALE_CODE:
            state.stale = sorted({*state.stale, message.symbol})

    def holds(self, known: "RiskKnowledge") -> Sequence[Hold]:
        """Hold back all new risk while tripped."""
        state = self._state
        if not state.reason or not known.settings.candle_monitor.enabled:
            return ()
        return (Hold("", "", "reducing", CODE, state.reason, state.value, state.limit),)

    def _is_anomalous(self, name: str, now_ns: int, stale_ns: int) -> bool:
        watched = self._state.watched.get(name)
        return watched is not None and watched.is_anomalous(now_ns, stale_ns)

    def _is_stale(self, watched: Watched, known: "RiskKnowledge") -> bool:
        return known.now_ns - watched.received_ns > known.settings.candle_monitor.stale_s * NS_PER_S

    def _raised(
        self, anomalous: Sequence[str], least: int, names: Sequence[str], settings: CandleMonitorSettings
    ) -> GuardRaised:
        """Return the message of the trip."""
        multiplier = _plain(settings.volume_multiplier)
        drop = " and a price below it" if settings.needs_price_drop else ""
        text = (
            f"{len(anomalous)} of {len(names)} markets show a volume above {multiplier} times the average"
            f"{drop} ({least} needed): {', '.join(anomalous)}"
        )
        return GuardRaised(CODE, "", "", text, len(anomalous), least, is_tripped=True)

    def dump(self) -> bytes:
        """Return the state."""
        return _encoder.encode(self._state)

    def load(self, data: bytes) -> None:
        """Take the state."""
        self._state = _decoder.decode(data)


def _resumed(asked: ResumeRequested, normal: int, unknown: int, needed: int) -> Iterable[Message]:
    """Return what a resume does to a hold: markets of which nothing is known count as its person says."""
    if asked.strategy:
        return
    if normal + unknown < needed:
        text = f"still held: {CODE}; candles show that too few markets are normal, {normal} of {needed}"
        yield GuardRaised("resume_refused", "", "", text, normal, needed)
    elif asked.reason.strip():
        yield GuardReleased(CODE, "", "", asked.by, asked.reason)
    else:
        text = f"still held: {CODE}; a resume that releases it needs a reason (resume --reason TEXT)"
        yield GuardRaised("resume_needs_reason", "", "", text)


def _plain(value: Decimal) -> str:
    return format(value.normalize(), "f")
