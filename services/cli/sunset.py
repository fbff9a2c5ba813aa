"""When the sun sets, and when it is night, at a place: for the plan of the calendar (RK-25)."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

NIGHTFALL_DEGREES = 8.5
"""The sun so far below the horizon: three small stars are seen."""

_NIGHTFALL_MOST = timedelta(hours=4)
_NOON_HOUR = 12


class SunError(ValueError):
    """There is no such moment at this place on this day; the text says so."""


def sunset(latitude: float, longitude: float, zone: ZoneInfo, day: date) -> datetime:
    """Return when the sun sets on `day` of `zone`, at sea level.

    Raises `SunError` where it does not set between noon and midnight: a polar summer or winter, or a place
    that is not in this zone.
    """
    from astral import Observer  # noqa: PLC0415 - 3 MB that only a calendar needs
    from astral.sun import sunset as astral_sunset  # noqa: PLC0415

    try:
        found = astral_sunset(Observer(latitude, longitude), day, tzinfo=zone)
    except ValueError:
        raise SunError(
            f"the sun does not set on {day:%a %Y-%m-%d} at latitude {latitude:g}, longitude {longitude:g}"
        ) from None
    if found.date() != day or found.hour < _NOON_HOUR:
        raise SunError(
            f"the sun sets at {found:%H:%M %Y-%m-%d} {zone.key} on {day:%a %Y-%m-%d} at latitude "
            f"{latitude:g}, longitude {longitude:g}, not between noon and midnight"
        )
    return found


def nightfall(latitude: float, longitude: float, zone: ZoneInfo, day: date) -> datetime:
    """Return when the sun is 8.5 degrees below the horizon after the sunset of `day`; raises `SunError`."""
    from astral import Observer  # noqa: PLC0415
    from astral.sun import dusk  # noqa: PLC0415

    begins = sunset(latitude, longitude, zone, day)
    try:
        found = dusk(Observer(latitude, longitude), day, depression=NIGHTFALL_DEGREES, tzinfo=zone)
    except ValueError:
        raise SunError(
            f"it does not get dark on {day:%a %Y-%m-%d} at latitude {latitude:g}: the sun never is "
            f"{NIGHTFALL_DEGREES} degrees below the horizon"
        ) from None
    if not begins < found < begins + _NIGHTFALL_MOST:
        raise SunError(f"it gets dark after midnight or hardly on {day:%a %Y-%m-%d} at latitude {latitude:g}")
    return found
