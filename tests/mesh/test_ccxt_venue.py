"""A whole mesh that trades through ccxt on the simulated venue, and the death of the broker's child."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from shared.messages.orders import Fill, OrderExpired
from shared.messages.venue import VenueLink
from shared.runtime.journal import JournalReader
from shared.runtime.paths import DataDir

pytestmark = pytest.mark.mesh
LIMIT_S = 60.0
CONFIGURATION = """
mode: testnet
symbols: ["ccxt_binanceusdm:BTC/USDT:USDT"]
warmup_s: 0
strategies:
  maker:
    kind: imbalance
    symbol: "ccxt_binanceusdm:BTC/USDT:USDT"
"""


def children_of(pid: int) -> list[int]:
    """Return the ccxt children of a process."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            is_ours = b"services.ccxt_venue.main" in (entry / "cmdline").read_bytes()
        except OSError:  # it ended meanwhile
            continue
        if parent == pid and is_ours:
            found.append(int(entry.name))
    return found


def said(mesh, kind: Any) -> list:
    """Return every message of a kind on the log."""
    events = JournalReader(DataDir(mesh.data).journal).events()
    return [event.message for event in events if isinstance(event.message, kind)]


def until(claim, what: str):
    """Return what `claim` returns once it is true; a limit, not a measure."""
    ends_at = time.monotonic() + LIMIT_S
    while time.monotonic() < ends_at:
        found = claim()
        if found:
            return found
        time.sleep(0.2)  # other processes: there is no event to wait for
    raise AssertionError(f"{what}: in vain for {LIMIT_S} s")


@pytest.mark.req("MD-26", "BR-1", "I-05")
def test_a_mesh_trades_through_ccxt_and_its_money_equals_the_venue_after_the_child_died(mesh) -> None:
    data = DataDir(mesh.data)
    data.prepare()
    (data.config / "quotemesh.yaml").write_text(CONFIGURATION)
    mesh.must("up")
    until(lambda: said(mesh, Fill | OrderExpired), "an order that ended at the venue")

    (child,) = children_of(mesh.pid_of("broker"))
    os.kill(child, signal.SIGKILL)

    links = until(
        lambda: [one for one in said(mesh, VenueLink) if not one.is_reachable][1:], "the loss of the venue"
    )
    assert "child" in links[-1].reason or "Connection" in links[-1].reason
    until(lambda: said(mesh, VenueLink)[-1].is_user_stream_up, "the venue again, compared")
    assert children_of(mesh.pid_of("broker")) != [child]
    mesh.must("pause", "--reason", "the test looks")
    rows = until(lambda: equal_rows(mesh), "the same money on both sides")
    assert rows
    mesh.must("down")
    assert children_of(1) == []


def equal_rows(mesh) -> list:
    """Compare, and return the balances once ours equal the venue's: funding is told by the balance alone."""
    mesh.must("reconcile")
    rows = json.loads(mesh.must("balance", "--venue", "--json"))["items"]
    return rows if rows and all(row["ours"] == row["venue_total"] for row in rows) else []
