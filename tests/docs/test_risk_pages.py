"""Every example of the pages about calendar and monitors is a configuration that is right."""

import re
from pathlib import Path

import pytest
import yaml

from services.cli import config
from services.cli.main import COMMANDS
from services.risk.monitor_settings import (
    CalendarSettings,
    CandleMonitorSettings,
    MarginSettings,
    PrestartSettings,
    RegimeSettings,
)

ROOT = Path(__file__).resolve().parents[2]
PAGES = {name: (ROOT / "docs" / name).read_text() for name in ("calendar.md", "risk_monitors.md")}
EXAMPLES = [
    block
    for page in PAGES.values()
    for block in re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
]
MODELS = (CalendarSettings, CandleMonitorSettings, MarginSettings, PrestartSettings, RegimeSettings)


@pytest.mark.parametrize("block", EXAMPLES)
def test_an_example_is_accepted(block):
    cfg = config.loads("example.yaml", "symbols: [binance_usdm:BTCUSDT]\n" + block, {})

    assert yaml.safe_load(block)["risk"].keys() <= {"calendar", "margin"}
    assert cfg.risk.calendar.is_used or cfg.risk.margin.tiers


def test_there_are_examples():
    assert len(EXAMPLES) >= 4


def test_each_command_of_the_pages_exists():
    words = {
        word for page in PAGES.values() for word in re.findall(r"^\./quotemesh (\w+)", page, re.MULTILINE)
    }

    assert words == {"calendar", "status", "check"}
    assert words <= set(COMMANDS)


def test_each_default_that_the_monitors_page_names_is_the_one_of_the_code():
    page = PAGES["risk_monitors.md"]
    named = {name: value for name, value, _ in re.findall(r"`?(\w+)`? \(([\d.]+)( %| s)?\)", page)}
    defaults: dict[str, list[float]] = {}
    for model in MODELS:
        for field in model.__dataclass_fields__:
            defaults.setdefault(field, []).append(getattr(model(), field))

    assert {
        "average_window",
        "volume_multiplier",
        "leverage_max",
        "safety_count",
    } <= named.keys()
    for name, value in named.items():
        if name in defaults:
            shown = float(value) * (10_000 if name.endswith("_ppm") else 1)
            assert shown in [float(default) for default in defaults[name]], name
