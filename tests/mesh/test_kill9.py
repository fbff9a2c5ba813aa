"""`kill -9` of each process while a capture plays and three strategies trade: nothing is lost or doubled.

One round in CI; the campaign is `QUOTEMESH_ROUNDS=5 ./quotemesh test tests/mesh/test_kill9.py`. The
times until a successor was ready are printed with `-s` and kept in `$QUOTEMESH_REPORT` when it is set.
"""

import json
import os
from pathlib import Path

import pytest

from services.replay.invariants import check_log
from services.replay.verify_log import verify_log
from shared.runtime.journal import JournalReader

ROUNDS = int(os.environ.get("QUOTEMESH_ROUNDS", "1"))
VICTIMS = ("market_data", "strategy", "risk", "broker", "gateway", "bus", "venue_sim")
CAPTURE = "binance_hft/usdm_btcusdt_20240808.raw.gz"


@pytest.mark.mesh
@pytest.mark.timeout(900)
@pytest.mark.req("JR-8", "OP-10", "I-15", "I-17", "I-37", "I-39")
def test_each_process_dies_and_the_log_stays_whole(make_mesh, captures):
    mesh = make_mesh()
    mesh.must("up", "--replay", captures / CAPTURE, "--speed", "2")
    mesh.wait_head(2000)
    back_s = []

    for _ in range(ROUNDS):
        for victim in VICTIMS:
            took_s, status = mesh.kill(victim)
            back_s.append((victim, round(took_s, 2)))
            mesh.wait(lambda now: now["is_ready"])
            mesh.wait_head(status["head_seq"] + 200)
    mesh.must("down")

    journal = mesh.data / "journal"
    check = check_log(JournalReader(journal).events())
    verdict = verify_log(journal)
    report = {"rounds": ROUNDS, "back_s": back_s, "events": check.event_count, "orders": check.order_count,
              "fills": check.fill_count, "verify": verdict}  # fmt: skip
    print(json.dumps(report))
    if os.environ.get("QUOTEMESH_REPORT"):
        Path(os.environ["QUOTEMESH_REPORT"]).write_text(json.dumps(report, indent=1))
    assert check.problems == []
    assert verdict["equal"], verdict["problems"]
    assert check.starts["risk"] >= 1 + ROUNDS
    assert check.fill_count > 0
