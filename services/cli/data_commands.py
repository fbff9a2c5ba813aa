"""`quotemesh generate-data` and `export-data`: market data made up, and market data for other programs."""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import msgspec

from services.backtest.formats_npz import export_npz
from services.backtest.formats_parquet import export_parquet
from services.backtest.formats_tardis_export import export_tardis
from services.backtest.generate import REGIMES, Flow, generate
from services.cli.exits import CommandError, ExitCode
from shared.columns import SUFFIX

USUAL = Flow()
TARGETS = ("npz", "tardis", "parquet")


@click.command("generate-data")
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--events", default=f"{USUAL.event_count}", show_default=True, help="Rows to write, also as 1e8 or 100M."
)
@click.option(
    "--regime",
    type=click.Choice(list(REGIMES)),
    default=USUAL.regime,
    show_default=True,
    help="Kind of market; mixed draws another each minute.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=USUAL.seed, show_default=True, help="Seed of all draws."
)
@click.option("--symbol", default=USUAL.symbol, show_default=True, help="Name of the market.")
@click.option("--tick", "tick_size", default=USUAL.tick_size, show_default=True, help="Price step.")
@click.option("--lot", "lot_size", default=USUAL.lot_size, show_default=True, help="Quantity step.")
@click.option("--price", default=USUAL.price, show_default=True, help="First bid.")
@click.option(
    "--levels",
    "level_count",
    type=click.IntRange(1),
    default=USUAL.level_count,
    show_default=True,
    help="About how many levels a side keeps.",
)
@click.option(
    "--gap-us",
    "mean_gap_us",
    type=click.IntRange(1),
    default=USUAL.mean_gap_us,
    show_default=True,
    help="Mean time between two steps of the market, in microseconds.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def generate_data(out: Path, events: str, as_json: bool, **values: Any) -> None:
    """Write a seeded order flow to the column file OUT, ready for backtest.

    The same options give the same bytes, on any machine. Times begin at 2024-01-01 00:00 UTC.
    """
    out = _named(out)
    flow = replace(USUAL, event_count=_count(events), **values)
    started_s = time.monotonic()

    def tell(done: int, wanted: int) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r{done / 1e6:,.1f} of {wanted / 1e6:,.1f} million rows", nl=False, err=True)

    header = generate(flow, out, tell)
    if sys.stderr.isatty():
        click.echo("\r\033[K", nl=False, err=True)
    seconds = time.monotonic() - started_s
    made = {
        "path": str(out),
        "symbol": header.symbol,
        "rows": header.count,
        "seed": flow.seed,
        "regime": flow.regime,
        "first_local_ns": header.first_local_ns,
        "last_local_ns": header.last_local_ns,
        "sha256": header.sha256,
        "seconds": round(seconds, 3),
    }
    if as_json:
        click.echo(json.dumps(made))
        return
    span_s = (header.last_local_ns - header.first_local_ns) / 1e9
    click.echo(
        f"{out}  {header.count} rows of {header.symbol}, {span_s:,.0f} s of {flow.regime} market, "
        f"seed {flow.seed}; made in {seconds:.1f} s"
    )


def _named(out: Path) -> Path:
    if out.suffix != SUFFIX:
        raise CommandError(f"{out}: a column file ends in {SUFFIX}; name it so", ExitCode.USAGE)
    return out


def _count(text: str) -> int:
    """Return 100000000 of `1e8`, `100M` or itself."""
    scale = {"k": 1e3, "m": 1e6}.get(text[-1:].lower(), 1.0)
    try:
        value = float(text.rstrip("kKmM")) * scale
    except ValueError:
        value = 0
    if not 1 <= value <= 1e12 or value != int(value):
        raise CommandError(
            f"--events {text!r}: must be a count up to 1e12, as 1000000, 1e6 or 1M", ExitCode.USAGE
        )
    return int(value)


@click.command("export-data")
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "target",
    type=click.Choice(TARGETS),
    required=True,
    help="npz: hftbacktest's events; tardis: CSV of book and trades; parquet: the columns.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="File to write; of tardis the beginning of both names [default: beside SOURCE].",
)
@click.option(
    "--shift-local-ns",
    "local_shift_ns",
    type=int,
    default=0,
    show_default=True,
    help="npz: added to local times, where the recorder's clock was behind.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def export_data(source: Path, target: str, out: Path | None, local_shift_ns: int, as_json: bool) -> None:
    """Write the column file SOURCE in a format of other programs.

    What a format cannot say is counted and printed.
    """
    if local_shift_ns and target != "npz":
        raise CommandError(f"--shift-local-ns: is for npz, not for {target}; leave it out", ExitCode.USAGE)
    stem = out if out is not None else source.with_suffix("")
    if target == "tardis":
        name = stem.name.removesuffix(".csv.gz").removesuffix(".csv")
        paths = [stem.with_name(f"{name}.{kind}.csv.gz") for kind in ("incremental_book_L2", "trades")]
        told = msgspec.to_builtins(export_tardis(source, *paths))
    else:
        paths = [stem if out is not None else stem.with_name(f"{stem.name}.{target}")]
        if target == "npz":
            told = msgspec.to_builtins(export_npz(source, paths[0], local_shift_ns))
        else:
            told = {"rows": export_parquet(source, paths[0])}
    if as_json:
        click.echo(json.dumps({"paths": [str(path) for path in paths], **told}))
        return
    for path in paths:
        click.echo(path)
    click.echo(", ".join(f"{count} {name.replace('_', ' ')}" for name, count in told.items() if count))
