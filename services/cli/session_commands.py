"""`quotemesh sessions`: what the log of a data directory holds, by the lives of its mesh."""

import json
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from services.cli.config_model import normal_symbol
from services.cli.exits import CommandError, ExitCode
from services.cli.log_reading import stored_events
from services.cli.place import data_option
from services.report.sessions import TIME_MAX_NS, Filter, Session, sessions, summary
from shared.messages import MESSAGES
from shared.runtime.paths import DataDir

TYPES = sorted(str(message.__struct_config__.tag) for message in MESSAGES)
NS_PER_US = 1000


def time_ns(text: str) -> int:
    """Return a time in ns since 1970: `2024-08-08`, `2024-08-08T23:54:15` (UTC), or a number of ns.

    Raises:
        click.BadParameter: the text is neither.
    """
    if text.isdigit() and len(text) > len("20240808"):
        return int(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no time; write 2024-08-08T23:54:15 or ns since 1970") from None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * NS_PER_US


@click.command("sessions")
@data_option
@click.option(
    "--type", "types", multiple=True, metavar="TYPE", help="Count only this type, e.g. fill; repeatable."
)
@click.option("--symbol", default="", help="Count only events of this market.")
@click.option("--from", "from_text", default="", metavar="TIME", help="Count only from this time (UTC) on.")
@click.option("--to", "to_text", default="", metavar="TIME", help="Count only before this time.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def sessions_command(
    data: DataDir, types: tuple[str, ...], symbol: str, from_text: str, to_text: str, as_json: bool
) -> None:
    """List the sessions on the log (lives of the mesh) and sum up what happened in them."""
    unknown = sorted(set(types) - set(TYPES))
    if unknown:
        raise CommandError(
            f"--type {', '.join(unknown)}: no such type; there are {', '.join(TYPES)}", ExitCode.USAGE
        )
    market = normal_symbol(symbol) if symbol else ""
    if market is None:
        raise CommandError(f"--symbol {symbol!r}: write binance:BTCUSDT, venue and market", ExitCode.USAGE)
    wanted = Filter(
        types,
        market,
        time_ns(from_text) if from_text else 0,
        time_ns(to_text) if to_text else TIME_MAX_NS,
    )
    with stored_events(data) as events:
        found = sessions(events, wanted)
    if as_json:
        fields: list[Any] = [msgspec.to_builtins(session) for session in found]
        click.echo(json.dumps({"sessions": fields, "summary": summary(found)}))
    else:
        click.echo(_table(found))


def _table(found: list[Session]) -> str:
    lines = [
        f"{'epoch':>12} {'from (UTC)':<19} {'lasted':>9} {'seq':>23} {'events':>10} {'orders':>8} "
        f"{'fills':>7}"
    ]
    for each in found:
        at = datetime.fromtimestamp(each.first_ns // 10**9, UTC)
        seqs = f"{each.first_seq}..{each.last_seq}"
        lines.append(
            f"{each.epoch:>12} {at:%Y-%m-%d %H:%M:%S} {each.seconds:>8.0f}s {seqs:>23} {each.events:>10} "
            f"{each.orders:>8} {each.fills:>7}"
        )
    total = summary(found)
    lines.append(
        f"{total['sessions']} sessions, {total['seconds']:.0f} s, {total['events']} events, "
        f"{total['orders']} orders, {total['fills']} fills"
    )
    if total["symbols"]:
        lines.append(f"markets: {', '.join(total['symbols'])}")
    if total["strategies"]:
        lines.append(f"strategies: {', '.join(total['strategies'])}")
    lines += [f"{count:>10} {name}" for name, count in total["types"].items()]
    return "\n".join(lines)
