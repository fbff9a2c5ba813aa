"""`quotemesh test`: every check that this machine can run, and a list of what it could not."""

import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import click

from services.cli.place import ROOT

NOT_SLOW = "not slow"
WORKERS = 2


class Step(NamedTuple):
    """One command, and the file with the results of its tests, when it runs any."""

    name: str
    command: list[str]
    environment: dict[str, str] = {}  # noqa: RUF012
    results: Path | None = None


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.argument("pytest_arguments", nargs=-1, type=click.UNPROCESSED)
def run_tests(pytest_arguments: tuple[str, ...]) -> None:
    """Run lint, types, import rules and all tests; with PYTEST_ARGUMENTS only pytest with these.

    With CI=true a missing tool or capture fails; else it is listed at the end.
    """
    if pytest_arguments:
        sys.exit(_run(Step("pytest", _pytest(*pytest_arguments))))
    with tempfile.TemporaryDirectory(prefix="quotemesh-test-") as folder:
        steps = _steps(Path(folder))
        outcomes = [(step, *_timed(step)) for step in steps]
        left_out = _left_out([step.results for step in steps if step.results is not None])
    click.echo("\nchecks")
    for step, code, seconds in outcomes:
        click.echo(f"  {'ok    ' if code == 0 else 'FAILED'} {step.name} ({seconds:.0f} s)")
    if left_out:
        click.echo("left out on this machine")
        for reason, count in left_out:
            click.echo(f"  {count} x {reason}")
    is_incomplete = bool(left_out) and os.environ.get("CI") == "true"
    if is_incomplete:
        click.echo("with CI=true nothing may be left out")
    sys.exit(1 if is_incomplete or any(code != 0 for _, code, _ in outcomes) else 0)


def _steps(folder: Path) -> list[Step]:
    """Return everything in the order in which it says most early."""
    tools = Path(sys.executable).parent
    python = sys.executable
    return [
        Step("format", [str(tools / "ruff"), "format", "--check", "--quiet", "."]),
        Step("lint", [str(tools / "ruff"), "check", "--quiet", "."]),
        Step("types", [str(tools / "mypy")]),
        Step("imports", [str(tools / "lint-imports")]),
        Step("kernels", [python, "-m", "shared.kernels.build"]),
        _tests("tests", folder / "fast.xml", "-m", f"{NOT_SLOW} and not mesh", "-n", str(WORKERS)),
        _tests(
            "tests of the whole mesh",
            folder / "mesh.xml",
            "-m",
            f"{NOT_SLOW} and mesh",
            "-n",
            str(WORKERS),
            # One file is one worker's: its tests share engines, browsers and ports.
            "--dist",
            "loadfile",
            "--durations",
            "12",
        ),
        _tests(
            "kernels uncompiled",
            folder / "kernels.xml",
            "-m",
            NOT_SLOW,
            "-n",
            str(WORKERS),
            "tests/shared/kernels",
        )._replace(environment={"QUOTEMESH_KERNELS": "python"}),
    ]


def _tests(name: str, results: Path, *arguments: str) -> Step:
    return Step(name, _pytest("-q", f"--junitxml={results}", *arguments), results=results)


def _pytest(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]


def _timed(step: Step) -> tuple[int, float]:
    click.echo(f"== {step.name}")
    started = time.monotonic()
    return _run(step), time.monotonic() - started


def _run(step: Step) -> int:
    sys.stdout.flush()
    try:
        return subprocess.run(  # noqa: S603
            step.command, cwd=ROOT, env={**os.environ, **step.environment}, check=False
        ).returncode
    except FileNotFoundError as error:
        click.echo(f"{error.filename} is missing: remove .venv and run ./quotemesh test again", err=True)
        return 1


def _left_out(results: list[Path]) -> list[tuple[str, int]]:
    """Return why tests were skipped and how many, and which tools the machine lacks."""
    reasons: Counter[str] = Counter()
    for file in results:
        if not file.exists():
            reasons[f"all tests of {file.stem}: pytest did not end"] += 1
            continue
        for skipped in ElementTree.parse(file).iter("skipped"):  # noqa: S314
            reasons[str(skipped.get("message"))] += 1
    headers = Path(sysconfig.get_paths()["include"]) / "Python.h"
    if not headers.exists():
        reasons["compiled kernels: there are no Python headers; apt-get install python3-dev gcc"] += 1
    return sorted(reasons.items())
