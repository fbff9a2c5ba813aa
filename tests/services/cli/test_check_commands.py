"""`quotemesh check` and `quotemesh calendar`: what they print, their exit codes, and how `up` refuses."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from services.cli.check_commands import calendar, check, refuse_failing
from services.cli.config import load
from services.cli.config_commands import DEFAULT
from services.cli.config_risk import planned
from services.cli.exits import CommandError, ExitCode
from services.cli.mesh_time import mesh_now_ns
from services.cli.risk_commands import risk
from services.cli.status import calendar_report
from services.cli.up import up
from services.risk.monitor_settings import CalendarSettings, PauseSettings
from shared.runtime.paths import DataDir
from shared.settings import pack

SABBATH = "symbols: [binance_usdm:BTCUSDT]\nrisk: {calendar: {sabbath: {enabled: true}}}\n"
SMALL = "symbols: [binance_usdm:BTCUSDT]\n"
LOSING = SMALL + "strategies: {g: {kind: grid, symbol: binance_usdm:BTCUSDT, params: {interval_bps: 1}}}\n"


@pytest.fixture
def data(tmp_path):
    place = DataDir(tmp_path / "data")
    place.prepare()
    return place


@pytest.fixture
def write(tmp_path):
    def written(text):
        path = tmp_path / "quotemesh.yaml"
        path.write_text(text)
        return str(path)

    return written


def run(command, data, *words):
    result = CliRunner().invoke(command, ["--data", str(data.root), *words])
    assert "Traceback" not in result.output
    return result


@pytest.mark.req("RK-15", "RK-16")
def test_the_check_of_the_default_ends_with_0_and_lists_numbers(data):
    result = run(check, data)

    assert result.exit_code == 0
    assert "pass     safety grid_eth" in result.stdout
    assert result.stdout.splitlines()[-1].endswith("pass, 0 fail, 0 warnings")


@pytest.mark.req("RK-15")
def test_a_failing_point_ends_with_1_and_stands_in_json(data, write):
    result = run(check, data, "--config", write(LOSING), "--json")
    report = json.loads(result.stdout)

    assert result.exit_code == 1
    assert not report["is_passed"]
    [grid] = [item for item in report["items"] if item["name"] == "grid g"]
    assert (grid["state"], grid["is_hard"]) == ("fail", True)
    assert set(grid) == {"name", "state", "text", "is_hard", "value", "limit"}


def test_a_wrong_configuration_is_one_clear_message(data, write):
    result = run(check, data, "--config", write("mode: papier\n"))

    assert result.exit_code == ExitCode.BAD_CONFIG
    assert "papier" in result.stderr


@pytest.mark.req("RK-15")
def test_up_refuses_a_hard_point_with_its_number_and_starts_nothing(data, write):
    result = run(up, data, "--config", write(LOSING))

    assert result.exit_code == ExitCode.HALTED
    assert "the pre-start check fails, nothing was started" in result.stderr
    assert "interval_bps 1 loses" in result.stderr
    assert "--skip-check" in result.stderr


def test_points_that_are_not_hard_are_printed_and_let_it_start(data, capsys):
    (data.latch / "kill").write_text(json.dumps({"by": "operator", "reason": "test"}))

    refuse_failing(load(DEFAULT, {}), data)

    said = capsys.readouterr()
    assert "check: kill: latched (by operator: test)" in said.err
    assert "points hold" in said.out


def test_a_grid_that_loses_is_an_error_of_the_check_itself(data, write):
    with pytest.raises(CommandError, match="grid g: interval_bps 1 loses"):
        refuse_failing(load(write(LOSING), {}), data)


@pytest.mark.req("RK-26")
def test_the_next_pauses_are_shown(data, write):
    result = run(calendar, data, "--config", write(SABBATH), "--count", "3")
    rows = json.loads(run(calendar, data, "--config", write(SABBATH), "--json").stdout)

    lines = result.stdout.splitlines()
    assert lines[0].startswith(("not paused now", "paused: sabbath until Sat "))
    assert len(lines) == 4
    assert all(line.endswith("sabbath") for line in lines[1:])
    assert len(rows["pauses"]) == 5
    assert rows["pauses"][0]["halted_from"] < rows["pauses"][0]["start"] < rows["pauses"][0]["end"]


@pytest.mark.req("RK-26")
def test_a_mesh_that_has_run_shows_the_pauses_it_was_started_with(data):
    always = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    pauses = (PauseSettings(name="rest", days=always, start="00:00", end="00:00"),)
    cfg = load(DEFAULT, {})
    cfg = replace(cfg, risk=replace(cfg.risk, calendar=CalendarSettings(pauses=pauses)))
    data.settings("risk").parent.mkdir(parents=True, exist_ok=True)
    data.settings("risk").write_bytes(pack(planned(cfg, mesh_now_ns(data)).risk))

    report = json.loads(run(calendar, data, "--json").stdout)
    assert report["is_paused"]
    assert report["reason"].startswith("rest until ")
    assert len(report["pauses"]) == 1  # each day touches the next: one long pause


@pytest.mark.req("RK-26")
def test_status_tells_the_pause_of_now_or_when_the_next_one_begins(data):
    assert calendar_report(data) is None
    cfg = load(DEFAULT, {})
    pauses = (PauseSettings(name="rest", start="2100-01-01T00:00", end="2100-01-02T00:00"),)
    cfg = replace(cfg, risk=replace(cfg.risk, calendar=CalendarSettings(pauses=pauses)))
    data.settings("risk").parent.mkdir(parents=True, exist_ok=True)
    data.settings("risk").write_bytes(pack(planned(cfg, mesh_now_ns(data)).risk))

    report = calendar_report(data)

    assert (report["is_paused"], report["next"]["halted_from"]) == (False, "2099-12-31T23:59:00Z")
    assert report["next"]["text"] == "rest until Sat 2100-01-02 00:00:00 UTC"


@pytest.mark.req("RK-26")
def test_risk_calendar_is_the_same_command(data, write):
    words = ("--config", write(SABBATH), "--json")

    assert CliRunner().invoke(risk, ["calendar", "--data", str(data.root), *words]).exit_code == 0


def test_without_a_calendar_it_says_so(data, write):
    assert "no pauses are set" in run(calendar, data, "--config", write(SMALL)).stdout
