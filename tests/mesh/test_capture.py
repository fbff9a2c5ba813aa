"""Recorded captures through the real processes: venue, WebSocket, adapter, log, export; seen from outside."""

import csv

import pytest

USDM = ("usdm_btcusdt_20240808.raw.gz",)
SPOT = ("spot_btcusdt_20240808.raw.gz", "spot_btcusdt_20240809.raw.gz")


def oracle_rows(captures, venue):
    with (captures / "binance_hft" / f"top_of_book_{venue}_btcusdt.csv").open() as file:
        return list(csv.DictReader(file))


def wrong_rows(books, oracle):
    """Return the oracle rows that the exported books do not show, price and quantity of both sides."""
    by_id = {book["update_id"]: book for book in books if book["trusted"]}
    wrong = []
    for row in oracle:
        book = by_id.get(int(row["depth_u"]))
        fields = ("bid_px", "bid_qty", "ask_px", "ask_qty")
        if book is None or any(float(book[name]) != float(row[name]) for name in fields):
            wrong.append((row, book))
    return wrong


@pytest.mark.mesh
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("venue", "files", "speed"), [
    ("usdm", USDM, "10"), ("spot", SPOT, "10"), ("usdm", USDM, "max"), ("spot", SPOT, "max"),
])  # fmt: skip
@pytest.mark.req("MD-4", "MD-7", "MD-24", "I-31")
def test_exported_books_equal_the_oracle(make_mesh, captures, venue, files, speed):
    mesh = make_mesh()
    paths = [captures / "binance_hft" / name for name in files]
    oracle = oracle_rows(captures, venue)

    words = ("up", "--replay", *paths, "--speed", speed)
    mesh.must(*words, *(() if speed == "max" else ("--wait",)), timeout=500)

    books = mesh.lines("export", "books", "--json")
    assert len(oracle) > 100
    assert wrong_rows(books, oracle) == []
