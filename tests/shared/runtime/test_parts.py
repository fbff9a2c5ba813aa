"""Small parts of the runtime: the note of what is applied, snapshots on disk, the latch, the port."""

import asyncio
import json

import pytest

from shared.messages.system import CoreDigest
from shared.runtime.applying import ApplyingNote
from shared.runtime.build import build_id
from shared.runtime.clock import MeshClock
from shared.runtime.latch import latch_kill
from shared.runtime.paths import DataDir
from shared.runtime.port import Port
from shared.runtime.snapshots import FORMAT, KEEP, Snapshot, SnapshotStore, state_hash


@pytest.fixture
def data(tmp_path):
    made = DataDir(tmp_path / "data")
    made.prepare()
    return made


def died_at(data, seq, build="b"):
    note = ApplyingNote(data, "risk", build)
    note.begin(seq)
    return note


@pytest.mark.req("I-44")
def test_only_two_deaths_on_one_event_are_fatal(data):
    died_at(data, 5)
    died_at(data, 6)
    assert ApplyingNote(data, "risk", "b").fatal_seq is None
    died_at(data, 6)

    assert ApplyingNote(data, "risk", "b").fatal_seq == 6
    assert ApplyingNote(data, "risk", "b").fatal_seq is None


def test_a_death_between_two_events_counts_for_nothing(data):
    for _ in range(3):
        died_at(data, 5).end()

    assert ApplyingNote(data, "risk", "b").fatal_seq is None


def test_a_new_build_begins_with_a_clean_slate(data):
    died_at(data, 5)
    died_at(data, 5)

    assert ApplyingNote(data, "risk", "newer").fatal_seq is None


def snapshot(seq, epoch=1, service="risk", state=b"state"):
    return Snapshot(FORMAT, service, epoch, seq, "b", b"", state, state_hash(state))


@pytest.mark.req("JR-6")
def test_a_draft_is_no_snapshot_and_the_oldest_are_forgotten(tmp_path):
    store = SnapshotStore(tmp_path, "risk")
    drafts = [store.write(snapshot(seq)) for seq in range(1, KEEP + 4)]
    assert list(store.newest_first()) == []

    for draft in drafts[:-1]:
        store.name(draft)
    store.sweep()

    assert [found.seq for found in store.newest_first()] == list(range(KEEP + 2, 2, -1))
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize("change", ["cut", "flip", "foreign", "empty", "newer_format"])
def test_a_snapshot_that_cannot_be_trusted_is_passed_over(tmp_path, change):
    store = SnapshotStore(tmp_path, "risk")
    store.name(store.write(snapshot(1)))
    path = store.name(store.write(snapshot(2)))
    raw = path.read_bytes()
    spoiled = {
        "cut": raw[:-5],
        "flip": raw.replace(b"state", b"stale"),
        "foreign": raw.replace(b"risk", b"rusk"),
        "empty": b"",
        "newer_format": raw[:1] + bytes([FORMAT + 1]) + raw[2:],
    }
    path.write_bytes(spoiled[change])

    assert [found.seq for found in store.newest_first()] == [1]


def test_a_snapshot_of_a_later_epoch_is_newer(tmp_path):
    store = SnapshotStore(tmp_path, "risk")
    for seq, epoch in ((900, 1), (100, 2)):
        store.name(store.write(snapshot(seq, epoch)))

    assert [found.epoch for found in store.newest_first()] == [2, 1]


@pytest.mark.req("I-24")
def test_the_first_latch_stays(data):
    assert latch_kill(data, "bus", "disk")
    assert latch_kill(data, "risk", "later")

    assert json.loads((data.latch / "kill").read_text())["reason"] == "disk"


def test_a_latch_that_cannot_be_written_says_so(data):
    data.latch.rmdir()

    assert not latch_kill(data, "bus", "disk")


def test_the_build_is_named_by_the_environment_or_by_our_sources(monkeypatch):
    monkeypatch.setenv("QUOTEMESH_BUILD", "mine")
    build_id.cache_clear()
    assert build_id() == "mine"
    monkeypatch.delenv("QUOTEMESH_BUILD")
    build_id.cache_clear()

    assert len(build_id()) == 12
    build_id.cache_clear()


@pytest.fixture
def port(data):
    return Port(data, MeshClock.create(data, 1000, held=True), "risk", b"\x80")


def test_facts_count_from_one_and_stay_until_they_are_seen(port):
    sent = []
    port.attach(sent.append, lambda: None)
    for at_seq in (1, 2, 3):
        port.publish(CoreDigest("risk", at_seq, b""))
    port.publish(CoreDigest("risk", 4, b""), origin_ns=7, cause_seq=3)

    port.confirmed(2)

    assert [(one.source, one.n) for one in sent] == [("risk.io", n) for n in (1, 2, 3, 4)]
    assert [one.origin_ns for one in sent] == [1000, 1000, 1000, 7]
    assert port.backlog == 2
    assert [one.n for one in port.facts(4)] == [4]


@pytest.mark.req("I-14")
def test_what_waits_for_the_disk_goes_on_in_order_and_not_before(port):
    done = []

    async def wait(seq):
        await port.wait_durable(seq)
        done.append(seq)

    async def scene():
        waits = [asyncio.create_task(wait(seq)) for seq in (5, 3, 9)]
        await asyncio.sleep(0)
        port.told_durable(5)
        await asyncio.sleep(0)
        assert done == [3, 5]
        port.told_durable(4)
        await port.wait_durable(5)
        port.told_durable(9)
        await asyncio.gather(*waits)

    asyncio.run(scene())

    assert done == [3, 5, 9]
    assert port.durable_seq == 9


def test_who_waits_for_a_new_epoch_is_called(port):
    epochs = []
    port.on_epoch(epochs.append)

    port.told_epoch(8)

    assert epochs == [8]
