"""`quotemesh bench`: the budgets of the design, measured on this machine."""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import click

from services.bench.figures import HEAD, Figure
from services.bench.machine import machine
from services.bench.page import figure_fields, with_results

BENCHES = {
    "agreement": (
        "services.bench.agreement",
        "the two paths of a backtest, event by event",
    ),
    "array-strategies": (
        "services.bench.array_strategies",
        "the shipped strategies over generated data, array path",
    ),
    "kernels": ("services.bench.kernels", "book, signals and trade flow called from Python"),
    "feed": ("services.bench.feed", "a recorded depth frame through market_data's core"),
    "bus": ("services.bench.bus", "stored events per second with four subscribers"),
    "chain": ("services.bench.chain", "tick to order through the real processes and the stored log"),
    "formats": ("services.bench.formats", "generated data and foreign formats, a replay by hftbacktest"),
    "fused": ("services.bench.fused", "tick to order with the same cores in one process"),
    "imports": ("services.bench.imports", "a raw capture to columns, against decompression and JSON alone"),
    "start": ("services.bench.start", "a backtest from its command to its first event"),
    "instances": ("services.bench.instances", "a book update and a risk check with 20 strategy instances"),
    "backtest": ("services.bench.backtest", "the array engine beside hftbacktest and nautilus_trader"),
    "live-wire": ("services.bench.live_wire", "an order through the Binance adapter to signed bytes"),
    "load": ("services.bench.load", "minutes of 5,000 events/s, a burst, one frozen, one stopped"),
    "kill": ("services.bench.kill", "from a kill to latched, to the last create, to an empty venue"),
    "live-kill": (
        "services.bench.live_kill",
        "a kill at a venue 50 ms away, also with one process standing still",
    ),
    "live": ("services.bench.live", "tick to order at a venue, durable, and the broker's memory"),
    "sweep": ("services.bench.sweep", "64 runs of a sweep against two bare processes"),
    "life": ("services.bench.life", "start-up, memory and recovery after kill -9 of each process"),
}
"""One line registers a benchmark: its module has `measure() -> list[Figure]`."""


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(BENCHES)))
@click.option("--json", "as_json", is_flag=True, help="Print JSON with every raw round.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write the JSON to this file as well, e.g. for a report."
)
@click.option(
    "--page",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Put the results between the marks of this page, e.g. docs/benchmarks.md.",
)
def bench(names: tuple[str, ...], as_json: bool, out: Path | None, page: Path | None) -> None:
    """Measure NAMES (default: all) and print each figure beside its budget and its peer.

    Figures mean something only on a quiet machine: the load before the run is printed with them.
    """
    report: dict[str, Any] = {"machine": machine(), "figures": {}}
    if not as_json:
        click.echo(", ".join(f"{key} {value}" for key, value in report["machine"].items()))
    for name in names or BENCHES:
        module, what = BENCHES[name]
        if not as_json:
            click.echo(f"\n{name}: {what}\n{HEAD}")
        figures: list[Figure] = importlib.import_module(module).measure()
        report["figures"][name] = [figure_fields(figure) for figure in figures]
        if not as_json:
            for figure in figures:
                click.echo(figure.line())
    if page is not None:
        page.write_text(with_results(page.read_text(encoding="utf-8"), report), encoding="utf-8")
    text = json.dumps(report, indent=1)
    if out is not None:
        out.write_text(text + "\n", encoding="utf-8")
    if as_json:
        sys.stdout.write(text + "\n")
