"""docs/tutorial.md, its notebook, docs/fidelity.md: every command runs and prints what the page says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
CAPTURE = "btcusdt_20240808.raw.gz"
TIMEOUT_S = 300
ANYTHING = "..."
BLOCK = re.compile(r"(?:`([^`\n]+)`:\n\n)?^```(console|python|yaml)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def place(tmp_path, captures):
    """Return a folder as the page supposes: the launcher, `deploy/` and the capture."""
    pytest.importorskip("plotly")
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    (tmp_path / CAPTURE).symlink_to(captures / "binance_hft" / f"usdm_{CAPTURE}")
    launcher = tmp_path / "quotemesh"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m services.cli.main "$@"\n')
    launcher.chmod(0o755)
    return tmp_path


def run(words: list[str], place: Path) -> subprocess.CompletedProcess[str]:
    ours = {key: value for key, value in os.environ.items() if not key.startswith("QUOTEMESH__")}
    ours.pop("QUOTEMESH_DATA", None)
    environment = {**ours, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        words, cwd=place, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


def form(line: str) -> str:
    """Return a line without the values of its numbers and hashes; signs stay: a loss is a loss."""
    plain = re.sub(r"\b[0-9a-f]{12,}\b", "#", line)
    plain = re.sub(r"\d[\d,.]*(e-\d+)?", "#", plain)
    return " ".join(plain.split())


def is_as_told(told: list[str], said: list[str]) -> bool:
    """Return whether `said` has the form of `told`, where a line `...` stands for any number of lines."""
    if not told:
        return not said
    if told[0] == ANYTHING:
        return any(is_as_told(told[1:], said[at:]) for at in range(len(said) + 1))
    if not said:
        return False
    begin, dots, _ = told[0].partition(ANYTHING)
    is_same = form(said[0]).startswith(form(begin)) if dots else form(said[0]) == form(told[0])
    return is_same and is_as_told(told[1:], said[1:])


def steps(page: str) -> list[tuple[str, str, list[str]]]:
    """Return what the page does, in order: ("file", name, lines) or ("run", command, lines it prints)."""
    found = []
    for name, kind, body in BLOCK.findall(page):
        if kind != "console":
            found.append(("file", name, body.splitlines()))
            continue
        for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
            command, *lines = part.splitlines()
            found.append(("run", command, lines))
    return found


def follow(page: str, place: Path) -> list[str]:
    """Do what a page says, and return its commands."""
    done = []
    for what, name, lines in steps((DOCS / page).read_text(encoding="utf-8")):
        if what == "file":
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text("\n".join(lines) + "\n")
            continue
        answer = run(["sh", "-c", name], place)
        assert answer.returncode == 0, f"$ {name}\n{answer.stdout}{answer.stderr}"
        assert is_as_told(lines, answer.stdout.splitlines()), f"$ {name}\n{answer.stdout}"
        done.append(name)
    return done


@pytest.mark.timeout(400)
@pytest.mark.req("BT-1", "BT-2", "BT-9", "BT-13")
def test_every_command_of_the_pages_runs_in_order_and_prints_what_they_say(place) -> None:
    done = follow("tutorial.md", place)
    done += follow("fidelity.md", place)

    used = {command.split("quotemesh ")[1].split()[0] for command in done if "quotemesh " in command}
    assert used == {"install", "import", "backtest", "report", "compare", "export", "sweep", "fidelity"}
    for written in ("first.html", "sweep.html"):
        assert (place / written).read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_page_that_says_something_else_is_found() -> None:
    told = ["net P&L  -1.0", ANYTHING, "winner: #, at #"]

    assert is_as_told(["a 1", ANYTHING, "b 2"], ["a  3", "x", "y", "b 4.5"])
    assert is_as_told([f"installed: {ANYTHING}"], ["installed: numpy 2.3"])
    assert not is_as_told(["net -1.0"], ["net +1.0"])
    assert not is_as_told(["a 1"], ["a 1", "b 2"])
    assert not is_as_told(told, ["net P&L -1.0", "no winner"])


@pytest.mark.timeout(300)
@pytest.mark.req("BT-9")
def test_the_notebook_runs_as_a_script_to_its_verdict(place) -> None:
    pytest.importorskip("marimo")
    words = ["--capture", CAPTURE, "--seconds", "40", "--out", str(place / "columns")]

    done = run([sys.executable, str(DOCS / "tutorial.py"), *words], place)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "net P&L" in done.stdout
    assert done.stdout.splitlines()[-1].startswith(("no winner", "too little data", "the best run is better"))
