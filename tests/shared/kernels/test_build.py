"""The build is complete or absent, one per content, safe to run twice at once, and never needed."""

import os
import shutil
import subprocess
import sys
import threading
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from shared import kernels
from shared.kernels import build

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def compiler():
    found = build.find_compiler()
    missing = build.missing_tool(found)
    if missing:
        if os.environ.get("CI") == "true":
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    return found


@pytest.fixture
def sources(tmp_path):
    """A folder with one small kernel, so that a build takes a second."""
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "build.py").write_text("")
    (folder / "one.py").write_text("import cython\n\ndef twice(x: cython.longlong):\n    return 2 * x\n")
    return folder


def test_a_build_is_complete_and_made_once(compiler, sources, tmp_path):
    builds = tmp_path / "kernels"

    made = build.build_kernels(compiler, builds, sources)

    assert kernels.is_complete(made, kernels.source_files(sources))
    assert made.name == kernels.build_hash(kernels.source_files(sources))
    before = (made / f"one{EXTENSION_SUFFIXES[0]}").stat()
    assert build.build_kernels(compiler, builds, sources) == made
    assert (made / f"one{EXTENSION_SUFFIXES[0]}").stat() == before
    assert sorted(builds.iterdir()) == sorted([made, builds / build.KEPT])


def test_two_builds_at_once_leave_one_complete_build(compiler, sources, tmp_path):
    builds, made, failed = tmp_path / "kernels", [], []

    def run() -> None:
        try:
            made.append(build.build_kernels(compiler, builds, sources))
        except (build.BuildError, OSError) as error:
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not failed
    assert len(set(made)) == 1
    assert sorted(builds.iterdir()) == sorted([made[0], builds / build.KEPT])


def test_a_changed_source_or_a_new_file_gives_a_new_build(sources):
    first = kernels.build_hash(kernels.source_files(sources))
    (sources / "one.py").write_text("x = 1\n")
    second = kernels.build_hash(kernels.source_files(sources))
    (sources / "two.pxd").write_text("")
    third = kernels.build_hash(kernels.source_files(sources))
    (sources / "build.py").write_text("changed = True\n")

    assert len({first, second, third}) == 3
    assert kernels.build_hash(kernels.source_files(sources)) == third


def test_only_what_changed_is_compiled_again(compiler, sources, tmp_path, monkeypatch):
    builds = tmp_path / "kernels"
    (sources / "two.py").write_text("from cython.cimports.shared.kernels.base import Base\n\nx = Base\n")
    (sources / "base.py").write_text("import cython\n\n\n@cython.cclass\nclass Base:\n    pass\n")
    (sources / "base.pxd").write_text("cdef class Base:\n    pass\n")
    build.build_kernels(compiler, builds, sources)
    steps = []
    run_step = build.run_step
    monkeypatch.setattr(
        build, "run_step", lambda command, work: (steps.append(command), run_step(command, work))
    )

    (sources / "one.py").write_text("import cython\n\ndef twice(x: cython.longlong):\n    return x + x\n")
    build.build_kernels(compiler, builds, sources)
    changed_source = [command[-1] for command in steps if "cython" in command]
    steps.clear()
    (sources / "base.pxd").write_text("cdef class Base:\n    cdef int more\n")
    build.build_kernels(compiler, builds, sources)

    assert changed_source == ["shared/kernels/one.py"]
    assert sorted(command[-1] for command in steps if "cython" in command) == [
        "shared/kernels/base.py",
        "shared/kernels/two.py",
    ]


def test_a_half_made_build_is_not_used_and_is_replaced(compiler, sources, tmp_path):
    builds = tmp_path / "kernels"
    made = build.build_kernels(compiler, builds, sources)
    extension = made / f"one{EXTENSION_SUFFIXES[0]}"
    extension.unlink()
    assert not kernels.is_complete(made, kernels.source_files(sources))

    build.build_kernels(compiler, builds, sources)

    assert extension.is_file()


def test_a_source_that_does_not_compile_is_an_error_that_says_where_and_leaves_nothing(
    compiler, sources, tmp_path
):
    builds = tmp_path / "kernels"
    (sources / "one.py").write_text("def broken(:\n")

    with pytest.raises(build.BuildError, match=r"one\.py"):
        build.build_kernels(compiler, builds, sources)

    assert list(builds.iterdir()) == []


def test_a_compiler_that_fails_is_an_error_and_leaves_nothing(compiler, sources, tmp_path):
    builds = tmp_path / "kernels"

    with pytest.raises(build.BuildError, match="false"):
        build.build_kernels(shutil.which("false"), builds, sources)

    assert list(builds.iterdir()) == []


def test_without_a_compiler_the_build_says_so_and_succeeds(monkeypatch, capsys, tmp_path):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert build.main(["--quiet"]) == 0

    said = capsys.readouterr().out
    assert "no C compiler" in said
    assert "apt install" in said
    assert "uncompiled" in said


def test_without_headers_the_build_says_so_and_succeeds(compiler, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(build.sysconfig, "get_path", lambda _: str(tmp_path))

    assert build.main([]) == 0

    assert "Python.h" in capsys.readouterr().out


def test_an_unknown_argument_is_refused(capsys):
    assert build.main(["--fast"]) == 2

    assert "usage" in capsys.readouterr().err


def test_builds_that_are_a_day_old_are_removed(tmp_path):
    keep, old, young = tmp_path / "keep", tmp_path / "old", tmp_path / "young"
    for folder in (keep, old, young):
        folder.mkdir()
        (folder / "one.so").touch()
    for folder in (keep, old):
        os.utime(folder, (1_000_000_000, 1_000_000_000))

    build.remove_old_builds(tmp_path, keep)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["keep", "young"]


def test_uncompiled_kernels_can_be_asked_for():
    code = "from shared.kernels import book, is_compiled; print(is_compiled(), book.__file__)"

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "QUOTEMESH_KERNELS": "python"},
        capture_output=True,
        text=True,
        check=True,
    )

    is_compiled, file = done.stdout.split()
    assert is_compiled == "False"
    assert file.endswith("book.py")


def test_the_kernels_loaded_are_of_the_kind_that_is_said():
    from shared.kernels import book, signals

    for module in (book, signals):
        assert module.__file__.endswith(EXTENSION_SUFFIXES[0]) == kernels.is_compiled()


def test_a_build_that_takes_a_while_says_so_before_it_begins(compiler, monkeypatch, capsys, tmp_path):
    (tmp_path / "made").mkdir()
    told = []
    monkeypatch.setattr(build, "builds_directory", lambda: tmp_path)
    monkeypatch.setattr(
        build, "build_kernels", lambda *_: (told.append(capsys.readouterr().out), tmp_path / "made")[1]
    )

    assert build.main([]) == 0
    assert build.main(["--quiet"]) == 0

    assert told[0].startswith("kernels: compiling; the first time a minute or two")
    assert "compiling" not in told[1]
