"""A service of tests, run as a process: `risk`, with a core that says one `TradingState` per trade.

Environment: ECHO_PLUS (a number added to what it says: another code), ECHO_RAISE_AT (trade id at which it
raises), ECHO_SLOW_MS (time each trade takes), ECHO_MUTANT (a planted bug of the runtime).
"""

import hashlib
import os
import sys
import time

import msgspec

from shared.core import Output
from shared.messages.control import TradingState
from shared.messages.market import Trade
from shared.runtime.service import run_service

PLUS = int(os.environ.get("ECHO_PLUS", "0"))
RAISE_AT = int(os.environ.get("ECHO_RAISE_AT", "0"))
SLOW_MS = int(os.environ.get("ECHO_SLOW_MS", "0"))


class Echo:
    """Hashes the seqs it is given and says the hash: a lost or swapped event changes all that follows."""

    service = "risk"

    def __init__(self):
        self.total = 0

    def apply(self, event):
        message = event.message
        self._take(event)
        if type(message) is not Trade:
            return []
        if message.trade_id == RAISE_AT:
            raise ValueError("planted")
        if SLOW_MS:
            time.sleep(SLOW_MS / 1000)
        return [Output("risk", TradingState("active", [str(self.total + PLUS)]))]

    def adopt(self, event):
        self._take(event)

    def _take(self, event):
        self.total = (self.total * 31 + event.header.seq) % 2**61

    def snapshot(self):
        return msgspec.msgpack.encode(self.total)

    def restore(self, data):
        self.total = msgspec.msgpack.decode(data, type=int)

    def digest(self):
        return hashlib.md5(self.snapshot()).digest()


def gap_applied_late():
    """Apply what came, and what is missing afterwards."""
    from shared.runtime import node

    def receive(self):
        parts = self._link.receive()
        if parts is None:
            return False
        topic, packed, body = parts
        if topic == b"~durable":
            self.port.told_durable(node.message_of(body).durable_seq)
            return True
        header = node.decode_header(packed)
        missing = range(self.port.applied_seq + 1, header.seq)
        if header.seq > self.port.applied_seq:
            self.host.applied_seq = header.seq - 1
            self._apply(node.Event(header, node.message_of(body)))
        if missing:
            for event in self._reader.events(missing[0] - 1, missing[-1]):
                self.host.applied_seq = event.header.seq - 1
                self._apply(event)
            self.host.applied_seq = self.port.applied_seq = header.seq
        return True

    node.Node._receive = receive


def snapshot_named_at_once():
    """Give a snapshot its name before its outputs are durable."""
    from shared.runtime import snapshotting

    class NamesAtOnce(snapshotting.SnapshotStore):
        def write(self, snapshot):
            return self.name(super().write(snapshot))

    snapshotting.SnapshotStore = NamesAtOnce
    snapshotting.EVENTS = 50


def snapshot_often():
    """No bug: snapshots come every 50 events."""
    from shared.runtime import snapshotting

    snapshotting.EVENTS = 50


if __name__ == "__main__":
    if os.environ.get("ECHO_MUTANT"):
        globals()[os.environ["ECHO_MUTANT"]]()
    # Trades may wait for each other, as in services that do not act on them.
    sys.exit(run_service(Echo(), unhurried=frozenset({"trade"})))
