"""docs/risk.md lists every check, guard and code of risk, in the order in which they come."""

import dataclasses
import re
from pathlib import Path

from services.risk import breaker_settings
from services.risk.checks import CHECKS
from services.risk.guards import GUARDS
from services.risk.trips import TrippingGuard
from services.risk.violations import COUNTED

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "risk.md").read_text()


def section(title):
    return re.search(rf"^##+ {title}\n(.*?)(?=^##+ |\Z)", PAGE, re.MULTILINE | re.DOTALL)[1]


def test_the_checks_stand_in_their_order_with_whom_they_meet():
    rows = re.findall(
        r"^\| `(\w+)` \| .*? \| (all|own exits|new risk)", section("The checks of one order"), re.MULTILINE
    )

    kinds = {(True, False): "all", (False, True): "own exits", (False, False): "new risk"}
    assert rows == [
        (line.check.__name__, kinds[line.binds_reducing, line.binds_own_reducing]) for line in CHECKS
    ]


def test_each_code_of_a_check_stands_on_the_page():
    source = (ROOT / "services/risk/checks.py").read_text()

    codes = set(re.findall(r'Objection\(\s*"(\w+)"', source))
    assert [code for code in sorted(codes) if f"`{code}`" not in PAGE] == []


def test_the_guards_stand_in_their_order_with_their_codes():
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| .*? \| (.*?) \|", section("The guards"), re.MULTILINE)
    names = [name for cell, _ in rows for name in re.findall(r"`(\w+)`", cell)]
    codes = {
        name: re.findall(r"`(\w+)`", cell)
        for names_of, cell in rows
        for name in re.findall(r"`(\w+)`", names_of)
    }

    assert names == [kind.name for kind in GUARDS]
    for kind in GUARDS:
        if issubclass(kind, TrippingGuard):
            assert codes[kind.name] == list(kind.CODES)


def test_each_setting_of_a_breaker_is_explained():
    models = [
        breaker_settings.BreakerSettings,
        breaker_settings.ThrottleSettings,
        breaker_settings.StormSettings,
        breaker_settings.RampSettings,
    ]
    names = [field.name for model in models for field in dataclasses.fields(model)]

    unsaid = [name for name in names if f"`{name}" not in PAGE]
    assert unsaid == ["session_loss_max", "session_volume_max"]  # named by their codes


def test_what_counts_as_a_violation_is_listed():
    text = section("Repeats, storms, violations")

    said = re.search(r"A \*violation\* is an order refused as ([^:]*):", text)
    assert said is not None
    assert sorted(re.findall(r"`(\w+)`", said[1])) == sorted(COUNTED)
