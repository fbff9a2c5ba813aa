"""Builders of the kernel tests: a levels block of pairs, and a naive book to compare with."""

import struct
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
