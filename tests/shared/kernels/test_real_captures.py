"""Books rebuilt from real captures equal an independent oracle at every row (MD-4, MD-8)."""

import csv
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.kernels.book import Book
from shared.kernels.levels import LevelParser


def depth_events(files: list[Path]) -> Iterator[tuple[int, list, list]]:
    """Yield the snapshot, then each later change, as (last update id, bids, asks)."""
    snapshot_id, early = 0, []
    for file in files:
        with gzip.open(file) as lines:
            for line in lines:
                frame = json.loads(line.split(b" ", 1)[1])
                if "lastUpdateId" in frame:
                    snapshot_id = frame["lastUpdateId"]
                    yield snapshot_id, frame["bids"], frame["asks"]
                    yield from (event for event in early if event[0] > snapshot_id)
                elif frame["data"].get("e") == "depthUpdate":
                    data = frame["data"]
                    event = (data["u"], data["b"], data["a"])
                    if not snapshot_id:
                        early.append(event)
                    elif event[0] > snapshot_id:
                        yield event


@pytest.mark.req("MD-4", "MD-8")
@pytest.mark.parametrize(
    ("oracle", "files", "tick", "lot", "rows", "floored_levels"),
    [
        ("usdm_btcusdt", ["usdm_btcusdt_20240808"], "0.10", "0.001", 130, 0),
        (
            "spot_btcusdt",
            ["spot_btcusdt_20240808", "spot_btcusdt_20240809"],
            "0.01000000",
            "0.00001000",
            129,
            7,
        ),
    ],
)
def test_the_best_prices_of_a_real_capture_equal_the_oracle(
    captures, oracle, files, tick, lot, rows, floored_levels
):
    folder = captures / "binance_hft"
    with (folder / f"top_of_book_{oracle}.csv").open() as text:
        expected = {int(row["depth_u"]): row for row in csv.DictReader(text)}
    parser, book, seen, floored_total = LevelParser(tick, lot), Book(), 0, 0

    for number, (last_id, bids, asks) in enumerate(depth_events([folder / f"{f}.raw.gz" for f in files])):
        levels, bid_count, floored = parser.block(bids, asks)
        floored_total += floored
        if number == 0:
            book.snapshot(levels, bid_count, 0)
        else:
            assert book.update(levels, bid_count, number)
        row = expected.get(last_id)
        if row is not None:
            seen += 1
            assert (book.bid_ticks, book.bid_lots) == (
                parser.ticks(row["bid_px"]),
                parser.lots(row["bid_qty"]),
            )
            assert (book.ask_ticks, book.ask_lots) == (
                parser.ticks(row["ask_px"]),
                parser.lots(row["ask_qty"]),
            )
            assert book.is_trusted

    assert seen == len(expected) == rows
    assert floored_total == floored_levels
    restored = Book()
    restored.snapshot(*book.dump(), book.update_n)
    assert restored.dump() == book.dump()
