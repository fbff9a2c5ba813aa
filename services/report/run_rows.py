"""What a report of a run says in words and numbers: the same rows as text, on the page and in the picture."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from services.backtest.figures import Figures
from services.backtest.record import Run
from services.backtest.statistics import Estimate, Share
from shared.units import NS_PER_S

NONE = "-"
SHORT_HASH = 12


class Group(NamedTuple):
    """Rows under one heading, each a label and its value."""

    title: str
    rows: list[tuple[str, str]]


def headline(run: Run, figures: Figures) -> str:
    """Return what the run is in one line."""
    names = ", ".join(
        f"{each.name} ({each.kind})" if each.kind else each.name
        for each in run.strategies
        if each.name in figures.strategies
    )
    return f"{label_of(run)}: {names or 'no strategy'} on {', '.join(symbols_of(run)) or 'no market'}"


def label_of(run: Run) -> str:
    """Return what kind of run it is; one on data that nobody recorded says so."""
    generated = ", on generated data" if run.is_generated else ""
    return f"{run.meta.source}{generated}"


def symbols_of(run: Run) -> list[str]:
    """Return the markets of a run, those that were traded when any was."""
    traded = set(run.fills.market) or set(range(len(run.markets)))
    return [rules.symbol for at, rules in enumerate(run.markets) if at in traded]


def groups(run: Run, figures: Figures) -> list[Group]:
    """Return all figures of a run as rows."""
    return [
        _result(figures),
        _parts(figures),
        _trades(figures),
        _risk(figures),
        _mark_outs(figures),
        _course(run, figures),
        _origin(run, figures),
    ]


def warnings(run: Run, figures: Figures) -> list[str]:
    """Return what a reader must know before believing any number."""
    found = []
    if run.meta.stopped:
        found.append(f"The run is not whole: {run.meta.stopped}")
    if run.is_generated:
        found.append("The data were generated: this says nothing about money.")
    average = figures.average_trade
    if average is not None and average.error is not None and abs(average.value) <= average.error:
        found.append("The mean of a round trip is not distinguishable from 0 on these data.")
    return found


def notes(run: Run, figures: Figures) -> list[str]:
    """Return the warnings, then how the figures are meant."""
    found = warnings(run, figures)
    found.append(
        f"Ratios are of {count(figures.intervals)} intervals of {duration(figures.interval_s)}, on constant "
        "capital, annualised to 365 days (these markets never close); +- is half of a 95 % interval."
    )
    if figures.span_s < 30 * 86_400:
        found.append(
            f"{duration(figures.span_s)} of data are no year: what is annualised of them is no forecast."
        )
    if run.meta.mark_step_ns > 1:
        found.append(
            f"Equity is marked at every fill and at the highest, lowest and last mid of each "
            f"{duration(run.meta.mark_step_ns / NS_PER_S)}."
        )
    elif not run.meta.mark_step_ns:
        found.append("Equity is marked at fills alone: a drawdown between fills is not seen.")
    return found + run.meta.notes


def _result(figures: Figures) -> Group:
    capital = figures.return_on_capital
    lasted = "not recovered" if not figures.max_drawdown_recovered_ns else "recovered"
    return Group(
        f"Profit and loss in {figures.asset or 'quote'}",
        [
            ("net P&L", money(figures.net_pnl)),
            ("realised P&L, before fees", money(figures.realized_pnl)),
            ("unrealised P&L", money(figures.unrealized_pnl)),
            ("fees", money(figures.fees)),
            ("funding", money(figures.funding)),
            ("volume", money(figures.volume)),
            (
                "net per volume",
                NONE if figures.net_per_volume_bps is None else bps(figures.net_per_volume_bps),
            ),
            ("return on capital", NONE if capital is None else f"{capital:.4%}"),
            ("max drawdown", money(figures.max_drawdown)),
            (
                "max drawdown lasted",
                f"{duration(figures.max_drawdown_s)}, {lasted}" if figures.max_drawdown else NONE,
            ),
            ("longest time below a high", duration(figures.longest_drawdown_s)),
        ],
    )


def _parts(figures: Figures) -> Group:
    return Group(
        "Where it comes from",
        [
            ("spread capture", money(figures.spread_capture)),
            ("adverse within 0.1 s", money(figures.adverse_100ms)),
            ("adverse, 0.1 to 1 s", money(figures.adverse_1s)),
            ("adverse, 1 to 10 s", money(figures.adverse_10s)),
            ("adverse, 10 to 60 s", money(figures.adverse_60s)),
            ("inventory", money(figures.inventory)),
            ("fees", money(-figures.fees)),
            ("funding", money(figures.funding)),
        ],
    )


def _trades(figures: Figures) -> Group:
    average = figures.average_trade
    return Group(
        "Orders and trades",
        [
            ("orders", count(figures.orders)),
            ("filled, canceled", f"{count(figures.orders_filled)}, {count(figures.orders_canceled)}"),
            (
                "expired, rejected, refused by risk",
                f"{count(figures.orders_expired)}, {count(figures.orders_rejected)}, "
                f"{count(figures.orders_refused)}",
            ),
            ("fills", f"{count(figures.fills)}, {count(figures.fills_maker)} as maker"),
            ("orders with a fill", percent(figures.fill_ratio)),
            ("in the queue before a fill, median", milliseconds(figures.queue_ms_median)),
            ("in the queue before a fill, 95 %", milliseconds(figures.queue_ms_p95)),
            ("round trips", count(figures.round_trips)),
            ("win rate", share(figures.win_rate)),
            ("average trade", estimate(average, lambda value: money(Decimal(repr(value))))),
            ("profit factor", ratio(figures.profit_factor)),
            (
                "average holding",
                NONE if figures.average_holding_s is None else duration(figures.average_holding_s),
            ),
        ],
    )


def _risk(figures: Figures) -> Group:
    per = duration(figures.interval_s)
    return Group(
        "Risk",
        [
            ("Sharpe ratio, a year", estimate(figures.sharpe, ratio)),
            ("Sortino ratio, a year", ratio(figures.sortino)),
            ("Calmar ratio, a year", ratio(figures.calmar)),
            (f"VaR 95 % of {per}", loss(figures.var_95)),
            (f"CVaR 95 % of {per}", loss(figures.cvar_95)),
            (f"VaR 99 % of {per}", loss(figures.var_99)),
            (f"CVaR 99 % of {per}", loss(figures.cvar_99)),
        ],
    )


def _mark_outs(figures: Figures) -> Group:
    rows = []
    for each in figures.mark_outs:
        name = "at the fill" if each.after == "0" else f"after {each.after}"
        error = "" if each.error_bps is None else f" +- {each.error_bps:.3f}"
        value = (
            NONE if each.mean_bps is None else f"{each.mean_bps:+.3f}{error} bps, {count(each.fills)} fills"
        )
        rows.append((name, value))
    return Group("Mark-outs: mid against the price of a fill", rows)


def _course(run: Run, figures: Figures) -> Group:
    speed = figures.events_per_s
    return Group(
        "Course",
        [
            ("from", moment(figures.from_ns)),
            ("until", moment(figures.until_ns)),
            ("time covered", duration(figures.span_s)),
            ("events", count(figures.events)),
            ("events a second", NONE if speed is None else count(round(speed))),
            ("duration of the run", duration(figures.seconds) if figures.seconds else NONE),
            ("path, clock", f"{run.meta.path}, {run.meta.clock}"),
            *((f"final position {symbol}", lots) for symbol, lots in figures.positions.items()),
        ],
    )


def _origin(run: Run, figures: Figures) -> Group:
    meta = run.meta
    versions = [
        (f"version of {name}", version[:SHORT_HASH] or NONE) for name, version in figures.strategies.items()
    ]
    files = [
        (f"data {each.name}", f"{count(each.rows)} rows, sha256 {each.sha256[:SHORT_HASH]}")
        for each in run.data
    ]
    return Group(
        "Origin",
        [
            *versions,
            ("commit", meta.commit or NONE),
            ("settings hash", meta.settings_hash or NONE),
            ("data hash", meta.data_hash or NONE),
            ("state hash", meta.digest or NONE),
            ("machine", meta.machine or NONE),
            ("Python", meta.python or NONE),
            *files,
        ],
    )


def money(value: Decimal) -> str:
    """Return money with thousands apart; two decimals of large amounts, up to eight of small ones."""
    size = abs(value)
    decimals = 2 if size >= 1000 or size == 0 else 4 if size >= Decimal("0.01") else 8
    text = f"{value:,.{decimals}f}"
    return text.lstrip("-") if not any(digit in text for digit in "123456789") else text


def loss(value: float | None) -> str:
    """Return a loss that is counted positive."""
    return NONE if value is None else money(Decimal(repr(value)))


def estimate(value: Estimate | None, text: Callable[[float], str]) -> str:
    """Return a value with the half of its 95 % interval."""
    if value is None:
        return NONE
    return text(value.value) if value.error is None else f"{text(value.value)} +- {text(value.error)}"


def share(value: Share | None) -> str:
    """Return a share with its 95 % interval."""
    if value is None:
        return NONE
    return f"{percent(value.value)} ({percent(value.low)} to {percent(value.high)})"


def count(value: int) -> str:
    """Return a count with thousands apart."""
    return f"{value:,}"


def ratio(value: float | None) -> str:
    """Return a ratio with three decimals."""
    return NONE if value is None else f"{value:,.3f}"


def percent(value: float | None) -> str:
    """Return a share as percentage."""
    return NONE if value is None else f"{value:.1%}"


def bps(value: float) -> str:
    """Return hundredths of a percent."""
    return f"{value:+.3f} bps"


def milliseconds(value: float | None) -> str:
    """Return a time in the unit that suits it."""
    return NONE if value is None else duration(value / 1000)


def duration(seconds: float) -> str:
    """Return a time span as people say it: 250 ms, 90 s, 2 h 5 min, 3 d 4 h."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms" if seconds else "0 s"
    if seconds < 120:
        return f"{seconds:.3g} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def moment(ts_ns: int) -> str:
    """Return a time as UTC, to the millisecond."""
    if not ts_ns:
        return NONE
    whole = datetime.fromtimestamp(ts_ns // NS_PER_S, tz=UTC)
    return f"{whole:%Y-%m-%d %H:%M:%S}.{ts_ns % NS_PER_S // 1_000_000:03d} UTC"
