"""A real bus and real services in processes of their own, on a data directory of the test."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
import zmq

from shared.messages import body_of, decode_header, message_of
from shared.messages.wire import AppendHeader, Hello, Refused, Welcome, pack_wire, unpack_wire
from shared.runtime.client import BusClient
from shared.runtime.journal import JournalReader
from shared.runtime.paths import DataDir

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).resolve().parent
LIMIT_S = 30.0


class Rig:
    """Starts and ends processes on one data directory; everything is bounded by `LIMIT_S`."""

    def __init__(self, root):
        self.data = DataDir(root)
        self.data.prepare()
        self.processes = []
        self.sockets = []
        self.context = zmq.Context()

    def start(self, *command, preexec_fn=None, **environment):
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=os.environ
            | {"QUOTEMESH_DATA": str(self.data.root), "PYTHONPATH": str(ROOT), "QUOTEMESH_BUILD": "test"}
            | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=preexec_fn,  # noqa: PLW1509 - the child sets a limit of its own, nothing else
        )
        self.processes.append(process)
        return process

    def bus(self, *, is_awaited=True, **environment):
        process = self.start("-m", "services.bus.main", **environment)
        if is_awaited:
            self.wait(lambda: self.head() > 0, process)
        return process

    def mutant_bus(self, name, **environment):
        process = self.start(str(HERE / "mutant_bus.py"), name, **environment)
        self.wait(lambda: self.head() > 0, process)
        return process

    def service(self, **environment):
        return self.start(str(HERE / "echo_service.py"), **environment)

    def settings(self, service, **values):
        self.data.settings(service).write_bytes(msgspec.msgpack.encode(values))

    def head(self):
        reader = JournalReader(self.data.journal)
        try:
            return reader.head_seq()
        finally:
            reader.close()

    def events(self):
        return list(JournalReader(self.data.journal).events())

    def client(self):
        return BusClient(self.data, timeout_ms=int(LIMIT_S * 1000))

    def producer(self, service, run=0, **fields):
        return Producer(self, service, run, **fields)

    def socket(self, kind):
        socket = self.context.socket(kind)
        socket.linger = 0
        self.sockets.append(socket)
        return socket

    def subscribe(self, *topics):
        socket = self.socket(zmq.SUB)
        socket.rcvhwm = 1_000_000
        for topic in topics or (b"",):
            socket.subscribe(topic)
        socket.connect(self.data.stream)
        return socket

    def wait(self, claim, process=None, limit_s=LIMIT_S):
        """Return the first true value of `claim`; a limit, not a measure."""
        end_s = time.monotonic() + limit_s
        while time.monotonic() < end_s:
            value = claim()
            if value:
                return value
            if process is not None and process.poll() is not None:
                raise AssertionError(f"ended with {process.returncode}:\n{process.stdout.read().decode()}")
            time.sleep(0.01)
        raise AssertionError(f"waited {limit_s} s in vain; head is {self.head()}")

    def kill(self, process):
        process.send_signal(signal.SIGKILL)
        process.wait(LIMIT_S)

    def stop(self, process):
        process.terminate()
        return process.wait(LIMIT_S)

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait(LIMIT_S)
            process.stdout.close()
        for socket in self.sockets:
            socket.close()
        self.context.term()


class Producer:
    """A service that speaks by hand: it says hello, then frames of any form."""

    def __init__(self, rig, service, run=0, token=None, sources=(), schema=1):
        self.rig, self.service = rig, service
        self.socket = rig.socket(zmq.DEALER)
        self.socket.connect(rig.data.append)
        self.token = token or int.from_bytes(os.urandom(6), "little")
        self.said = Hello(service, run, self.token, "test", b"\x80", list(sources), schema)
        self.socket.send_multipart([b"hello", pack_wire(self.said)])
        self.welcome = self.answer()
        self.n = 0

    def answer(self, limit_s=LIMIT_S):
        """Return the next answer of the bus, None when there is none in time."""
        if not self.socket.poll(int(limit_s * 1000)):
            return None
        kind, packed = self.socket.recv_multipart()
        return unpack_wire(packed, Welcome if kind == b"hello" else Refused)

    def frame(self, message, n, source=None, epoch=None, run=None, origin_ns=0, cause_seq=0):
        header = AppendHeader(
            self.welcome.epoch if epoch is None else epoch,
            source or f"{self.service}.io",
            self.welcome.run if run is None else run,
            n,
            origin_ns,
            cause_seq,
        )
        return [pack_wire(header), message.topic, body_of(message)]

    def send(self, *frames):
        self.socket.send_multipart([b"append", *[part for frame in frames for part in frame]])

    def say(self, *messages):
        """Say facts with the next n each."""
        frames = []
        for message in messages:
            self.n += 1
            frames.append(self.frame(message, self.n))
        self.send(*frames)


@pytest.fixture
def rig(tmp_path):
    """A data directory with nothing running; all that a test starts is ended."""
    made = Rig(tmp_path / "data")
    yield made
    made.close()


def received(socket, limit_s=LIMIT_S):
    """Return the next event of a subscription as (header, message)."""
    assert socket.poll(int(limit_s * 1000)), "nothing was published"
    _, header, body = socket.recv_multipart()
    return decode_header(header), message_of(body)


@pytest.fixture
def receive():
    """Return the function that takes the next event of a subscription."""
    return received
