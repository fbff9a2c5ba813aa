"""`strategy check` on strategies that break a rule, and what `compare` prints."""

import json
import sys

import pytest
from click.testing import CliRunner

from services.cli import strategy_commands
from services.cli.compare_commands import _table, compare
from services.cli.strategy_commands import SAME_IN_PROCESSES, strategy
from shared.runtime.paths import DataDir

SOURCE = '''
from dataclasses import dataclass

from services.strategy.base import Quote, Strategy, TargetQuotes
from shared.units import Side


@dataclass(frozen=True, kw_only=True)
class Settings:
    lots: int = 1


class Unordered(Strategy):
    """Quotes in the order of a set."""

    Settings = Settings

    def on_book(self, ctx):
        names = {"a", "b", "c", "d", "e", "f"}
        price = ctx.book.bid_ticks - 5
        return [TargetQuotes(tuple(Quote(name, Side.BUY, price, self.settings.lots) for name in names))]


class Typo(Strategy):
    Settings = Settings

    def on_candle(self, ctx, candle):
        return candle.nothing


class Endless(Strategy):
    Settings = Settings

    def on_facts(self, ctx, facts):
        while True:
            pass
'''


@pytest.fixture
def ask(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    data = DataDir(tmp_path)
    data.prepare()
    (data.config / "strategies").mkdir()
    (data.config / "strategies" / "own_wrong.py").write_text(SOURCE)

    def run(*words):
        return CliRunner().invoke(strategy, [*words, "--data", str(tmp_path)])

    yield run
    sys.modules.pop("own_wrong", None)


def problems_of(done):
    found = json.loads(done.stdout.splitlines()[0])
    return {name: problems for name, problems in found["problems"].items() if problems}


WORDS = ("--seeds", "1", "--symbol", "binance_usdm:BTCUSDT", "--json")


@pytest.mark.req("ST-2")
def test_a_loop_over_a_set_is_found_by_another_hash_seed(ask) -> None:
    done = ask("check", "own_wrong:Unordered", *WORDS)

    assert done.exit_code == 1
    [problem] = problems_of(done)[SAME_IN_PROCESSES]
    assert (problem["symbol"], problem["seed"]) == ("binance_usdm:BTCUSDT", 1)
    assert "does it loop over a set?" in problem["text"]


@pytest.mark.req("ST-1")
def test_a_mistake_in_a_callback_is_told_with_its_line_and_what_came_before(ask, monkeypatch) -> None:
    monkeypatch.setattr(strategy_commands, "CHECKS", {"safe": strategy_commands.CHECKS[CHECK]})

    done = ask("check", "own_wrong:Typo", *WORDS)

    assert done.exit_code == 1
    [problem] = problems_of(done)["safe"]
    assert "AttributeError: 'Candle' object has no attribute 'nothing' (at own_wrong.py:" in problem["text"]
    assert "(after " in problem["text"]


@pytest.mark.req("ST-1")
def test_a_callback_without_end_ends_the_check_with_its_place(ask, monkeypatch) -> None:
    monkeypatch.setattr(strategy_commands, "CHECKS", {"safe": strategy_commands.CHECKS[CHECK]})
    monkeypatch.setattr(strategy_commands, "_compare_processes", lambda *_: [])
    monkeypatch.setattr(strategy_commands, "RUN_LIMIT_S", 1.0)

    done = ask("check", "own_wrong:Endless", *WORDS)

    assert done.exit_code == 1
    assert "no end within 1 s (at own_wrong.py:" in problems_of(done)["safe"][0]["text"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("own_wrong:Missing",), "cannot be imported: AttributeError"),
        (("no_such_module:Thing",), "cannot be imported: ModuleNotFoundError"),
        (("gird",), "is no strategy; use one of"),
        (("own_wrong:Typo", "lots=many"), "lots: 'many'"),
        (("own_wrong:Typo", "size=1"), "size: there is no such setting"),
        (("own_wrong:Typo", "lots"), "KEY=VALUE"),
        (("own_wrong:Typo", "--symbol", "BTCUSDT"), "is no market"),
        (("own_wrong:Typo", "--params", "/no/such/file"), "No such file"),
    ],
)
def test_what_cannot_be_checked_is_named(ask, words, text) -> None:
    done = ask("check", *words)

    assert done.exit_code != 0
    assert text in done.output


CHECK = "one order per slot, no self-trade, within its limit"


@pytest.mark.req("ST-44")
def test_a_comparison_is_a_table_with_interval_and_verdict() -> None:
    line = {
        "version": "aaa",
        "shadow_of": "",
        "flags": ["half_size"],
        "net_pnl": "1.50",
        "max_drawdown": "0.20",
        "fees": "0.10",
        "orders": 3,
        "fills": 2,
        "fill_ratio": None,
    }
    found = {
        "versions": {"one": line, "two": line | {"shadow_of": "one"}},
        "minutes": 90,
        "difference_per_minute": 0.5,
        "interval": [0.25, 0.75],
        "method": "a method",
        "verdict": "one earns more",
    }

    text = _table(found)

    assert (
        "one - two: +0.500000 per minute, 95 % within +0.250000 .. +0.750000 (90 minutes; a method)" in text
    )
    assert text.endswith("one earns more")
    assert "half_size" in text


@pytest.mark.req("ST-44")
def test_a_version_is_not_compared_with_itself_nor_without_a_log(tmp_path) -> None:
    same = CliRunner().invoke(compare, ["one", "one", "--data", str(tmp_path)])
    nothing = CliRunner().invoke(compare, ["one", "two", "--data", str(tmp_path)])

    assert (same.exit_code, nothing.exit_code) == (2, 6)
    assert "name two different strategies" in same.output
