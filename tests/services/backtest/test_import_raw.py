"""A raw recording becomes rows from which the recorded book comes back."""

import csv
import gzip
import json
import zlib

import pytest

from services.market_data.shell_recorder import Recorder
from shared.columns import CLEAR, LEVEL, TRADE, Columns, ColumnsError
from tests.services.backtest.recordings import (
    SOUND,
    T0,
    S,
    book,
    books,
    diff,
    events,
    imported,
    lines_of,
    outcome,
    recording,
    trade,
    unusual,
)


@pytest.mark.req("BT-1", "BT-8", "MD-24")
@pytest.mark.parametrize(
    ("names", "oracle", "tick", "lot", "diffs", "trades"),
    [
        (["usdm_btcusdt_20240808"], "usdm_btcusdt", "0.1", "0.001", 6547, 21313),
        (["spot_btcusdt_20240809", "spot_btcusdt_20240808"], "spot_btcusdt", "0.01", "0.000001", 6493, 19904),
    ],
)
def test_the_book_is_that_of_an_independent_stream_at_every_row_of_the_oracle(
    captures, tmp_path, names, oracle, tick, lot, diffs, trades
):
    files = [captures / "binance_hft" / f"{name}.raw.gz" for name in names]
    received = {
        frame["data"]["u"]: recv
        for file in files
        for recv, frame in lines_of(file)
        if "@depth" in frame.get("stream", "")
    }
    with (captures / "binance_hft" / f"top_of_book_{oracle}.csv").open() as text:
        expected = {received[int(row["depth_u"])]: row for row in csv.DictReader(text)}

    # Files are put in the order of their times, and nothing needs to be allowed.
    (made,) = imported(tmp_path, *files)

    rules = made.header.rules
    assert (float(rules.tick_size), float(rules.lot_size)) == (float(tick), float(lot))
    assert (made.coverage.diffs, made.coverage.trades) == (diffs, trades)
    assert made.coverage.findings == {}
    checked = 0
    with Columns.open(made.path, verify=True) as columns:
        assert list(columns.ts_local_ns) == sorted(columns.ts_local_ns)
        for local, book in books(columns):
            if local in expected:
                row = expected.pop(local)
                touch = (book.bid_ticks, book.bid_lots, book.ask_ticks, book.ask_lots)
                steps = (float(tick), float(lot)) * 2
                said = tuple(
                    round(float(row[key]) / step)
                    for key, step in zip(("bid_px", "bid_qty", "ask_px", "ask_qty"), steps, strict=True)
                )
                assert touch == said, row
                checked += 1
        assert made.header.latency_min_ns == min(
            at - of for at, of in zip(columns.ts_local_ns, columns.ts_exch_ns, strict=True)
        )
    assert expected == {}
    assert checked > 100


@pytest.mark.req("BT-1")
def test_trades_are_those_of_the_recording(captures, tmp_path):
    file = captures / "binance_hft" / "spot_btcusdt_20240808.raw.gz"
    frames = [
        (recv, frame["data"]) for recv, frame in lines_of(file) if frame.get("stream") == "btcusdt@trade"
    ]

    (made,) = imported(tmp_path, file)

    with Columns.open(made.path) as columns:
        found = [(exch, local, rows[0]) for exch, local, rows in events(columns) if rows[0][2] == TRADE]
    assert found == [
        (d["T"] * 10**6, recv, (round(float(d["p"]) * 100), round(float(d["q"]) * 10**6), TRADE, int(d["m"])))
        for recv, d in frames
    ]


def test_a_recording_by_hand_gives_these_rows(tmp_path):
    (made,) = imported(tmp_path, recording(tmp_path / "a.gz", SOUND))

    with Columns.open(made.path) as columns:
        found = list(events(columns))
    venue = 1_723_161_255_000 * 10**6
    assert found == [
        (venue, T0 + 1 * S, [(10001, 7, TRADE, 1)]),
        # The book is confirmed by the diff after it, and known from there.
        (
            venue,
            T0 + 3 * S,
            [
                (0, 0, CLEAR, 0),
                (10000, 10, LEVEL, 0),
                (9998, 20, LEVEL, 0),
                (10002, 15, LEVEL, 1),
                (10000, 0, LEVEL, 0),
                (10003, 40, LEVEL, 1),
            ],
        ),
        (venue, T0 + 4 * S, [(10001, 7, TRADE, 0)]),
        (venue, T0 + 5 * S, [(10002, 0, LEVEL, 1)]),
    ]
    assert made.path.name == "binance-BTCUSDT-20240808T235415.columns"
    assert (made.header.first_local_ns, made.header.last_local_ns) == (T0 + S, T0 + 5 * S)
    rules = made.header.rules
    assert (rules.symbol, rules.base_asset, rules.tick_size, rules.lot_size) == (
        "binance:BTCUSDT",
        "BTC",
        "0.01000000",
        "0.10000000",
    )
    assert (rules.maker_fee_ppm, rules.is_derivative) == (1000, False)


def test_a_newer_book_takes_the_place_of_the_one_in_use_with_the_diffs_it_lacks(tmp_path):
    # Given a book of few levels, and a newer one that was asked for before the last two diffs came
    frames = [
        *SOUND,
        diff(13, [("99.97", "7.0")]),
        book(12, [("100.00", "9.0"), ("90.00", "1.0")], [("100.04", "2.0")]),
        # and one that is ahead of the stream
        book(14, [("100.00", "8.0"), ("80.00", "1.0")], [("100.04", "3.0")]),
        diff(14, [("100.00", "0.1")]),
        diff(15, [("99.96", "0.2")]),
    ]

    (made,) = imported(tmp_path, recording(tmp_path / "a.gz", frames))

    with Columns.open(made.path) as columns:
        states = [(local, [*b.levels(0, 9)], [*b.levels(1, 9)]) for local, b in books(columns)]
    assert states[-3][1:] == ([(10000, 90), (9997, 70), (9000, 10)], [(10004, 20)])
    assert states[-2][1:][0] == [(10000, 1), (9997, 70), (9000, 10)]
    # The diff after the newer book's id joins them.
    assert states[-1][1:] == ([(10000, 80), (9996, 2), (8000, 10)], [(10004, 30)])


def test_a_finer_tick_that_comes_late_is_taken_for_the_whole_file(tmp_path):
    frames = [*SOUND, *(trade(n) for n in range(3, 4000)), trade(4000, "100.0125", "0.25")]

    (made,) = imported(tmp_path, recording(tmp_path / "a.gz", frames, 1000))

    assert (made.header.rules.tick_size, made.header.rules.lot_size) == ("0.00250000", "0.05000000")
    with Columns.open(made.path) as columns:
        assert columns.price_ticks[0] == 40_004
        assert columns.lots[-1] == 5


def test_a_plain_file_without_its_last_line_break_is_read(tmp_path):
    path = recording(tmp_path / "a.gz", SOUND)
    (packed,) = imported(tmp_path / "1", path)
    plain = tmp_path / "a.raw"
    plain.write_bytes(gzip.decompress(path.read_bytes())[:-1])

    (made,) = imported(tmp_path / "2", plain)

    assert made.header.sha256 == packed.header.sha256


def test_markets_of_one_file_are_told_apart_also_one_that_begins_late(tmp_path):
    # Given two markets of which one begins after thousands of lines, with REST books that name no market
    other = [
        diff(500, [("2.50", "10")], symbol="ETHUSDT"),
        book(500, [("2.51", "30")], [("2.53", "5")]),
        diff(501, [("2.52", "20")], symbol="ETHUSDT"),
    ]
    frames = [*SOUND, *(trade(n) for n in range(3, 5000)), *other, trade(5000)]
    path = recording(tmp_path / "a.gz", frames, 1000)

    made = {one.header.symbol: one for one in imported(tmp_path, path)}
    (only,) = imported(tmp_path / "only", path, symbols=("ethusdt",))

    assert set(made) == {"binance:BTCUSDT", "binance:ETHUSDT"}
    assert only.header.sha256 == made["binance:ETHUSDT"].header.sha256
    assert made["binance:BTCUSDT"].coverage.trades == 5000
    with Columns.open(only.path) as columns:
        *_, (_, last) = books(columns)
    assert (last.bid_ticks, last.bid_lots, last.ask_ticks) == (252, 4, 253)
    with pytest.raises(ColumnsError, match="hold binance:BTCUSDT, binance:ETHUSDT, --symbol asks for XRP"):
        imported(tmp_path, path, symbols=("XRP",))


@pytest.mark.req("MD-24")
def test_what_our_recorder_wrote_is_read_member_by_member(tmp_path):
    recorder = Recorder(tmp_path, "binance", 10**9)
    for n, frame in enumerate(SOUND):
        recorder.take(T0 + n * S, json.dumps(frame, separators=(",", ":")).encode())
        recorder.flush()
    recorder.close()
    (path,) = tmp_path.glob("*.raw.gz")
    (by_hand,) = imported(tmp_path / "1", recording(tmp_path / "a.gz", SOUND))

    (made,) = imported(tmp_path / "2", path)

    assert zlib.decompressobj(31).decompress(path.read_bytes()).count(b"\n") == 1
    assert made.header.sha256 == by_hand.header.sha256


def test_mark_and_funding_become_rows_when_the_time_of_the_funding_has_come(tmp_path):
    def mark(at_ms, price, rate, next_ms):
        data = {
            "e": "markPriceUpdate",
            "E": at_ms,
            "s": "BTCUSDT",
            "p": price,
            "i": price,
            "r": rate,
            "T": next_ms,
        }
        return {"stream": "btcusdt@markPrice@1s", "data": data}

    frames = [
        book(10) | {"E": 1, "T": 1},
        diff(11, [("99.99", "3.0")], venue="usdm", previous=10),
        mark(1000, "100.014", "0.00010000", 3000),
        mark(2000, "100.019", "-0.00020000", 3000),
        mark(3001, "100.03", "0.00030000", 9000),
    ]

    (made,) = imported(tmp_path, recording(tmp_path / "a.gz", frames))

    with Columns.open(made.path) as columns:
        found = [(exch, local, rows) for exch, local, rows in events(columns)][1:]
    ms = 10**6
    assert found == [
        (1000 * ms, T0 + 2 * S, [(10001, 0, 5, 0)]),
        (3000 * ms, T0 + 4 * S, [(10001, -20_000, 4, 0)]),
        (3001 * ms, T0 + 4 * S, [(10003, 0, 5, 0)]),
    ]


@pytest.mark.req("BT-1")
def test_the_shortcuts_give_what_the_venues_own_parser_gives(captures, tmp_path):
    path = captures / "binance_hft" / "spot_btcusdt_20240808.raw.gz"
    with gzip.open(path) as file:
        text = b"".join(file.readlines()[:15_000])
    fast, slow = tmp_path / "fast.raw", tmp_path / "slow.raw"
    fast.write_bytes(text)
    slow.write_bytes(unusual(text))

    assert outcome(tmp_path / "1", fast) == outcome(tmp_path / "2", slow) != "refused"
