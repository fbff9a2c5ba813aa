"""`quotemesh hostile`: damaged input against every part that reads something from outside."""

import os
import subprocess
import sys
from pathlib import Path

import click
import msgspec

from services.cli import config
from services.cli.config_commands import DEFAULT
from services.cli.exits import CommandError
from services.cli.place import ROOT
from services.hostile.campaign import GROWTH_MAX_BYTES, Report
from services.hostile.plan import TARGETS, attack, cases_of

TARGET_LIMIT_S = 3600
MB = 2**20
HEAD = "target                  cases  accepted  refused  crashed     slowest    growth     time"


@click.command()
@click.option("--cases", type=click.IntRange(1), default=20_000, show_default=True, help="Cases in all.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed repeats the same cases.")
@click.option("--only", "names", multiple=True, type=click.Choice(list(TARGETS)), help="Only these targets.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line per target.")
@click.option("--here", is_flag=True, hidden=True, help="Run one target in this process, all cases on it.")
def hostile(cases: int, seed: int, names: tuple[str, ...], as_json: bool, here: bool) -> None:
    """Send damaged real frames, files and requests to every part, and count what becomes of them.

    Each target runs in a process of its own. Exits with 1 when anything crashed, hung, grew or was not
    counted; the report names the case, and the same --seed repeats it.
    """
    if here:
        sys.stdout.write(msgspec.json.encode(_attack(names[0], cases, seed)).decode() + "\n")
        return
    if not as_json:
        click.echo(HEAD)
    reports = []
    for name in names or TARGETS:
        report = _in_own_process(name, cases_of(name, cases) if not names else cases, seed)
        reports.append(report)
        click.echo(msgspec.json.encode(report).decode() if as_json else _line(report))
        for fault in [] if as_json else report.faults:
            click.echo(f"    {fault}")
    total = sum(report.sent for report in reports)
    unclean = [report.target for report in reports if not report.is_clean]
    if unclean:
        raise CommandError(f"{total} cases: not clean: {', '.join(unclean)}")
    if not as_json:
        click.echo(f"{total} cases, nothing crashed, hung or grew over {GROWTH_MAX_BYTES // MB} MB")


def _attack(name: str, cases: int, seed: int) -> Report:
    folder = Path(os.environ.get("QUOTEMESH_CAPTURES") or ROOT.parent / "shared" / "data")
    return attack(
        name,
        cases,
        seed,
        sections=config.sections(config.load(DEFAULT, {})),
        captures=folder if folder.is_dir() else None,
        loads=config.loads,
        default_text=DEFAULT.read_text(encoding="utf-8"),
    )


def _in_own_process(name: str, cases: int, seed: int) -> Report:
    """Run one target where a crash of the interpreter or an endless loop harms nobody else."""
    words = ["hostile", "--here", "--only", name, "--cases", str(cases), "--seed", str(seed)]
    command = [sys.executable, "-m", "services.cli.main", *words]
    try:
        done = subprocess.run(  # noqa: S603
            command, cwd=ROOT, capture_output=True, check=False, timeout=TARGET_LIMIT_S
        )
    except subprocess.TimeoutExpired:
        return Report(target=name, seed=seed, faults=[f"no end after {TARGET_LIMIT_S} s"])
    if done.returncode:
        said = done.stderr.decode(errors="replace")[-1000:]
        return Report(target=name, seed=seed, faults=[f"ended with {done.returncode}: {said}"])
    return msgspec.json.decode(done.stdout, type=Report)


def _line(report: Report) -> str:
    return (
        f"{report.target:<20}{report.sent:>9}{report.accepted:>10}{report.refused:>9}{report.crashed:>9}"
        f"{report.slowest_ms:>9.1f} ms{report.growth_bytes / MB:>7.1f} MB{report.seconds:>7.1f} s"
    )
