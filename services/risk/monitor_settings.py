"""Settings of the monitors of risk: candles, calendar, margin, regime; and what the launcher adds to them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple

from shared.settings import Doc, Ge, Gt, Le, Lt

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
SabbathEnd = Literal["sunset", "nightfall"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CandleMonitorSettings:
    """When unusual volume in several markets stops new risk (RK-18, RK-19)."""

    enabled: Annotated[bool, Doc("watch candles; a market counts from its first full average on")] = True
    symbols: Annotated[
        tuple[str, ...], Doc("markets that are watched, as venue:SYMBOL; empty: all that are followed")
    ] = ()
    interval_s: Annotated[int, Gt(0), Doc("length of the candles that are watched, in seconds")] = 60
    average_window: Annotated[int, Ge(2), Le(500), Doc("closed candles in the averages")] = 20
    volume_multiplier: Annotated[
        Decimal, Gt(0), Le(1000), Doc("a volume above this many averages is an anomaly")
    ] = Decimal(3)
    needs_price_drop: Annotated[
        bool, Doc("an anomaly is one only with a close below the average close of the window")
    ] = True
    symbols_min: Annotated[
        int, Ge(0), Doc("markets that must agree before new risk stops; 0: three fifths of them, rounded up")
    ] = 0
    recovery_min: Annotated[
        int, Ge(0), Doc("markets whose closed candles must be normal again; 0: three fifths, rounded up")
    ] = 0
    stale_s: Annotated[
        int, Gt(0), Doc("a candle older than this is neither normal nor an anomaly; it is warned of")
    ] = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class SabbathSettings:
    """The pause from Friday to Saturday evening at a place (RK-25)."""

    enabled: Annotated[bool, Doc("pause from Friday before sunset to Saturday evening")] = False
    latitude: Annotated[Decimal, Ge(-90), Le(90), Doc("degrees, north is positive")] = Decimal("31.7780")
    longitude: Annotated[Decimal, Ge(-180), Le(180), Doc("degrees, east is positive")] = Decimal("35.2354")
    zone: Annotated[str, Doc("IANA time zone of the place: it says which day is Friday")] = "Asia/Jerusalem"
    before_sunset_min: Annotated[
        int, Ge(0), Le(180), Doc("minutes before Friday's sunset at which it begins")
    ] = 18
    end: Annotated[SabbathEnd, Doc("Saturday's sunset, or nightfall: the sun 8.5 degrees below")] = "sunset"


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseSettings:
    """A pause of one's own: each week at a time of day, or once (RK-25)."""

    name: Annotated[str, Doc("stands in the reason of each refusal")] = "maintenance"
    days: Annotated[
        tuple[Weekday, ...], Doc("days on which it begins, mon to sun; empty: once, at whole dates")
    ] = ()
    start: Annotated[str, Doc("HH:MM with days, else as 2026-12-24T18:00; in `zone` unless it has its own")]
    end: Annotated[str, Doc("in the same form; a time of day at or before `start` is on the next day")]
    zone: Annotated[str, Doc("IANA time zone of the times")] = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarSettings:
    """Times at which nothing is traded (RK-25, RK-26)."""

    lead_s: Annotated[
        int, Ge(0), Le(86_400), Doc("so long before a pause begins quotes are withdrawn and orders refused")
    ] = 60
    sabbath: Annotated[SabbathSettings, Doc("the pause from Friday to Saturday evening")] = SabbathSettings()
    pauses: Annotated[tuple[PauseSettings, ...], Doc("pauses of your own")] = ()

    @property
    def is_used(self) -> bool:
        """Return whether any pause is set."""
        return self.sabbath.enabled or bool(self.pauses)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """When the day of risk begins (RK-14)."""

    zone: Annotated[
        str,
        Doc("IANA time zone at whose midnight the day of risk begins; UTC leaves it to reset_utc_offset_min"),
    ] = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginTier:
    """Maintenance margin of a part of a position's value; money in whole units of the currency."""

    notional_from: Annotated[Decimal, Ge(0), Doc("value of the position from which this tier counts")]
    rate_ppm: Annotated[
        int, Ge(0), Le(1_000_000), Doc("rate of the value within this tier, parts per million")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginSettings:
    """Margin of derivatives, with one cross-margin wallet for each venue (RK-23)."""

    leverage: Annotated[
        Decimal, Gt(0), Le(125), Doc("leverage that the account uses; initial margin is value / leverage")
    ] = Decimal(1)
    leverage_max: Annotated[Decimal, Gt(0), Doc("more than this fails the pre-start check (RK-15)")] = (
        Decimal(10)
    )
    maintenance_ppm: Annotated[
        int, Gt(0), Lt(1_000_000), Doc("maintenance margin rate of a position, parts per million")
    ] = 5000
    tiers: Annotated[
        Mapping[str, tuple[MarginTier, ...]],
        Doc("tiers of single markets by name, rising from notional_from 0; they replace maintenance_ppm"),
    ] = field(default_factory=dict)
    warning_ppm: Annotated[int, Gt(0), Doc("maintenance over equity at which it warns")] = 500_000
    reduce_ppm: Annotated[int, Gt(0), Doc("maintenance over equity at which only reducing orders pass")] = (
        700_000
    )
    distance_warning_ppm: Annotated[
        int, Ge(0), Doc("distance from the mark to a liquidation price at which it warns")
    ] = 50_000
    distance_reduce_ppm: Annotated[int, Ge(0), Doc("distance at which only reducing orders pass")] = 25_000

    def __post_init__(self) -> None:
        """Refuse levels that contradict each other."""
        if self.warning_ppm > self.reduce_ppm:
            raise ValueError(
                f"warning_ppm {self.warning_ppm} is above reduce_ppm {self.reduce_ppm}: the warning is first"
            )
        if self.distance_warning_ppm < self.distance_reduce_ppm:
            raise ValueError(
                f"distance_warning_ppm {self.distance_warning_ppm} is below distance_reduce_ppm "
                f"{self.distance_reduce_ppm}: the warning comes first"
            )
        for symbol, tiers in self.tiers.items():
            starts = [tier.notional_from for tier in tiers]
            if not starts or starts[0] != 0 or sorted(set(starts)) != starts:
                raise ValueError(
                    f"tiers of {symbol}: notional_from begins at 0 and rises, not {[str(s) for s in starts]}"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeSettings:
    """What the advice of the market regime does to limits (RK-24)."""

    enabled: Annotated[bool, Doc("scale limits of size down in a market whose regime is high_risk")] = False
    high_risk_size_ppm: Annotated[
        int, Ge(0), Le(1_000_000), Doc("share of the limits of size that is left, parts per million")
    ] = 500_000
    stale_s: Annotated[int, Gt(0), Doc("a regime not said for so long counts as high_risk")] = 180


@dataclass(frozen=True, slots=True, kw_only=True)
class PrestartSettings:
    """What must be true before a start (RK-15); `quotemesh check` shows each with its numbers."""

    balance_factor: Annotated[
        Decimal, Gt(0), Doc("a wallet holds this many times what its strategies may come to need")
    ] = Decimal("1.2")
    safety_count: Annotated[
        int, Ge(0), Doc("orders of a strategy's size that balance times leverage pays; 0: not asked for")
    ] = 100
    clock_offset_max_ms: Annotated[int, Gt(0), Doc("largest distance of our clock from the venue's")] = 1000
    disk_free_min_mb: Annotated[int, Ge(0), Doc("least space on the disk of the data directory")] = 500


class PauseWindow(NamedTuple):
    """One pause of the plan, mesh time; `text` names it with its end, for the reason of a refusal."""

    start_ns: int
    end_ns: int
    name: str
    text: str


class UtcOffset(NamedTuple):
    """From this mesh time on the clock of `risk.session.zone` is ahead of UTC by so many seconds."""

    from_ns: int
    offset_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What the launcher computes for risk from other parts of the configuration; nobody writes it."""

    wallet_balance: Annotated[
        Decimal, Ge(0), Doc("money of each wallet at its start (broker.initial_balance)")
    ] = Decimal(10_000)
    symbols: Annotated[tuple[str, ...], Doc("markets that are followed")] = ()
    pauses: Annotated[
        tuple[PauseWindow, ...], Doc("the plan of the calendar, by start, without overlap")
    ] = ()
    planned_from_ns: Annotated[int, Ge(0), Doc("the plan holds from here")] = 0
    planned_until_ns: Annotated[int, Ge(0), Doc("and until here")] = 0
    utc_offsets: Annotated[
        tuple[UtcOffset, ...], Doc("the clock of risk.session.zone, by time; empty for UTC")
    ] = ()
