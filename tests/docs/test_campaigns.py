"""docs/campaigns.md tells of every fault and every planted bug, and its commands exist."""

import re
from pathlib import Path

from click.testing import CliRunner

from services.cli.campaign_commands import campaign
from services.fused.live_plan import CLASSES
from services.fused.live_planted import PLANTED

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "campaigns.md").read_text(encoding="utf-8")
NAMES = set(re.findall(r"`([a-z_]+)`", PAGE))


def test_every_class_of_faults_is_told():
    assert set(CLASSES) <= NAMES


def test_every_planted_bug_is_told_with_what_it_does():
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| (.+) \|$", PAGE, re.MULTILINE))

    assert {name: rows.get(name) for name in PLANTED} == {name: bug.what for name, bug in PLANTED.items()}


def test_its_commands_take_the_options_they_show():
    known = {option for parameter in campaign.params for option in parameter.opts}
    shown = set(re.findall(r"--[a-z][a-z-]+", PAGE))

    assert shown <= known


def test_the_command_that_repeats_a_seed_says_that_it_holds():
    done = CliRunner().invoke(campaign, ["--seed", "67"])

    assert done.exit_code == 0, done.output
    assert "orders sent" in done.output
