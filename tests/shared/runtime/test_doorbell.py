"""A service that may wait is woken at once by what cannot, and looks again at the rest."""

import asyncio

import pytest
import zmq

from shared.messages import Header, encode_header
from shared.runtime import doorbell
from shared.runtime.clock import SPEED_ONE, MeshClock
from shared.runtime.doorbell import MARKET_DATA, QUIET_LOOKS, Doorbell
from shared.runtime.frames import send_parts
from shared.runtime.paths import DataDir

STREAM_FD = 77


class Loop:
    """An event loop that only remembers what it was asked for."""

    def __init__(self):
        self.readers, self.timers = {}, []

    def add_reader(self, fd, callback):
        self.readers[fd] = callback

    def remove_reader(self, fd):
        del self.readers[fd]

    def call_later(self, seconds, callback):
        self.timers.append((seconds, callback))
        return self

    def cancel(self):
        self.timers.clear()

    def pass_time(self):
        (_, callback), self.timers = self.timers[0], []
        callback()


class Street:
    """A doorbell on a real socket, and what speaks to it."""

    def __init__(self, folder, monkeypatch, unhurried, speed_milli=SPEED_ONE):
        self.loop, self.pumped = Loop(), 0
        monkeypatch.setattr(asyncio, "get_running_loop", lambda: self.loop)
        self.context = zmq.Context()
        self.stream = self.context.socket(zmq.XPUB)
        self.stream.bind(f"ipc://{folder}/stream")
        data = DataDir(folder / "data")
        data.prepare()
        self.clock = MeshClock.create(data, 1, speed_milli)
        self.bell = Doorbell(STREAM_FD, self.pump, unhurried)
        self.bell.begin(self.context, f"ipc://{folder}/stream", self.clock)

    def pump(self):
        self.pumped += 1

    def hung(self):
        """Wait until the publisher knows every wish."""
        wishes = set()
        while not wishes or self.stream.poll(200):
            wishes.add(self.stream.recv())
        return {wish[1:] for wish in wishes}

    def say(self, topic, seq):
        send_parts(self.stream, [topic, encode_header(Header(seq, 1, 1, 1, "bus", 1, 1, 0)), b""])

    def ring(self):
        """Let the loop call what waits for the bell's descriptor once it is readable."""
        fd = next(fd for fd in self.loop.readers if fd != STREAM_FD)
        poller = zmq.Poller()
        poller.register(fd, zmq.POLLIN)
        assert poller.poll(5000), "nothing rang"
        self.loop.readers[fd]()

    def close(self):
        self.bell.close()
        self.context.destroy(0)


@pytest.fixture
def street(tmp_path, monkeypatch):
    made = []

    def make(*unhurried, **terms):
        made.append(Street(tmp_path, monkeypatch, unhurried, **terms))
        return made[0]

    yield make
    for one in made:
        one.close()


def test_without_families_that_can_wait_the_stream_wakes_always(street):
    here = street()

    here.bell.settled(5, was_quiet=False)

    assert list(here.loop.readers) == [STREAM_FD]
    assert here.loop.timers == []


def test_what_can_wait_is_looked_at_each_interval_until_it_is_quiet(street):
    here = street(*MARKET_DATA)

    # Given that events flow, the stream does not wake but a timer does
    here.bell.settled(5, was_quiet=False)
    here.bell.settled(6, was_quiet=False)
    assert STREAM_FD not in here.loop.readers
    assert [seconds for seconds, _ in here.loop.timers] == [doorbell.LOOK_NS / 1e9]

    # When nothing is found so many times, the stream wakes again
    for _ in range(QUIET_LOOKS):
        here.loop.pass_time()
        here.bell.settled(6, was_quiet=True)
    assert here.pumped == QUIET_LOOKS
    assert here.loop.readers[STREAM_FD] == here.pump
    assert here.loop.timers == []


@pytest.mark.req("I-25")
def test_what_cannot_wait_rings_and_is_awaited_until_it_is_applied(street):
    here = street("book", "trade")
    wishes = here.hung()
    assert {b".control", b".intent", b".fill", b".tick", b".service"} <= wishes
    assert not {b".book", b".trade"} & wishes
    here.bell.settled(6, was_quiet=False)

    here.say(b".book.m:X", 7)
    here.say(b".control.kill", 8)
    here.ring()

    # Then the stream was read at once; while the event itself is not here, the stream wakes
    assert here.pumped == 1
    here.bell.settled(7, was_quiet=False)
    assert here.loop.readers[STREAM_FD] == here.pump
    here.bell.settled(8, was_quiet=False)
    assert STREAM_FD not in here.loop.readers


def test_each_sync_rings_for_who_waits_for_it(street):
    here = street("book")
    here.hung()
    here.bell.hear(b"~synced")
    assert here.stream.recv() == b"\1~synced"

    here.say(b"~synced", 0)
    here.ring()

    assert here.pumped == 1


def test_a_fast_clock_leaves_nothing_to_wait_for(street):
    here = street("book", speed_milli=10 * SPEED_ONE)

    here.bell.settled(5, was_quiet=False)

    assert list(here.loop.readers) == [STREAM_FD]
