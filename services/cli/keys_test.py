"""`quotemesh keys test`: what a venue says of a key, before anything is traded with it."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
import httpx2

from services.broker.adapters import adapter_of
from services.broker.binance.settings import ENDPOINTS, SPOT, USDM
from services.broker.keys import FOLDER, VenueKey, load_key, open_key
from services.broker.settings import Network, VenueAccess, resolved
from services.canceller.build import simulated_ports
from services.canceller.direct import DirectVenue
from services.cli.exits import CommandError, ExitCode
from services.cli.place import data_option
from services.cli.venue_truth import accounts_of, key_place
from services.market_data.survey import SurveyError, venue_time_ms
from services.risk.key_permissions import KeyRights, score_key
from shared.errors import ConfigError
from shared.execution import commands, reports
from shared.runtime.clock import MeshClock
from shared.runtime.paths import DataDir

LIMIT_S = 10.0
HTTP_LIMIT_S = 5.0
SKEW_WARN_MS = 250
NETWORKS: tuple[Network, ...] = ("live", "testnet", "demo", "sim")

Clock = Callable[[], int]


@click.command(name="test")
@data_option
@click.argument("venue", type=click.Choice([SPOT, USDM]))
@click.option("--key", "name", default="", help="Name of the key [default: as configured, else VENUE].")
@click.option(
    "--network",
    type=click.Choice(NETWORKS),
    help="Which of the venue's networks [default: as the mesh of --data trades, else live].",
)
@click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Take the passphrase from the first line of this file.",
)
def test_key(
    data: DataDir, venue: str, name: str, network: Network | None, passphrase_file: Path | None
) -> None:
    """Ask VENUE for its time and for what the key may do; nothing is ordered.

    Exit code 1: the venue refuses the key, or it may withdraw, may not trade, or scores below 80.
    """
    access = resolved(_access(data, venue, network, name), simulated_ports(data))
    if access is None:
        raise CommandError("the simulated venue does not run; start it with `up`", ExitCode.NOT_RUNNING)
    key = _opened(data, access.key, passphrase_file)
    click.echo(f"{venue} {access.network}: key {access.key} ({key.signer.kind}, {key.fingerprint})")
    clock = _clock(data, access)
    skew_ms = _skew_ms(access, clock)
    advice = "" if abs(skew_ms) <= SKEW_WARN_MS else "; set this machine's clock"
    click.echo(f"clock: the venue's is {skew_ms:+d} ms from ours{advice}")
    rights = asyncio.run(_rights(access, key, clock))
    is_allowed = _tell(rights)
    if not is_allowed:
        raise click.exceptions.Exit(int(ExitCode.FAILURE))


def _access(data: DataDir, venue: str, network: Network | None, name: str) -> VenueAccess:
    """Return the account of the mesh, or one made of the options."""
    if network is None and data.settings("broker").exists():
        for one in accounts_of(data):
            if one.name == venue:
                return replace(one, key=name or one.key)
    network = network or "live"
    if network == "sim":
        return VenueAccess(name=venue, symbols=(), network="sim", key=name or "sim")
    rest, api, stream, _ = ENDPOINTS[venue, network]
    return VenueAccess(
        name=venue,
        symbols=(),
        network=network,
        rest_url=rest,
        stream_url=stream,
        api_url=api,
        key=name or venue,
    )


def _opened(data: DataDir, name: str, passphrase_file: Path | None) -> VenueKey:
    """Return the key; an encrypted one whose passphrase is nowhere is asked for."""
    path = data.root / FOLDER / f"{name}.age"
    if passphrase_file is not None:
        if not path.exists():
            raise ConfigError(
                f"there is no key {name!r} in {path.parent}: `quotemesh keys add {name}` stores one"
            )
        first = (passphrase_file.read_text(encoding="utf-8").splitlines() or [""])[0]
        return open_key(path.read_bytes(), f"keys/{name}.age", first)
    with key_place(data) as place:
        return load_key(place, name)


def _clock(data: DataDir, access: VenueAccess) -> Clock:
    """Return our time as this venue should have it: the simulated one lives in mesh time."""
    return MeshClock(data).now_ns if access.network == "sim" else time.time_ns


def _skew_ms(access: VenueAccess, clock: Clock) -> int:
    """Return how far the venue's clock is ahead of ours, at the middle of the round trip."""
    with httpx2.Client(timeout=HTTP_LIMIT_S, trust_env=False, proxy=access.proxy or None) as client:

        def ask(target: str) -> tuple[int, bytes]:
            answer = client.get(access.rest_url + target)
            return answer.status_code, answer.content

        try:
            venue_time_ms(access.name, ask)  # opens the connection: its time is not the clock's
            sent_ns = clock()
            theirs_ms = venue_time_ms(access.name, ask)
            got_ns = clock()
        except (OSError, httpx2.HTTPError, SurveyError) as error:
            why = f"{type(error).__name__}: {error}"[:200]
            raise CommandError(
                f"{access.rest_url} does not answer ({why}); check network and proxy"
            ) from error
    return theirs_ms - (sent_ns + got_ns) // 2 // 1_000_000


async def _rights(access: VenueAccess, key: VenueKey, clock: Clock) -> reports.KeyRightsTold:
    """Return what the key may do, as the adapter that trades reads it."""
    direct = DirectVenue(adapter_of(access, key, has_user_stream=False), clock, access.proxy)
    async with direct:
        await direct.ready(LIMIT_S)
        told = await direct.ask(commands.AskKeyRights, LIMIT_S)
    if isinstance(told, reports.KeyRightsTold):
        return told
    reason = getattr(told, "reason", "no answer")
    raise CommandError(f"{access.name} does not tell what the key may do: {reason}")


def _tell(told: reports.KeyRightsTold) -> bool:
    """Print what the key may do and what it is worth; return whether it may be used."""
    rights = KeyRights(told.can_withdraw, told.can_transfer, told.is_address_limited)
    score = score_key(rights)
    click.echo(f"rights: {'may' if told.can_trade else 'may NOT'} trade; score {score.score}, {score.level}")
    for reason in score.reasons:
        click.echo(f"  {reason}")
    return told.can_trade and not told.can_withdraw and score.is_allowed
