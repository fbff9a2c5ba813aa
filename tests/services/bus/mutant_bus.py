"""A bus with one planted bug, run as a process: the tests must catch it."""

import errno
import sys
import time

from services.bus import main, shell, shell_durability
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


def sync_fails() -> None:
    """No bug of ours: the disk says no after the fifth sync."""
    left = [5]

    def fdatasync(_fd):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.EIO, "Input/output error")

    shell_durability.os.fdatasync = fdatasync


MUTANTS = {function.__name__: function for function in (publish_before_commit, higher_n_accepted, sync_fails)}

if __name__ == "__main__":
    MUTANTS[sys.argv[1]]()
    sys.exit(main.main())
