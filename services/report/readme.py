"""The block of results in a README: only of real trades on recorded or live data, and labelled (BT-11)."""

from pathlib import Path

from services.backtest.equity import EVERYTHING, Selection
from services.backtest.figures import Figures
from services.backtest.figures import figures as figures_of
from services.backtest.record import Run
from services.report.run_rows import (
    SHORT_HASH,
    bps,
    count,
    duration,
    estimate,
    moment,
    money,
    ratio,
    share,
    symbols_of,
    warnings,
)
from shared.errors import ConfigError

BEGIN = "<!-- results: begin (written by quotemesh report --readme) -->"
END = "<!-- results: end -->"


def write_block(path: Path, run: Run, selection: Selection = EVERYTHING) -> None:
    """Replace what stands between the two markers of a file.

    Raises:
        ConfigError: the run is no real trading, or the file has no such pair of markers; nothing is changed.
    """
    refuse_unreal(run)
    figures = figures_of(run, selection)
    if not figures.fills:
        raise ConfigError("the run has no fill: a README shows results of trades only")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ConfigError(f"{path} needs these two lines, once and in this order: {BEGIN} and {END}")
    head, rest = text.split(BEGIN)
    tail = rest.split(END)[1]
    draft = path.with_name(path.name + ".part")
    try:
        draft.write_text(f"{head}{BEGIN}\n{block(run, figures)}\n{END}{tail}", encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise ConfigError(f"{path} could not be written ({error.strerror}); it is as before") from error


def refuse_unreal(run: Run) -> None:
    """Raise `ConfigError` unless a run traded, on paper or live, on data of a real venue."""
    if run.meta.source not in ("paper", "live"):
        raise ConfigError(
            f"this is a {run.meta.source}: a README shows paper and live trading only; give a data directory"
        )
    if not run.data:
        raise ConfigError("the log does not say where its market data came from, so no README shows it")
    generated = [each.name for each in run.data if each.is_generated]
    if generated:
        raise ConfigError(
            f"the market data of {', '.join(generated)} were generated: a README shows real markets only"
        )


def block(run: Run, figures: Figures) -> str:
    """Return the block in Markdown; texts of the run cannot end the table or the block."""
    where = "recorded data" if any(each.source for each in run.data) else "live data"
    rows = [
        ("what", f"**{run.meta.source}** trading on {where}: {', '.join(symbols_of(run))}"),
        ("time", f"{moment(figures.from_ns)} to {moment(figures.until_ns)} ({duration(figures.span_s)})"),
        (
            "strategies",
            ", ".join(f"{name} {version[:SHORT_HASH]}" for name, version in figures.strategies.items()),
        ),
        (f"net P&L, {figures.asset}", f"{money(figures.net_pnl)} (fees {money(figures.fees)} paid)"),
        ("per volume", "-" if figures.net_per_volume_bps is None else bps(figures.net_per_volume_bps)),
        ("max drawdown, marked", money(figures.max_drawdown)),
        ("fills, round trips", f"{count(figures.fills)}, {count(figures.round_trips)}"),
        ("win rate", share(figures.win_rate)),
        (
            "Sharpe, a year of 365 days",
            f"{estimate(figures.sharpe, ratio)} ({count(figures.intervals)} intervals of "
            f"{duration(figures.interval_s)})",
        ),
        ("build", run.meta.commit or "-"),
    ]
    table = "\n".join(f"| {_cell(name)} | {_cell(value)} |" for name, value in rows)
    said = "".join(f"\n\n{_cell(text)}" for text in warnings(run, figures))
    return f"| result | |\n| --- | --- |\n{table}{said}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
