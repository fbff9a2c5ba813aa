"""`campaign --kills`: a real broker dies at named points while it trades; the venue's ledger is the truth.

One mesh lives through all of it. Each life of the broker but the last is told where to kill itself; one that
does not pass there in time is killed where it is.
"""

import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import zmq

from services.cli.campaign_mesh import TradingMesh, trading_mesh, wait_for
from services.fused.live_oracle import LogFold, judge_ledger
from services.venue_sim.draw import Draw
from shared.errors import QuotemeshError
from shared.messages import Event, control
from shared.messages.market import InstrumentRules
from shared.messages.system import Reconciled, ServiceStarted
from shared.runtime.client import BusClient
from shared.runtime.clock import MeshClock
from shared.runtime.crash import BROKER_POINTS
from shared.runtime.journal import JournalReader
from shared.units import NS_PER_MS

AT_START = frozenset({"broker.reconciling", "broker.reconciled_said"})
BY_KILL = frozenset({"broker.kill_seen", "broker.half_canceled", "broker.latched"})
LIFE_S = 6.0
"""A life that has not passed its point so long after it traded is killed where it is."""
SETTLE_S = 60.0


class KillReport(msgspec.Struct, kw_only=True):
    """What the kills showed. Times are from the start of a new life of the broker to `Reconciled`, in ms."""

    kills: int = 0
    at_points: dict[str, int] = {}
    at_random: int = 0
    converged_ms: list[int] = []
    order_count: int = 0
    fill_count: int = 0
    doubt_count: int = 0
    problems: list[str] = []
    seconds: float = 0.0

    def percentile(self, share: float) -> int:
        """Return the time within which so large a share of the lives had converged."""
        ordered = sorted(self.converged_ms)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0


class _Log:
    """The log as it grows: runs of the broker, and when each agreed with its venues."""

    def __init__(self, mesh: TradingMesh) -> None:
        self._reader = JournalReader(mesh.data.journal)
        self.events: list[Event] = []
        self.run = 0
        self.reconciled: dict[int, int] = {}
        self.rules: dict[str, InstrumentRules] = {}
        self.is_killed = False

    def read(self) -> None:
        """Take what is new."""
        for event in self._reader.events(self.events[-1].header.seq if self.events else 0):
            self.events.append(event)
            message = event.message
            if isinstance(message, ServiceStarted) and message.service == "broker":
                self.run = message.run
            elif isinstance(message, Reconciled) and not message.difference_count:
                self.reconciled.setdefault(message.run, event.header.ts_ns)
            elif isinstance(message, InstrumentRules):
                self.rules[message.symbol] = message
            elif isinstance(message, control.KillLatched):
                self.is_killed = True
            elif isinstance(message, control.KillCleared):
                self.is_killed = False

    def close(self) -> None:
        """Give the files back."""
        self._reader.close()


def run_kills(count: int, seed: int, *, told: Callable[[str], None] = lambda _: None) -> KillReport:
    """Kill the broker `count` times and judge what the venue and the log say afterwards."""
    began_s = time.monotonic()
    report = KillReport()
    with (
        tempfile.TemporaryDirectory(prefix="quotemesh-kills-") as folder,
        trading_mesh(Path(folder), seed) as mesh,
        closing(_Log(mesh)) as log,
    ):
        _kill_all(mesh, log, report, count, seed, told)
    report.seconds = round(time.monotonic() - began_s, 1)
    return report


def _kill_all(
    mesh: TradingMesh, log: _Log, report: KillReport, count: int, seed: int, told: Callable[[str], None]
) -> None:
    mesh.widen_limits()
    opening = mesh.money()
    draw = Draw(seed, 7_200_000)
    points: Counter[str] = Counter()
    for number in range(count):
        point = BROKER_POINTS[number % len(BROKER_POINTS)]
        died = _live_and_die(mesh, log, report, point, draw)
        points[died] += 1
        report.kills += 1
        told(f"{report.kills} of {count}: {died or 'where it was, on the way to ' + point}")
    report.at_random = points.pop("", 0)
    report.at_points = dict(sorted(points.items()))
    _last_life(mesh, log, report)
    truth = mesh.truth(opening, log.rules)
    log.read()
    fold = LogFold().take(log.events)
    report.problems += judge_ledger(log.events, truth, 0)
    report.order_count, report.fill_count = len(truth.orders), len(truth.fills)
    report.doubt_count = len(fold.waits_ns)


def _live_and_die(mesh: TradingMesh, log: _Log, report: KillReport, point: str, draw: Draw) -> str:
    """Let one life begin, agree, trade and die; return the point at which it died, empty for elsewhere."""
    passages = 1 if point in AT_START or point in BY_KILL else draw.between(1, 6)
    clock = MeshClock(mesh.data)
    log.read()
    former_run = log.run
    born_ns = clock.now_ns()
    mesh.start("broker", QUOTEMESH_CRASH_AT=f"{point}:{passages}")
    is_kill_asked = False
    deadline_s = time.monotonic() + 30.0
    while mesh.is_running("broker"):
        log.read()
        at_ns = log.reconciled.get(log.run, 0) if log.run > former_run else 0
        if at_ns and deadline_s > time.monotonic() + LIFE_S:
            report.converged_ms.append((at_ns - born_ns) // NS_PER_MS)
            deadline_s = time.monotonic() + LIFE_S
        if at_ns and log.is_killed and point not in BY_KILL:
            _clear(mesh)
        if at_ns and point in BY_KILL and not is_kill_asked and not log.is_killed:
            time.sleep(0.5)  # so that orders rest when it comes
            is_kill_asked = _ask_kill(mesh)
        elif at_ns and point in BY_KILL and log.is_killed and not is_kill_asked:
            _clear(mesh)
        if time.monotonic() > deadline_s:
            mesh.kill("broker")
            return ""
        time.sleep(0.02)
    return point


def _clear(mesh: TradingMesh) -> None:
    with BusClient(mesh.data) as client:
        client.append("operator", control.KillClearRequested("operator", "the next life"))


def _ask_kill(mesh: TradingMesh) -> bool:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        with context.socket(zmq.REQ) as socket:
            socket.linger, socket.rcvtimeo = 0, 1000
            socket.connect(mesh.data.socket("broker.sock"))
            socket.send(msgspec.msgpack.encode(["kill", "operator", "campaign"]))
            socket.recv()
    except zmq.ZMQError:
        pass  # it died while it answered, as it was told to
    finally:
        context.destroy(linger=0)
    return True


def _last_life(mesh: TradingMesh, log: _Log, report: KillReport) -> None:
    """Let a last life agree and withdraw everything; what does not come to rest is a problem."""
    log.read()
    former_run = log.run
    mesh.start("broker")

    def has_agreed() -> bool:
        log.read()
        return log.run > former_run and log.run in log.reconciled

    wait_for(has_agreed, "the last life of the broker to agree with its venues")
    if log.is_killed:
        _clear(mesh)
    with BusClient(mesh.data) as client:
        client.append("operator", control.PauseRequested("", "operator", "the end"))
    try:
        wait_for(lambda: _is_over(log) and not mesh.open_ids(), "every order to end", SETTLE_S)
    except QuotemeshError as error:
        report.problems.append(f"{error}: {', '.join(mesh.open_ids()[:5])} at the venue")
    # The answers to the last questions are on their way to the log.
    time.sleep(1.0)


def _is_over(log: _Log) -> bool:
    log.read()
    time.sleep(0.5)
    fold = LogFold().take(log.events)
    return not fold.unknown_ns and not {key for key in fold.reported if key not in fold.over}
