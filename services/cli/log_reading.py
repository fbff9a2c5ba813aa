"""Read the stored log of a data directory, running or not, for commands that show it."""

from collections.abc import Iterator
from contextlib import contextmanager

from services.cli.exits import CommandError, ExitCode
from shared.errors import QuotemeshError
from shared.messages import Event
from shared.runtime.paths import DataDir
from shared.runtime.retention import history


@contextmanager
def stored_events(data: DataDir, until_seq: int | None = None) -> Iterator[Iterator[Event]]:
    """Give the kept events up to `until_seq` (default: the newest now); a damaged log ends the command.

    Of pruned segments these are the orders, fills and control events that the ledger keeps, with their seq.
    """
    if not data.journal.is_dir():
        raise CommandError(
            f"there is no log in {data.root}; name the data directory with --data, or start a mesh with up",
            ExitCode.NOT_FOUND,
        )
    events = history(data.journal, until_seq)
    try:
        yield events
    except QuotemeshError as error:
        raise CommandError(str(error)) from error
    finally:
        events.close()
