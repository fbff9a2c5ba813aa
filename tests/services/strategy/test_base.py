"""The strategy of docs/add_a_strategy.md is a real file: it loads by import path and passes the suite."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from services.strategy.base import Context, Strategy
from services.strategy.conformance import CHECKS, Candidate, run
from services.strategy.registry import STRATEGIES
from shared.messages.orders import Fill

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def written_strategy(tmp_path, monkeypatch):
    """Return the import path of the example in the guide, written to a file of its own."""
    guide = (ROOT / "docs" / "add_a_strategy.md").read_text()
    source = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)[0]
    (tmp_path / "my_strategies.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "my_strategies:Follower"
    sys.modules.pop("my_strategies", None)


@pytest.mark.req("ST-1")
@pytest.mark.parametrize("check", CHECKS)
def test_the_example_of_the_guide_passes_the_conformance_suite(written_strategy, check) -> None:
    candidate = Candidate(written_strategy, {"order_notional": "200"}, "binance_usdm:BTCUSDT")

    assert CHECKS[check](candidate, 1) == []


@pytest.mark.req("ST-1")
def test_the_example_of_the_guide_trades(written_strategy) -> None:
    desk = Candidate(written_strategy, {}, "binance_usdm:BTCUSDT").desk(seed=1, trouble=0)

    run(desk)

    assert any(isinstance(event.message, Fill) for event in desk.log)


def test_a_strategy_without_state_has_an_empty_snapshot_and_refuses_another() -> None:
    strategy = Strategy(None)

    assert strategy.snapshot() == b""
    strategy.restore(b"")
    with pytest.raises(ValueError, match="keeps no state"):
        strategy.restore(b"x")


@pytest.mark.parametrize("kind", STRATEGIES)
def test_the_manual_names_every_setting_of_every_strategy(kind) -> None:
    pages = [ROOT / "docs" / "strategies.md", *(ROOT / "docs" / "strategies").glob("*.md")]
    manual = "".join(page.read_text() for page in pages)

    missing = [name for name in STRATEGIES[kind].Settings.__dataclass_fields__ if name not in manual]

    assert missing == []


@pytest.mark.parametrize("callback", [name for name in vars(Strategy) if name.startswith("on_")])
def test_the_guide_names_every_callback(callback) -> None:
    assert f"`{callback}(" in (ROOT / "docs" / "add_a_strategy.md").read_text()


def test_what_people_read_is_in_their_units() -> None:
    rules = SimpleNamespace(
        symbol="binance_usdm:BTCUSDT", tick_size="0.10", lot_size="0.001", quote_exponent=8, base_asset="BTC",
        quote_asset="USDT",
    )  # fmt: skip
    ctx = Context("one", rules, SimpleNamespace(book=lambda _: None), None, {})

    assert ctx.price_text(596_289) == "59628.90"
    assert ctx.qty_text(-1675) == "-1.675 BTC"
    assert ctx.money_text(25_745_296) == "0.25 USDT"
    assert ctx.money_text(-1) == "-0.01 USDT"
