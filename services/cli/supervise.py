"""The supervisor of one mesh: start supervisord, ask it, and hold the lock of the data directory.

supervisord inherits the locked file `run/mesh.lock`; its children do not. So the lock is held exactly as
long as supervisord lives, whatever becomes of this process, and a second mesh on the same data is refused.
"""

import fcntl
import http.client
import os
import socket
import subprocess
import sys
import xmlrpc.client
from contextlib import suppress
from typing import IO, Any, NamedTuple

from services.cli.exits import CommandError
from services.cli.modes import LIVE_VARIABLE
from services.cli.place import ROOT
from services.cli.processes import wait_until
from shared.runtime.paths import DataDir

RPC_TIMEOUT_S = 10.0
START_LIMIT_S = 15.0

PASSED_ON = (
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "PYTHONHASHSEED",
    "QUOTEMESH_KERNELS",
    "QUOTEMESH_CRASH_AT",
    "QUOTEMESH_CRASH_ONCE",
    LIVE_VARIABLE,
)
"""The only variables of the caller that reach the services: no secret gets in by accident."""

GROUPS = {"bus": "base", "venue_sim": "base", "canceller": "base"}
"""Group of each program in supervisord.conf; `services` for all others."""


SUPERVISOR_ERRORS = (OSError, xmlrpc.client.Error, http.client.HTTPException)
"""What a question to a supervisor that is not there, or ends meanwhile, raises."""


class ProgramState(NamedTuple):
    """What supervisord says of one program."""

    name: str
    state: str
    pid: int
    up_s: int
    detail: str


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=RPC_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(RPC_TIMEOUT_S)
        try:
            sock.connect(self._path)
        except OSError:
            sock.close()
            raise
        self.sock = sock


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:  # noqa: ARG002
        return _UnixConnection(self._path)


class Supervisor:
    """Questions to a running supervisord; one of `SUPERVISOR_ERRORS` when it does not answer."""

    def __init__(self, data: DataDir) -> None:
        self._path = str(data.sockets / "supervisor.sock")

    def call(self, method: str, *arguments: Any) -> Any:
        """Call one method of supervisord's RPC interface."""
        with xmlrpc.client.ServerProxy("http://localhost", transport=_UnixTransport(self._path)) as proxy:
            return getattr(proxy.supervisor, method)(*arguments)

    def answers(self) -> bool:
        """Return whether supervisord is there and takes commands."""
        with suppress(*SUPERVISOR_ERRORS):
            return bool(self.call("getState")["statename"] == "RUNNING")
        return False

    def programs(self) -> dict[str, ProgramState]:
        """Return every program by name."""
        return {
            info["name"]: ProgramState(
                info["name"],
                info["statename"],
                info["pid"],
                max(0, info["now"] - info["start"]) if info["pid"] else 0,
                info["spawnerr"] or info["description"],
            )
            for info in self.call("getAllProcessInfo")
        }

    def start(self, name: str) -> None:
        """Start one program without waiting for it."""
        with suppress_fault("ALREADY_STARTED"):
            self.call("startProcess", full_name(name), False)

    def stop(self, name: str) -> None:
        """Ask one program to end, without waiting for it."""
        with suppress_fault("NOT_RUNNING"):
            self.call("stopProcess", full_name(name), False)


class suppress_fault:  # noqa: N801
    """Context manager: a fault of supervisord whose text begins with `name` is what we wanted."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        return isinstance(error, xmlrpc.client.Fault) and error.faultString.startswith(self._name)


def full_name(name: str) -> str:
    """Return `group:program`, as supervisord calls it."""
    return f"{GROUPS.get(name, 'services')}:{name}"


def take_lock(data: DataDir) -> IO[bytes]:
    """Return the locked file of `data`; raise `CommandError` when a mesh runs on it."""
    file = (data.run / "mesh.lock").open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise CommandError(
            f"a mesh already runs on {data.root}: see it with status, stop it with down, or name another "
            f"directory with --data"
        ) from None
    return file


def is_locked(data: DataDir) -> bool:
    """Return whether a supervisord runs on `data`."""
    try:
        take_lock(data).close()
    except CommandError:
        return True
    return False


def environment(data: DataDir) -> dict[str, str]:
    """Return the whole environment of supervisord and the services."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {
        "LANG": "C.UTF-8",
        **kept,
        "QUOTEMESH_DATA": str(data.root),
        "QUOTEMESH_SOCKETS": str(data.sockets),
        "QUOTEMESH_INTERPRETER": sys.executable,
    }


def start_supervisord(data: DataDir, lock: IO[bytes]) -> Supervisor:
    """Start supervisord with no program running yet; it keeps `lock`, this process gives it up."""
    errors_path = data.logs / "supervisord.err"
    with errors_path.open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603
            [
                sys.executable,
                "-m",
                "supervisor.supervisord",
                "--nodaemon",
                "-c",
                str(ROOT / "supervisord.conf"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            cwd=ROOT,
            env=environment(data),
            start_new_session=True,
            umask=0o077,
            pass_fds=(lock.fileno(),),
        )
    lock.close()
    supervisor = Supervisor(data)
    if not wait_until(lambda: supervisor.answers() or process.poll() is not None, START_LIMIT_S):
        process.kill()
    if not supervisor.answers():
        raise CommandError(f"supervisord did not start: {errors_path.read_text(errors='replace').strip()}")
    return supervisor
