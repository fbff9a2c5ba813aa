"""Compile the kernels into the virtual environment: `python -m shared.kernels.build [--quiet]`.

Without a C compiler or Python's headers it says so and succeeds: everything runs uncompiled, slower, with the
same results. Two builds at once are safe: each works in its own directory, and the first rename wins.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from shared.kernels import BUILD_FLAGS, SOURCES, build_hash, builds_directory, is_complete, source_files

# A process that is still starting may need an older build, so only the old ones go.
OLD_BUILD_S = 86_400
STEP_TIMEOUT_S = 300
KEPT = "kept"
"""Compiled kernels by the hash of what they were made of: one edit makes one of them anew, not all."""

_USED = re.compile(r"shared\.kernels\.(\w+)")


class BuildError(Exception):
    """A step of the build failed; the text carries what the tool said."""


def find_compiler() -> str | None:
    """Return the C compiler: `$CC`, else the first of cc, gcc, clang on the path."""
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        found = shutil.which(name) if name else None
        if found:
            return found
    return None


def missing_tool(compiler: str | None) -> str | None:
    """Return what keeps the kernels from being compiled and how to get it, or None."""
    if compiler is None:
        return "no C compiler (Debian: apt install gcc libc6-dev python3-dev)"
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if not header.is_file():
        return f"no {header} (Debian: apt install python3-dev)"
    return None


def run_step(command: list[str], directory: Path) -> None:
    """Run one tool in the work directory; its output is shown only when it fails."""
    try:
        done = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, timeout=STEP_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        raise BuildError(f"{' '.join(command)}\n{done.stdout[-4000:]}{done.stderr[-4000:]}")


def compile_into(build: Path, work: Path, compiler: str, kernels: list[Path], kept: Path) -> None:
    """Translate and compile copied sources; `work` holds them as the package shared.kernels.

    A kernel whose source and declarations are those of an earlier build is taken from `kept`.
    """
    package = work / "shared" / "kernels"
    compile_one = partial(_compile_one, build, work, compiler, kept)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        list(pool.map(compile_one, [package / kernel.name for kernel in kernels]))


def _compile_one(build: Path, work: Path, compiler: str, kept: Path, kernel: Path) -> None:
    suffix = EXTENSION_SUFFIXES[0]
    target = build / f"{kernel.stem}{suffix}"
    former = kept / f"{kernel.stem}-{build_hash([kernel, *declarations_of(kernel)])}{suffix}"
    try:
        shutil.copyfile(former, target)
        return
    except OSError:
        target.unlink(missing_ok=True)
    run_step([sys.executable, "-m", "cython", "-3", f"shared/kernels/{kernel.name}"], work)
    include = sysconfig.get_path("include")
    source = f"shared/kernels/{kernel.stem}.c"
    run_step([compiler, *BUILD_FLAGS, f"-I{include}", source, "-o", str(target), "-lm"], work)
    # Renamed into place: another build must never copy a half of it.
    draft = work / f"{kernel.stem}.kept"
    shutil.copyfile(target, draft)
    kept.mkdir(exist_ok=True)
    draft.replace(former)


def declarations_of(kernel: Path) -> list[Path]:
    """Return the `.pxd` files that a kernel is compiled with: its own and those it uses, directly or not."""
    found: set[Path] = set()
    left = [kernel, kernel.with_suffix(".pxd")]
    while left:
        file = left.pop()
        if not file.is_file() or file in found:
            continue
        if file.suffix == ".pxd":
            found.add(file)
        used = _USED.findall(file.read_text(encoding="utf-8"))
        left += [kernel.with_name(f"{name}.pxd") for name in used]
    return sorted(found)


def build_kernels(compiler: str, builds: Path, sources: Path = SOURCES) -> Path:
    """Return the complete build of these sources, made now unless it exists.

    Raises:
        BuildError: a tool failed.
        OSError: the builds directory cannot be written.
    """
    builds.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".work-", dir=builds))
    try:
        package = work / "shared" / "kernels"
        package.mkdir(parents=True)
        for directory in (package, package.parent):
            (directory / "__init__.py").touch()
        # Hashed as copied: an edit during the build cannot give old code a new name.
        files = [Path(shutil.copy(file, package)) for file in source_files(sources)]
        target = builds / build_hash(files)
        if is_complete(target, files):
            return target
        build = work / "build"
        build.mkdir()
        kernels = [file for file in files if file.suffix == ".py"]
        compile_into(build, work, compiler, kernels, builds / KEPT)
        put_in_place(build, target, files)
        return target
    finally:
        shutil.rmtree(work, ignore_errors=True)


def put_in_place(build: Path, target: Path, files: list[Path]) -> None:
    """Rename a finished build to its name, unless another process was first."""
    try:
        build.rename(target)
    except OSError:
        if is_complete(target, files):
            return
        shutil.rmtree(target)
        build.rename(target)


def remove_old_builds(builds: Path, keep: Path) -> None:
    """Delete builds and leftovers of killed builds that nothing has changed for a day."""
    for path in [*builds.iterdir(), *(builds / KEPT).glob("*")]:
        try:
            if path in {keep, builds / KEPT} or time.time() - path.stat().st_mtime <= OLD_BUILD_S:
                continue
            if path.parent == builds:
                shutil.rmtree(path)
            else:
                path.unlink()
        except OSError:
            continue  # another build removed it, or it is not ours to remove


def main(arguments: list[str]) -> int:
    """Build, say what was done, and return the exit code: 0 also when the kernels stay uncompiled."""
    if set(arguments) - {"--quiet"}:
        print("usage: python -m shared.kernels.build [--quiet]", file=sys.stderr)
        return 2
    compiler = find_compiler()
    missing = missing_tool(compiler)
    if compiler is None or missing is not None:
        print(f"kernels: not compiled: {missing}; they run uncompiled, slower, with the same results")
        return 0
    started = time.monotonic()
    files = source_files(SOURCES)
    is_made = is_complete(builds_directory() / build_hash(files), files)
    if not is_made and "--quiet" not in arguments:
        # On a small machine this takes longer than anybody waits for a silent program.
        print("kernels: compiling; the first time a minute or two, later only what changed", flush=True)
    try:
        target = build_kernels(compiler, builds_directory())
    except (BuildError, OSError) as error:
        print(f"kernels: the build failed, they run uncompiled:\n{error}", file=sys.stderr)
        return 1
    remove_old_builds(builds_directory(), target)
    if "--quiet" not in arguments:
        print(f"kernels: compiled in {target} ({time.monotonic() - started:.1f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
