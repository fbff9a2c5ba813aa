"""`quotemesh fidelity`: how far backtests can be believed, by what really happened to the orders of a log."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import msgspec

from services.backtest.fidelity import Model, report
from services.backtest.fidelity_fit import Evidence, Fit, fit_evidence
from services.backtest.fidelity_others import OthersOnly
from services.backtest.run_options import RECORDED_MAX
from services.cli.exits import CommandError, ExitCode
from services.cli.log_reading import stored_events
from services.cli.place import data_option
from shared.messages import Event
from shared.runtime.paths import DataDir
from shared.units import NS_PER_MS, NS_PER_US, PPM


@click.command()
@data_option
@click.option("--latency-ms", type=click.FloatRange(0), help="Predict with this latency, not the fitted one.")
@click.option(
    "--ahead", type=click.FloatRange(0, 1), help="Predict with this share of the cancels ahead of us (0..1)."
)
@click.option(
    "--latencies",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the latencies seen, for `backtest --latency recorded:FILE`.",
)
@click.option("--live", is_flag=True, help="The books hold our own orders, as a real venue's do.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def fidelity(
    data: DataDir,
    latency_ms: float | None,
    ahead: float | None,
    latencies: Path | None,
    live: bool,
    as_json: bool,
) -> None:
    """Fit latency and queue to the orders of the log, predict each order with them, and show the difference.

    Works beside a running mesh, on what is on the log so far. On paper the truth is the paper venue itself,
    so the fit shows what it was set to; on a live log it shows what the venue does.
    """
    evidence = Evidence()
    with stored_events(data) as events:
        for event in _seen(events, is_live=live):
            evidence.apply(event)
    found = fit_evidence(evidence)
    if not found.orders:
        raise CommandError(
            f"the log of {data.root} has no order that a venue accepted: let a strategy trade first, or name "
            "another data directory with --data",
            ExitCode.NOT_FOUND,
        )
    if latencies is not None:
        _write_latencies(latencies, evidence.latencies_ns)
    fitted = found.model()
    model = Model(
        fitted.latency_ns if latency_ms is None else round(latency_ms * NS_PER_MS),
        fitted.ahead_ppm if ahead is None else round(ahead * PPM),
    )
    with stored_events(data) as events:
        residual = report(_seen(events, is_live=live), model)
    told = {"fit": msgspec.to_builtins(found), "model": model._asdict(), "residual": residual}
    click.echo(json.dumps(told) if as_json else "\n".join(_lines(found, model, residual)))


def _write_latencies(file: Path, latencies_ns: list[int]) -> None:
    """Write the newest latencies, one a line, in microseconds."""
    lines = [f"{ns // NS_PER_US}\n" for ns in latencies_ns[-RECORDED_MAX:]]
    try:
        file.write_text("".join(lines), encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{file} could not be written ({error.strerror}): name another place") from error


def _seen(events: Iterable[Event], *, is_live: bool) -> Iterable[Event]:
    """Return the events as the model sees them."""
    if not is_live:
        return events
    others = OthersOnly()
    return (others.apply(event) for event in events)


def _lines(found: Fit, model: Model, residual: dict[str, Any]) -> list[str]:
    lines = [
        f"{found.orders} accepted orders: latency {found.latency_mean_ms:.1f} ms on average, deviation "
        f"{found.latency_std_ms:.1f}, median {found.latency_p50_ms:.1f}, 99 % {found.latency_p99_ms:.1f}",
    ]
    if found.ahead_ppm is None or found.ahead_low_ppm is None or found.ahead_high_ppm is None:
        lines.append(
            f"queue: only {found.observed} orders show where cancels happen, too few to fit; half is assumed"
        )
    else:
        lines += [
            f"queue: {found.ahead_ppm / PPM:.2f} of our share of the cancels stands ahead of us (95 %: "
            f"{found.ahead_low_ppm / PPM:.2f} to {found.ahead_high_ppm / PPM:.2f}, {found.observed} orders); "
            "1 is `pro_rata`, 0 is `behind`",
            f"  use it: backtest --queue pro_rata:{found.ahead_ppm / PPM:.2f}",
        ]
    both, neither = residual["both_filled"], residual["neither"]
    lines += [
        f"predicted with {model.latency_ns / NS_PER_MS:.1f} ms and {model.ahead_ppm / PPM:.2f} ahead:",
        f"  {residual['orders']} orders that ended: {residual['agreement']:.1%} agree on whether they filled "
        f"({both} both, {neither} neither, {residual['only_real']} only really,"
        f" {residual['only_predicted']} only predicted)",
        f"  lots filled: {residual['real_lots']} really, {residual['predicted_lots']} predicted",
        f"  first fill: predicted {residual['time_error_median_ms']:+.1f} ms from the real one in the middle "
        f"(10 %: {residual['time_error_p10_ms']:+.1f}, 90 %: {residual['time_error_p90_ms']:+.1f})",
        f"  price: {residual['price_error_mean_e2_bps'] / 100:+.3f} bps against us on average; acceptance "
        f"{residual['accept_error_median_ms']:+.1f} ms in the middle",
    ]
    return lines
