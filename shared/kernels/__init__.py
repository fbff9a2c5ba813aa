"""Compiled kernels: numbers in, numbers out, with equal results uncompiled.

Importing this package puts the compiled directory of exactly these sources first on the package's path, so a
stale build never wins. `QUOTEMESH_KERNELS=python` forces the uncompiled ones; `build.py` makes the others.
"""

import hashlib
import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

# Part of the hash. No -march=native: a build may be copied; no contraction: floats equal Python's.
BUILD_FLAGS = (
    "-O3",
    "-fPIC",
    "-shared",
    "-fwrapv",
    "-ffp-contract=off",
    "-fno-strict-aliasing",
    "-DNDEBUG",
    "-w",
)
NOT_KERNELS = frozenset({"__init__.py", "build.py", "words.py"})
SOURCES = Path(__file__).parent


def source_files(sources: Path) -> list[Path]:
    """Return the kernels of a directory and the declarations they share, by name."""
    names = sorted(name for name in os.listdir(sources) if name.endswith((".py", ".pxd")))  # noqa: PTH208
    return [sources / name for name in names if name not in NOT_KERNELS]


def build_hash(files: list[Path]) -> str:
    """Return the name of a build: a hash of its sources, its flags and the kind of Python it is for."""
    digest = hashlib.sha256(repr((BUILD_FLAGS, EXTENSION_SUFFIXES[0])).encode())
    for file in files:
        text = file.read_bytes()
        digest.update(f"\n{file.name} {len(text)}\n".encode())
        digest.update(text)
    return digest.hexdigest()[:24]


def builds_directory() -> Path:
    """Return where builds live: in the virtual environment, one directory per hash."""
    return Path(sys.prefix) / "kernels"


def is_complete(build: Path, files: list[Path]) -> bool:
    """Tell whether a build holds every kernel; a mix of compiled and uncompiled ones does not work."""
    suffix = EXTENSION_SUFFIXES[0]
    return all((build / f"{file.stem}{suffix}").is_file() for file in files if file.suffix == ".py")


def compiled_directory() -> Path | None:
    """Return the build of these sources, None when there is none or the uncompiled kernels are asked for."""
    if os.environ.get("QUOTEMESH_KERNELS") == "python":
        return None
    files = source_files(SOURCES)
    build = builds_directory() / build_hash(files)
    return build if is_complete(build, files) else None


_COMPILED = compiled_directory()
if _COMPILED is not None:
    __path__.insert(0, str(_COMPILED))


def is_compiled() -> bool:
    """Tell whether this process runs the compiled kernels."""
    return _COMPILED is not None
