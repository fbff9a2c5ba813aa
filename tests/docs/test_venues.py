"""Every command and every example of docs/venues.md works, and its figures are those of the registry."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from services.cli import config
from services.cli.main import main
from shared.venues.registry import ENTRIES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "venues.md").read_text()
COMMANDS = re.findall(r"^\./quotemesh ([^#\n]+)", PAGE, re.MULTILINE)
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_works(command) -> None:
    result = CliRunner().invoke(main, shlex.split(command.strip()))

    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("block", EXAMPLES)
def test_an_example_of_the_page_is_a_right_configuration(block) -> None:
    cfg = config.loads("example.yaml", block, {})

    assert [venue.name for venue in cfg.market_data.venues] == ["okx", "bybit"]


def test_there_is_something_to_try() -> None:
    assert len(COMMANDS) >= 3
    assert EXAMPLES


def test_the_count_of_venues_in_the_readme_is_that_of_the_registry() -> None:
    real = sum(not entry.is_simulated for entry in ENTRIES.values())

    assert f"{real} more venues" in (ROOT / "README.md").read_text()
