"""Every check of the table tells what it measured, and its value passes the limit just when it objects."""

import importlib.util
from pathlib import Path

import pytest

from services.risk.checks import CHECKS
from services.risk.measures import MEASURES, measured


def cases():
    place = Path(__file__).with_name("test_checks.py")
    spec = importlib.util.spec_from_file_location("risk_cases", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CASES


def test_every_check_has_a_measure():
    assert list(MEASURES) == [line.check.__name__ for line in CHECKS]


@pytest.mark.req("RK-2", "RK-3")
@pytest.mark.parametrize(("code", "bad", "good"), cases())
def test_a_measure_agrees_with_its_check(code, bad, good):
    at_bad = {measure.code: measure for measure in measured(bad)}
    at_good = [measure for measure in measured(good) if measure.is_met]

    assert not at_bad[code].is_within
    assert all(measure.is_within for measure in at_good)
    if at_bad[code].unit in {"us", "1/100 bps", "orders", "atoms"}:
        assert at_bad[code].value > at_bad[code].limit
