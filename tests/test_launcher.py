"""The launcher: an environment from hashed locks, made once, and one clear message for each thing amiss.

The environments made here are real (venv, pip, hashes), of a small repository with one small wheel.
"""

import base64
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
REAL = sys.executable

BACKEND = '''
"""A build backend of one function, so that the test needs no package index."""
import zipfile
from pathlib import Path

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    name = "quotemesh-0-py3-none-any.whl"
    with zipfile.ZipFile(Path(wheel_directory) / name, "w") as wheel:
        wheel.writestr("quotemesh.pth", str(Path.cwd()) + "\\n")
        folder = "quotemesh-0.dist-info/"
        wheel.writestr(folder + "METADATA", "Metadata-Version: 2.1\\nName: quotemesh\\nVersion: 0\\n")
        wheel.writestr(folder + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(folder + "RECORD", "")
    return name
'''


def small_wheel(folder: Path) -> str:
    """Write a wheel `tiny` into `folder` and return its line of a lock file."""
    path = folder / "tiny-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("tiny.py", '"""Nothing."""\n')
        wheel.writestr("tiny-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1\n")
        wheel.writestr(
            "tiny-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        digest = base64.urlsafe_b64encode(hashlib.sha256(b'"""Nothing."""\n').digest()).rstrip(b"=").decode()
        wheel.writestr("tiny-1.dist-info/RECORD", f"tiny.py,sha256={digest},15\n")
    return f"tiny==1 \\\n    --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a small repository with our launcher, and commands that only say that they ran."""
    place = tmp_path / "clone"
    for name in ("services/cli", "shared/kernels", "wheels"):
        (place / name).mkdir(parents=True)
    shutil.copy(ROOT / "quotemesh", place / "quotemesh")
    shutil.copy(ROOT / "services/cli/bootstrap.py", place / "services/cli/bootstrap.py")
    (place / "services/cli/main.py").write_text("import sys, tiny\nprint('ran', sys.argv[1:])\n")
    (place / "shared/kernels/build.py").write_text("print('kernels were built')\n")
    (place / "backend.py").write_text(BACKEND)
    (place / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (place / "requirements.lock").write_text(small_wheel(place / "wheels"))
    for extra in ("dev", "research", "ccxt", "clients"):
        (place / f"requirements-{extra}.lock").write_text(small_wheel(place / "wheels"))
    return place


def environment(clone: Path, **more: str) -> dict[str, str]:
    """Return variables with which pip finds the small wheel and nothing else."""
    return {
        "PATH": os.environ["PATH"],
        "QUOTEMESH_PYTHON": REAL,
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(clone / "wheels"),
        **more,
    }


def launch(clone: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(clone / "quotemesh"), *arguments],
        env=environment(clone, **more),
        cwd=clone.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def fake_python(folder: Path, script: str) -> str:
    path = folder / "python3"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.req("OP-15")
def test_an_environment_is_made_once_and_then_touches_no_index(clone: Path) -> None:
    first = launch(clone, "status", "--json")

    second = launch(clone, "version", PIP_FIND_LINKS="/nonexistent")

    assert first.returncode == 0, first.stderr
    assert "making" in first.stderr
    assert "kernels were built" in first.stdout
    assert "ran ['status', '--json']" in first.stdout
    assert (second.returncode, second.stdout, second.stderr) == (0, "ran ['version']\n", "")


def test_a_half_made_a_changed_and_a_moved_environment_are_made_again(clone: Path) -> None:
    (clone / ".venv").mkdir()
    (clone / ".venv" / "half").write_text("interrupted")

    after_interruption = launch(clone, "version")
    (clone / "requirements.lock").write_text("# a newer lock\n" + (clone / "requirements.lock").read_text())
    after_change = launch(clone, "version")
    moved = clone.rename(clone.with_name("moved"))
    after_move = launch(moved, "version")

    for done in (after_interruption, after_change, after_move):
        assert done.returncode == 0, done.stderr
        assert "making it again" in done.stderr
    assert not (moved / ".venv" / "half").exists()


def test_two_first_calls_at_once_make_one_environment(clone: Path) -> None:
    both = [
        subprocess.Popen(
            [str(clone / "quotemesh"), "version"],
            env=environment(clone),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]

    said = [process.communicate() for process in both]

    assert [process.returncode for process in both] == [0, 0], said
    assert sum("making" in errors and "packages" in errors for _, errors in said) == 1


def test_a_wheel_whose_hash_is_not_the_locked_one_is_refused(clone: Path) -> None:
    lock = (clone / "requirements.lock").read_text()
    (clone / "requirements.lock").write_text(lock[:-8] + "0000000\n")

    done = launch(clone, "version")

    assert done.returncode == 1
    assert "could not be installed" in done.stderr
    assert not list((clone / ".venv").glob("*.stamp"))


def test_without_an_index_the_first_call_says_that_it_needs_the_network(clone: Path) -> None:
    done = launch(clone, "version", PIP_FIND_LINKS="/nonexistent")

    assert done.returncode == 1
    assert "needs the network" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_old_python_is_refused_with_the_version_that_is_needed(clone: Path, tmp_path: Path) -> None:
    old = fake_python(tmp_path, 'if [ "$1" = -V ]; then echo "Python 3.9.2"; else exit 1; fi')

    done = launch(clone, "version", QUOTEMESH_PYTHON=old)

    assert done.returncode == 1
    assert "3.11 or newer" in done.stderr
    assert "3.9.2" in done.stderr


def test_no_python_at_all_names_the_packages(clone: Path) -> None:
    done = launch(clone, "version", QUOTEMESH_PYTHON="python-that-is-not-there")

    assert done.returncode == 1
    assert "apt-get install python3 python3-venv" in done.stderr


def test_a_python_without_ensurepip_names_the_apt_command(clone: Path, tmp_path: Path) -> None:
    without = fake_python(
        tmp_path,
        f'if [ "$1" = -c ]; then exec {REAL} "$@"; fi\n'
        f'exec {REAL} -c \'import runpy, sys; sys.modules["ensurepip"] = None; sys.argv = sys.argv[1:]; '
        f'runpy.run_path(sys.argv[0], run_name="__main__")\' "$@"',
    )

    done = launch(clone, "version", QUOTEMESH_PYTHON=without)

    assert done.returncode == 1
    assert f"apt-get install python3.{sys.version_info[1]}-venv" in done.stderr
    assert not (clone / ".venv").exists()


def test_a_folder_that_cannot_be_written_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    spec = importlib.util.spec_from_file_location("bootstrap_of_the_test", ROOT / "services/cli/bootstrap.py")
    bootstrap = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bootstrap)
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path / "file")

    with pytest.raises(SystemExit) as ended, bootstrap.one_at_a_time():
        pass

    assert ended.value.code == 1
    assert f"{tmp_path / 'file'} cannot be written" in capsys.readouterr().err
