"""A bus with one planted bug, run as a process: the tests must catch it."""

import sys
import time

from services.bus import main, shell
from services.bus.sequencer import Sequencer


def publish_before_commit() -> None:
    def flush(self):
        batch = self.sequencer.take()
        if batch.events:
            self._publish(batch)
            # The window of the bug, held open: the transport has its own thread.
            time.sleep(0.2)
            self._commit(batch)

    shell.Bus._flush = flush


def higher_n_accepted() -> None:
    true_last_n = Sequencer._last_n
    true_accept = Sequencer._accept

    def accept(self, header, *rest):
        self._last_n = lambda source, run: max(true_last_n(self, source, run), header.n - 1)
        try:
            return true_accept(self, header, *rest)
        finally:
            del self._last_n

    Sequencer._accept = accept


def durable_before_sync() -> None:
    true_committed = shell.Durability.committed

    def committed(self, segment, head_seq, **kind):
        self.durable_seq = head_seq
        true_committed(self, segment, head_seq, **kind)

    shell.Durability.committed = committed


MUTANTS = {
    function.__name__: function
    for function in (publish_before_commit, higher_n_accepted, durable_before_sync)
}

if __name__ == "__main__":
    MUTANTS[sys.argv[1]]()
    sys.exit(main.main())
