"""The plan of the calendar: every pause of the next months, computed by the launcher (RK-25, RK-26).

A core has no clock, no zone files and no sun. So the launcher computes all pauses for `PLAN_DAYS` at each
`up` and hands them to risk with its settings; beyond the plan risk halts (services/risk/calendar.py).
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from services.cli.config_text import Path, Problem
from services.cli.sunset import SunError, nightfall, sunset
from services.risk.monitor_settings import (
    CalendarSettings,
    PauseSettings,
    PauseWindow,
    Prepared,
    SabbathSettings,
    SessionSettings,
    UtcOffset,
)
from shared.units import NS_PER_S

PLAN_DAYS = 400
_BEFORE_DAYS = 8
_PLANNED_BEFORE_DAYS = 2
_DAY_NS = 86_400 * NS_PER_S
_CHECK_FROM_NS = 1_767_225_600 * NS_PER_S
"""2026-01-01: a configuration is tested on a year from here, so that the test does not depend on its day."""
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FRIDAY = 4


class PlanError(ValueError):
    """A pause that cannot be planned: `path` is its key, the text what is wrong and what to do."""

    def __init__(self, path: Path, text: str) -> None:
        super().__init__(text)
        self.path = path


def calendar_problems(settings: CalendarSettings) -> list[Problem]:
    """Return what is wrong with a calendar, tried on a whole year."""
    try:
        plan_of(settings, _CHECK_FROM_NS)
    except PlanError as error:
        return [Problem(("risk", "calendar", *error.path), str(error))]
    return []


def session_problems(settings: SessionSettings) -> list[Problem]:
    """Return what is wrong with the zone of the day of risk."""
    try:
        with_session(Prepared(), settings, _CHECK_FROM_NS)
    except PlanError as error:
        return [Problem(("risk", "session", *error.path), str(error))]
    return []


def with_plan(prepared: Prepared, settings: CalendarSettings, now_ns: int) -> Prepared:
    """Return `prepared` with the plan from two days before `now_ns` (mesh time) on; raises `PlanError`."""
    if not settings.is_used:
        return prepared
    today_ns = now_ns // _DAY_NS * _DAY_NS
    return replace(
        prepared,
        pauses=plan_of(settings, now_ns),
        planned_from_ns=max(0, today_ns - _PLANNED_BEFORE_DAYS * _DAY_NS),
        planned_until_ns=today_ns + PLAN_DAYS * _DAY_NS,
    )


def with_session(prepared: Prepared, settings: SessionSettings, now_ns: int) -> Prepared:
    """Return `prepared` with the clock of the zone of the day of risk (RK-14); raises `PlanError`."""
    if settings.zone == "UTC":
        return replace(prepared, utc_offsets=())
    return replace(prepared, utc_offsets=offsets_of(_zone(settings.zone, ("zone",)), now_ns))


def offsets_of(zone: ZoneInfo, now_ns: int) -> tuple[UtcOffset, ...]:
    """Return each offset of a zone within the plan around `now_ns`, from the second on at which it begins."""
    today_s = now_ns // _DAY_NS * 86_400
    found: list[UtcOffset] = []
    for day in range(-_PLANNED_BEFORE_DAYS, PLAN_DAYS):
        begin_s = max(0, today_s + day * 86_400)
        offset_s = _offset_s(zone, begin_s)
        if found and offset_s == found[-1].offset_s:
            continue
        low_s = begin_s - 86_400 if found else begin_s - 1
        while begin_s - low_s > 1:
            middle_s = (low_s + begin_s) // 2
            low_s, begin_s = (
                (low_s, middle_s) if _offset_s(zone, middle_s) == offset_s else (middle_s, begin_s)
            )
        found.append(UtcOffset(begin_s * NS_PER_S, offset_s))
    return tuple(found)


def _offset_s(zone: ZoneInfo, at_s: int) -> int:
    offset = datetime.fromtimestamp(at_s, zone).utcoffset()
    assert offset is not None, f"{zone.key} has no offset"
    return int(offset.total_seconds())


def plan_of(settings: CalendarSettings, now_ns: int) -> tuple[PauseWindow, ...]:
    """Return all pauses around and after `now_ns` by their start, those that touch made one."""
    today = datetime.fromtimestamp(now_ns // NS_PER_S, UTC).date()
    days = [today + timedelta(days=n) for n in range(-_BEFORE_DAYS, PLAN_DAYS + 2)]
    windows: list[PauseWindow] = []
    if settings.sabbath.enabled:
        windows += _sabbaths(settings.sabbath, days)
    for at, pause in enumerate(settings.pauses):
        windows += _pauses(pause, days, ("pauses", str(at)))
    return tuple(_merged(sorted(windows)))


def _sabbaths(settings: SabbathSettings, days: list[date]) -> Iterator[PauseWindow]:
    path = ("sabbath",)
    zone = _zone(settings.zone, (*path, "zone"))
    where = (float(settings.latitude), float(settings.longitude), zone)
    ending = nightfall if settings.end == "nightfall" else sunset
    for friday in days:
        if friday.weekday() != _FRIDAY:
            continue
        try:
            begins = sunset(*where, friday) - timedelta(minutes=settings.before_sunset_min)
            ends = ending(*where, friday + timedelta(days=1))
        except SunError as error:
            advice = "set sabbath.end: sunset, " if ending is nightfall else ""
            raise PlanError(
                path,
                f"{error}; {advice}give latitude, longitude and zone of the nearest place whose times you "
                "follow, or set sabbath.enabled: false and write fixed times under risk.calendar.pauses",
            ) from None
        yield _window("sabbath", _floor_ns(begins), _ceil_ns(ends), zone)


def _pauses(settings: PauseSettings, days: list[date], path: Path) -> Iterator[PauseWindow]:
    zone = _zone(settings.zone, (*path, "zone"))
    if not settings.days:
        start_ns = _floor_ns(_moment(settings.start, zone, 0, (*path, "start")))
        end_ns = _ceil_ns(_moment(settings.end, zone, 1, (*path, "end")))
        if end_ns <= start_ns:
            raise PlanError((*path, "end"), f"{settings.end} is not after the start {settings.start}")
        yield _window(settings.name, start_ns, end_ns, zone)
        return
    start = _time_of_day(settings.start, (*path, "start"))
    end = _time_of_day(settings.end, (*path, "end"))
    for day in days:
        if WEEKDAYS[day.weekday()] not in settings.days:
            continue
        last = day + timedelta(days=1) if end <= start else day
        # A time that the change of the clocks skips or repeats is both: the pause takes the longer way.
        starts = [_floor_ns(datetime.combine(day, start.replace(fold=fold), zone)) for fold in (0, 1)]
        ends = [_ceil_ns(datetime.combine(last, end.replace(fold=fold), zone)) for fold in (0, 1)]
        yield _window(settings.name, min(starts), max(ends), zone)


def _merged(windows: list[PauseWindow]) -> list[PauseWindow]:
    """Return the same times without overlap."""
    found: list[PauseWindow] = []
    for window in windows:
        if not found or window.start_ns > found[-1].end_ns:
            found.append(window)
            continue
        last = found[-1]
        longer = max(last, window, key=lambda one: one.end_ns)
        names = last.name if window.name in last.name.split(" + ") else f"{last.name} + {window.name}"
        until = longer.text[longer.text.rindex(" until ") :]
        found[-1] = PauseWindow(last.start_ns, longer.end_ns, names, names + until)
    return found


def _window(name: str, start_ns: int, end_ns: int, zone: ZoneInfo) -> PauseWindow:
    ends = datetime.fromtimestamp(end_ns // NS_PER_S, zone)
    utc = ends.astimezone(UTC)
    text = f"{name} until {ends:%a %Y-%m-%d %H:%M:%S} {zone.key}"
    return PauseWindow(start_ns, end_ns, name, text if zone.key == "UTC" else f"{text} ({utc:%H:%M:%S} UTC)")


def _zone(name: str, path: Path) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise PlanError(
            path,
            f"{name!r} is no time zone that this machine knows; write an IANA name as Europe/London, and "
            "install the package tzdata when every name is unknown",
        ) from None


def _moment(text: str, zone: ZoneInfo, fold: int, path: Path) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise PlanError(
            path, f"{text!r} is no date and time; write 2026-12-24T18:00, or HH:MM together with `days`"
        ) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone, fold=fold)


def _time_of_day(text: str, path: Path) -> time:
    try:
        found = time.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is not None:
        raise PlanError(path, f"{text!r} is no time of day; with `days` write HH:MM, 00:00 to 23:59")
    return found


def _floor_ns(moment: datetime) -> int:
    return int(moment.timestamp() // 1) * NS_PER_S


def _ceil_ns(moment: datetime) -> int:
    return -int(-moment.timestamp() // 1) * NS_PER_S
