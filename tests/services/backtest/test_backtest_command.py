"""`quotemesh backtest` as a person types it."""

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from services.backtest.record import Run
from services.backtest.run import Progress
from services.cli.backtest_commands import progress_text
from services.cli.main import main
from shared.runtime.journal import JournalReader

ROOT = Path(__file__).resolve().parents[3]
CONFIG = """
symbols: [binance_usdm:BTCUSDT]
warmup_s: 0
warmup_points: 0
strategies:
  one: {kind: %s, symbol: binance_usdm:BTCUSDT}
"""
BUYER = """
    from dataclasses import dataclass

    from services.strategy.base import Quote, Strategy, TargetQuotes
    from shared.units import Side

    @dataclass(frozen=True)
    class Settings:
        pass

    class Mine(Strategy):
        Settings = Settings

        def on_book(self, ctx):
            return [TargetQuotes((Quote("bid", Side.BUY, ctx.book.bid_ticks, 5, is_post_only=True),))]
"""
RAISER = """
    from dataclasses import dataclass

    from services.strategy.base import NOTHING, Strategy

    @dataclass(frozen=True)
    class Settings:
        pass

    class Mine(Strategy):
        Settings = Settings

        def on_trade(self, ctx, trade):
            if ctx.now_ns // 100_000_000 == 17_000_000_500:
                raise ValueError("fifty seconds are enough")
            return NOTHING
"""


@pytest.fixture
def typed(tmp_path, monkeypatch):
    """A caller of `backtest` on a configuration of one strategy."""
    monkeypatch.setenv("QUOTEMESH_DATA", str(tmp_path / "data"))

    def call(kind, *words):
        config = tmp_path / "config.yaml"
        config.write_text(CONFIG % kind)
        return CliRunner().invoke(main, ["backtest", str(config), *map(str, words)])

    return call


@pytest.mark.req("BT-1", "OP-13")
def test_a_run_tells_its_data_and_its_result_and_is_saved(typed, column_file, tmp_path, buyer):
    done = typed(
        buyer, "--data", column_file, "--out", tmp_path / "a.run", "--equity-csv", tmp_path / "a.csv"
    )

    assert done.exit_code == 0, done.output
    assert "binance_usdm:BTCUSDT" in done.output
    run = Run.load(tmp_path / "a.run")
    assert run.counts.events == 2000
    assert len(run.fills) > 0
    assert (tmp_path / "a.csv").read_text().count("\n") == len(run.fills) + 1


@pytest.mark.req("BT-1")
def test_both_paths_and_every_repeat_say_the_same(typed, column_file, tmp_path):
    digests = set()
    for path in ("exact", "exact", "auto"):
        done = typed("avellaneda_stoikov", "--data", column_file, "--path", path, "--out", tmp_path / "a.run")
        assert done.exit_code == 0, done.output
        run = Run.load(tmp_path / "a.run")
        digests.add((tuple(run.fills.rows()), tuple(run.orders.rows())))

    assert len(digests) == 1


def test_files_after_the_configuration_are_data_too(typed, column_file):
    assert typed("avellaneda_stoikov", column_file, "--json").exit_code == 0
    done = typed("avellaneda_stoikov")
    assert (done.exit_code, "name the market data" in done.output) == (2, True)


def test_json_alone_is_printed(typed, column_file):
    done = typed("avellaneda_stoikov", "--data", column_file, "--json")

    assert isinstance(json.loads(done.stdout), dict)


def test_a_strategy_that_raises_is_told_with_its_event_and_the_report_until_then(
    typed, column_file, own_strategy, tmp_path
):
    done = typed(own_strategy("raiser", RAISER), "--data", column_file, "--out", tmp_path / "a.run")

    assert done.exit_code == 1
    assert "strategy one raised at event" in done.output
    assert "ValueError: fifty seconds are enough (at raiser.py:" in done.output
    run = Run.load(tmp_path / "a.run")
    assert run.counts.events == 1001
    assert "fifty seconds" in run.meta.stopped


def test_a_log_is_kept_where_it_is_asked_for(typed, column_file, tmp_path):
    kept = tmp_path / "kept"

    done = typed("avellaneda_stoikov", "--data", column_file, "--to", "+10", "--journal", kept)

    assert done.exit_code == 0, done.output
    assert JournalReader(kept / "journal").head_seq() > 300
    proved = CliRunner().invoke(main, ["replay", "--verify", "--data", str(kept)])
    assert proved.exit_code == 0, proved.output
    again = typed("avellaneda_stoikov", "--data", column_file, "--journal", kept)
    assert (again.exit_code, "holds another log" in again.output) == (4, True)


def test_mistakes_have_the_exit_code_of_a_bad_configuration(typed, column_file, tmp_path):
    assert typed("magic", "--data", column_file).exit_code == 4
    assert typed("avellaneda_stoikov", "--data", column_file, "--latency", "x").exit_code == 4
    assert typed("avellaneda_stoikov", "--data", tmp_path / "none.gz").exit_code == 1
    cut = tmp_path / "cut.columns"
    cut.write_bytes(column_file.read_bytes()[:5000])
    done = typed("avellaneda_stoikov", "--data", cut)
    assert (done.exit_code, "damaged or cut off" in done.output) == (1, True)


def test_ctrl_c_leaves_a_report_of_what_was_run(column_file, tmp_path, own_strategy):
    # The strategy itself presses it: after 50 s of data, whatever the machine does.
    kind = own_strategy("presser", RAISER.replace('raise ValueError("fifty seconds are enough")', "press()"))
    source = tmp_path / "presser.py"
    source.write_text(
        "import os, signal\n\ndef press():\n    os.kill(os.getpid(), signal.SIGINT)\n" + source.read_text()
    )
    folder = tmp_path / "data" / "config" / "strategies"
    folder.mkdir(parents=True)
    source.rename(folder / source.name)
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG % kind)
    words = [
        "backtest",
        str(config),
        "--data",
        str(column_file),
        "--path",
        "exact",
        "--out",
        str(tmp_path / "a.run"),
    ]

    done = subprocess.run(
        [sys.executable, "-m", "services.cli.main", *map(str, words)],
        cwd=ROOT,
        env={**os.environ, "QUOTEMESH_DATA": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.returncode == 130, done.stderr
    assert "stopped by a person" in done.stderr
    run = Run.load(tmp_path / "a.run")
    assert 1000 < run.counts.events < 2000
    assert run.meta.stopped == "stopped by a person"


def test_progress_says_share_rate_and_what_is_left():
    assert progress_text(Progress(50_000, 25, 100, 2.0)) == " 25.0%  50,000 events  25,000/s  6 s left"
    assert progress_text(Progress(0, 0, 100, 0.0)).endswith("0 s left")


@pytest.mark.req("BT-1", "JR-5")
def test_a_log_is_run_again_and_compared(typed, column_file, tmp_path, buyer):
    kept = tmp_path / "kept"
    assert typed(buyer, "--data", column_file, "--to", "+20", "--journal", kept).exit_code == 0

    done = CliRunner().invoke(main, ["backtest", "--from-journal", str(kept)])

    assert done.exit_code == 0, done.output
    assert "all were decided again the same" in done.output


def test_a_log_that_says_something_else_is_a_mismatch(typed, column_file, tmp_path, own_strategy):
    kept = tmp_path / "kept"
    code = "ctx.book.bid_ticks, 5, is_post_only=True"
    kind = own_strategy("changing", BUYER)
    assert typed(kind, "--data", column_file, "--to", "+20", "--journal", kept).exit_code == 0
    own_strategy("changing", BUYER.replace(code, code.replace("5", "6")))

    done = CliRunner().invoke(main, ["backtest", "--from-journal", str(kept / "journal")])

    assert done.exit_code == 8
    assert "strategy is not run further" in done.output


def test_without_a_configuration_it_says_how_to_write_it():
    done = CliRunner().invoke(main, ["backtest"])

    assert (done.exit_code, "backtest CONFIG --data FILE" in done.output) == (2, True)


@pytest.mark.parametrize("path", ["exact", "array"])
def test_a_quantity_that_cannot_be_is_told_with_its_place(typed, tape, tmp_path, path):
    wrong = tape().book(0).change(100, bids=[(600_000, 7)]).change(200, bids=[(600_000, -7)])
    file = wrong.write(tmp_path / "wrong.columns")

    done = typed("avellaneda_stoikov", "--data", file, "--path", path)

    assert done.exit_code == 1
    assert "the data cannot be walked beyond" in done.output
    assert "import them again" in done.output


def test_a_full_disk_under_the_report_is_said(typed, column_file):
    done = typed("avellaneda_stoikov", "--data", column_file, "--equity-csv", "/dev/full")

    assert done.exit_code == 1
    assert "could not be written" in done.output


def small_files_only():
    """Let no file of this process grow beyond 300 kB: what a full disk says, SQLite hears too."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))


def test_a_full_disk_under_the_log_is_said_and_what_was_kept_is_whole(column_file, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG % "avellaneda_stoikov")
    kept = tmp_path / "kept"

    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "services.cli.main",
            "backtest",
            config,
            "--data",
            column_file,
            "--journal",
            kept,
        ],
        cwd=ROOT,
        env={**os.environ, "QUOTEMESH_DATA": str(tmp_path / "data")},
        preexec_fn=small_files_only,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.returncode == 1
    assert "could not be written" in done.stderr
    assert "whole up to seq" in done.stderr
    assert "Traceback" not in done.stderr
    last_seq = int(re.search(r"whole up to seq (\d+)", done.stderr)[1])
    assert JournalReader(kept / "journal").head_seq() == last_seq
