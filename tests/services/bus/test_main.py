"""A real bus in its own process: commit then publish, one bus only, epochs, a full disk, segments."""

import resource
import signal
from itertools import pairwise

import msgpack
import pytest

from shared.errors import ProtocolError
from shared.messages.control import PauseRequested, TradingState
from shared.messages.market import BookInvalid, Trade
from shared.messages.system import Alive, EpochStarted, ServiceStarted, SourceGap, Tick
from shared.runtime.client import BusClient
from shared.runtime.clock import MeshClock
from shared.runtime.journal import JournalReader
from shared.runtime.journal_writer import JournalWriter
from shared.units import Side

pytestmark = [pytest.mark.mesh, pytest.mark.timeout(120)]
PAUSE = PauseRequested("", "me", "why")


def trade(number):
    return Trade("binance:BTCUSDT", number, 100, 1, Side.BUY, 1, 1)


def drained(socket):
    """Return all stored seqs that a subscriber has been given, until the publisher is quiet."""
    seqs = []
    while socket.poll(300):
        topic, header, _ = socket.recv_multipart()
        if topic.startswith(b"."):
            seqs.append(msgpack.unpackb(header)[0])
    return seqs


def lost_after_crash(rig, start, point):
    """Kill the bus at `point` while trades come; return what was seen and is not on the log, and the log."""
    bus = start(QUOTEMESH_CRASH_AT=f"{point}:12")
    seen = rig.subscribe()
    feed = rig.producer("market_data")
    rig.wait(lambda: bus.poll() is not None or feed.say(trade(feed.n + 1)))
    assert bus.returncode == -signal.SIGKILL
    published = drained(seen)
    seqs = [event.header.seq for event in rig.events()]
    return sorted(set(published) - set(seqs)), seqs


@pytest.mark.req("JR-1", "I-14", "I-15")
@pytest.mark.parametrize("point", ["bus.before_commit", "bus.after_commit", "bus.after_publish"])
def test_a_killed_bus_loses_nothing_that_anyone_saw(rig, point):
    lost, seqs = lost_after_crash(rig, rig.bus, point)

    assert lost == []
    assert seqs == list(range(1, len(seqs) + 1))


@pytest.mark.req("JR-1")
def test_the_planted_bug_publish_before_commit_is_seen(rig):
    lost, _ = lost_after_crash(
        rig, lambda **more: rig.mutant_bus("publish_before_commit", **more), "bus.before_commit"
    )

    assert lost


def numbers_after_a_hole(rig):
    """Say fact 1 and fact 3 of risk's core; return the n that are stored."""
    risk = rig.producer("risk")
    state = TradingState("active", [])
    risk.send(risk.frame(state, 1, "risk"), risk.frame(state, 3, "risk"), risk.frame(state, 2, "risk"))
    rig.client().append("operator", PAUSE)
    return [event.header.n for event in rig.events() if event.header.source == "risk"]


def test_the_planted_bug_higher_n_accepted_is_seen(rig):
    rig.mutant_bus("higher_n_accepted")

    assert numbers_after_a_hole(rig) == [1, 3]


def test_a_number_that_skips_is_refused_with_the_one_expected(rig):
    rig.bus()

    assert numbers_after_a_hole(rig) == [1, 2]


@pytest.mark.req("JR-2", "I-29")
def test_a_second_bus_ends_and_leaves_the_first_alone(rig):
    rig.bus()

    second = rig.bus(is_awaited=False)

    assert second.wait(30) == 70
    assert b"in use by another bus" in second.stdout.read()
    assert rig.client().append("operator", PAUSE) > 0


def test_wrong_settings_start_nothing(rig):
    rig.settings("bus", silence_ms="soon")

    bus = rig.bus(is_awaited=False)

    assert bus.wait(30) == 4
    assert b"does not hold settings of the bus" in bus.stdout.read()


@pytest.mark.req("JR-5", "I-16")
def test_each_life_of_the_bus_has_a_higher_epoch_and_goes_on_without_a_hole(rig):
    first = rig.bus()
    rig.client().append("operator", PAUSE)
    rig.kill(first)
    head = rig.head()
    rig.bus()
    rig.wait(lambda: rig.head() > head)

    events = rig.events()

    epochs = [event.message.epoch for event in events if isinstance(event.message, EpochStarted)]
    assert len(epochs) == 2
    assert epochs[1] > epochs[0] >= 1_700_000_000
    assert [event.header.seq for event in events] == list(range(1, len(events) + 1))
    assert [event.header.ts_ns for event in events] == sorted(event.header.ts_ns for event in events)


@pytest.mark.req("JR-4")
def test_a_killed_bus_still_knows_what_each_source_said(rig):
    first = rig.bus()
    feed = rig.producer("market_data")
    feed.say(trade(1), trade(2))
    rig.client().append("operator", PAUSE)
    rig.kill(first)
    rig.bus()

    again = rig.producer("market_data", run=feed.welcome.run)
    other = rig.producer("market_data")

    assert again.welcome.last_n == {"market_data.io": 2}
    assert (other.welcome.run, other.welcome.last_n) == (feed.welcome.run + 1, {"market_data.io": 0})


@pytest.mark.req("JR-17", "I-28")
def test_a_full_disk_latches_kill_and_ends_the_bus_for_good(rig):
    limit = 400_000

    def small_files():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    bus = rig.start("-m", "services.bus.main", preexec_fn=small_files)
    rig.wait(lambda: rig.head() > 0, bus)
    feed = rig.producer("market_data")
    rig.wait(lambda: bus.poll() is not None or feed.say(*[trade(feed.n + i) for i in range(1, 50)]))

    assert bus.returncode == 70
    assert "could not be written" in (rig.data.latch / "kill").read_text()
    seqs = [event.header.seq for event in rig.events()]
    assert seqs == list(range(1, len(seqs) + 1))


@pytest.mark.req("JR-17", "I-28")
def test_a_disk_that_cannot_sync_latches_kill_and_what_was_answered_is_kept(rig):
    bus = rig.mutant_bus("sync_fails")
    client = BusClient(rig.data, timeout_ms=2000)
    answered = []

    def ask():
        try:
            answered.append(client.append("operator", PAUSE))
        except ProtocolError:
            return bus.poll() is not None
        return False

    rig.wait(ask)

    assert bus.returncode == 70
    assert "could not be synced" in (rig.data.latch / "kill").read_text()
    assert set(answered) <= {event.header.seq for event in rig.events()}


def test_ticks_follow_the_mesh_clock_and_none_comes_while_it_is_held(rig):
    clock = MeshClock.create(rig.data, 10**18, 10_000, held=True)
    rig.bus()
    client = rig.client()
    client.append("operator", PAUSE)
    held = [event for event in rig.events() if isinstance(event.message, Tick)]

    clock.start()
    rig.wait(lambda: sum(isinstance(event.message, Tick) for event in rig.events()) >= 20)

    ticks = [event for event in rig.events() if isinstance(event.message, Tick)]
    assert held == []
    assert all(event.header.ts_ns // 10**8 == event.message.number for event in ticks)
    assert all(a.message.number < b.message.number for a, b in pairwise(ticks))
    assert ticks[-1].header.ts_ns >= 10**18 + 19 * 10**8


@pytest.mark.req("I-27")
def test_a_service_that_falls_silent_and_speaks_again_is_on_the_log(rig, receive):
    rig.settings("bus", silence_ms=300)
    rig.bus()
    stream = rig.subscribe(b".bus")
    risk = rig.producer("risk")
    alive = Alive("risk", risk.welcome.run, 1)

    risk.send(risk.frame(alive, 0))
    silent = receive(stream)[1]
    risk.send(risk.frame(alive, 0))
    back = receive(stream)[1]

    assert (silent.service, back.service) == ("risk", "risk")
    assert silent.silent_ms >= 300


def test_market_data_that_skips_gets_a_source_gap_on_the_log(rig):
    rig.bus()
    feed = rig.producer("market_data")
    book = BookInvalid("binance:BTCUSDT", "gap")

    feed.send(feed.frame(book, 1), feed.frame(book, 4))
    rig.client().append("operator", PAUSE)

    gaps = [event.message for event in rig.events() if isinstance(event.message, SourceGap)]
    assert gaps == [SourceGap("market_data.io", 1, 2, 4)]


def test_a_stopped_bus_leaves_all_durable_and_its_files_closed(rig):
    bus = rig.bus()
    feed = rig.producer("market_data")
    feed.say(*[trade(i) for i in range(300)])
    rig.wait(lambda: rig.head() > 300)

    code = rig.stop(bus)

    assert code == 0
    assert [path.stat().st_size for path in rig.data.journal.glob("*-wal")] in ([], [0])
    assert sum(isinstance(event.message, Trade) for event in rig.events()) == 300


@pytest.mark.req("JR-2")
def test_segments_roll_by_size_and_the_log_stays_one(rig):
    rig.settings("bus", segment_bytes=1_000_000)
    bus = rig.bus()
    feed = rig.producer("market_data")
    padded = [Trade("binance:" + "X" * 200, i, 100, 1, Side.BUY, 1, 1) for i in range(200)]
    for _ in range(60):
        feed.say(*padded)
    rig.wait(lambda: rig.head() > 12_000, bus)
    rig.kill(bus)
    rig.bus()
    rig.wait(lambda: isinstance(rig.events()[-1].message, EpochStarted | Tick))

    events = rig.events()

    assert len(list(rig.data.journal.glob("segment-*.sqlite"))) >= 3
    assert [event.header.seq for event in events] == list(range(1, len(events) + 1))
    assert sum(isinstance(event.message, Trade) for event in events) == 12_000


def test_a_restored_backup_never_reuses_an_epoch(rig):
    future = 4_000_000_000
    writer = JournalWriter(rig.data.journal)
    writer.open_epoch(future)
    writer.close()

    rig.bus()

    assert rig.events()[0].header.epoch == future + 1


def test_a_frame_of_a_former_life_of_the_bus_is_refused(rig):
    first = rig.bus()
    risk = rig.producer("risk")
    old = risk.frame(TradingState("active", []), 1, "risk")
    rig.kill(first)
    head = rig.head()
    rig.bus()
    rig.wait(lambda: rig.head() > head)
    risk.send(old)

    refused = risk.answer()

    assert refused.reason == "epoch"
    assert not any(event.header.source == "risk" for event in rig.events())


def test_hello_is_stored_before_it_is_answered(rig):
    rig.bus()

    welcome = rig.producer("risk", sources=["risk"]).welcome

    event = next(JournalReader(rig.data.journal).events(welcome.started_seq - 1))
    assert event.message == ServiceStarted("risk", 1, "test", b"\x80", ["risk"])
