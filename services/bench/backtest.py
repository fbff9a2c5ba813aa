"""The backtest engine beside hftbacktest and nautilus_trader: same feed, same rule, rounds alternated."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from services.backtest.generate import Flow, generate
from services.bench import backtest_runs
from services.bench.figures import Figure, median
from services.bench.machine import ROOT
from shared.columns import FIELDS, Columns
from shared.errors import QuotemeshError
from shared.kernels import is_compiled

ROWS = 2_000_000
ROWS_UNCOMPILED = 100_000
"""More are not walked by kernels that are not compiled: it would take hours."""
NAUTILUS_ROWS = 100_000
LONG_ROWS = (1_000_000, 10_000_000, 100_000_000)
ROUNDS = 5
STEPS_MS = (100, 10)
INSTALL = (
    "peers are measured when QUOTEMESH_PEERS names an environment that has them: "
    "uv venv DIR; uv pip install --python DIR hftbacktest nautilus_trader; QUOTEMESH_PEERS=DIR"
)
SAID_S = 600


class _Peer:
    """hftbacktest in a process of its own, which answers one line for each line."""

    def __init__(self, python: Path, folder: Path) -> None:
        script = ROOT / "services" / "bench" / "backtest_peer_hft.py"
        self._process = subprocess.Popen(
            [str(python), str(script), str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._answer()

    def run(self, depth: str, step_ms: float) -> dict[str, Any]:
        """Return what it said of one run."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{depth} {step_ms}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the peer ended without an answer; what it said stands above")
        said: dict[str, Any] = json.loads(line)
        return said

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(SAID_S)


def measure() -> list[Figure]:
    """Return the figures of issue 5, "Speed"; without the peers those of our engine alone."""
    if not is_compiled() and ROWS > ROWS_UNCOMPILED:
        raise QuotemeshError("the kernels are not compiled: run python -m shared.kernels.build first")
    folder = os.environ.get("QUOTEMESH_PEERS")
    python = Path(folder) / "bin" / "python" if folder else None
    with tempfile.TemporaryDirectory(prefix="quotemesh-bench-") as made:
        path = Path(made) / "feed.columns"
        generate(Flow(event_count=ROWS, regime="quiet"), path)
        columns = Columns.open(path)
        peer = None
        if python is not None:
            for name, _, _ in FIELDS:
                (Path(made) / name).write_bytes(getattr(columns, name))
            peer = _Peer(python, Path(made))
        try:
            figures = _against_hft(columns, peer)
        finally:
            if peer is not None:
                peer.close()
        if python is not None:
            figures.append(_against_nautilus(columns, python, Path(made)))
        columns.close()
        return figures + _long(Path(made))


def _against_hft(columns: Columns, peer: _Peer | None) -> list[Figure]:
    """Alternate the cases of both and return one figure for each of ours and each depth."""
    cases = [(case, step) for step in STEPS_MS for case in ("peer", "full", "python")] + [("events", 0)]
    ours: dict[tuple[str, float], list[backtest_runs.Ran]] = {}
    theirs: dict[tuple[str, float], list[dict[str, Any]]] = {}
    for _ in range(ROUNDS):
        for case, step in cases:
            ours.setdefault((case, step), []).append(backtest_runs.run(columns, step, case))
        for depth in ("hash", "roi") if peer is not None else ():
            for step in STEPS_MS:
                assert peer is not None
                theirs.setdefault((depth, step), []).append(peer.run(depth, step))
    figures = []
    for case, step in cases:
        rates = [ROWS / ran.seconds / 1e6 for ran in ours[case, step]]
        note = "" if peer is not None else INSTALL
        if case == "events":
            figures.append(_rate("rule at every book event", rates, at_least=2.0, note=note))
            continue
        for depth, compiled_least in (("hash", 3.0), ("roi", 2.0)):
            python_least = 2.0 if step == STEPS_MS[0] else 1.5
            least = python_least if case == "python" else compiled_least
            said = theirs.get((depth, step), [])
            peer_rates = [ROWS / each["seconds"] / 1e6 for each in said]
            title = f"{NAMES[case]}, {step:g} ms, against {depth}"
            goal = round(least * median(peer_rates), 2) if peer_rates else None
            figures.append(_rate(title, rates, at_least=goal, peer=peer_rates, note=f"at least {least:g} x"))
        if case == "peer" and ("hash", step) in theirs:
            figures += _agreement(ours[case, step][0], theirs["hash", step][0], step)
    return figures


NAMES = {
    "peer": "same model (exchange time, whole fills)",
    "full": "fees, partial fills, risk and samples in the loop",
    "python": "the same, decided by a Python function",
}


def _rate(
    title: str, rates: list[float], at_least: float | None, peer: list[float] | None = None, note: str = ""
) -> Figure:
    return Figure(
        name=title,
        unit="M events/s",
        value=round(median(rates), 2),
        at_least=at_least,
        peer_name="hftbacktest",
        peer=round(median(peer), 2) if peer else None,
        rounds=[[round(each, 2) for each in rates], [round(each, 2) for each in peer or []]],
        note=note,
    )


def _agreement(ours: backtest_runs.Ran, theirs: dict[str, Any], step: float) -> list[Figure]:
    """Return how far orders and fills are from the peer's, in percent."""
    return [
        Figure(
            name=f"{what} away from the peer's, {step:g} ms ({mine:,} and {other:,})",
            unit="%",
            value=round(abs(mine - other) * 100 / max(1, other), 2),
            at_most=most,
        )
        for what, mine, other, most in (
            ("orders", ours.orders, theirs["orders"], 1.0),
            ("fills", ours.fills, theirs["fills"], 2.0),
        )
    ]


def _against_nautilus(columns: Columns, python: Path, folder: Path) -> Figure:
    script = ROOT / "services" / "bench" / "backtest_peer_nautilus.py"
    ours, theirs = [], []
    for _ in range(2):
        done = subprocess.run(
            [str(python), str(script), str(folder), str(NAUTILUS_ROWS)],
            capture_output=True,
            text=True,
            timeout=SAID_S,
            check=True,
        )
        theirs.append(NAUTILUS_ROWS / json.loads(done.stdout.splitlines()[-1])["seconds"] / 1e6)
        ours.append(NAUTILUS_ROWS / backtest_runs.run(columns, 100, "full", NAUTILUS_ROWS).seconds / 1e6)
    return Figure(
        name="a two-sided maker at 100 ms, against nautilus_trader",
        unit="M events/s",
        value=round(median(ours), 2),
        at_least=round(100 * median(theirs), 2),
        peer_name="nautilus_trader",
        peer=round(median(theirs), 4),
        rounds=[ours, theirs],
        note="at least 100 x",
    )


def _long(folder: Path) -> list[Figure]:
    """Return time, memory and linearity over feeds up to 100 million events, each in a fresh process."""
    said = {}
    for rows in LONG_ROWS:
        path = folder / "long.columns"
        generate(Flow(event_count=rows, regime="quiet"), path)
        # 3 GB that the system still writes to disk would take its time from the longest run alone.
        os.sync()
        command = [sys.executable, "-m", "services.bench.backtest_runs", str(path), "100"]
        started = time.clock_gettime(time.CLOCK_MONOTONIC)
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SAID_S, check=True)
        said[rows] = json.loads(done.stdout)
        said[rows]["start_s"] = said[rows]["first_s"] - started
        path.unlink()
    shortest, longest = said[LONG_ROWS[0]], said[LONG_ROWS[-1]]
    per_row = [said[rows]["seconds"] * 1e9 / said[rows]["rows"] for rows in LONG_ROWS]
    return [
        Figure(
            name="100 million events, fees, partial fills, risk, samples",
            unit="s",
            value=round(longest["seconds"], 2),
            at_most=10,
            rounds=[said[rows]["seconds"] for rows in LONG_ROWS],
        ),
        Figure(
            name="own memory of that process",
            unit="MB",
            value=round(longest["own_bytes"] / 1e6, 1),
            at_most=200,
        ),
        Figure(
            name="cost of an event at 100 M beside 1 M",
            unit="x",
            value=round(per_row[-1] / per_row[0], 2),
            at_most=1.3,
            rounds=[round(each, 1) for each in per_row],
            note="cost in ns an event at 1, 10 and 100 million",
        ),
        Figure(name="start to first event", unit="s", value=round(shortest["start_s"], 3), at_most=0.5),
    ]
