"""Where the measured prototypes lie, and how they are built and run; they are never imported by the mesh."""

import importlib.util
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

from services.bench.machine import ROOT


def folder() -> Path | None:
    """Return `$QUOTEMESH_PROTOTYPES`, else `../shared/prototypes`, None when it is not there."""
    path = Path(os.environ.get("QUOTEMESH_PROTOTYPES") or ROOT.parent / "shared" / "prototypes")
    return path if path.is_dir() else None


def kernel_module(build_dir: Path) -> ModuleType | None:
    """Compile the prototype kernel as its own script does (-O3 -march=native) and import it."""
    source = folder()
    if source is None:
        return None
    for name in ("kern_cy.py", "kern_cy.pxd"):
        (build_dir / name).write_bytes((source / name).read_bytes())
    cython = Path(sys.executable).parent / "cython"
    target = build_dir / f"kern_cy{sysconfig.get_config_var('EXT_SUFFIX')}"
    include = sysconfig.get_paths()["include"]
    c_file = build_dir / "kern_cy.c"
    for command in (
        [str(cython), "-3", str(build_dir / "kern_cy.py"), "-o", str(c_file)],
        ["cc", "-O3", "-march=native", "-shared", "-fPIC", "-DNDEBUG", "-w", f"-I{include}", str(c_file),
         "-o", str(target)],
    ):  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)
    spec = importlib.util.spec_from_file_location("kern_cy", target)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def log_chain_us(ticks: int, hz: int) -> tuple[float, float] | None:
    """Run the prototype of the stored chain with three more listeners; return its p50 and p99 in us."""
    source = folder()
    if source is None:
        return None
    done = subprocess.run(
        [sys.executable, str(source / "bus_log_chain.py"), str(ticks), str(hz), "commit", "3"],
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    words = done.stdout.split()
    return float(words[words.index("p50") + 1]), float(words[words.index("p99") + 1])
