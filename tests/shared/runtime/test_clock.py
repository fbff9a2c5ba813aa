"""The mesh clock never falls, in no process, over no restart."""

import struct
import time

import pytest

from shared.errors import ConfigError, JournalError
from shared.runtime import clock as clock_module
from shared.runtime.clock import MeshClock, ensure_clock
from shared.runtime.paths import DataDir

ORIGIN = 1_700_000_000_000_000_000


@pytest.fixture
def data(tmp_path):
    made = DataDir(tmp_path / "data")
    made.prepare()
    return made


class Monotonic:
    """A hand for the monotonic clock."""

    def __init__(self, monkeypatch):
        self.ns = 1000
        monkeypatch.setattr(clock_module.time, "monotonic_ns", lambda: self.ns)


@pytest.fixture
def monotonic(monkeypatch):
    return Monotonic(monkeypatch)


@pytest.mark.req("JR-10")
def test_time_passes_at_the_speed_of_the_clock(data, monotonic):
    clock = MeshClock.create(data, ORIGIN, 2500)

    monotonic.ns += 1_000_000

    assert clock.now_ns() == ORIGIN + 2_500_000
    assert clock.real_s(2_500_000_000) == 1.0


def test_a_held_clock_stands_until_it_is_started_and_all_see_it(data, monotonic):
    clock = MeshClock.create(data, ORIGIN, held=True)
    other = MeshClock(data)
    monotonic.ns += 5_000

    assert (clock.is_held, clock.now_ns()) == (True, ORIGIN)
    clock.start()
    monotonic.ns += 7

    assert (other.is_held, other.now_ns()) == (False, ORIGIN + 7)
    clock.start()
    assert other.now_ns() == ORIGIN + 7


def test_a_clock_cannot_be_set_back(data, monotonic):
    MeshClock.create(data, ORIGIN)
    monotonic.ns += 500

    with pytest.raises(ConfigError, match="cannot go back"):
        MeshClock.create(data, ORIGIN + 499)
    assert MeshClock.create(data, ORIGIN + 600).now_ns() == ORIGIN + 600


def test_a_restarted_bus_goes_on_with_the_clock_there_is(data, monotonic):
    MeshClock.create(data, ORIGIN, 2000)
    monotonic.ns += 1000

    assert ensure_clock(data, ORIGIN + 100).now_ns() == ORIGIN + 2000
    assert ensure_clock(data, ORIGIN + 9000).now_ns() == ORIGIN + 9000
    assert ensure_clock(data, 0).speed_milli == 2000


def test_without_a_file_the_clock_is_live_and_not_below_the_log(data):
    before = time.time_ns()

    clock = ensure_clock(data, 0)

    assert before <= clock.now_ns() <= time.time_ns() + 1_000_000_000
    data.run.joinpath("clock").unlink()
    future = time.time_ns() + 10**15
    assert ensure_clock(data, future).now_ns() >= future


@pytest.mark.parametrize("is_replay", [False, True])
def test_after_a_reboot_it_goes_on_from_the_wall_clock_or_the_last_stamp(data, monkeypatch, is_replay):
    now = time.time_ns()
    MeshClock.create(data, ORIGIN - 2 * 10**17 if is_replay else now, 3000 if is_replay else 1000)
    monkeypatch.setattr(clock_module, "boot_hash", lambda: 77)
    last_ts_ns = ORIGIN if is_replay else now + 1000

    with pytest.raises(JournalError, match="earlier boot"):
        MeshClock(data)
    clock = ensure_clock(data, last_ts_ns)

    if is_replay:
        assert ORIGIN <= clock.now_ns() < ORIGIN + 10**12
        assert clock.speed_milli == 3000
    else:
        assert clock.now_ns() >= now


def test_a_file_that_is_no_clock_is_named(data):
    (data.run / "clock").write_bytes(b"\0" * 56)

    with pytest.raises(JournalError, match="not a mesh clock"):
        MeshClock(data)


def test_no_file_says_what_to_do(data):
    with pytest.raises(JournalError, match="start the bus first"):
        MeshClock(data)


@pytest.mark.parametrize("speed", [0, -1])
def test_a_speed_that_does_not_advance_is_refused(data, speed):
    with pytest.raises(ConfigError, match="speed"):
        MeshClock.create(data, ORIGIN, speed)


def test_a_clock_that_is_being_written_is_read_whole(data):
    clock = MeshClock.create(data, ORIGIN)
    size = (data.run / "clock").stat().st_size

    raw = (data.run / "clock").read_bytes()

    assert len(raw) == size
    assert struct.unpack_from("<Q", raw, 8)[0] % 2 == 0
    assert clock.now_ns() >= ORIGIN
