"""Builders of the kernel tests: a levels block of pairs, and a naive book to compare with."""

import os
import struct
import subprocess
import sys
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.kernels.backtest import BOOK, END, REPORT, Engine

ROOT = Path(__file__).resolve().parents[3]
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


def engine_for(messages: list[Message], *, latency: tuple[int, int] = (0, 0), **options: Any) -> Engine:
    """Return an engine of one market that stops at each book event."""
    fees = {name: options.pop(name) for name in ("maker_fee_ppm", "taker_fee_ppm") if name in options}
    engine = Engine(*latency, **options)
    engine.add_market(*columns_of(messages), tick_lot_atoms=10, **fees)
    engine.wants(0, True, False)
    return engine


def run_to_end(engine: Engine, at_book: dict[int, Callable[[Engine], object]]) -> list[tuple[int, ...]]:
    """Run, calling `at_book[n]` at book event n; return the reports as (heard, kind, price, ...)."""
    heard: list[tuple[int, ...]] = []
    books = 0
    while (code := engine.run()) != END:
        if code == REPORT:
            heard += [(engine.now_ns, kind, *rest) for _, _, _, kind, *rest in engine.take_reports()]
        elif code == BOOK:
            books += 1
            at_book.get(books, lambda _: None)(engine)
    return heard


@pytest.fixture(scope="session")
def engine_of() -> Callable[..., Engine]:
    return engine_for


@pytest.fixture(scope="session")
def drive() -> Callable[..., list[tuple[int, ...]]]:
    return run_to_end


def _said(script: str, *arguments: str, **environment: str) -> list[str]:
    """Return the words that a script prints in a process of its own."""
    inherited = {name: value for name, value in os.environ.items() if name != "QUOTEMESH_KERNELS"}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture
def both_kinds() -> Callable[..., tuple[list[str], list[str]]]:
    """Run a script that prints `is_compiled()` and digests with both kinds of kernels; return the digests."""

    def run(script: str, *arguments: str) -> tuple[list[str], list[str]]:
        kind, *compiled = _said(script, *arguments)
        if kind != "True":
            missing = "no compiled kernels of these sources: python -m shared.kernels.build"
            if os.environ.get("CI") == "true":
                pytest.fail(missing, pytrace=False)
            pytest.skip(missing)
        kind, *uncompiled = _said(script, *arguments, QUOTEMESH_KERNELS="python")
        assert kind == "False"
        return compiled, uncompiled

    return run
