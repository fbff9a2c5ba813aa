"""The tables of a run: fills, orders, funding and marks as columns of machine integers.

A million fills take 80 MB and no Python objects. A producer with columns of its own extends them in bulk
(`fills.ts_ns.frombytes(...)`, then `pad`); `check` finds uneven ones.
"""

import sys
from array import array
from collections.abc import Iterator
from typing import ClassVar, Self

UNKNOWN = 0
"""A mid of 0 is one that nobody knew: no trusted book before it, or the data ended before its time."""
NO_ORDER = -1

OPEN, FILLED, CANCELED, EXPIRED, REJECTED, REFUSED = range(6)
"""States of `Orders.state`: still open at the end, all filled, gone at our wish, ended by the venue (rest of
an IOC), refused by the venue, refused by risk (never sent)."""


class Table:
    """Columns of equal length; `COLUMNS` names each with its array type."""

    COLUMNS: ClassVar[dict[str, str]]
    __slots__ = ()

    def __init__(self) -> None:
        for name, code in self.COLUMNS.items():
            setattr(self, name, array(code))

    def __len__(self) -> int:
        return len(getattr(self, next(iter(self.COLUMNS))))

    def add(self, **values: int) -> int:
        """Append one row and return its number; a column that is not named gets 0.

        Raises:
            OverflowError: a value does not fit its column.
        """
        row = len(self)
        for name in self.COLUMNS:
            getattr(self, name).append(values.pop(name, 0))
        if values:
            raise TypeError(f"{type(self).__name__} has no column {', '.join(sorted(values))}")
        return row

    def rows(self) -> Iterator[tuple[int, ...]]:
        """Yield the rows, values in the order of `COLUMNS`."""
        return zip(*(getattr(self, name) for name in self.COLUMNS), strict=True)

    def pad(self) -> None:
        """Fill columns that were never written with 0, for producers that extend in bulk."""
        length = len(self)
        for name, code in self.COLUMNS.items():
            column = getattr(self, name)
            if not column:
                column.frombytes(bytes(array(code).itemsize * length))

    def check(self) -> None:
        """Raise `ValueError` when columns differ in length or time runs backwards."""
        lengths = {name: len(getattr(self, name)) for name in self.COLUMNS}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"{type(self).__name__}: columns of unequal length: {lengths}")
        times = self.ts_ns  # type: ignore[attr-defined]
        for at in range(1, len(times)):
            if times[at] < times[at - 1]:
                raise ValueError(
                    f"{type(self).__name__}: row {at} at {times[at]} ns is before the row ahead of it "
                    f"({times[at - 1]} ns); rows stand in the order of time"
                )

    def to_bytes(self) -> dict[str, bytes]:
        """Return the columns as little-endian bytes."""
        return {name: _swapped(getattr(self, name)).tobytes() for name in self.COLUMNS}

    @classmethod
    def from_bytes(cls, columns: dict[str, bytes]) -> Self:
        """Return the table of `to_bytes`; raises `ValueError` when a column is missing or cut."""
        table = cls()
        for name in cls.COLUMNS:
            if name not in columns:
                raise ValueError(f"{cls.__name__} has no column {name}")
            getattr(table, name).frombytes(columns[name])
            setattr(table, name, _swapped(getattr(table, name)))
        return table


def _swapped(column: "array[int]") -> "array[int]":
    """Return a column in little-endian order on any machine."""
    if sys.byteorder == "little":
        return column
    other = column[:]
    other.byteswap()
    return other


class Fills(Table):
    """Executions, one row each, in the order of time.

    `seq` is the number of the event behind it (of the journal, or the row of the columns), `market` and
    `strategy` index `Run.markets` and `Run.strategies`, `order` is the row in `Orders` or -1. `fee_atoms` is
    in the quote asset, a rebate negative. The mids (bid + ask, half ticks) are the last known at or before
    the fill and 0.1, 1, 10 and 60 s after it; 0 is unknown. `marking` fills them in.
    """

    COLUMNS: ClassVar[dict[str, str]] = {
        "ts_ns": "q",
        "seq": "q",
        "market": "H",
        "strategy": "H",
        "order": "q",
        "side": "B",
        "is_maker": "B",
        "price_ticks": "q",
        "lots": "q",
        "fee_atoms": "q",
        "mid_half_ticks": "q",
        "mid_100ms_half_ticks": "q",
        "mid_1s_half_ticks": "q",
        "mid_10s_half_ticks": "q",
        "mid_60s_half_ticks": "q",
    }
    __slots__ = tuple(COLUMNS)
    ts_ns: "array[int]"
    seq: "array[int]"
    market: "array[int]"
    strategy: "array[int]"
    order: "array[int]"
    side: "array[int]"
    is_maker: "array[int]"
    price_ticks: "array[int]"
    lots: "array[int]"
    fee_atoms: "array[int]"
    mid_half_ticks: "array[int]"
    mid_100ms_half_ticks: "array[int]"
    mid_1s_half_ticks: "array[int]"
    mid_10s_half_ticks: "array[int]"
    mid_60s_half_ticks: "array[int]"


MID_COLUMNS = (
    "mid_half_ticks",
    "mid_100ms_half_ticks",
    "mid_1s_half_ticks",
    "mid_10s_half_ticks",
    "mid_60s_half_ticks",
)
"""The mids of a fill, at it and after each of `shared.profit_parts.HORIZONS_NS`."""


class Orders(Table):
    """Orders, one row each, in the order in which they were decided.

    Times are 0 for what never happened: `accepted_ns` when the venue held it (queue time begins), `filled_ns`
    its first fill, `ended_ns` its end. `price_ticks` is 0 for a market order. May be empty in a run that kept
    none; the counts of `Counts` are then all that is known.
    """

    COLUMNS: ClassVar[dict[str, str]] = {
        "ts_ns": "q",
        "market": "H",
        "strategy": "H",
        "side": "B",
        "state": "B",
        "price_ticks": "q",
        "lots": "q",
        "filled_lots": "q",
        "accepted_ns": "q",
        "filled_ns": "q",
        "ended_ns": "q",
    }
    __slots__ = tuple(COLUMNS)
    ts_ns: "array[int]"
    market: "array[int]"
    strategy: "array[int]"
    side: "array[int]"
    state: "array[int]"
    price_ticks: "array[int]"
    lots: "array[int]"
    filled_lots: "array[int]"
    accepted_ns: "array[int]"
    filled_ns: "array[int]"
    ended_ns: "array[int]"


class Funding(Table):
    """Funding payments; `amount_atoms` is what came in, negative what was paid."""

    COLUMNS: ClassVar[dict[str, str]] = {
        "ts_ns": "q",
        "market": "H",
        "strategy": "H",
        "rate_e8": "q",
        "amount_atoms": "q",
    }
    __slots__ = tuple(COLUMNS)
    ts_ns: "array[int]"
    market: "array[int]"
    strategy: "array[int]"
    rate_e8: "array[int]"
    amount_atoms: "array[int]"


class Marks(Table):
    """Mids (bid + ask, half ticks) of trusted books: per market and step the highest, lowest and last one."""

    COLUMNS: ClassVar[dict[str, str]] = {"ts_ns": "q", "market": "H", "mid_half_ticks": "q"}
    __slots__ = tuple(COLUMNS)
    ts_ns: "array[int]"
    market: "array[int]"
    mid_half_ticks: "array[int]"
