"""The book kernel called from Python, against the prototype in the same run, rounds alternated."""

import array
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from services.bench import prototypes
from services.bench.figures import Figure, median
from shared.kernels.book import Book
from shared.kernels.signals import TradeFlow, microprice_centiticks

MID_TICKS = 7_322_350
ROUNDS = 15
CALLS = 20_000
Case = Callable[[int], None]


def _block(levels: int, lots: int) -> "array.array[int]":
    values = array.array("q")
    for i in range(levels):
        values.extend((MID_TICKS - 1 - i, lots + i))
    for i in range(levels):
        values.extend((MID_TICKS + 1 + i, lots + i))
    return values


def measure() -> list[Figure]:
    """Return the figures of the kernels; the peer is absent where the prototypes are not here."""
    with tempfile.TemporaryDirectory(prefix="quotemesh-bench-") as build_dir:
        peer = prototypes.kernel_module(Path(build_dir))
        ours, theirs = _our_cases(), _peer_cases(peer) if peer is not None else {}
        taken: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            for name, case in ours.items():
                taken.setdefault(name, []).append(_ns(case))
            for name, case in theirs.items():
                taken.setdefault("peer " + name, []).append(_ns(case))
    return [
        _figure("update 20+20 levels and microprice", "update", taken, ratio_max=1.3),
        _figure("snapshot of 20+20 levels", "snapshot", taken, at_most=500),
        _figure("one level changed and microprice", "level", taken, at_most=73.6),
        _figure("one trade and VPIN", "trade", taken, at_most=49),
    ]


def _figure(
    title: str,
    name: str,
    taken: dict[str, list[float]],
    at_most: float | None = None,
    ratio_max: float | None = None,
) -> Figure:
    peer = taken.get("peer " + name)
    return Figure(
        name=title,
        unit="ns",
        value=round(median(taken[name]), 1),
        at_most=at_most,
        ratio_max=ratio_max,
        peer_name="prototypes/kern_cy.py",
        peer=round(median(peer), 1) if peer else None,
        rounds=[[round(ns) for ns in taken[name]], [round(ns) for ns in peer or []]],
    )


def _ns(case: Case) -> float:
    started = time.perf_counter_ns()
    case(CALLS)
    return (time.perf_counter_ns() - started) / CALLS


def _our_cases() -> dict[str, Case]:
    blocks = [_block(20, 50).tobytes(), _block(20, 90).tobytes()]
    one = array.array("q", (MID_TICKS - 3, 77)).tobytes()
    book, flow = Book(), TradeFlow(200)

    def snapshot(calls: int) -> None:
        for i in range(calls):
            book.snapshot(blocks[i & 1], 20, 0)

    def update(calls: int) -> None:
        book.snapshot(blocks[0], 20, 0)
        for i in range(1, calls + 1):
            book.update(blocks[i & 1], 20, i)
            microprice_centiticks(book)

    def level(calls: int) -> None:
        book.snapshot(blocks[0], 20, 0)
        for i in range(1, calls + 1):
            book.update(one, 1, i)
            microprice_centiticks(book)

    def trade(calls: int) -> None:
        for i in range(calls):
            flow.add(i & 1, MID_TICKS, 5)

    return {"update": update, "snapshot": snapshot, "level": level, "trade": trade}


def _peer_cases(peer: object) -> dict[str, Case]:
    engine = peer.Engine(MID_TICKS)  # type: ignore[attr-defined]
    blocks = [_block(20, 50), _block(20, 90)]

    def snapshot(calls: int) -> None:
        for i in range(calls):
            engine.snapshot(blocks[i & 1], 20, 20)

    def update(calls: int) -> None:
        for i in range(calls):
            engine.update(blocks[i & 1], 20, 20)

    def level(calls: int) -> None:
        for _ in range(calls):
            engine.level(0, MID_TICKS - 3, 77)

    def trade(calls: int) -> None:
        for i in range(calls):
            engine.trade(i & 1, MID_TICKS, 5)

    return {"update": update, "snapshot": snapshot, "level": level, "trade": trade}
