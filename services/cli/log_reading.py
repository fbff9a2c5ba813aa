"""Read the stored log of a data directory, running or not, for commands that show it."""

from collections.abc import Iterator
from contextlib import contextmanager

from services.cli.exits import CommandError, ExitCode
from shared.errors import QuotemeshError
from shared.messages import Event
from shared.runtime.journal import JournalReader
from shared.runtime.paths import DataDir


@contextmanager
def stored_events(data: DataDir, until_seq: int | None = None) -> Iterator[Iterator[Event]]:
    """Give the kept events up to `until_seq` (default: the newest now); a damaged log ends the command."""
    if not data.journal.is_dir():
        raise CommandError(
            f"there is no log in {data.root}; name the data directory with --data, or start a mesh with up",
            ExitCode.NOT_FOUND,
        )
    reader = JournalReader(data.journal)
    try:
        head = reader.head_seq()
        last = head if until_seq is None else min(head, until_seq)
        yield reader.events(reader.first_seq() - 1, last)
    except QuotemeshError as error:
        raise CommandError(str(error)) from error
    finally:
        reader.close()
