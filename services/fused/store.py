"""Where a fused mesh keeps its log: the journal of the data directory, written in batches."""

from types import TracebackType

import apsw

from services.fused.mesh import Stored
from shared.errors import JournalError
from shared.messages import encode_header, source_service
from shared.runtime.journal import Row, row_crc
from shared.runtime.journal_writer import JournalWriter, SourceRow

BATCH = 512


class BatchedStore:
    """Takes one event after another and commits `BATCH` at a time.

    One process holds cores and log, so nobody can have seen what its death loses: the last batch only.
    """

    def __init__(self, writer: JournalWriter) -> None:
        self._writer = writer
        self._rows: list[Row] = []
        self._sources: dict[str, SourceRow] = {}

    def __enter__(self) -> "BatchedStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush()
        self._writer.close()

    def put(self, stored: Stored) -> None:
        """Keep one event; commit when a batch is full."""
        header = stored.event.header
        packed = encode_header(header)
        crc = row_crc(header.seq, packed, stored.topic, stored.body)
        self._rows.append(Row(header.seq, packed, stored.topic, stored.body, crc))
        service = source_service(header.source)
        self._sources[header.source] = SourceRow(header.source, service, header.run, header.n)
        if len(self._rows) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Commit what is kept; raises `JournalError` when the disk does not take it."""
        rows, sources = self._rows, list(self._sources.values())
        self._rows, self._sources = [], {}
        if not rows:
            return
        services = {row.service: row.run for row in sources if row.service != "bus"}
        try:
            self._writer.append(rows, sources, list(services.items()))
        except (apsw.Error, OSError) as error:
            raise JournalError(
                f"the log {self._writer.segment} could not be written ({error}): make room, or name another "
                f"place; it is whole up to seq {rows[0].seq - 1}"
            ) from error
