"""`quotemesh doctor`: what this machine and this data directory offer, and what to do about the rest."""

import json
import os
import platform
import shutil
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import apsw
import click

from services.cli import config as configuration
from services.cli.config_commands import DEFAULT, FILE_NAME
from services.cli.exits import CommandError
from services.cli.place import ROOT, data_option
from services.cli.supervise import Supervisor
from services.cli.up import check_port
from shared.errors import ConfigError, QuotemeshError
from shared.kernels import compiled_directory
from shared.runtime.clock import MeshClock
from shared.runtime.paths import SOCKET_PATH_BYTES_MAX, DataDir

DISK_FREE_BYTES_MIN = 2 * 2**30
SQLITE_MIN = (3, 51, 3)
CLOCK_2026_S = 1_767_225_600


class Finding(NamedTuple):
    """One check: `level` is ok, info, warning or failure; `advice` says what to do unless ok."""

    name: str
    level: str
    detail: str
    advice: str = ""


@click.command()
@data_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(data: DataDir, as_json: bool) -> None:
    """Check this machine and the data directory. Exit code 1 when something will not work."""
    findings = list(examine(data))
    if as_json:
        click.echo(json.dumps([finding._asdict() for finding in findings]))
    else:
        for finding in findings:
            advice = f"; {finding.advice}" if finding.advice else ""
            click.echo(f"{finding.level:<8} {finding.name:<10} {finding.detail}{advice}")
    sys.exit(1 if any(finding.level == "failure" for finding in findings) else 0)


def examine(data: DataDir) -> Iterator[Finding]:
    """Yield every finding."""
    yield Finding("python", "ok", f"{platform.python_version()} at {sys.executable}")
    yield _lock()
    yield _sqlite()
    yield _compiler()
    yield _kernels()
    yield _data(data)
    yield _disk(data)
    yield _sockets(data)
    yield _wall_clock()
    yield _mesh(data)
    yield _gateway(data)
    yield _captures()
    yield _ccxt()
    for program, use in (
        ("docker", "the container image"),
        ("chromium", "tests of the dashboard in a browser"),
    ):
        path = shutil.which(program)
        yield Finding(program, "info", path or f"absent; only {use} needs it")


def _lock() -> Finding:
    stamps = list(Path(sys.prefix).glob("requirements*.stamp"))
    if not stamps:
        return Finding("packages", "info", f"{sys.prefix} was not made by ./quotemesh")
    return Finding(
        "packages", "ok", f"made from {', '.join(stamp.stem + '.lock' for stamp in sorted(stamps))}"
    )


def _sqlite() -> Finding:
    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    level = "ok" if version >= SQLITE_MIN else "failure"
    advice = "" if level == "ok" else "older ones can damage a WAL that several processes write: remove .venv"
    return Finding("sqlite", level, apsw.sqlite_lib_version(), advice)


def _compiler() -> Finding:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    has_headers = (Path(sysconfig.get_paths()["include"]) / "Python.h").exists()
    if compiler and has_headers:
        return Finding("compiler", "ok", compiler)
    absent = "no C compiler" if not compiler else "no Python headers"
    return Finding(
        "compiler",
        "info",
        f"{absent}: kernels run uncompiled",
        "apt-get install gcc python3-dev, then up again",
    )


def _kernels() -> Finding:
    folder = compiled_directory()
    return Finding("kernels", "ok" if folder else "info", f"compiled in {folder}" if folder else "uncompiled")


def _data(data: DataDir) -> Finding:
    place = data.root
    while not place.exists():
        place = place.parent
    try:
        # Permissions alone do not tell: a read-only file system refuses the root user too.
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        text = f"{place} cannot be written ({error.strerror})"
        return Finding("data", "failure", text, "name another directory with --data")
    return Finding("data", "ok", str(data.root))


def _disk(data: DataDir) -> Finding:
    place = data.root
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    level = "ok" if free >= DISK_FREE_BYTES_MIN else "warning"
    return Finding(
        "disk",
        level,
        f"{free / 2**30:.1f} GiB free",
        "" if level == "ok" else "a day of three markets takes 1 GiB",
    )


def _sockets(data: DataDir) -> Finding:
    longest = len(os.fsencode(data.run)) + 21
    if longest <= SOCKET_PATH_BYTES_MAX:
        return Finding("sockets", "ok", str(data.run))
    return Finding("sockets", "info", f"{data.run} is too long for sockets: they lie in a temporary folder")


def _wall_clock() -> Finding:
    if time.time() < CLOCK_2026_S:
        return Finding("clock", "failure", time.ctime(), "the wall clock is years behind: set it")
    return Finding("clock", "ok", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()))


def _mesh(data: DataDir) -> Finding:
    if not data.run.is_dir() or not Supervisor(data).answers():
        return Finding("mesh", "info", "not running on this data directory")
    try:
        clock = MeshClock(data)
    except QuotemeshError as error:
        return Finding("mesh", "warning", str(error))
    shown = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(clock.now_ns() // 1_000_000_000))
    return Finding("mesh", "ok", f"running; mesh clock {shown} UTC at speed {clock.speed_milli / 1000:g}")


def _gateway(data: DataDir) -> Finding:
    """Tell whether the configuration is right and the gateway's port free, unless the mesh has it."""
    path = data.config / FILE_NAME
    try:
        gateway = configuration.load(path if path.exists() else DEFAULT, os.environ).gateway
    except ConfigError as error:
        return Finding("config", "failure", str(error), "see config check")
    place = f"{gateway.host} port {gateway.port}"
    if data.run.is_dir() and Supervisor(data).answers():
        return Finding("gateway", "ok", f"{place}, in use by this mesh")
    try:
        check_port(gateway.host, gateway.port)
    except CommandError as error:
        return Finding("gateway", "failure", error.message)
    return Finding("gateway", "ok", f"{place} is free")


def _ccxt() -> Finding:
    """Tell whether venues other than Binance can be followed."""
    try:
        return Finding("ccxt", "ok", version("ccxt"))
    except PackageNotFoundError:
        return Finding(
            "ccxt", "info", "absent; only venues of docs/venues.md need it", "./quotemesh install ccxt"
        )


def _captures() -> Finding:
    folder = Path(os.environ.get("QUOTEMESH_CAPTURES") or ROOT.parent / "shared" / "data")
    if (folder / "binance_hft").is_dir():
        return Finding("captures", "ok", str(folder))
    return Finding("captures", "info", f"none in {folder}", "tests on recorded data need QUOTEMESH_CAPTURES")
