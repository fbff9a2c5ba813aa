"""How many events a second the bus stores and publishes, to four subscribers, in batches of 20."""

import os
import subprocess
import sys
import tempfile
import time
from multiprocessing import get_context
from multiprocessing.synchronize import Event as ReadyEvent
from pathlib import Path
from typing import Any

import zmq

from services.bench.figures import Figure, median
from services.bench.levels import SYMBOL
from services.bench.machine import ROOT
from services.bench.mesh import wait_for
from services.bus.settings import BusSettings
from shared.errors import QuotemeshError
from shared.messages import body_of
from shared.messages.market import Trade
from shared.messages.wire import AppendHeader, Hello, Welcome, pack_wire, unpack_wire
from shared.runtime.build import build_id
from shared.runtime.client import BusClient
from shared.runtime.paths import DataDir
from shared.settings import pack
from shared.units import Side

EVENTS = 200_000
BATCH = 20
SUBSCRIBERS = 4
ROUNDS = 3
HWM = 1_000_000


def measure() -> list[Figure]:
    """Return stored events per second, until the last of four subscribers has the last of them."""
    rates = [_round() for _ in range(ROUNDS)]
    return [
        Figure(
            name="bus: stored events/s, 4 subscribers, batches of 20",
            unit="/s",
            value=round(median(rates)),
            at_least=50_000,
            rounds=[round(rate) for rate in rates],
            note=f"{EVENTS} trades of about 75 bytes; the clock stops when the slowest subscriber has all",
        )
    ]


def _round() -> float:
    with tempfile.TemporaryDirectory(prefix="quotemesh-bench-") as folder:
        data = DataDir(Path(folder))
        data.prepare()
        data.settings("bus").parent.mkdir(parents=True, exist_ok=True)
        data.settings("bus").write_bytes(pack(BusSettings(subscriber_frames_max=HWM)))
        environment = {**os.environ, "QUOTEMESH_DATA": folder}
        with (data.logs / "bus.log").open("wb") as log:
            bus = subprocess.Popen(
                [sys.executable, "-m", "services.bus.main"], cwd=ROOT, env=environment, stdout=log, stderr=log
            )
        try:
            wait_for(lambda: _answers(data), "the bus")
            return _rate(data)
        finally:
            bus.terminate()
            bus.wait(30)


def _answers(data: DataDir) -> bool:
    try:
        with BusClient(data, 300) as client:
            return bool(client.status())
    except QuotemeshError:
        return False


def _rate(data: DataDir) -> float:
    fork = get_context("fork")
    ready = [fork.Event() for _ in range(SUBSCRIBERS)]
    done: Any = fork.Queue()
    subscribers = [fork.Process(target=_subscribe, args=(data.stream, EVENTS, one, done)) for one in ready]
    for process in subscribers:
        process.start()
    for one in ready:
        one.wait(30)
    time.sleep(0.5)
    started_s = time.monotonic()
    # Closed only after all was seen: a socket that closes while the bus is behind loses what it had sent.
    with zmq.Context() as context:
        append = context.socket(zmq.DEALER)
        _produce(data, append)
        counts: list[tuple[int, float]] = [done.get(timeout=120) for _ in subscribers]
        append.close(0)
    took_s = max(ended for _, ended in counts) - started_s
    for process in subscribers:
        process.join(10)
    if any(count < EVENTS for count, _ in counts):
        raise QuotemeshError(f"subscribers saw {[count for count, _ in counts]} of {EVENTS} events")
    return EVENTS / took_s


def _subscribe(endpoint: str, events: int, ready: ReadyEvent, done: Any) -> None:
    context = zmq.Context()
    stream = context.socket(zmq.SUB)
    stream.set(zmq.RCVHWM, HWM)
    stream.subscribe(b".trade.")
    stream.connect(endpoint)
    ready.set()
    count = 0
    while count < events:
        stream.recv_multipart()
        count += 1
    done.put((count, time.monotonic()))
    context.destroy(0)


def _produce(data: DataDir, append: "zmq.Socket[bytes]") -> None:
    append.set(zmq.SNDHWM, 2000)
    append.connect(data.append)
    source = "market_data.io"
    hello = Hello("market_data", 0, 1, build_id(), b"\x80", [source])
    append.send_multipart([b"hello", pack_wire(hello)])
    welcome = unpack_wire(append.recv_multipart()[1], Welcome)
    message = Trade(SYMBOL, 1, 600_000, 5, Side.BUY, 1_700_000_000_000_000_000, 1_700_000_000_000_000_000)
    topic, body = message.topic, body_of(message)
    n = 0
    for _ in range(EVENTS // BATCH):
        parts = [b"append"]
        for _ in range(BATCH):
            n += 1
            parts += [pack_wire(AppendHeader(welcome.epoch, source, welcome.run, n, 0, 0)), topic, body]
        append.send_multipart(parts)
