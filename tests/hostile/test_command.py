"""`quotemesh hostile` as a person types it."""

import json

import pytest
from click.testing import CliRunner

from services.cli import hostile_commands
from services.cli.main import main
from services.hostile.campaign import Report


@pytest.fixture
def ran(monkeypatch):
    """Run the command with what each target finds given by the test."""

    def run(*words, **found):
        def planted(name, cases, seed):
            return Report(target=name, seed=seed, sent=cases, refused=cases, **found)

        monkeypatch.setattr(hostile_commands, "_in_own_process", planted)
        return CliRunner().invoke(main, ["hostile", *words])

    return run


def test_a_real_target_runs_in_its_own_process_and_tells_its_figures():
    done = CliRunner().invoke(
        main, ["hostile", "--only", "command", "--cases", "300", "--seed", "3", "--json"]
    )

    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["target"], report["sent"], report["seed"], report["faults"]) == ("bus command", 300, 3, [])
    assert report["accepted"] + report["refused"] == 300


def test_a_clean_campaign_shares_its_cases_among_all_targets(ran):
    done = ran("--cases", "10000")

    assert done.exit_code == 0
    assert "10000 cases, nothing crashed, hung or grew over 8 MB" in done.output


@pytest.mark.parametrize(
    "found", [{"faults": ["case 7: KeyError"]}, {"growth_bytes": 9 * 2**20}, {"accepted": 1}, {"crashed": 1}]
)
def test_anything_unclean_ends_with_failure_and_names_the_target(ran, found):
    done = ran("--only", "frames", "--cases", "10", **found)

    assert done.exit_code == 1
    assert "not clean: frames" in done.output


def test_a_target_that_dies_is_a_fault():
    report = hostile_commands._in_own_process("no such target", 1, 1)

    assert not report.is_clean
    assert "ended with 2" in report.faults[0]
