"""docs/execution.md lists every code of the gate, kind of difference and setting; its commands exist."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import CliRunner

from services.broker.live_settings import LiveSettings
from services.cli.main import COMMANDS, main
from shared.messages.venue import VenueDifference

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "execution.md").read_text()
BROKER = ROOT / "services" / "broker"


def test_each_code_of_the_gate_stands_on_the_page():
    files = [BROKER / name for name in ("gate.py", "live_gate.py", "execution.py", "desk/desk.py")]
    sources = "".join(path.read_text() for path in files)

    codes = set(re.findall(r'Held\(\s*"(\w+)"', sources))
    codes |= set(re.findall(r'return "(\w+)", f', sources))
    # Passages of paper alone; live waits instead.
    codes -= {"not_durable"}
    assert len(codes) > 15
    assert [code for code in sorted(codes) if f"`{code}`" not in PAGE] == []


def test_each_kind_of_difference_stands_on_the_page_and_in_the_protocol():
    text = "".join(path.read_text() for path in (BROKER / "desk").glob("*.py"))
    kinds = set(re.findall(r'differ\(\s*"(\w+)"', text))
    kinds |= {"overfill", "late_fill", "external_fill", "vanished_order", "surfaced_order", "external_order"}

    said = VenueDifference.__doc__ or ""
    assert [kind for kind in sorted(kinds) if f"`{kind}`" not in PAGE] == []
    assert [kind for kind in sorted(kinds) if kind not in said] == []


def test_each_setting_stands_on_the_page():
    assert [one.name for one in fields(LiveSettings) if f"`{one.name}`" not in PAGE] == []


@pytest.mark.parametrize("line", sorted(set(re.findall(r"^\./quotemesh (.+)$", PAGE, re.MULTILINE))))
def test_each_command_of_the_page_is_one(line):
    name, *options = line.split()

    told = CliRunner().invoke(main, [name, "--help"])

    assert name in COMMANDS
    assert told.exit_code == 0
    assert all(option in told.output for option in options if option.startswith("--"))
