"""One re-run of a stored log in a process of its own, with sockets blocked: verdicts as JSON on stdout.

`services.replay.verify_log` starts two of these under different hash seeds and compares them. Usage:
`python -m services.replay.worker JOURNAL_DIR`.
"""

import json
import socket
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from services.replay.cores import log_cores, strategy_events
from services.replay.verify import verify
from services.strategy.shell_own import allow_own_strategies
from shared.runtime.journal import JournalReader
from shared.runtime.paths import DataDir


def block_sockets() -> None:
    """Make every new socket an error: a replay touches nothing outside (JR-11, I-40)."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise PermissionError("a replay may not open a socket; a core or a kernel tried to")

    socket.socket.__init__ = refuse  # type: ignore[method-assign]
    socket.create_connection = refuse
    socket.socketpair = refuse


def main() -> int:
    """Verify the journal named in the arguments and print one JSON list of verdicts."""
    block_sockets()
    journal = Path(sys.argv[1])
    allow_own_strategies(DataDir(journal.parent))
    reader = JournalReader(journal)
    verdicts = verify(reader.events(), log_cores(strategy_events(reader)))
    print(json.dumps([asdict(verdict) for verdict in verdicts]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
