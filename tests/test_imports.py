"""Who may import whom: the contracts of pyproject.toml, and those that need a look at the files."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).resolve().parents[1]
TOOLS = {"backtest", "bench", "canceller", "cli", "fused", "replay", "hostile", "report", "gateway"}
IO_MODULES = {
    "os",
    "socket",
    "time",
    "random",
    "asyncio",
    "threading",
    "logging",
    "zmq",
    "websockets",
    "pathlib",
}


# Names of venues and ids, and what a parent and its child say: no frame is read with these.
NAMES_OF_VENUES = {
    "shared.venues.ids",
    "shared.venues.registry",
    "shared.venues.registry_facts",
    "shared.venues.remote_words",
}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def is_shell(path: Path) -> bool:
    return path.name == "main.py" or path.name.startswith("shell")


def test_the_import_contracts_hold(monkeypatch) -> None:
    monkeypatch.chdir(ROOT)

    assert lint_imports(str(ROOT / "pyproject.toml"), no_cache=True) == EXIT_STATUS_SUCCESS


def test_only_shells_and_tools_touch_the_runtime() -> None:
    problems = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "services").rglob("*.py")
        if path.relative_to(ROOT).parts[1] not in TOOLS | {"bus"}
        and not is_shell(path)
        and any(name.startswith("shared.runtime") for name in imported(path))
    ]

    assert not problems, f"only main.py and shell*.py of a process may import shared.runtime: {problems}"


def test_shared_imports_nothing_of_services() -> None:
    problems = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "shared").rglob("*.py")
        if any(name.split(".")[0] == "services" for name in imported(path))
    ]

    assert not problems


def test_cores_do_no_input_or_output() -> None:
    problems = []
    for service in ("strategy", "risk", "broker", "market_data", "venue_sim"):
        for path in sorted((ROOT / "services" / service).glob("*.py")):
            if is_shell(path):
                continue
            named = {name.split(".")[0] for name in imported(path)} & IO_MODULES
            if named:
                problems.append(f"{path.relative_to(ROOT)}: {sorted(named)}")

    assert not problems, f"a core has no clock, socket, random source or log: {problems}"


@pytest.mark.req("MD-12")
def test_only_the_feed_reads_what_a_venue_says() -> None:
    readers = {
        path.relative_to(ROOT).parts[1]
        for path in (ROOT / "services").rglob("*.py")
        if any(name.startswith("shared.venues") and name not in NAMES_OF_VENUES for name in imported(path))
    }

    # The broker joins with live execution; prices come from the frames of market_data alone. An import reads
    # what market_data recorded, and a ccxt venue's child writes what market_data reads.
    assert readers - {"broker"} == {"backtest", "ccxt_venue", "market_data"}
