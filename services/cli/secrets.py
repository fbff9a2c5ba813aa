"""Secrets on their way from the caller's environment to the broker, and to no other process (S-06).

supervisord hands its environment to every child, so a key must not be in it. The launcher takes
`QUOTEMESH_KEY_*` out of its own environment, keeps them in files that only their owner can read while the
mesh runs, and starts itself again without them: what /proc shows of a process is what it was started with.
"""

import json
import os
import shutil
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from services.cli.exits import CommandError, ExitCode
from services.cli.place import ROOT
from shared.runtime.paths import DataDir

PREFIX = "QUOTEMESH_KEY_"
FOLDER = "secrets"
_PIPE = "QUOTEMESH_SECRETS_FD"
_PIPE_BYTES_MAX = 60_000


def take_secrets(environ: MutableMapping[str, str]) -> dict[str, str]:
    """Return the secrets of the environment by name in lower case; this process is started anew without them.

    `QUOTEMESH_KEY_BINANCE` is the secret `binance`.
    """
    if _PIPE in environ:
        with os.fdopen(int(environ.pop(_PIPE)), "rb") as pipe:
            found: dict[str, str] = json.loads(pipe.read())
        return found
    found = {
        name.removeprefix(PREFIX).lower(): environ.pop(name)
        for name in list(environ)
        if name.startswith(PREFIX)
    }
    if found:
        _restart(found, environ)
    return found


def _restart(secrets: Mapping[str, str], environ: Mapping[str, str]) -> None:
    """Replace this process by itself: the secrets lie in a pipe, which only it can read."""
    content = json.dumps(secrets).encode()
    if len(content) > _PIPE_BYTES_MAX:
        raise CommandError(f"{PREFIX}* hold {len(content)} bytes, at most {_PIPE_BYTES_MAX}", ExitCode.USAGE)
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    os.set_inheritable(reading, True)
    command = [sys.executable, "-P", "-m", "services.cli.main", *sys.argv[1:]]
    os.execve(sys.executable, command, {**environ, "PYTHONPATH": str(ROOT), _PIPE: str(reading)})  # noqa: S606


def put_secrets(data: DataDir, secrets: Mapping[str, str]) -> None:
    """Write each secret to `run/secrets/NAME`, for its owner only; those of an earlier start go."""
    remove_secrets(data)
    write_secrets(data.run / FOLDER, secrets)


def write_secrets(folder: Path, secrets: Mapping[str, str]) -> None:
    """Make `folder` with a file for each secret, for its owner only."""
    folder.mkdir(mode=0o700)
    for name, text in secrets.items():
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)


def remove_secrets(data: DataDir) -> None:
    """Remove what `put_secrets` wrote."""
    shutil.rmtree(data.run / FOLDER, ignore_errors=True)
