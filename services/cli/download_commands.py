"""`quotemesh download`: public candles and trades of a span from the configured venue, checked."""

import json
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click
import httpx2

from services.backtest.download import GAPS_NAMED, PAGERS, Pager, Span, takes
from services.cli import config as configuration
from services.cli.config_commands import DEFAULT, FILE_NAME, file_option
from services.cli.config_model import normal_symbol
from services.cli.exits import CommandError, ExitCode
from services.cli.place import data_option
from services.cli.venue_ping import venue_answers
from services.market_data.addresses import address_of
from services.market_data.settings import SIMULATED, FeedVenue
from services.market_data.survey import SurveyError, venue_time_ms
from shared.errors import VenueError
from shared.instrument import venue_of, venue_symbol
from shared.runtime.paths import DataDir
from shared.units import NS_PER_MS

TIMEOUT_S = 15.0
TRIES = 6
WAIT_S, WAIT_MAX_S = 1.0, 120.0
BUSY = {418, 429}
# Weights and limits of the venue: below half of what it allows in a minute.
PACE_S = {("binance", "candles"): 0.05, ("binance", "trades"): 0.1}
PACE_USUAL_S = {"candles": 0.3, "trades": 1.0}
SYNC_LINES = 100_000

Ask = Callable[[str], tuple[int, bytes]]


@click.command()
@click.argument("what", type=click.Choice(list(PAGERS)))
@click.argument("symbol")
@click.option(
    "--from",
    "from_text",
    required=True,
    metavar="DATE",
    help="First moment, UTC: 2024-01-31 or 2024-01-31T12:00.",
)
@click.option("--to", "to_text", required=True, metavar="DATE", help="End; that moment itself is left out.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path(), show_default="here", help="Folder or CSV file."
)
@click.option("--allow-gaps", is_flag=True, help="Keep the file although something is missing in it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@data_option
@file_option
def download(
    what: str,
    symbol: str,
    from_text: str,
    to_text: str,
    out: Path,
    allow_gaps: bool,
    as_json: bool,
    data: DataDir,
    config_file: Path | None,
) -> None:
    """Download one-minute candles or aggregated trades of SYMBOL from its venue, for import.

    The file gets its name when it is whole and checked: nothing twice, nothing out of order, nothing
    missing. Call again after a break and it goes on where it was.
    """
    market = normal_symbol(symbol)
    if market is None:
        raise CommandError(f"{symbol!r} is no market; write venue:SYMBOL, as binance:BTCUSDT", ExitCode.USAGE)
    span = Span(venue_of(market), venue_symbol(market), _moment_ms(from_text), _moment_ms(to_text))
    if span.from_ms >= span.to_ms:
        raise CommandError(f"--from {from_text} is not before --to {to_text}; exchange them", ExitCode.USAGE)
    venue = _venue_of(span.venue, data, config_file)
    rest = _rest_of(venue, data)
    name = f"{span.venue}-{span.name}-{what}-{_stamp(span.from_ms)}-{_stamp(span.to_ms)}.csv"
    path = out if out.suffix == ".csv" else out / name
    with httpx2.Client(timeout=TIMEOUT_S, trust_env=venue.url != SIMULATED) as client:
        ask = asker(client, rest, _pace_s(venue, what))
        _refuse_future(venue, ask, span.to_ms, to_text)
        pager = PAGERS[what](span)
        fetch(pager, ask, path.with_name(f".{path.name}.part"))
    gaps = pager.gaps()
    report = {"path": str(path), "rows": pager.count, "gaps": gaps}
    draft = path.with_name(f".{path.name}.part")
    if pager.count == 0:
        draft.unlink()
        raise CommandError(
            f"{market}: the venue has no {what} from {from_text} to {to_text}", ExitCode.NOT_FOUND
        )
    if gaps and not allow_gaps:
        more = f" and {len(gaps) - GAPS_NAMED} more" if len(gaps) > GAPS_NAMED else ""
        raise CommandError(
            f"{market}: the venue lacks {', '.join(gaps[:GAPS_NAMED])}{more}; take the file as it is with "
            "--allow-gaps, which does not download it again"
        )
    draft.replace(path)
    click.echo(json.dumps(report) if as_json else f"{path}  {pager.count} {what}, {len(gaps)} gaps")


def fetch(pager: Pager, ask: Ask, draft: Path) -> None:
    """Download what a pager wants into a draft, after what an earlier call left there.

    Raises:
        VenueError: the venue answers what it should not; the draft stays for the next call.
        CommandError: the draft cannot be written.
    """
    try:
        draft.parent.mkdir(parents=True, exist_ok=True)
        _cut_to_whole(pager, draft)
        with draft.open("a", encoding="ascii") as file:
            if file.tell() == 0:
                file.write(pager.head + "\n")
            synced = 0
            while (target := pager.target()) is not None:
                status, body = ask(target)
                if status != 200:
                    raise VenueError(
                        f"{target} was answered with {status}: {body[:200]!r}; what came is kept"
                    )
                lines = pager.take(body)
                file.write("".join(f"{line}\n" for line in lines))
                if pager.count - synced >= SYNC_LINES:
                    synced = pager.count
                    _sync(file.fileno(), file.flush)
                if sys.stderr.isatty():
                    click.echo(f"\r{pager.count:,} rows", nl=False, err=True)
            _sync(file.fileno(), file.flush)
    except OSError as error:
        raise CommandError(
            f"{draft} could not be written ({error.strerror or error}); what came is kept: make space"
        ) from None


def _cut_to_whole(pager: Pager, draft: Path) -> None:
    """Keep the whole lines of a draft that the pager takes, and cut off what a kill left of the next one."""
    if not draft.exists():
        return
    kept_bytes = 0
    with draft.open("rb+") as file:
        for raw in file:
            line = raw.decode("ascii", "replace")
            if not line.endswith("\n") or not takes(pager, line[:-1], kept_bytes == 0):
                break
            kept_bytes += len(raw)
        file.truncate(kept_bytes)


def _sync(descriptor: int, flush: Callable[[], None]) -> None:
    flush()
    os.fsync(descriptor)


def asker(client: httpx2.Client, rest: str, pace_s: float) -> Ask:
    """Return what asks a venue: paced, again after a lost connection, patient when the venue is busy."""

    def ask(target: str) -> tuple[int, bytes]:
        problem = ""
        for attempt in range(TRIES):
            wait_s = min(WAIT_MAX_S, WAIT_S * 2**attempt)
            try:
                answer = client.get(rest + target)
                if answer.status_code < 500 and answer.status_code not in BUSY:
                    time.sleep(pace_s)
                    return answer.status_code, answer.content
                problem = f"{answer.status_code} {answer.content[:100]!r}"
                told = answer.headers.get("retry-after", "")
                if answer.status_code in BUSY and told.isdigit():
                    wait_s = min(WAIT_MAX_S, float(told))
            except (OSError, httpx2.HTTPError) as error:
                problem = f"{type(error).__name__}: {error}"
            if attempt < TRIES - 1:
                time.sleep(wait_s)
        raise VenueError(
            f"{rest}{target}: {problem} after {TRIES} tries; what came is kept: call again later"
        )

    return ask


def _pace_s(venue: FeedVenue, what: str) -> float:
    return 0.0 if venue.url == SIMULATED else PACE_S.get((venue.name, what), PACE_USUAL_S[what])


def _refuse_future(venue: FeedVenue, ask: Ask, to_ms: int, to_text: str) -> None:
    try:
        now_ms = venue_time_ms(venue.name, ask)
    except SurveyError as error:
        raise VenueError(f"{venue.name}: {error}; try again later") from None
    if to_ms > now_ms:
        at = datetime.fromtimestamp(now_ms // 1000, UTC)
        raise CommandError(
            f"--to {to_text} lies ahead of the venue's clock ({at:%Y-%m-%dT%H:%M}); end earlier",
            ExitCode.USAGE,
        )


def _venue_of(name: str, data: DataDir, config_file: Path | None) -> FeedVenue:
    own = data.config / FILE_NAME
    cfg = configuration.load(config_file or (own if own.exists() else DEFAULT), os.environ)
    found = next((venue for venue in cfg.market_data.venues if venue.name == name), None)
    if found is None:
        names = ", ".join(venue.name for venue in cfg.market_data.venues)
        raise CommandError(
            f"venue {name} is not in the configuration (it has {names}); add it", ExitCode.NOT_FOUND
        )
    return found


def _rest_of(venue: FeedVenue, data: DataDir) -> str:
    """Return the REST address; raises `CommandError` when the simulated venue does not run."""
    ports: dict[str, int] = {}
    if venue.url == SIMULATED:
        if not venue_answers(data):
            raise CommandError(
                f"{venue.name} is the simulated venue, which does not run: start it with up, or set "
                "venues.url to have the real one",
                ExitCode.NOT_RUNNING,
            )
        kept = json.loads((data.run / "venue_sim.json").read_bytes())
        ports = {name: int(entry["port"]) for name, entry in kept.items()}
    address = address_of(venue, ports)
    if address is None:
        raise CommandError(
            f"the simulated venue does not offer {venue.name}; add a market of it", ExitCode.NOT_FOUND
        )
    return address.rest


def _moment_ms(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(
            f"{text!r} is no date; write 2024-01-31 or 2024-01-31T12:00 (UTC)", ExitCode.USAGE
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if moment.year < 2009:
        raise CommandError(f"{text!r} is before there were markets; write a later date", ExitCode.USAGE)
    return int(moment.timestamp() * 1000)


def _stamp(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms * NS_PER_MS / 1e9, UTC):%Y%m%dT%H%M%S}"
