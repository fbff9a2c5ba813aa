"""The steps before anything is installed: make `.venv` from the hashed locks, then run the command.

Run by the launcher `quotemesh` as a file, with nothing but the standard library. An environment is used
when its stamp names the lock it was made from, the Python version and its own place (a moved one would
import the code of the old place); any other one, also one whose making was interrupted, is made again.
"""

import fcntl
import hashlib
import importlib.util
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
DEV_LOCK = ROOT / "requirements-dev.lock"
EXTRA_LOCKS = {name: ROOT / f"requirements-{name}.lock" for name in ("research", "ccxt", "clients")}
PIP_TAIL_LINES = 6


def main(arguments: list[str]) -> None:
    """Run `arguments` as a quotemesh command in a matching environment, making it first when needed."""
    locks = [LOCK, *locks_beside(arguments)]
    if all(is_current(lock) for lock in locks):
        run_command(arguments)
    is_inside = Path(sys.prefix).resolve() == VENV.resolve()
    user = mesh_process()
    if user is not None and is_current_interpreter():
        print(
            f"quotemesh: {VENV} is older than {LOCK.name}, but process {user} runs from it: left as it is. "
            f"Stop the mesh (./quotemesh down), then the next command renews it.",
            file=sys.stderr,
        )
        run_command(arguments)
    if is_inside:  # a virtual environment cannot replace itself
        base: str = sys._base_executable  # type: ignore[attr-defined]
        os.execv(base, [base, str(Path(__file__).resolve()), *arguments])  # noqa: S606
    with one_at_a_time():
        for lock in locks:
            if not is_current(lock):
                make(lock)
    run_command(arguments)


def locks_beside(arguments: list[str]) -> list[Path]:
    """Return the locks that a command needs beside that of the live system."""
    if arguments[:1] == ["test"]:
        return [DEV_LOCK, *EXTRA_LOCKS.values()]
    wanted = EXTRA_LOCKS.get(arguments[1]) if arguments[:1] == ["install"] and len(arguments) > 1 else None
    return [] if wanted is None else [wanted]


def is_current_interpreter() -> bool:
    """Return whether the environment has a Python that can run commands at all."""
    return (VENV / "bin" / "python").exists() and stamp_file(LOCK).exists()


def run_command(arguments: list[str]) -> None:
    """Run the command line in the environment: in this process when it is the environment's Python."""
    if Path(sys.prefix).resolve() != VENV.resolve():
        python = str(VENV / "bin" / "python")
        os.execv(python, [python, str(Path(__file__).resolve()), *arguments])  # noqa: S606
    sys.path[0] = str(ROOT)  # it was this file's folder, whose modules would hide others of the same name
    sys.argv = ["quotemesh", *arguments]
    runpy.run_module("services.cli.main", run_name="__main__", alter_sys=True)
    sys.exit(0)


def stamp_file(lock: Path) -> Path:
    """Return the file that says what the environment was made from."""
    return VENV / f"{lock.stem}.stamp"


def stamp(lock: Path) -> str:
    """Return what the stamp of a matching environment reads."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    return f"{hashlib.sha256(lock.read_bytes()).hexdigest()} python {version} {ROOT}\n"


def is_current(lock: Path) -> bool:
    """Return whether the environment was made from `lock` as it is now, to its end."""
    try:
        found = stamp_file(lock).read_text()
    except OSError:
        return False
    return found == stamp(lock) and (VENV / "bin" / "python").exists()


def mesh_process() -> int | None:
    """Return the id of a process of a mesh that runs from the environment, None when there is none."""
    python = str(VENV / "bin" / "python").encode()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:  # it ended, or is another user's
            continue
        if words[0] == python and any(word.startswith(b"services.") for word in words[1:4]):
            return int(entry.name)
    return None


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Hold the lock file beside the environment: a second launcher waits for the first."""
    try:
        descriptor = os.open(ROOT / ".venv.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        fail(
            f"{ROOT} cannot be written ({error.strerror}), and .venv must be made there: "
            f"run as its owner, or clone to a folder of yours"
        )
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("waiting for another ./quotemesh that is making .venv")
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


def make(lock: Path) -> None:
    """Install `lock` into the environment: the base lock makes it anew, another one adds to it."""
    count = lock.read_text().count("==")
    if lock == LOCK:
        require_venv_module()
        if VENV.exists():
            say(f"{VENV} is half-made or of another lock, Python or place: making it again")
            shutil.rmtree(VENV)
        say(f"making {VENV} with {count} packages of {lock.name} (once)")
        create_venv()
    else:
        say(f"adding the {count} packages of {lock.name} (once)")
    install(["--require-hashes", "--only-binary", ":all:", "-r", str(lock)], lock)
    if lock == LOCK:
        install(["--no-build-isolation", "--no-deps", "--no-index", "-e", str(ROOT)], lock)
        subprocess.run(  # noqa: S603
            [str(VENV / "bin" / "python"), "-m", "shared.kernels.build"], cwd=ROOT, check=False
        )
    draft = stamp_file(lock).with_suffix(".part")
    draft.write_text(stamp(lock))
    draft.replace(stamp_file(lock))


def require_venv_module() -> None:
    """End with the command that installs Python's venv module when it is missing."""
    for name in ("venv", "ensurepip"):
        if importlib.util.find_spec(name) is None:
            fail(
                f"Python's module {name!r} is missing, so .venv cannot be made. "
                f"On Debian and Ubuntu: apt-get install python3.{sys.version_info[1]}-venv"
            )


def create_venv() -> None:
    """Make an empty environment."""
    import venv  # noqa: PLC0415

    try:
        venv.create(VENV, with_pip=True, symlinks=True)
    except (OSError, subprocess.CalledProcessError) as error:
        fail(f"{VENV} could not be made ({error}): is there room on the disk, and is {ROOT} yours to write?")


def install(arguments: list[str], lock: Path) -> None:
    """Run pip in the environment; end with its last words when it fails."""
    command = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", "--retries", "2", *arguments]
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    done = subprocess.run(  # noqa: S603
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        tail = "\n".join(f"  pip: {line}" for line in done.stderr.strip().splitlines()[-PIP_TAIL_LINES:])
        fail(
            f"the packages of {lock.name} could not be installed. The first call needs the network (a "
            f"package index that pip reaches); later ones do not. Then run the same command again.\n{tail}"
        )


def say(text: str) -> None:
    """Tell the person what takes the time."""
    print(f"quotemesh: {text}", file=sys.stderr, flush=True)


def fail(text: str) -> None:
    """End with one clear message."""
    print(f"quotemesh: {text}", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
