"""The bench of 20 instances runs the real cores: they quote, and risk answers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from services.bench import instances

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.req("RK-28")
@pytest.mark.parametrize("core", instances.CORES)
def test_each_core_is_measured_in_a_process_of_its_own(core, monkeypatch):
    done = subprocess.run(
        [sys.executable, "-m", "services.bench.instances", core],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["p50_us"] > 0
    assert found["rss_mb"] > 1
    assert (found["check_us"] > 0) == (core == "risk")


def test_every_instance_is_alive_when_it_is_measured(monkeypatch):
    monkeypatch.setattr(instances, "UPDATES", 400)
    monkeypatch.setattr(instances, "WARM_UP", 0)
    log = instances._started("strategy")

    instances._updates(log)

    core = log.host.core
    names = [f"s{i}_{k}" for i in range(instances.MARKETS) for k in range(len(instances.KINDS))]
    assert all(core.instance(name).points >= 40 for name in names)
    assert not any(core.instance(name).failure for name in names)
