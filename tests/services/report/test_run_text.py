"""A run as rows, text, JSON and equity table."""

import csv
import io
import json
from decimal import Decimal

import pytest

from services.backtest.figures import figures
from services.backtest.record import DataFile, Meta, Run
from services.report import run_rows, run_text
from services.report.run_rows import duration, groups, moment, money, warnings

FIELDS = (
    "version of as_btc",
    "events",
    "events a second",
    "duration of the run",
    "orders",
    "fills",
    "round trips",
    "volume",
    "realised P&L, before fees",
    "unrealised P&L",
    "fees",
    "funding",
    "max drawdown",
    "max drawdown lasted",
    "win rate",
    "average trade",
    "profit factor",
    "Sharpe ratio, a year",
    "Sortino ratio, a year",
    "Calmar ratio, a year",
    "final position binance_usdm:BTCUSDT",
    "state hash",
    "commit",
    "settings hash",
    "data hash",
    "machine",
)


@pytest.mark.req("BT-2")
def test_every_field_of_the_report_is_a_row(traded_run):
    rows = dict(row for group in groups(traded_run, figures(traded_run)) for row in group.rows)

    assert [field for field in FIELDS if field not in rows] == []
    for level in ("VaR 95 % of", "CVaR 95 % of", "VaR 99 % of", "CVaR 99 % of"):
        assert any(row.startswith(level) for row in rows)
    assert rows["state hash"] == "d16e57"
    assert rows["events a second"] == "2,000"


@pytest.mark.req("BT-2")
def test_the_text_says_what_is_annualised_how_and_what_it_is_not(traded_run):
    text = run_text.text(traded_run)

    assert text.startswith("backtest: as_btc (avellaneda_stoikov) on binance_usdm:BTCUSDT\n")
    assert "annualised to 365 days (these markets never close)" in text
    assert "10 min of data are no year: what is annualised of them is no forecast." in text
    assert "-" in next(line for line in text.splitlines() if "net P&L" in line), "a loss is shown as one"


def test_json_holds_the_same_figures_with_their_errors(traded_run):
    found = json.loads(json.dumps(run_text.as_json(traded_run)))

    assert Decimal(found["figures"]["net_pnl"]) == figures(traded_run).net_pnl < 0
    assert set(found["figures"]["average_trade"]) == {"value", "error"}
    assert found["meta"]["commit"] == "abc1234"


@pytest.mark.req("BT-3")
def test_the_equity_table_has_one_line_per_fill_with_exact_money(traded_run):
    out = io.StringIO()

    count = run_text.write_equity(traded_run, out)

    lines = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert count == len(lines) == 40
    first, last = lines[0], lines[-1]
    # bought 0.005 at 60,000.0 for a fee of 0.03; the mid of then is 0.2 lower
    assert (first["sequence"], first["time"]) == ("0", "2023-11-14T22:13:25.000000000Z")
    assert (first["position"], first["realized_pnl"]) == ("0.005", "0.00000000")
    assert Decimal(first["equity"]) == Decimal("-0.2") * Decimal("0.005") - Decimal("0.03")
    assert last["position"] == "0.000"
    found = figures(traded_run)
    # flat at the end: what was realised, less fees, is the equity
    assert Decimal(last["equity"]) == found.realized_pnl - found.fees == found.net_pnl
    assert Decimal(last["realized_pnl"]) == found.realized_pnl


@pytest.mark.req("BT-12")
def test_a_run_of_nothing_is_a_report_of_dashes():
    run = Run(Meta(source="backtest", path="array"), [], [])

    text = run_text.text(run)

    assert "backtest: no strategy on no market" in text
    assert "win rate" in text
    out = io.StringIO()
    assert run_text.write_equity(run, out) == 0


def test_runs_that_say_less_than_they_seem_to_begin_with_warnings(traded_run):
    traded_run.meta.stopped = "strategy as_btc raised"
    traded_run.data = [DataFile("flow", "", 1, 1, 2, is_generated=True)]

    found = warnings(traded_run, figures(traded_run))

    assert found[0] == "The run is not whole: strategy as_btc raised"
    assert "generated" in found[1]
    assert run_rows.headline(traded_run, figures(traded_run)).startswith("backtest, on generated data")


def test_numbers_are_written_for_people():
    assert money(Decimal("1234567.891")) == "1,234,567.89"
    assert money(Decimal("-0.5")) == "-0.5000"
    assert money(Decimal("0.00001234")) == "0.00001234"
    assert money(Decimal("-0.00")) == "0.00"
    assert [duration(s) for s in (0, 0.25, 90, 600, 3600, 7500, 200_000)] == [
        "0 s", "250 ms", "90 s", "10 min", "1 h", "2 h 5 min", "2 d 7 h",
    ]  # fmt: skip
    assert moment(1_700_000_000_123_456_789) == "2023-11-14 22:13:20.123 UTC"
