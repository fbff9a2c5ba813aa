"""`quotemesh check|calendar`: what holds before a start, and when nothing will be traded."""

import json
import os
import sys
from pathlib import Path

import click

from services.cli import config as configuration
from services.cli.config_commands import DEFAULT, FILE_NAME, file_option
from services.cli.config_model import Config
from services.cli.config_risk import planned
from services.cli.exits import CommandError, ExitCode
from services.cli.mesh_time import mesh_now_ns
from services.cli.pauses import pause_row, risk_settings
from services.cli.place import data_option
from services.cli.prestart import gather, hard_failures, run_check
from services.cli.prestart_item import Item
from services.risk.calendar import next_pauses, pause_text
from shared.errors import ConfigError
from shared.runtime.paths import DataDir

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@data_option
@file_option
@json_option
def check(data: DataDir, config_file: Path | None, as_json: bool) -> None:
    """Test balance, limits, grids, venues and this machine, with numbers, before or while a mesh runs.

    Exit code 0: everything holds; 1: something does not; 4: the configuration is wrong. A simulated venue
    that does not run is taken as the configuration makes it.
    """
    items = run_check(gather(_planned(data, config_file), data, mesh_now_ns(data)))
    is_passed = not any(item.state == "fail" for item in items)
    if as_json:
        click.echo(json.dumps({"is_passed": is_passed, "items": [item._asdict() for item in items]}))
    else:
        click.echo(table(items))
    sys.exit(0 if is_passed else 1)


@click.command()
@data_option
@file_option
@json_option
@click.option("--count", type=click.IntRange(1, 1000), default=5, help="How many pauses.  [default: 5]")
def calendar(data: DataDir, config_file: Path | None, as_json: bool, count: int) -> None:
    """Show whether the calendar pauses trading now, and the next pauses.

    They are those of the running mesh; of the configuration when --config is given or none has run.
    """
    now_ns = mesh_now_ns(data)
    risk = None if config_file is not None else risk_settings(data)
    if risk is None:
        risk = _planned(data, config_file).risk
    now, pauses = pause_text(risk, now_ns), next_pauses(risk, now_ns, count)
    if as_json:
        rows = [pause_row(risk, pause) for pause in pauses]
        click.echo(json.dumps({"is_paused": bool(now), "reason": now, "pauses": rows}))
        return
    if not risk.calendar.is_used:
        click.echo("no pauses are set: see risk.calendar in the configuration")
        return
    click.echo(f"paused: {now}" if now else "not paused now")
    for pause in pauses:
        row = pause_row(risk, pause)
        click.echo(f"{row['halted_from']}  to  {row['end']}  {pause.name}")


def refuse_failing(cfg: Config, data: DataDir) -> None:
    """Run the check for `up`; raise `CommandError` with every hard item that fails."""
    items = run_check(gather(cfg, data, mesh_now_ns(data)))
    failing = hard_failures(items)
    if failing:
        anyway = "" if cfg.mode == "live" else "; `up --skip-check` starts anyway"
        raise CommandError(
            f"the pre-start check fails, nothing was started:\n{failing}\n  `quotemesh check` shows all of "
            f"it{anyway}",
            ExitCode.HALTED,
        )
    for item in items:
        if item.state in {"fail", "warning"}:
            click.echo(f"check: {item.name}: {item.text}", err=True)
    passed_count = sum(item.state == "pass" for item in items)
    click.echo(f"check        {passed_count} points hold (quotemesh check)")


def table(items: list[Item]) -> str:
    """Return the list as text, one line each."""
    width = max(len(item.name) for item in items)
    lines = [f"{item.state:<8} {item.name:<{width}}  {item.text}" for item in items]
    counts = {state: sum(item.state == state for item in items) for state in ("pass", "fail", "warning")}
    lines.append(f"{counts['pass']} pass, {counts['fail']} fail, {counts['warning']} warnings")
    return "\n".join(lines)


def _planned(data: DataDir, config_file: Path | None) -> Config:
    own = data.config / FILE_NAME
    path = config_file or (own if own.exists() else DEFAULT)
    try:
        return planned(configuration.load(path, os.environ), mesh_now_ns(data))
    except ConfigError as error:
        raise CommandError(str(error), ExitCode.BAD_CONFIG) from error
