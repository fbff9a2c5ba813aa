"""A venue asked once, without a feed: its clock, the rules of its markets and a price of each.

For the pre-start check; nothing here reaches the log. The caller brings the way to ask, so this does no I/O.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from services.market_data.settings import FeedVenue
from shared.messages.market import InstrumentRules
from shared.units import round_down
from shared.venues import VENUES
from shared.venues.base import UNREADABLE, Fees

DEPTH_LEVELS = 5
TIME_TARGETS = {"binance": "/api/v3/time", "binance_usdm": "/fapi/v1/time"}

Ask = Callable[[str], tuple[int, bytes]]
"""Answers (HTTP status, body) of a target."""


class SurveyError(ValueError):
    """The venue answered something that is no answer."""


class _Time(msgspec.Struct):
    serverTime: int  # noqa: N815


@dataclass(slots=True)
class Survey:
    """Rules and twice the mid in ticks by market; `unlisted` says why a market is missing."""

    rules: dict[str, InstrumentRules] = field(default_factory=dict)
    unlisted: dict[str, str] = field(default_factory=dict)
    half_ticks: dict[str, int] = field(default_factory=dict)


def venue_time_ms(venue: str, ask: Ask) -> int:
    """Return the clock of a venue in milliseconds since 1970; raises `SurveyError`."""
    status, body = ask(TIME_TARGETS[venue])
    try:
        return msgspec.json.decode(body, type=_Time).serverTime
    except UNREADABLE as error:
        raise SurveyError(f"{TIME_TARGETS[venue]} answered {status}: {body[:80]!r}") from error


def survey(venue: FeedVenue, ask: Ask) -> Survey:
    """Return what a venue says of the markets that are followed there; raises `SurveyError`."""
    found = Survey()
    try:
        _read_rules(found, venue, ask)
        for symbol, rules in found.rules.items():
            half_ticks = _half_ticks(venue.name, symbol, rules, ask)
            if half_ticks:
                found.half_ticks[symbol] = half_ticks
    except UNREADABLE as error:
        raise SurveyError(f"{venue.name}: {type(error).__name__}: {error}"[:300]) from error
    return found


def _read_rules(found: Survey, venue: FeedVenue, ask: Ask) -> None:
    adapter = VENUES[venue.name]
    fees = Fees(venue.maker_fee_ppm, venue.taker_fee_ppm)
    for target, names in adapter.rules_targets(venue.symbols):
        status, body = ask(target)
        if adapter.is_unlisted(status, body):
            found.unlisted.update({f"{venue.name}:{name}": "the venue does not list it" for name in names})
            continue
        listed = adapter.parse_rules(body, names, fees)
        for name in names:
            symbol = f"{venue.name}:{name}"
            if name in listed.rules:
                found.rules[symbol] = listed.rules[name]
            else:
                found.unlisted[symbol] = listed.unusable.get(name, "the venue does not list it")


def _half_ticks(venue: str, symbol: str, rules: InstrumentRules, ask: Ask) -> int:
    """Return twice the mid of the book in ticks, 0 when the venue has none now."""
    adapter = VENUES[venue]
    status, body = ask(adapter.depth_target(symbol.partition(":")[2], DEPTH_LEVELS))
    if status != 200:
        return 0
    book = adapter.parse_depth(body)
    if not book.bids or not book.asks:
        return 0
    tick = Decimal(rules.tick_size)
    return round_down(Decimal(book.bids[0][0]), tick) + round_down(Decimal(book.asks[0][0]), tick)
