"""Real services on a real bus: nothing is lost or said twice."""

import importlib.util
import shutil
import signal
from pathlib import Path

import pytest
from msgspec.msgpack import encode
from msgspec.structs import replace

from shared.errors import DivergenceError
from shared.hosting import CoreHost
from shared.messages.control import TradingState
from shared.messages.market import Trade
from shared.messages.system import CoreDigest, CoreDiverged, EpochStarted, ServiceStarted
from shared.runtime.journal import JournalReader
from shared.runtime.snapshots import SnapshotStore
from shared.units import Side

pytestmark = [pytest.mark.mesh, pytest.mark.timeout(120)]


def echo_core():
    path = Path(__file__).with_name("echo_service.py")
    spec = importlib.util.spec_from_file_location("echo_service", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Echo()


def trades(first, count):
    return [
        Trade("binance:BTCUSDT", number, 100, 1, Side.BUY, 1, 1) for number in range(first, first + count)
    ]


def said(rig):
    return [event for event in rig.events() if type(event.message) is TradingState]


def answered(rig, count):
    """Wait until `count` outputs of the service stand on the log."""

    reader = JournalReader(rig.data.journal)
    at = {"seq": 0, "count": 0}

    def is_said():
        for row in reader.rows(at["seq"]):
            at["seq"] = row.seq
            at["count"] += row.topic == b".trading_state"
        reader.close()
        return at["count"] >= count

    return is_said


def is_live(rig, run=1):
    """Wait until the service of this run has said that it is live."""
    return lambda: (
        rig.client().status()["services"].get("risk", {"run": 0, "state": ""})
        and (
            rig.client().status()["services"].get("risk", {}).get("run") == run
            and rig.client().status()["services"]["risk"]["state"] == "live"
        )
    )


def prove(rig, outputs):
    """The log has no hole, and an undisturbed core fed the same log says exactly what stands on it."""
    events = rig.events()
    assert [event.header.seq for event in events] == list(range(1, len(events) + 1))
    host = CoreHost(echo_core())
    digests = {}
    for event in events:
        host.apply(event)
        digests[event.header.seq] = host.core.digest()
    assert not host.outbox
    assert len(said(rig)) == outputs
    for event in events:
        if type(event.message) is CoreDigest:
            assert digests[event.message.at_seq] == event.message.digest


@pytest.mark.req("JR-6", "I-37")
def test_a_service_answers_each_event_once_and_stops_with_a_snapshot(rig):
    rig.bus()
    service = rig.service()
    rig.wait(is_live(rig), service)
    feed = rig.producer("market_data")

    feed.say(*trades(1, 500))
    feed.say(*trades(501, 700))
    rig.wait(answered(rig, 1200), service)
    code = rig.stop(service)

    assert code == 0
    prove(rig, 1200)
    assert any(type(event.message) is CoreDigest for event in rig.events())
    snapshot = next(SnapshotStore(rig.data.snapshots, "risk").newest_first())
    assert snapshot.seq >= 1200


@pytest.mark.req("JR-8", "I-15", "OP-10")
@pytest.mark.parametrize("point", ["bus.before_commit:9", "bus.after_commit:9", "bus.after_publish:9"])
def test_a_bus_killed_while_a_service_appends_loses_and_doubles_nothing(rig, point):
    rig.bus()
    service = rig.service()
    rig.wait(is_live(rig), service)
    rig.kill(rig.processes[0])
    mark = rig.data.run / "crashed"
    dying = rig.bus(is_awaited=False, QUOTEMESH_CRASH_AT=point, QUOTEMESH_CRASH_ONCE=str(mark))
    feed = rig.producer("market_data")
    feed.say(*trades(1, 100))
    rig.wait(lambda: dying.poll() is not None)
    assert dying.returncode == -signal.SIGKILL

    rig.bus()
    rest = rig.producer("market_data")
    kept = sum(type(event.message) is Trade for event in rig.events())
    rest.say(*trades(kept + 1, 300 - kept))
    rig.wait(answered(rig, 300), service)

    rig.stop(service)
    prove(rig, 300)


@pytest.mark.req("JR-8", "I-37", "OP-10")
@pytest.mark.parametrize("point", ["service.before_append:3", "service.after_append:3"])
def test_a_service_killed_while_it_speaks_says_the_rest_and_nothing_twice(rig, point):
    rig.bus()
    dying = rig.service(QUOTEMESH_CRASH_AT=point)
    rig.wait(is_live(rig), dying)
    feed = rig.producer("market_data")
    for start in range(1, 400, 10):
        feed.say(*trades(start, 10))
    rig.wait(lambda: dying.poll() is not None)

    again = rig.service()
    rig.wait(answered(rig, 400), again)

    rig.stop(again)
    prove(rig, 400)


def lagged(rig, **environment):
    """Stop a service until its stream has overflowed, let it go on, and feed it a little more."""
    rig.settings("bus", subscriber_frames_max=1000)
    rig.bus()
    service = rig.service(**environment)
    rig.wait(is_live(rig), service)
    feed = rig.producer("market_data")
    service.send_signal(signal.SIGSTOP)
    for start in range(1, 40_000, 200):
        feed.say(*trades(start, 200))
    rig.wait(lambda: rig.head() > 40_000)
    service.send_signal(signal.SIGCONT)
    rig.wait(answered(rig, 500), service)
    feed.say(*trades(40_001, 100))
    return service


@pytest.mark.req("JR-7", "I-17")
def test_a_service_that_lags_reads_what_it_missed_before_anything_later(rig):
    service = lagged(rig)

    rig.wait(answered(rig, 40_100), service)

    rig.stop(service)
    prove(rig, 40_100)


def test_the_planted_bug_gap_applied_late_is_seen(rig):
    service = lagged(rig, ECHO_MUTANT="gap_applied_late")
    rig.wait(answered(rig, 40_100), service)

    with pytest.raises(DivergenceError):
        prove(rig, 40_100)


def early_snapshots(rig, receive, mutant, awaited):
    """Let a service decide while the bus is frozen, kill both; return snapshots the log does not bear out."""
    bus = rig.bus()
    service = rig.service(ECHO_MUTANT=mutant)
    rig.wait(is_live(rig), service)
    service.send_signal(signal.SIGSTOP)
    feed = rig.producer("market_data")
    stream = rig.subscribe(b"~durable")
    feed.say(*trades(1, 500))
    while receive(stream)[1].durable_seq <= 500:
        pass
    # One more word of the bus: all before it is on its way to everyone.
    receive(stream)
    bus.send_signal(signal.SIGSTOP)
    service.send_signal(signal.SIGCONT)
    folder = rig.data.snapshots / "risk"
    rig.wait(lambda: list(folder.glob(awaited)), service)
    rig.kill(service)
    rig.kill(bus)
    outputs = {event.header.cause_seq for event in said(rig)}
    causes = [event.header.seq for event in rig.events() if type(event.message) is Trade]
    return [
        snapshot.seq
        for snapshot in SnapshotStore(rig.data.snapshots, "risk").newest_first()
        if any(seq not in outputs for seq in causes if seq <= snapshot.seq)
    ]


@pytest.mark.req("JR-6")
def test_a_snapshot_has_its_name_only_when_its_outputs_stand_on_the_log(rig, receive):
    assert early_snapshots(rig, receive, "snapshot_often", "*.tmp") == []


def test_the_planted_bug_snapshot_named_at_once_is_seen(rig, receive):
    assert early_snapshots(rig, receive, "snapshot_named_at_once", "*.snap") != []


@pytest.mark.req("JR-6")
def test_a_start_uses_the_newest_snapshot_and_says_the_same(rig):
    rig.bus()
    service = rig.service(ECHO_MUTANT="snapshot_often")
    feed = rig.producer("market_data")
    feed.say(*trades(1, 400))
    rig.wait(answered(rig, 400), service)
    store = SnapshotStore(rig.data.snapshots, "risk")
    rig.wait(lambda: list(store.newest_first()), service)
    rig.kill(service)

    again = rig.service()
    feed.say(*trades(401, 100))
    rig.wait(answered(rig, 500), again)
    rig.stop(again)

    prove(rig, 500)
    assert b"snapshot_restored" in again.stdout.read()


@pytest.mark.req("JR-6")
def test_a_damaged_snapshot_and_one_of_another_log_are_ignored(rig):
    rig.bus()
    service = rig.service()
    feed = rig.producer("market_data")
    feed.say(*trades(1, 100))
    rig.wait(answered(rig, 100), service)
    rig.stop(service)
    folder = rig.data.snapshots / "risk"
    snapshot = next(folder.glob("*.snap"))
    foreign = snapshot.read_bytes()
    (folder / "009999999999-00000000000000000007.snap").write_bytes(foreign[:-1] + b"\0")
    epoch, seq = snapshot.stem.split("-")
    SnapshotStore(rig.data.snapshots, "risk")
    other = next(SnapshotStore(rig.data.snapshots, "risk").newest_first())
    (folder / f"{int(epoch) + 5:012d}-{seq}.snap").write_bytes(encode(replace(other, epoch=int(epoch) + 5)))

    again = rig.service()
    feed.say(*trades(101, 50))
    rig.wait(answered(rig, 150), again)
    rig.stop(again)

    prove(rig, 150)
    assert again.stdout.read().count(b"not on the log") == 1


@pytest.mark.req("JR-9", "I-43")
def test_the_same_code_that_says_something_else_latches_kill_and_ends(rig):
    rig.bus()
    service = rig.service()
    feed = rig.producer("market_data")
    feed.say(*trades(1, 50))
    rig.wait(answered(rig, 50), service)
    rig.kill(service)

    other = rig.service(ECHO_PLUS="1")

    assert other.wait(30) == 1
    assert "diverged" in (rig.data.latch / "kill").read_text()
    assert b"DivergenceError" in other.stdout.read()
    diverged = [event.message for event in rig.events() if type(event.message) is CoreDiverged]
    assert [message.is_same_build for message in diverged] == [True]


@pytest.mark.req("JR-9")
def test_another_build_takes_what_stands_on_the_log_says_so_and_decides_from_then_on(rig):
    rig.bus()
    service = rig.service()
    feed = rig.producer("market_data")
    feed.say(*trades(1, 50))
    rig.wait(answered(rig, 50), service)
    rig.kill(service)

    other = rig.service(ECHO_PLUS="1", QUOTEMESH_BUILD="newer")
    rig.wait(lambda: any(type(event.message) is CoreDiverged for event in rig.events()), other)
    feed.say(*trades(51, 50))
    rig.wait(answered(rig, 100), other)

    assert rig.stop(other) == 0
    assert not (rig.data.latch / "kill").exists()
    diverged = [event.message for event in rig.events() if type(event.message) is CoreDiverged]
    assert [message.is_same_build for message in diverged] == [False]
    last = said(rig)[-1]
    core = echo_core()
    for event in rig.events()[: last.header.cause_seq]:
        core.adopt(event)
    assert last.message.reasons == [str(core.total + 1)]
    assert [event.header.n for event in said(rig)] == list(range(1, 101))


@pytest.mark.req("I-44")
def test_two_deaths_on_one_event_latch_kill_and_name_it(rig):
    rig.bus()
    feed = rig.producer("market_data")
    feed.say(*trades(1, 30))
    codes = [rig.service(ECHO_RAISE_AT="20").wait(30) for _ in range(2)]

    last = rig.service(ECHO_RAISE_AT="20")

    assert codes == [1, 1]
    assert last.wait(30) == 70
    seq = next(event.header.seq for event in rig.events() if getattr(event.message, "trade_id", 0) == 20)
    assert f"died twice while applying seq {seq}" in (rig.data.latch / "kill").read_text()


@pytest.mark.req("I-16")
def test_a_service_that_is_taken_over_ends(rig):
    rig.bus()
    service = rig.service()
    rig.wait(is_live(rig), service)

    rig.producer("risk")

    assert service.wait(30) == 2


@pytest.mark.req("JR-5")
def test_a_service_ahead_of_a_restored_log_starts_again_from_it(rig):
    bus = rig.bus()
    feed = rig.producer("market_data")
    feed.say(*trades(1, 20))
    rig.wait(lambda: rig.head() > 20)
    rig.stop(bus)
    backup = rig.data.root / "backup"
    shutil.copytree(rig.data.journal, backup)
    bus = rig.bus()
    service = rig.service()
    rig.producer("market_data").say(*trades(21, 200))
    rig.wait(answered(rig, 220), service)
    rig.kill(bus)
    shutil.rmtree(rig.data.journal)
    shutil.copytree(backup, rig.data.journal)

    rig.bus()
    code = service.wait(30)
    again = rig.service()
    rig.wait(answered(rig, 20), again)

    assert code == 1
    assert b"RestartError" in service.stdout.read()
    rig.stop(again)
    prove(rig, 20)


def test_a_service_lives_through_a_restart_of_the_bus_with_the_same_run(rig):
    bus = rig.bus()
    service = rig.service()
    rig.wait(is_live(rig), service)
    rig.kill(bus)
    rig.bus()

    rig.wait(lambda: [type(event.message) for event in rig.events()].count(ServiceStarted) == 2, service)

    starts = [event.message for event in rig.events() if type(event.message) is ServiceStarted]
    assert [started.run for started in starts] == [1, 1]
    assert sum(type(event.message) is EpochStarted for event in rig.events()) == 2
    assert starts[0].settings == starts[1].settings
