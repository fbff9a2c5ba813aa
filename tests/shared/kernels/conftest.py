"""Builders of the kernel tests: a levels block of pairs, and a naive book to compare with."""

import struct
from array import array
from collections.abc import Callable

import pytest

Pairs = list[tuple[int, int]]


def block_of(bids: Pairs, asks: Pairs) -> tuple[bytes, int]:
    """Return (levels block, bid count)."""
    return b"".join(struct.pack("<qq", price, lots) for price, lots in [*bids, *asks]), len(bids)


class NaiveBook:
    """Two dictionaries: what a book means, without any speed."""

    def __init__(self) -> None:
        self.sides: tuple[dict[int, int], dict[int, int]] = ({}, {})

    def replace(self, bids: Pairs, asks: Pairs) -> None:
        self.sides = ({}, {})
        self.change(bids, asks)

    def change(self, bids: Pairs, asks: Pairs) -> None:
        for side, pairs in enumerate((bids, asks)):
            for price, lots in pairs:
                if lots:
                    self.sides[side][price] = lots
                else:
                    self.sides[side].pop(price, None)

    def levels(self, side: int) -> Pairs:
        return sorted(self.sides[side].items(), reverse=side == 0)


@pytest.fixture(scope="session")
def block() -> Callable[[Pairs, Pairs], tuple[bytes, int]]:
    return block_of


@pytest.fixture(scope="session")
def naive_book() -> type[NaiveBook]:
    return NaiveBook


LEVEL, TRADE, CLEAR, INVALID, FUNDING, MARK = range(6)
LAST = 0x80
Message = tuple[int, int, list[tuple[int, int, int, int]]]


def columns_of(messages: list[Message]) -> tuple[object, ...]:
    """Return engine columns of (ts_exch, ts_local, rows of (kind, side, price, lots)), one message each."""
    columns = (array("q"), array("q"), array("B"), array("B"), array("i"), array("q"))
    for ts_exch, ts_local, rows in messages:
        for index, (kind, side, price, lots) in enumerate(rows):
            ends = LAST if index == len(rows) - 1 else 0
            for column, value in zip(
                columns, (ts_exch, ts_local, kind | ends, side, price, lots), strict=True
            ):
                column.append(value)
    return columns


def book_rows(bids: Pairs, asks: Pairs) -> list[tuple[int, int, int, int]]:
    """Return the rows of a whole book: CLEAR, then its levels."""
    levels = [(LEVEL, side, *pair) for side, pairs in enumerate((bids, asks)) for pair in pairs]
    return [(CLEAR, 0, 0, 0), *levels]


@pytest.fixture(scope="session")
def columns() -> Callable[[list[Message]], tuple[object, ...]]:
    return columns_of


@pytest.fixture(scope="session")
def whole_book() -> Callable[[Pairs, Pairs], list[tuple[int, int, int, int]]]:
    return book_rows
