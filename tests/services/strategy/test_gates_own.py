"""The gate of docs/strategies/your_own.md: the strategy there does the same behind it."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from services.strategy import registry
from services.strategy.desk import Desk, draw, make_rules
from services.strategy.instance import Instance
from services.strategy.settings import InstanceSettings, StrategySettings

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "strategies" / "your_own.md").read_text()
USDM = "binance_usdm:BTCUSDT"


@pytest.fixture(scope="module")
def documented():
    """Return the two classes of the page, imported as a user's files are."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = ("own_maker", "gated_maker")
    for name, block in zip(names, blocks, strict=True):
        module = sys.modules[name] = ModuleType(name)
        exec(compile(block, name, "exec"), module.__dict__)
    yield sys.modules["own_maker"].OwnMaker, sys.modules["gated_maker"].GatedMaker
    for name in names:
        del sys.modules[name]


def history(kind, seed):
    """Return what is said at a desk, and the state at its end."""
    desk = Desk(
        StrategySettings(
            instances={"one": InstanceSettings(kind=kind, symbol=USDM)}, warmup_s=0, warmup_points=0
        ),
        make_rules(USDM),
        seed,
        20,
    )
    desk.start()
    for turn in range(400):
        desk.step(draw(seed, turn, 21) - 10)
    return desk.log, desk.core.instance("one").strategy.snapshot()


def test_the_documented_gate_changes_nothing_and_spares_most_calls(documented, monkeypatch) -> None:
    plain, gated = documented
    original, counts = Instance.call, {"asked": 0, "called": 0}

    def call(self, callback, *args):
        if callback.__name__ == "on_book":
            counts["asked"] += 1
            ctx, gate = self.ctx, self.strategy.gate(self.ctx)
            if gate is not None and not gate.on_book(ctx.book, ctx.now_ns, ctx.position.position_lots):
                return
            counts["called"] += 1
        original(self, callback, *args)

    monkeypatch.setitem(registry.STRATEGIES, "documented", plain)
    expected = history("documented", 5)
    monkeypatch.setitem(registry.STRATEGIES, "documented", gated)
    monkeypatch.setattr(Instance, "call", call)
    found = history("documented", 5)

    assert [event.message for event in found[0]] == [event.message for event in expected[0]]
    assert found[1] == expected[1]
    assert len(expected[0]) > 500
    assert 0 < counts["called"] < counts["asked"] * 3 / 4
