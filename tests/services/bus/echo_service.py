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
    """Sums the trade ids and says the sum: a lost, doubled or swapped event changes all that follows."""

    service = "risk"

    def __init__(self):
        self.total = 0

    def apply(self, event):
        message = event.message
        if type(message) is not Trade:
            return []
        if message.trade_id == RAISE_AT:
            raise ValueError("planted")
        if SLOW_MS:
            time.sleep(SLOW_MS / 1000)
        self._take(message)
        return [Output("risk", TradingState("active", [str(self.total + PLUS)]))]

    def adopt(self, event):
        if type(event.message) is Trade:
            self._take(event.message)

    def _take(self, trade):
        self.total = (self.total * 31 + trade.trade_id) % 2**61

    def snapshot(self):
        return msgspec.msgpack.encode(self.total)

    def restore(self, data):
        self.total = msgspec.msgpack.decode(data, type=int)

    def digest(self):
        return hashlib.md5(self.snapshot()).digest()


def gap_applied_late():
    """Apply what came, and read what is missing afterwards."""
    from shared.runtime import node

    true_receive = node.Node._receive

    def receive(self):
        parts = self._link.receive()
        if parts is not None and parts[0] != b"~durable":
            header = node.decode_header(parts[1])
            if header.seq > self.port.applied_seq + 1 and self.phase == "live":
                self.host.applied_seq = header.seq - 1
                self._apply(node.Event(header, node.message_of(parts[2])))
                return True
        if parts is None:
            return False
        self._link.receive, kept = (lambda: parts), self._link.receive
        try:
            return true_receive(self)
        finally:
            self._link.receive = kept

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
    sys.exit(run_service(Echo()))
