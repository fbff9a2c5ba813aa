"""`quotemesh explain`: why an order was sent, and what became of it, from the log alone."""

import contextlib
import dataclasses
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from services.cli.exits import CommandError, ExitCode
from services.cli.log_reading import stored_events
from services.cli.place import data_option, existing
from services.replay.cores import log_cores, strategy_events
from services.replay.evidence import Evidence, Sight, gather
from services.replay.explain import explain as story_of
from services.risk.measures import Measure
from shared.messages import Event, orders
from shared.runtime.journal import JournalReader
from shared.runtime.paths import DataDir
from shared.units import NS_PER_S, Side, decimal_text


@click.command()
@click.argument("client_order_id", required=False)
@data_option
@click.option("--verify", "is_verifying", is_flag=True, help="Run every core again and compare.")
@click.option("--sample", type=click.IntRange(1), help="Take so many orders at random instead of one.")
@click.option("--seed", type=int, default=1, show_default=True, help="Which orders --sample takes.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
def explain(
    client_order_id: str | None,
    data: DataDir,
    is_verifying: bool,
    sample: int | None,
    seed: int,
    as_json: bool,
) -> None:
    """Tell why an order was sent: market and strategy at its cause, every check, every frame, the ledger.

    The cores are run again over the log up to the order. With --verify all of them are, and the order must
    come out the same, byte for byte (exit code 8 if not).
    """
    if (client_order_id is None) == (sample is None):
        raise click.UsageError("name one order, or ask for --sample N; `export orders` lists them")
    reader = JournalReader(existing(data).journal)
    ids = [client_order_id] if client_order_id is not None else _sampled(data, sample or 0, seed)
    is_whole = reader.first_seq() <= 1
    if is_verifying and not is_whole:
        raise CommandError(
            f"the log of {data.root} begins at seq {reader.first_seq()}: older segments were pruned "
            "(bus.keep_hours, bus.keep_bytes), so no core can be run again; ask without --verify"
        )
    cores = log_cores(strategy_events(reader))
    cores = [core for core in cores if is_verifying or core.service in _NEEDED]
    with contextlib.closing(reader), contextlib.closing(_Log(data)) as log:
        found = gather(ids, log.events, cores if is_whole else [])
        if client_order_id is not None and client_order_id not in found:
            raise CommandError(
                f"the log in {data.root} knows no order {client_order_id!r}; `export orders` lists them",
                ExitCode.NOT_FOUND,
            )
        for evidence in found.values():
            if as_json:
                click.echo(json.dumps(_as_json(evidence)))
            elif client_order_id is not None:
                _print(evidence, reader, is_whole)
    if is_verifying:
        _judge(list(found.values()), as_json)


_NEEDED = frozenset({"strategy", "risk"})


class _Log:
    """The stored log, read from the start as often as it is asked for."""

    def __init__(self, data: DataDir) -> None:
        self._data = data
        self._stack = contextlib.ExitStack()

    def events(self) -> Iterator[Event]:
        """Return all events from the first one on."""
        self._stack.close()
        return self._stack.enter_context(stored_events(self._data))

    def close(self) -> None:
        """Give the files back."""
        self._stack.close()


def _sampled(data: DataDir, count: int, seed: int) -> list[str]:
    with stored_events(data) as events:
        ids = [e.message.client_order_id for e in events if isinstance(e.message, orders.OrderIntent)]
    if not ids:
        raise CommandError(f"the log in {data.root} holds no order yet", ExitCode.NOT_FOUND)
    return sorted(random.Random(seed).sample(ids, min(count, len(ids))))  # noqa: S311  a sample, no secret


def _judge(found: list[Evidence], as_json: bool) -> None:
    wrong = [one for one in found if one.differences or one.missing]
    for one in wrong:
        problems = [*one.differences, *(f"{name} is missing" for name in one.missing)]
        click.echo(f"{one.client_order_id}: {'; '.join(problems)}", err=True)
    if not as_json:
        frames = sum(one.derived for one in found)
        click.echo(
            f"{len(found) - len(wrong)} of {len(found)} orders are complete and come out the same; "
            f"{frames} of their frames were said again by the cores, byte for byte"
        )
    if wrong:
        raise CommandError(f"{len(wrong)} orders differ or lack evidence", ExitCode.MISMATCH)


# ---- for people


def _print(evidence: Evidence, reader: JournalReader, is_whole: bool) -> None:
    frames = list(evidence.frames)
    story = story_of(evidence.client_order_id, frames, lambda seq: next(reader.events(seq - 1, seq), None))
    if evidence.sight is not None:
        _print_sight(evidence.sight)
    elif not is_whole:
        click.echo("older segments of the log were pruned: market, strategy and checks cannot be shown\n")
    if evidence.checks:
        click.echo("checks of risk, in order")
        for measure in evidence.checks:
            click.echo(f"  {_check_line(measure)}")
        click.echo("")
    click.echo("every frame, each led by its causes")
    for step in story:
        click.echo(_line(step.event, step.depth))
    if evidence.effects:
        click.echo("\nledger")
        for event in evidence.effects:
            click.echo(_line(event, 0))


def _print_sight(sight: Sight) -> None:
    rules = sight.rules
    click.echo(f"market {rules.symbol} at the cause, seq {sight.cause_seq}")
    for name, levels in (("ask", list(reversed(sight.asks))), ("bid", sight.bids)):
        for price_ticks, lots in levels:
            price, qty = decimal_text(price_ticks, rules.tick_size), decimal_text(lots, rules.lot_size)
            click.echo(f"  {name} {price:>14} {qty:>14}")
    click.echo(
        f"  microprice {sight.microprice_centiticks / 100:.2f} ticks, imbalance {sight.imbalance_ppm} ppm, "
        f"weighted {sight.weighted_imbalance_ppm} ppm, {'trusted' if sight.is_trusted else 'NOT TRUSTED'}\n"
    )
    click.echo(f"strategy {sight.kind}, version {sight.version}, {sight.state}: {sight.status}")
    params = msgspec.msgpack.decode(sight.params)
    click.echo(f"  settings {params or 'as the defaults'}; position {sight.position_lots} lots")
    for title, quotes in (("rests", sight.resting), ("wants", sight.targets)):
        for slot, side, price_ticks, qty_lots, about in quotes:
            price, qty = decimal_text(price_ticks, rules.tick_size), decimal_text(qty_lots, rules.lot_size)
            click.echo(f"  {title} {side} {qty} at {price} in slot {slot} ({about})")
    click.echo("")


def _check_line(measure: Measure) -> str:
    if measure.is_within:
        verdict = "passed"
    elif measure.is_met:
        verdict = f"{measure.code}: {measure.reason}"
    else:
        verdict = f"does not bind a reducing order ({measure.reason})"
    return f"{measure.check:<20} {measure.value:>24} / {measure.limit:<24} {measure.unit:<24} {verdict}"


def _line(event: Event, depth: int) -> str:
    header, message = event
    moment = datetime.fromtimestamp(header.ts_ns / NS_PER_S, UTC).strftime("%H:%M:%S.%f")
    shown = ", ".join(
        f"{name}={value.name.lower() if isinstance(value, Side) else value}"
        for name, value in message.as_dict().items()
        if isinstance(value, Side)
        or (
            not isinstance(value, bytes)
            and name not in {"client_order_id", "version"}
            and value not in ("", 0)
        )
    )
    return f"{header.seq:>9} {moment} {'  ' * depth}{header.source}: {type(message).__name__} {shown}"


# ---- for programs


def _as_json(evidence: Evidence) -> dict[str, Any]:
    sight = evidence.sight
    seen: dict[str, Any] | None = None
    if sight is not None:
        seen = {item.name: getattr(sight, item.name) for item in dataclasses.fields(sight)}
        seen["rules"] = sight.rules.as_dict()
        seen["params"] = msgspec.msgpack.decode(sight.params)
    return {
        "client_order_id": evidence.client_order_id,
        "sight": seen,
        "checks": [measure._asdict() for measure in evidence.checks],
        "frames": [_event_json(event) for event in evidence.frames],
        "ledger": [_event_json(event) for event in evidence.effects],
        "said_again": evidence.derived,
        "differences": evidence.differences,
        "missing": evidence.missing,
    }


def _event_json(event: Event) -> dict[str, Any]:
    header, message = event
    fields = {
        name: value.hex() if isinstance(value, bytes) else value for name, value in message.as_dict().items()
    }
    place = {"seq": header.seq, "ts_ns": header.ts_ns, "source": header.source, "cause_seq": header.cause_seq}
    return {**place, "message": type(message).__name__, **fields}
