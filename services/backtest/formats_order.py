"""Rows in the two orders that hftbacktest wants at once: by the venue's time, and by receipt.

Where the venue's times never fall, one row serves both. Where they do (a trade stream that lags the depth
stream by a few milliseconds), the rows around it stand twice: once in the venue's order for the exchange
side, once in the order of receipt for the local side.
"""

from array import array
from collections.abc import Iterator
from pathlib import Path

from services.backtest.formats_rows import FormatError
from shared.columns import FIELDS, FUNDING, LAST, MARK, Columns
from shared.kernels.event_order import mark_cuts, venue_times
from shared.kernels.event_writer import EventWriter
from shared.units import INT64_MAX

BLOCK_ROWS = 65_536
EVENT_BYTES = 64
EXCH, LOCAL, BOTH = 1, 2, 3

Piece = tuple[list["array[int]"], "array[int]"]
"""Columns, and for each row who sees it."""


class Ordered:
    """The events of a column file: how many, and block by block."""

    def __init__(self, columns: Columns, local_shift_ns: int) -> None:
        self._columns = columns
        self._views = [getattr(columns, name) for name, _, _ in FIELDS]
        self._local_shift_ns = local_shift_ns
        self._block_least: list[int] = []
        is_sorted, before_ns = True, 0
        for start in range(0, columns.count, BLOCK_ROWS):
            times, is_block_sorted = self._times(start, min(start + BLOCK_ROWS, columns.count))
            is_sorted = is_sorted and is_block_sorted and times[0] >= before_ns
            before_ns = max(before_ns, times[-1])
            self._block_least.append(min(times))
        self._is_sorted = is_sorted
        self.split_count = 0
        codes = [bytes([kind | last]) for kind in (FUNDING, MARK) for last in (0, LAST)]
        kinds = columns.kind.tobytes()
        self.event_count = columns.count - sum(kinds.count(code) for code in codes)
        if not is_sorted:
            for parts, seen in self._pieces():
                twice = sum(
                    1 for kind, who in zip(parts[4], seen, strict=True) if who == EXCH and kind & 15 < FUNDING
                )
                self.split_count += twice
            self.event_count += self.split_count

    def blocks(self, writer: EventWriter, source: Path) -> Iterator[memoryview]:
        """Yield the events as bytes; raises `FormatError` for a value that a float cannot hold."""
        done = 0
        for parts, seen in self._pieces():
            block = bytearray(len(seen) * EVENT_BYTES)
            whole = memoryview(block)
            ts_exch, ts_local, price, lots, kind, side = parts
            used = writer.write(
                ts_exch, ts_local, price, lots, kind, side, seen, whole.cast("q"), whole.cast("d")
            )
            if writer.bad_row >= 0:
                raise FormatError(
                    f"{source}, row {done + writer.bad_row + 1}: {lots[writer.bad_row]} lots at "
                    f"{price[writer.bad_row]} ticks cannot be held by a float"
                )
            done += len(seen)
            yield whole[: used * EVENT_BYTES]

    def _times(self, start: int, end: int) -> tuple["array[int]", bool]:
        times = array("q", bytes(8 * (end - start)))
        is_sorted = venue_times(
            self._views[0][start:end], self._views[1][start:end], self._local_shift_ns, times
        )
        return times, is_sorted

    def _rows(self, start: int, end: int) -> list["array[int]"]:
        return [
            array(code, view[start:end].tobytes())
            for (_, code, _), view in zip(FIELDS, self._views, strict=True)
        ]

    def _pieces(self) -> Iterator[Piece]:
        if self._is_sorted:
            for start in range(0, self._columns.count, BLOCK_ROWS):
                end = min(start + BLOCK_ROWS, self._columns.count)
                yield self._rows(start, end), array("B", [BOTH]) * (end - start)
            return
        for start, end, times in self._spans():
            if times is None:
                yield self._rows(start, end), array("B", [BOTH]) * (end - start)
            else:
                yield self._split(start, end, times)

    def _spans(self) -> Iterator[tuple[int, int, "array[int] | None"]]:
        """Yield runs of rows in the venue's order, and with their times those that are not."""
        count, least = self._columns.count, self._block_least
        later = [INT64_MAX] * (len(least) + 1)
        for block in range(len(least) - 1, -1, -1):
            later[block] = min(later[block + 1], least[block])
        start, before_ns = 0, 0
        # From this row on nothing was given yet; it never lies in the middle of a disorder.
        for block in range(len(least)):
            end = min((block + 1) * BLOCK_ROWS, count)
            times, _ = self._times(start, end)
            is_cut = array("B", bytes(end - start))
            mark_cuts(times, before_ns, later[block + 1], array("q", bytes(8 * (end - start))), is_cut)
            cuts = [start + at for at, flag in enumerate(is_cut) if flag]
            if max(times, default=0) <= later[block + 1]:
                cuts.append(end)
            run = start
            for at in range(len(cuts) - 1):
                first, last = cuts[at], cuts[at + 1]
                if last - first > 1:
                    if run < first:
                        yield run, first, None
                    yield first, last, times[first - start : last - start]
                    run = last
            if cuts and run < cuts[-1]:
                yield run, cuts[-1], None
            if cuts:
                before_ns = max([before_ns, *times[: cuts[-1] - start]])
                start = cuts[-1]

    def _split(self, start: int, end: int, times: "array[int]") -> Piece:
        """Return rows in both orders: each once where they agree, else once for each side."""
        rows = self._rows(start, end)
        by_venue = sorted(range(end - start), key=times.__getitem__)
        given: set[int] = set()
        order: list[int] = []
        seen = array("B")
        for at in range(end - start):
            while at not in given and by_venue[len(given)] != at:
                order.append(by_venue[len(given)])
                seen.append(EXCH)
                given.add(order[-1])
            order.append(at)
            if at in given:
                seen.append(LOCAL)
            else:
                seen.append(BOTH)
                given.add(at)
        return [array(column.typecode, [column[at] for at in order]) for column in rows], seen


def ordered_events(columns: Columns, local_shift_ns: int) -> Ordered:
    """Return the events of a column file in the venue's order and the order of receipt."""
    return Ordered(columns, local_shift_ns)
