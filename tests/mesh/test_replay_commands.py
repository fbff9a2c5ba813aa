"""`record`, `replay --verify` and `explain` on the log of a real mesh."""

import json
import re

import pytest

from shared.runtime.journal import segments


@pytest.mark.mesh
@pytest.mark.timeout(300)
@pytest.mark.req("BT-1", "JR-5", "JR-11", "MD-24", "I-39", "I-40", "ST-4")
def test_a_recorded_mesh_is_verified_and_its_orders_are_explained(mesh):
    mesh.must("up")
    assert "recording is on" in mesh.must("record", "on")
    mesh.wait_head(mesh.status()["head_seq"] + 2500)
    mesh.must("down")

    report = json.loads(mesh.must("replay", "--verify", "--json"))

    assert report["equal"], report["problems"]
    assert report["recordings"] == {"binance": 0, "binance_usdm": 0}
    assert sum(1 for core in report["cores"] if core["digests_compared"]) >= 3
    again = json.loads(mesh.must("backtest", "--from-journal", mesh.data, "--json"))
    assert any("all were decided again the same" in note for note in again["notes"])
    order = mesh.lines("export", "orders", "--json")[0]["client_order_id"]
    story = mesh.must("explain", order)
    assert story.index("OrderIntent") < story.index("OrderApproved") < story.index("OrderSent")
    assert "checks of risk, in order" in story
    assert "microprice" in story
    assert re.search(r"OrderIntent .*side=(buy|sell)", story)
    assert "out the same" in mesh.must("explain", order, "--verify")
    sample = mesh.must("explain", "--sample", "200", "--verify")
    count = min(200, len(mesh.lines("export", "orders", "--json")))
    assert f"{count} of {count} orders are complete" in sample
    unknown = mesh.run("explain", "nobody")
    assert (unknown.returncode, "knows no order" in unknown.stderr) == (6, True)


@pytest.mark.mesh
@pytest.mark.timeout(300)
@pytest.mark.req("JR-3", "I-38")
def test_a_flipped_byte_in_the_log_is_named_with_its_place(mesh):
    mesh.must("up")
    mesh.wait_head(600)
    mesh.must("down")
    path = segments(mesh.data / "journal")[0]
    data = bytearray(path.read_bytes())
    place = data.rindex(b"book_update") + 20
    data[place] ^= 0xFF
    path.write_bytes(data)

    done = mesh.run("replay", "--verify")

    assert done.returncode == 1
    assert "seq" in done.stderr
    assert "backup" in done.stderr
