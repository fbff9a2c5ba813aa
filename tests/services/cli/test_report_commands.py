"""`quotemesh report` and `compare` on `.run` files and on the log of a backtest."""

import json

import pytest
from click.testing import CliRunner

from services.backtest.record import Counts, Meta, Run, Strategy
from services.cli.exits import ExitCode
from services.cli.main import main
from shared.messages.market import InstrumentRules
from shared.units import NS_PER_S

START_NS = 1_700_000_000 * NS_PER_S


@pytest.fixture
def run_file(tmp_path):
    """Write a run of one round trip that won 1.00 and paid 0.02."""
    rules = InstrumentRules(
        "binance:ABCUSD", "ABC", "USD", "1", "1", 2, 100, 1, 10**6, 0, 1, 10**6, 0, 0, False
    )
    meta = Meta(source="backtest", path="array", from_ns=START_NS, until_ns=START_NS + 90 * NS_PER_S)
    run = Run(meta, [rules], [Strategy("maker", "grid", "v1")], None, Counts(events=5, orders=2))
    run.fills.add(ts_ns=START_NS + 1, order=-1, price_ticks=100, lots=1, fee_atoms=1, mid_half_ticks=200)
    run.fills.add(ts_ns=START_NS + 2, order=-1, side=1, price_ticks=101, lots=1, fee_atoms=1)
    path = tmp_path / "a.run"
    run.save(path)
    return path


def call(*arguments):
    return CliRunner().invoke(main, [str(each) for each in arguments])


@pytest.mark.req("BT-2", "BT-3")
def test_a_run_file_is_reported_as_text_json_page_and_equity_table(run_file, tmp_path):
    page, table = tmp_path / "a.html", tmp_path / "a.csv"

    said = call("report", run_file, "--html", page, "--equity-csv", table)
    as_json = call("report", run_file, "--json")

    assert said.exit_code == 0, said.output
    assert "net P&L" in said.output
    assert json.loads(as_json.output)["figures"]["net_pnl"] == "0.980"
    assert page.read_text().startswith("<!doctype html>")
    assert len(table.read_text().splitlines()) == 3


@pytest.mark.req("BT-11")
def test_a_backtest_is_not_written_into_a_readme(run_file, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("x")

    done = call("report", run_file, "--readme", readme)

    assert done.exit_code == ExitCode.BAD_CONFIG
    assert "shows paper and live trading only" in done.output
    assert readme.read_text() == "x"


def test_wrong_calls_say_what_is_wrong(run_file, tmp_path):
    assert "neither a .run file nor a data directory" in call("report", tmp_path / "none.run").output
    assert "--until and --day are for logs" in call("report", run_file, "--day", "2024-01-01").output
    assert "is no day" in call("report", run_file, "--day", "yesterday").output
    assert "has no strategy 'x'" in call("report", run_file, "--strategy", "x").output
    (tmp_path / "cut.run").write_bytes(run_file.read_bytes()[:-1])
    assert "cut.run is cut" in call("report", tmp_path / "cut.run").output
    unwritable = call("report", run_file, "--equity-csv", tmp_path / "no" / "a.csv")
    assert "could not be written" in unwritable.output
    assert unwritable.exit_code == ExitCode.FAILURE


@pytest.mark.req("BT-13")
def test_two_run_files_are_compared(run_file, tmp_path):
    other = tmp_path / "b.run"
    other.write_bytes(run_file.read_bytes())

    done = call("compare", run_file, other)
    as_json = call("compare", run_file, other, "--json")

    assert done.exit_code == 0, done.output
    assert "100.0% of A's lots, 100.0% of B's" in done.output
    assert json.loads(as_json.output)["matched_lots"] == 2


def test_a_run_and_a_name_are_not_compared(run_file):
    done = call("compare", run_file, "as_btc")

    assert done.exit_code == ExitCode.NOT_FOUND
    assert "as_btc is neither a .run file nor a data directory" in done.output
