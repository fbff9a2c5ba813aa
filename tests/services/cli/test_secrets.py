"""Secrets leave the environment of the launcher and reach one folder, for the time the mesh runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli.secrets import put_secrets, remove_secrets
from shared.runtime.paths import DataDir

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import json, os, sys
from pathlib import Path
from services.cli.secrets import take_secrets
execve = os.execve
os.execve = lambda path, command, environ: execve(path, [path, sys.argv[0]], environ)
found = take_secrets(os.environ)
shown = Path("/proc/self/environ").read_bytes().decode()
left = [name for name in os.environ if name.startswith("QUOTEMESH")]
print(json.dumps({"found": found, "is_shown": "canary" in shown, "left": left}))
"""


@pytest.fixture
def data(tmp_path):
    made = DataDir(tmp_path / "data")
    made.prepare()
    return made


def test_a_secret_of_the_environment_is_taken_out_of_what_proc_shows(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}

    done = subprocess.run(
        [sys.executable, str(program)],
        env={**kept, "PYTHONPATH": str(ROOT), "QUOTEMESH_KEY_BINANCE": '{"secret": "canary"}'},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert json.loads(done.stdout) == {
        "found": {"binance": '{"secret": "canary"}'},
        "is_shown": False,
        "left": [],
    }


def test_secrets_are_readable_by_their_owner_only_and_gone_afterwards(data):
    put_secrets(data, {"mine": "s1"})
    folder = data.run / "secrets"

    assert (folder / "mine").read_text() == "s1"
    assert ((folder / "mine").stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o400, 0o700)

    remove_secrets(data)
    assert not folder.exists()


def test_secrets_of_an_earlier_start_do_not_stay(data):
    put_secrets(data, {"old": "s1"})
    put_secrets(data, {"new": "s2"})

    assert [path.name for path in (data.run / "secrets").iterdir()] == ["new"]
