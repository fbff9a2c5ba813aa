"""From a configured account to a venue that can be asked: key, adapter, rules of its markets, addresses."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import NamedTuple

import httpx2

from services.broker.adapters import adapter_of
from services.broker.keys import KeyPlace, load_key
from services.broker.settings import VenueAccess, resolved
from services.canceller.cancel import cancel_ours
from services.canceller.direct import DirectVenue, VenueSilentError
from services.market_data.settings import FeedVenue
from services.market_data.survey import SurveyError, survey
from shared.errors import QuotemeshError
from shared.execution import reports
from shared.messages.market import InstrumentRules
from shared.runtime.clock import MeshClock
from shared.runtime.paths import DataDir
from shared.venues.registry import ENTRIES

SURVEY_LIMIT_S = 5.0


class Place(NamedTuple):
    """The mesh that is asked about, and where its keys lie (the same, but for keys given to a command)."""

    data: DataDir
    keys: KeyPlace


class OpenVenue(NamedTuple):
    """A venue that takes questions, and what it was built from."""

    access: VenueAccess
    fingerprint: str
    rules: dict[str, InstrumentRules]
    direct: DirectVenue


class Cleared(NamedTuple):
    """What became of the orders at one venue; `error` says why nothing could be done there."""

    venue: str
    gone: list[reports.VenueOrder]
    left: list[tuple[reports.VenueOrder, str]]
    others: list[reports.VenueOrder]
    error: str = ""


@asynccontextmanager
async def open_venue(access: VenueAccess, place: Place, limit_s: float) -> AsyncIterator[OpenVenue]:
    """Connect to the account and yield it once it takes questions.

    Raises `VenueSilentError` with the venue's reason, `ConfigError` when the key cannot be read.
    """
    there = resolved(access, simulated_ports(place.data))
    if there is None:
        raise VenueSilentError(f"{access.name}: the simulated venue does not run")
    key = load_key(place.keys, access.key)
    is_remote = access.name in ENTRIES
    rules = {} if is_remote else await asyncio.to_thread(_rules, there)  # a child knows them itself
    now_ns = _clock(access, place.data)
    adapter = adapter_of(there, key, has_user_stream=False)
    async with DirectVenue(adapter, now_ns, there.proxy) as direct:
        for each in rules.values():
            direct.learn(each)
        await direct.ready(limit_s)
        yield OpenVenue(there, key.fingerprint, rules, direct)


async def clear_venues(
    accounts: Iterable[VenueAccess], place: Place, limit_s: float, symbol: str = ""
) -> list[Cleared]:
    """Cancel every order of ours at every account, all of them at once; never raises for a venue."""
    return list(await asyncio.gather(*(_clear(access, place, limit_s, symbol) for access in accounts)))


async def _clear(access: VenueAccess, place: Place, limit_s: float, symbol: str) -> Cleared:
    try:
        async with open_venue(access, place, limit_s) as venue:
            return Cleared(*await cancel_ours(access.name, venue.direct, limit_s, symbol))
    except (QuotemeshError, OSError) as error:
        return Cleared(access.name, [], [], [], str(error))


def simulated_ports(data: DataDir) -> dict[str, int]:
    """Return the ports of the simulated venue, none when it has not run."""
    try:
        kept = json.loads((data.run / "venue_sim.json").read_bytes())
        return {name: int(entry["port"]) for name, entry in kept.items()}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _clock(access: VenueAccess, data: DataDir) -> Callable[[], int]:
    """Return our time as this venue should have it: the simulated one lives in mesh time."""
    if access.network == "sim":
        try:
            return MeshClock(data).now_ns
        except QuotemeshError:
            pass
    return time.time_ns


def _rules(access: VenueAccess) -> dict[str, InstrumentRules]:
    """Return the rules of the traded markets, which turn the venue's decimals into ticks and lots."""
    venue = FeedVenue(name=access.name, symbols=access.symbols, url=access.rest_url)
    with httpx2.Client(timeout=SURVEY_LIMIT_S, trust_env=False, proxy=access.proxy or None) as client:

        def ask(target: str) -> tuple[int, bytes]:
            answer = client.get(access.rest_url + target)
            return answer.status_code, answer.content

        try:
            return dict(survey(venue, ask).rules)
        except (OSError, httpx2.HTTPError, SurveyError) as error:
            why = f"{type(error).__name__}: {error}"[:200]
            text = f"{access.name}: {access.rest_url} does not tell its markets ({why})"
            raise VenueSilentError(text) from error
