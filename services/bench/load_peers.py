"""Who puts a mesh under load: a producer, a subscriber that measures, and one that reads nothing."""

import os
import signal
import time
from multiprocessing.synchronize import Event as Flag
from typing import Any, NamedTuple

import zmq

from services.bench.levels import rules
from shared.messages import Message, body_of, decode_header, message_of
from shared.messages.market import Trade
from shared.messages.system import Alive
from shared.messages.wire import AppendHeader, Hello, Welcome, pack_wire, unpack_wire
from shared.runtime.build import build_id
from shared.runtime.clock import MeshClock
from shared.runtime.paths import DataDir
from shared.units import Side

STEADY_LOTS = 5
BURST_LOTS = 6
AFTER_LOTS = 7
"""The quantity of a trade tells in which phase it was sent."""
WARM_UP_LOTS = 1
SAMPLE_EVERY = 7
"""The subscriber looks at the time of each seventh event, so that it takes little of what it measures."""
HWM = 1_000_000
TURN_S = 0.004
ALIVE_S = 0.25
LATENCY_US_MAX = 2_000_000
SOURCE = "market_data.io"


class Told(NamedTuple):
    """What producer and subscriber counted, and how often each latency came, in us, by phase."""

    sent: int
    received: int
    latency_us: dict[int, list[int]]


def freeze(endpoint: str) -> None:
    """Subscribe to everything and stop this process: nothing is ever read."""
    context = zmq.Context()
    stream = context.socket(zmq.SUB)
    stream.subscribe(b"")
    stream.connect(endpoint)
    stream.recv_multipart()
    os.kill(os.getpid(), signal.SIGSTOP)


def subscribe(root: str, ready: Flag, ended: Flag, said: Any) -> None:
    """Count every trade and its time since the append, until `ended` is set and nothing more comes."""
    data = DataDir(root)
    clock = MeshClock(data)
    context = zmq.Context()
    stream = context.socket(zmq.SUB)
    stream.set(zmq.RCVHWM, HWM)
    stream.set(zmq.RCVTIMEO, 200)
    stream.subscribe(b".trade.")
    stream.connect(data.stream)
    ready.set()
    count = 0
    counts = {lots: [0] * (LATENCY_US_MAX + 1) for lots in (STEADY_LOTS, BURST_LOTS, AFTER_LOTS)}
    while True:
        try:
            _, packed, body = stream.recv_multipart()
        except zmq.Again:
            if ended.is_set():
                break
            continue
        count += 1
        if count % SAMPLE_EVERY:
            continue
        now_ns = clock.now_ns()
        lots = message_of(body).qty_lots
        if lots in counts:
            us = (now_ns - decode_header(packed).origin_ns) // 1000
            counts[lots][min(LATENCY_US_MAX, max(0, us))] += 1
    said.put((count, counts))
    context.destroy(0)


def produce(root: str, symbol: str, phases: list[tuple[float, int, int]], said: Any) -> None:
    """Speak as market_data: trades at the rate of each phase (seconds, per second, lots of each trade)."""
    context = zmq.Context()
    append = context.socket(zmq.DEALER)
    append.set(zmq.SNDHWM, 2000)
    data = DataDir(root)
    append.connect(data.append)
    append.send_multipart([b"hello", pack_wire(Hello("market_data", 0, 1, build_id(), b"\x80", [SOURCE]))])
    welcome = unpack_wire(append.recv_multipart()[1], Welcome)
    clock = MeshClock(data)
    alive = _frame(welcome, 0, 0, Alive("market_data", welcome.run, 0, 0, os.getpid(), "live"))
    append.send_multipart([b"append", *_frame(welcome, 1, 0, rules())])
    n, sent, alive_s = 1, 0, 0.0
    started_s = time.monotonic()
    for seconds, rate_hz, lots in phases:
        trade = Trade(symbol, 1, 600_000, lots, Side.BUY, clock.now_ns(), clock.now_ns())
        topic, body = trade.topic, body_of(trade)
        done = 0
        while done < int(seconds * rate_hz):
            due = min(int(seconds * rate_hz), int((time.monotonic() - started_s) * rate_hz))
            if due <= done:
                time.sleep(TURN_S)
                continue
            parts = [b"append"]
            now_ns = clock.now_ns()
            for _ in range(min(due - done, 256)):
                n += 1
                done += 1
                header = AppendHeader(welcome.epoch, SOURCE, welcome.run, n, now_ns, 0)
                parts += [pack_wire(header), topic, body]
            append.send_multipart(parts)
            if time.monotonic() - alive_s > ALIVE_S:
                alive_s = time.monotonic()
                append.send_multipart([b"append", *alive])
        sent += done
        started_s += seconds
    said.put(sent)
    while True:
        # Silence of the market would be news; this process is ended from outside.
        append.send_multipart([b"append", *alive])
        time.sleep(ALIVE_S)


def _frame(welcome: Welcome, n: int, origin_ns: int, message: Message) -> list[bytes]:
    header = AppendHeader(welcome.epoch, SOURCE, welcome.run, n, origin_ns, 0)
    return [pack_wire(header), message.topic, body_of(message)]
