"""The watchdog in a process of its own: Python that loops for ever, and C that nobody can interrupt."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

STRATEGY = '''
import time
from dataclasses import dataclass

from services.strategy.base import NOTHING, Quote, Strategy, TargetQuotes
from shared.units import Side


@dataclass(frozen=True)
class NoSettings:
    """Nothing to set."""


class Good(Strategy):
    Settings = NoSettings

    def on_book(self, ctx):
        return [TargetQuotes((Quote("bid", Side.BUY, ctx.book.bid_ticks - 5000, 1),))]


class Loops(Good):
    def on_trade(self, ctx, trade):
        while True:
            try:
                pass
            except Exception:
                pass


class Sleeps(Good):
    def on_trade(self, ctx, trade):
        time.sleep(3600)


class InC(Good):
    def on_trade(self, ctx, trade):
        return [sum(range(10 ** 15))]


class Imports(Good):
    def __init__(self, settings):
        super().__init__(settings)
        while True:
            pass
'''

LIFE = """
import json
import sys
from types import SimpleNamespace

from services.strategy import shell_watch
from services.strategy.desk import Desk, make_rules
from services.strategy.settings import InstanceSettings, StrategySettings
from services.strategy.shell_own import allow_own_strategies
from shared.messages.control import InstanceFailed, StrategyStatus
from shared.runtime.paths import DataDir
from shared.settings import pack

shell_watch.BACKSTOP_S = 1.0
data = DataDir(sys.argv[1])
data.prepare()
allow_own_strategies(data)
symbol = "binance_usdm:BTCUSDT"
instances = {
    "bad": InstanceSettings(kind=sys.argv[2], symbol=symbol),
    "good": InstanceSettings(kind="own_blocks:Good", symbol=symbol),
}
settings = StrategySettings(instances=instances, warmup_s=0, warmup_points=0, callback_limit_ms=400)
shell = shell_watch.StrategyShell()
core = shell.core_class()
shell.opened(SimpleNamespace(data=data, settings=pack(settings)))
first = StrategySettings(instances={"good": instances["good"]}, warmup_s=0, warmup_points=0)
desk = Desk(first, make_rules(symbol), core=core)
desk.on_event.append(shell.seen)
desk.start()
desk.configure(settings)
for _ in range(20):
    desk.step()
failed = [message for message in desk.said if isinstance(message, InstanceFailed)]
print(json.dumps({
    "failed": [[one.strategy, one.error, one.call_n] for one in failed],
    "good": [m.state for m in desk.said if isinstance(m, StrategyStatus) and m.strategy == "good"][-1],
    "orders": [len(core.instance(name).orders) for name in ("bad", "good")],
}))
"""


def live(data, kind):
    own = data / "config" / "strategies"
    own.mkdir(parents=True, exist_ok=True)
    (own / "own_blocks.py").write_text(STRATEGY)
    (own / "own_hangs.py").write_text("while True:\n    pass\n")
    return subprocess.run(
        [sys.executable, "-c", LIFE, str(data), kind if ":" in kind else f"own_blocks:{kind}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.req("I-44", "ST-1")
@pytest.mark.parametrize("kind", ["Loops", "Sleeps", "Imports", "own_hangs:Anything"])
def test_python_that_never_returns_is_interrupted_and_the_others_go_on(kind, tmp_path) -> None:
    done = live(tmp_path, kind)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    [[name, error, call_n]] = found["failed"]
    assert name == "bad"
    assert "BlockedError: the callback did not return within 0.4 s (at own_" in error
    assert call_n > 0
    assert found["good"] == "quoting"
    assert found["orders"] == [0, 1]


@pytest.mark.req("I-44", "ST-1")
def test_a_call_that_cannot_be_interrupted_ends_the_process_once_and_is_blamed_in_the_next_life(
    tmp_path,
) -> None:
    first = live(tmp_path, "InC")
    assert first.returncode != 0
    assert first.stdout == ""

    second = live(tmp_path, "InC")

    assert second.returncode == 0, second.stderr
    found = json.loads(second.stdout)
    [[name, error, call_n]] = found["failed"]
    assert (name, call_n > 0) == ("bad", True)
    assert "could not be interrupted (at own_blocks.py:" in error
    assert found["good"] == "quoting"
    assert (tmp_path / "run" / "strategy.blocked").read_text() == ""
