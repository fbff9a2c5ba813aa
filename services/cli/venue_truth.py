"""Ask the venues for the account, from a command: with the owner's key, and without the broker."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from services.broker.keys import KeyPlace, load_key
from services.broker.settings import BrokerSettings, VenueAccess
from services.canceller.build import Place, open_venue
from services.canceller.truth import read_truth
from services.cli.exits import CommandError, ExitCode
from services.cli.prestart_live import AccountTruth
from services.cli.secrets import FOLDER, PREFIX, write_secrets
from services.cli.venue_ping import venue_answers
from shared.errors import QuotemeshError
from shared.runtime.paths import DataDir
from shared.settings import unpack

LIMIT_S = 10.0


@dataclass(frozen=True)
class _Given:
    """Where keys lie while a command runs that was given some by its environment."""

    root: Path
    run: Path


@contextmanager
def key_place(data: DataDir, environ: Mapping[str, str] = os.environ) -> Iterator[KeyPlace]:
    """Yield where keys lie: those in `QUOTEMESH_KEY_*` of this command before those of a running mesh."""
    given = {
        name.removeprefix(PREFIX).lower(): text for name, text in environ.items() if name.startswith(PREFIX)
    }
    if not given:
        yield data
        return
    running = data.run / FOLDER
    if running.is_dir():
        given = {path.name: path.read_text(encoding="utf-8") for path in running.iterdir()} | given
    with TemporaryDirectory(prefix="quotemesh-") as folder:
        write_secrets(Path(folder) / FOLDER, given)
        yield _Given(data.root, Path(folder))


def accounts_of(data: DataDir) -> tuple[VenueAccess, ...]:
    """Return the accounts that the mesh of `data` trades with, or traded with last.

    Raises `CommandError` on paper, where there is no account to ask.
    """
    try:
        settings = unpack(data.settings("broker").read_bytes(), BrokerSettings)
    except FileNotFoundError:
        raise CommandError(
            f"no mesh has run on {data.root}, so there is no account to ask: name another with --data",
            ExitCode.NOT_FOUND,
        ) from None
    except msgspec.ValidationError as error:
        text = f"the settings of the mesh on {data.root} are of another version ({error}): start it with up"
        raise CommandError(text) from error
    if not settings.venues:
        raise CommandError(
            f"the mesh on {data.root} trades on paper: there is no account at a venue to ask",
            ExitCode.NOT_FOUND,
        )
    return settings.venues


def account_truths(accounts: tuple[VenueAccess, ...], data: DataDir) -> list[AccountTruth]:
    """Return what each venue says of its account, or why it does not."""

    async def ask(keys: KeyPlace) -> list[AccountTruth]:
        place = Place(data, keys)
        return list(await asyncio.gather(*(_truth(access, place) for access in accounts)))

    with key_place(data) as keys:
        return asyncio.run(ask(keys))


def fingerprints(accounts: tuple[VenueAccess, ...], data: DataDir) -> dict[str, str]:
    """Return the fingerprint of the key of each venue; raises `ConfigError` for one that cannot be read."""
    with key_place(data) as keys:
        return {access.name: load_key(keys, access.key).fingerprint for access in accounts}


async def _truth(access: VenueAccess, place: Place) -> AccountTruth:
    if access.network == "sim" and not await asyncio.to_thread(venue_answers, place.data):
        return AccountTruth(access=access, is_absent=True, error="the simulated venue does not run", rules={})
    try:
        async with open_venue(access, place, LIMIT_S) as venue:
            truth = await read_truth(venue.direct, LIMIT_S)
            return AccountTruth(
                access=venue.access,
                truth=truth,
                fingerprint=venue.fingerprint,
                rules=venue.rules,
                usage=venue.direct.usage(),
            )
    except (QuotemeshError, OSError) as error:
        return AccountTruth(access=access, error=str(error), rules={})
