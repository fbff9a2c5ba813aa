"""docs/strategies/your_own.md: its file passes `strategy check`, and trades live and in shadow, fused."""

import dataclasses
import json
import re
import sys
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from services.cli import config
from services.cli.strategy_commands import strategy
from services.fused.assemble import assemble
from services.report.compare import compare
from services.strategy.flags import FLAGS
from services.strategy.settings import InstanceSettings, ShadowSettings
from services.strategy.shell_own import allow_own_strategies
from shared.messages.control import InstanceFailed
from shared.messages.orders import Fill
from shared.messages.shadow import ShadowFill, VersionStarted
from shared.runtime.paths import DataDir
from shared.units import NS_PER_S

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "strategies" / "your_own.md").read_text(encoding="utf-8")
KIND = "own_maker:OwnMaker"
SYMBOL = "binance_usdm:BTCUSDT"


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Return a data directory with the file of the page where the page says."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    found = DataDir(tmp_path)
    found.prepare()
    (found.config / "strategies").mkdir()
    source = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
    (found.config / "strategies" / "own_maker.py").write_text(source)
    yield found
    sys.modules.pop("own_maker", None)


@pytest.mark.req("ST-1", "ST-2")
def test_the_file_of_the_page_passes_the_check_on_both_markets(data) -> None:
    words = ["check", KIND, "order_notional=200", "calm_range_bps=500", "--seeds", "1", "--json"]

    done = CliRunner().invoke(strategy, [*words, "--data", str(data.root)])

    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert found["ok"]
    assert all(counts["fills"] for counts in found["traded"].values())


@pytest.mark.req("ST-1")
def test_the_list_names_the_file(data) -> None:
    done = CliRunner().invoke(strategy, ["list", "--data", str(data.root)])

    assert done.exit_code == 0
    assert "own_maker:..." in done.output
    assert "grid" in done.output


@pytest.mark.req("ST-44", "ST-45", "ST-1")
def test_it_trades_live_with_two_shadows_and_an_equal_shadow_has_equal_fills(data) -> None:
    allow_own_strategies(data)
    sections = config.sections(config.load(ROOT / "deploy" / "paper.yaml", {}))
    exact = {"latency_std_ms": 0, "latency_spike_ppm": 0}
    live = InstanceSettings(kind=KIND, symbol=SYMBOL, params={"order_notional": "70"})
    sections["broker"] = dataclasses.replace(sections["broker"], **exact)
    sections["strategy"] = dataclasses.replace(
        sections["strategy"],
        instances={
            "mine": live,
            "twin": dataclasses.replace(live, shadow_of="mine"),
            "leaning": dataclasses.replace(live, shadow_of="mine", flags={"lean": True}),
        },
        shadow=ShadowSettings(**exact),
    )
    events = []
    run = assemble(sections, build="test", store=lambda stored: events.append(stored.event))

    run.run(run.now_ns + 190 * NS_PER_S)

    messages = [event.message for event in events]
    assert [m for m in messages if isinstance(m, InstanceFailed)] == []
    fills = [(m.side, m.price_ticks, m.qty_lots, m.fee_atoms) for m in messages if isinstance(m, Fill)]
    twin = [m for m in messages if isinstance(m, ShadowFill) and m.strategy == "twin"]
    assert fills
    assert [(m.side, m.price_ticks, m.qty_lots, m.fee_atoms) for m in twin] == fills
    assert Counter(m.strategy for m in messages if isinstance(m, VersionStarted)) == dict.fromkeys(
        ("mine", "twin", "leaning"), 1
    )
    found = compare(events, "mine", "twin", 2)
    assert found["winner"] is None
    assert found["difference_per_minute"] == 0
    assert found["versions"]["mine"]["net_pnl"] == found["versions"]["twin"]["net_pnl"]
    assert found["versions"]["mine"]["fills"] == found["versions"]["twin"]["fills"] == len(fills)


def test_the_page_names_every_flag() -> None:
    assert [flag for flag in FLAGS if f"`{flag}`" not in PAGE] == []
