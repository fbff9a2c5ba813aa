"""What is called durable was synced before: with the disk in our hands."""

import os
import threading

import pytest

from services.bus import shell_durability
from services.bus.shell_durability import Durability
from shared.messages import Header, body_of, encode_header
from shared.messages.system import Tick
from shared.runtime.journal import JournalReader, Row, row_crc
from shared.runtime.journal_writer import JournalWriter

LIMIT_S = 20


class Disk:
    """Holds each sync until it is let go, or fails it."""

    def __init__(self, monkeypatch):
        self.asked = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.error = None
        monkeypatch.setattr(shell_durability.os, "fdatasync", self._sync)

    def _sync(self, _fd):
        self.asked.release()
        assert self.go.acquire(timeout=LIMIT_S)
        if self.error is not None:
            raise self.error


def row(seq, body=b""):
    header = encode_header(Header(seq, seq, seq, 5, "bus", 5, seq, 0))
    body = body or body_of(Tick(seq))
    return Row(seq, header, b".tick", body, row_crc(seq, header, b".tick", body))


class Scene:
    """A writer and its durability thread; `wait` returns after the next word of the thread."""

    def __init__(self, folder, sync_ms=20):
        self.writer = JournalWriter(folder)
        self.wake, write = os.pipe()
        self.write_fd = write
        self.durability = Durability(sync_ms, write, 0, self.writer.segment)

    def commit(self, first, last, *, is_urgent):
        self.writer.append([row(seq) for seq in range(first, last + 1)])
        self.durability.committed(self.writer.segment, last, is_urgent=is_urgent)

    def wait(self):
        os.read(self.wake, 1)

    def close(self):
        self.durability.stop()
        self.writer.close()
        os.close(self.wake)
        os.close(self.write_fd)


@pytest.fixture
def scene(tmp_path):
    made = Scene(tmp_path)
    yield made
    made.close()


@pytest.mark.req("JR-1", "I-14")
def test_nothing_is_durable_before_its_sync_has_returned(scene, monkeypatch):
    disk = Disk(monkeypatch)
    scene.durability.start()

    scene.commit(1, 5, is_urgent=True)
    assert disk.asked.acquire(timeout=LIMIT_S)
    scene.commit(6, 9, is_urgent=True)
    assert scene.durability.durable_seq == 0
    disk.go.release()
    scene.wait()

    assert scene.durability.durable_seq == 5
    disk.go.release()
    scene.wait()
    assert scene.durability.durable_seq == 9


def test_what_is_urgent_does_not_wait_for_the_period(tmp_path):
    scene = Scene(tmp_path, sync_ms=3_600_000)
    scene.durability.start()

    scene.commit(1, 1, is_urgent=True)
    scene.wait()
    scene.commit(2, 2, is_urgent=False)
    scene.commit(3, 3, is_urgent=True)
    scene.wait()

    assert scene.durability.durable_seq == 3
    scene.close()


@pytest.mark.req("JR-1", "JR-2")
def test_a_segment_that_the_writer_has_ended_before_its_sync_is_durable(scene):
    scene.commit(1, 3, is_urgent=True)
    ended = scene.durability
    scene.writer.roll()
    assert not ended._wanted_segment.with_name(ended._wanted_segment.name + "-wal").exists()

    ended.start()
    scene.wait()
    scene.commit(4, 6, is_urgent=True)
    scene.wait()

    assert (ended.failure, ended.durable_seq) == (None, 6)


def test_a_write_ahead_file_that_was_taken_away_is_a_failure(scene):
    scene.commit(1, 3, is_urgent=True)
    taken = scene.writer.wal_path.rename(scene.writer.wal_path.with_suffix(".taken"))

    scene.durability.start()
    scene.wait()
    taken.rename(scene.writer.wal_path)

    assert isinstance(scene.durability.failure, FileNotFoundError)
    assert scene.durability.durable_seq == 0


def test_a_failed_sync_is_kept_and_told_and_nothing_becomes_durable(scene, monkeypatch):
    disk = Disk(monkeypatch)
    disk.error = OSError(5, "Input/output error")
    scene.durability.start()

    scene.commit(1, 1, is_urgent=True)
    disk.go.release()
    scene.wait()

    assert scene.durability.failure is disk.error
    assert scene.durability.durable_seq == 0


def test_the_last_events_are_synced_at_the_end(tmp_path):
    scene = Scene(tmp_path, sync_ms=3_600_000)
    scene.durability.start()

    scene.commit(1, 4, is_urgent=False)
    scene.durability.stop()

    assert scene.durability.durable_seq == 4
    scene.close()


def test_the_write_ahead_file_stays_bounded_and_readers_see_all(scene, tmp_path, monkeypatch):
    monkeypatch.setattr(shell_durability, "CHECKPOINT_BYTES", 200_000)
    monkeypatch.setattr(shell_durability, "WAL_BYTES_MAX", 400_000)
    scene.durability.start()
    sizes = []

    for first in range(1, 4000, 50):
        scene.commit(first, first + 49, is_urgent=True)
        scene.wait()
        sizes.append(scene.writer.wal_path.stat().st_size)

    assert max(sizes) < 1_000_000
    assert [found.seq for found in JournalReader(tmp_path).rows()] == list(range(1, 4001))


def test_a_new_segment_is_followed(scene):
    scene.durability.start()
    scene.commit(1, 3, is_urgent=True)
    scene.wait()
    scene.writer.roll()

    scene.commit(4, 5, is_urgent=True)
    scene.wait()

    assert scene.durability.durable_seq == 5


class Watch:
    """A clock in our hands."""

    def __init__(self, monkeypatch):
        self.now_s = 1000.0
        monkeypatch.setattr(shell_durability.time, "monotonic", lambda: self.now_s)


def looked(scene, watch, seconds, step_s):
    """Look each `step_s` for so long, and return the failure."""
    end_s = watch.now_s + seconds
    while watch.now_s < end_s:
        watch.now_s += step_s
        scene.durability.look(stall_ms=1000)
    return scene.durability.failure


@pytest.mark.req("JR-17", "I-28")
def test_a_sync_that_does_not_return_becomes_a_failure(scene, monkeypatch):
    disk, watch = Disk(monkeypatch), Watch(monkeypatch)
    scene.durability.start()
    assert looked(scene, watch, 60, 0.1) is None

    scene.commit(1, 5, is_urgent=True)
    assert disk.asked.acquire(timeout=LIMIT_S)

    assert looked(scene, watch, 0.9, 0.1) is None
    assert "has not answered" in str(looked(scene, watch, 0.5, 0.1))
    disk.go.release()


def test_who_was_stopped_itself_does_not_blame_the_disk(scene, monkeypatch):
    disk, watch = Disk(monkeypatch), Watch(monkeypatch)
    scene.durability.start()
    scene.commit(1, 5, is_urgent=True)
    assert disk.asked.acquire(timeout=LIMIT_S)

    assert looked(scene, watch, 600, 60) is None

    disk.go.release()
    scene.wait()
    assert scene.durability.durable_seq == 5
