"""A raw recording becomes rows from which the recorded book comes back, and what is unsound is refused."""

import csv
import gzip
import json
import random
import struct
import zlib

import msgspec
import pytest

from services.backtest.coverage import KINDS
from services.backtest.import_raw import RawImport
from services.backtest.import_rules import GivenRules, given_rules
from services.market_data.shell_recorder import Recorder
from shared.columns import CLEAR, INVALID, KIND_MASK, LAST, LEVEL, TRADE, Columns, ColumnsError
from shared.kernels.book import Book

EVERYTHING = frozenset(KINDS)
S = 1_000_000_000
T0 = 1_723_161_255 * S


def events(columns):
    """Yield (ts_exch, ts_local, rows of (price, lots, kind, side)) of each message."""
    rows = []
    views = (
        columns.ts_exch_ns,
        columns.ts_local_ns,
        columns.price_ticks,
        columns.lots,
        columns.kind,
        columns.side,
    )
    for exch, local, price, lots, kind, side in zip(*(view.tolist() for view in views), strict=True):
        rows.append((price, lots, kind & KIND_MASK, side))
        if kind & LAST:
            yield exch, local, rows
            rows = []
    assert not rows


def books(columns):
    """Yield (ts_local, book) after each message that changed it, rebuilt by the book of live trading."""
    book, n = Book(), 0
    for _, local, rows in events(columns):
        levels = [row for row in rows if row[2] == LEVEL]
        block = b"".join(
            struct.pack("<qq", row[0], row[1]) for side in (0, 1) for row in levels if row[3] == side
        )
        bid_count = sum(row[3] == 0 for row in levels)
        if rows[0][2] == CLEAR:
            n = 0
            # Diffs may follow in the same message: their levels stand after the book's.
            book.snapshot(b"", 0, n)
        if rows[0][2] == INVALID:
            book.invalidate()
        elif levels:
            n += 1
            book.update(block, bid_count, n)
        yield local, book


def imported(tmp_path, *files, allow=(), given=None, symbols=()):
    run = RawImport(list(files), tmp_path / "out", given or GivenRules(), symbols)
    run.read()
    return run.finish(allow)


def lines_of(path):
    with gzip.open(path, "rb") as file:
        for line in file:
            recv, _, frame = line.partition(b" ")
            yield int(recv), msgspec.json.decode(frame)


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


# ---- a small market by hand


def diff(
    u, bids=(), asks=(), first=None, previous=None, venue="spot", symbol="BTCUSDT", at_ms=1_723_161_255_000
):
    data = {
        "e": "depthUpdate",
        "E": at_ms,
        "s": symbol,
        "U": first or u,
        "u": u,
        "b": list(bids),
        "a": list(asks),
    }
    if venue == "usdm":
        data |= {"T": at_ms, "pu": u - 1 if previous is None else previous}
    return {"stream": f"{symbol.lower()}@depth@100ms", "data": data}


def trade(n, price="100.01", qty="0.7", symbol="BTCUSDT", **more):
    data = {
        "e": "trade",
        "E": 1_723_161_255_000,
        "s": symbol,
        "t": n,
        "p": price,
        "q": qty,
        "T": 1_723_161_255_000,
        "m": True,
        "M": True,
    } | more
    return {"stream": f"{symbol.lower()}@trade", "data": data}


def book(last_id, bids=(("100.00", "1.0"), ("99.98", "2.0")), asks=(("100.02", "1.5"),)):
    return {"lastUpdateId": last_id, "bids": list(bids), "asks": list(asks)}


def recording(path, frames, step_ns=S):
    """Write frames one second apart; one that is a pair brings its own time."""
    lines = []
    for n, frame in enumerate(frames):
        at, payload = frame if isinstance(frame, tuple) else (T0 + n * step_ns, frame)
        text = payload if isinstance(payload, str) else json.dumps(payload, separators=(",", ":"))
        lines.append(f"{at} {text}\n")
    path.write_bytes(gzip.compress("".join(lines).encode()))
    return path


SOUND = [
    diff(10, [("99.99", "3.0")]),
    trade(1),
    book(10),
    diff(11, [("100.00", "0.0")], [("100.03", "4.0")]),
    trade(2, m=False),
    diff(12, asks=[("100.02", "0")]),
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


@pytest.mark.req("BT-8")
@pytest.mark.parametrize(
    ("venue", "after"),
    [("spot", diff(20, first=15)), ("usdm", diff(20, previous=14, venue="usdm"))],
)
def test_a_gap_breaks_the_book_until_the_next_snapshot_and_is_listed(tmp_path, venue, after):
    frames = [
        book(10),
        diff(11, [("99.99", "3.0")], venue=venue, previous=10),
        after,
        diff(21, asks=[("100.05", "1")], venue=venue, previous=20),
        book(20),
        diff(22, asks=[("100.06", "1")], venue=venue, previous=21),
    ]
    if venue == "usdm":
        frames = [frame | {"E": 1, "T": 1} if "lastUpdateId" in frame else frame for frame in frames]
    path = recording(tmp_path / "a.gz", frames)

    with pytest.raises(ColumnsError, match=r"gaps .1.: .*expected 1(.|\n)*--allow gaps"):
        imported(tmp_path, path)
    assert not list(tmp_path.glob("out/*"))
    (made,) = imported(tmp_path, path, allow={"gaps"})

    assert [[gap.from_ns, gap.to_ns] for gap in made.header.gaps] == [[T0 + 2 * S, T0 + 4 * S]]
    # 2 of 5 seconds are unknown.
    assert made.coverage.covered_ppm == 600_000
    with Columns.open(made.path) as columns:
        found = [(local, [row[2] for row in rows]) for _, local, rows in events(columns)]
    assert found[1:] == [
        (T0 + 2 * S, [INVALID]),
        (T0 + 4 * S, [CLEAR] + [LEVEL] * 4),
        (T0 + 5 * S, [LEVEL]),
    ]


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


@pytest.mark.req("BT-8")
@pytest.mark.parametrize(
    ("frames", "kind", "where"),
    [
        ([*SOUND, trade(2)], "duplicates", "trade 2"),
        ([*SOUND, diff(12)], "duplicates", "diff 12"),
        ([*SOUND, trade(5)], "gaps", "2 trades before 5"),
        ([*SOUND, (T0, trade(3))], "unordered", "line 7"),
        ([frame for frame in SOUND if "stream" in frame], "no-book", "no REST book"),
        ([book(3), *(frame for frame in SOUND if "stream" in frame)], "no-book", "no REST book"),
        ([*SOUND[:3], *(diff(n, first=n + 1) for n in range(13, 14))], "no-book", "no REST book"),
    ],
)
def test_what_is_unsound_is_refused_by_its_name_and_taken_when_allowed(tmp_path, frames, kind, where):
    if kind == "no-book" and len(frames) == 4:
        frames = [*SOUND[:3], diff(14, first=13)]
    path = recording(tmp_path / "a.gz", frames)

    with pytest.raises(ColumnsError, match=f"{kind} .*{where}(.|\n)*--allow {kind}"):
        imported(tmp_path, path)

    assert not list(tmp_path.glob("out/*"))
    (made,) = imported(tmp_path, path, allow={kind})
    assert made.header.count > 0
    with Columns.open(made.path) as columns:
        assert list(columns.ts_local_ns) == sorted(columns.ts_local_ns)


GIVEN = ("tick=0.01,lot=0.1",)


@pytest.mark.req("BT-8")
@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (diff(13, [("99.999", "1.0")]), "off-tick"),
        (diff(13, [("99.99", "1.05")]), "off-lot"),
        (trade(3, "100.001"), "off-tick"),
        (trade(3, qty="0.55"), "off-lot"),
    ],
)
def test_prices_and_quantities_off_the_given_steps_are_refused_unless_allowed(tmp_path, frame, kind):
    path = recording(tmp_path / "a.gz", [*SOUND, frame])

    with pytest.raises(ColumnsError, match=f"{kind} .1.: .*line 7"):
        imported(tmp_path, path, given=given_rules(GIVEN))

    (made,) = imported(tmp_path, path, given=given_rules(GIVEN), allow={kind})
    with Columns.open(made.path) as columns:
        last = list(events(columns))[-1][2][-1]
    # Left out, or rounded down as live.
    assert last[1] in ({"off-tick": (0,), "off-lot": (10, 5)}[kind])


@pytest.mark.req("BT-8")
@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (diff(13, [("99.99", "-1.0")]), "line 7: .*'-1.0'"),
        (diff(13, [("-99.99", "1.0")]), "line 7: .*'-99.99'"),
        (diff(13, [("99.99", "NaN")]), "line 7: .*'NaN'"),
        (trade(3, "1e5"), "line 7: .*'1e5'"),
        (trade(3, qty="-3"), "line 7: .*'-3'"),
        (diff(13, symbol="BTCUSDT") | {"data": diff(13, symbol="ETHUSDT")["data"]}, "line 7: mixes markets"),
        (trade(3) | {"data": trade(3, symbol="ETHUSDT")["data"]}, "line 7: mixes markets"),
        ('{"stream":"btcusdt@depth","data":{"e":"depthUpdate","E":1,"U":1,', "line 7: holds no JSON"),
        ('{"stream":"btcusdt@depth","data":[]}', "line 7: "),
        ('{"stream":"btcusdt@nonsense","data":{}}', "line 7: is of the unknown stream"),
        ('{"what":1}', "line 7: is neither"),
        (diff(13, venue="usdm"), "line 7: .*another venue"),
        (("17", trade(3)), "7: |unordered"),
        (("x7", trade(3)), "line 7: starts with b'x7'"),
    ],
)
def test_a_line_that_cannot_be_taken_is_named_and_nothing_is_kept(tmp_path, frame, said):
    with pytest.raises(ColumnsError, match=said):
        imported(tmp_path, recording(tmp_path / "a.gz", [*SOUND, frame]))

    assert not list(tmp_path.glob("out/*"))


@pytest.mark.req("BT-8")
def test_a_cut_off_file_is_refused_or_read_to_its_last_whole_line(tmp_path):
    path = recording(tmp_path / "a.gz", [*SOUND, *(trade(n, qty=f"{n}.5") for n in range(3, 3000))])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])

    with pytest.raises(ColumnsError, match=r"truncated .1.: .*after line"):
        imported(tmp_path, path)

    (made,) = imported(tmp_path, path, allow={"truncated"})
    assert 0 < made.coverage.trades < 2999
    # A file cut within its first bytes holds nothing.
    path.write_bytes(whole[:40])
    with pytest.raises(ColumnsError, match="holds no depth, trade or bookTicker"):
        imported(tmp_path, path, allow=EVERYTHING)


@pytest.mark.req("BT-8")
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no depth"),
        (b"PK\x03\x04 a zip", "no raw recording"),
        (b"time,price\n1,2\n", "no raw recording"),
        (gzip.compress(b"time,price\n1,2\n"), "line 1: starts with b'time,price'"),
        (gzip.compress(b"1723161255000000000 {}\n")[:-8] + b"\0" * 8, "is damaged"),
        (b"\x1f\x8b and nonsense", "is damaged"),
        (gzip.compress(b"x" * 20_000_000), "line of over"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path, content, said):
    path = tmp_path / "a.gz"
    path.write_bytes(content)

    with pytest.raises(ColumnsError, match=said):
        imported(tmp_path, path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(ColumnsError, match="No such file"):
        imported(tmp_path, tmp_path / "none.gz")
    with pytest.raises(ColumnsError, match="Is a directory"):
        imported(tmp_path, tmp_path)


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


@pytest.mark.parametrize("venue", ["spot", "usdm"])
def test_rest_books_of_markets_with_like_prices_are_told_apart_by_their_ids_or_refused(tmp_path, venue):
    first = {"E": 1, "T": 1} if venue == "usdm" else {}
    frames = [
        diff(10, [("100.00", "1.0")], venue=venue, previous=9),
        diff(5_000, [("100.01", "2.0")], venue=venue, previous=4_999, symbol="BTCFDUSD"),
        book(5_000, [("100.01", "7.0")]) | first,
        book(10) | first,
        diff(11, venue=venue, previous=10),
        diff(5_001, venue=venue, previous=5_000, symbol="BTCFDUSD"),
    ]
    path = recording(tmp_path / "a.gz", frames)

    if venue == "usdm":
        # Ids are common to all markets there.
        with pytest.raises(ColumnsError, match="line 3: is a snapshot that may be of BTCUSDT or of BTCFDUSD"):
            imported(tmp_path, path)
        return
    made = {one.header.symbol: one for one in imported(tmp_path, path)}
    with Columns.open(made["binance:BTCFDUSD"].path) as columns:
        *_, (_, last) = books(columns)
        assert (last.bid_ticks, last.bid_lots) == (10001, 14)
    with Columns.open(made["binance:BTCUSDT"].path) as columns:
        *_, (_, last) = books(columns)
        assert last.bid_ticks * float(made["binance:BTCUSDT"].header.rules.tick_size) == 100.0


def test_files_that_overlap_are_duplicates_and_the_later_part_is_left_out(tmp_path):
    first = recording(tmp_path / "a.gz", SOUND)
    later = [(T0 + 4 * S, trade(2)), (T0 + 5 * S, trade(3)), (T0 + 6 * S, trade(4))]
    second = recording(tmp_path / "b.gz", later)

    with pytest.raises(ColumnsError, match=r"duplicates .*b.gz begins before the end"):
        imported(tmp_path, second, first)

    (made,) = imported(tmp_path, second, first, allow={"duplicates"})
    with Columns.open(made.path) as columns:
        times = list(columns.ts_local_ns)
    assert times == sorted(times)
    assert times.count(T0 + 5 * S) == 2


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


def outcome(tmp_path, path):
    """Return what an import makes of a file: the checksums of its columns, or that it is refused."""
    try:
        made = imported(tmp_path, path, allow=EVERYTHING)
    except ColumnsError:
        return "refused"
    return [(one.header.symbol, one.header.sha256, one.coverage.findings.keys()) for one in made]


def unusual(text):
    """Return the same recording with a space in each frame: no shortcut is taken for any of its lines."""
    return text.replace(b" {", b" { ")


@pytest.mark.req("BT-1")
def test_the_shortcuts_give_what_the_venues_own_parser_gives(captures, tmp_path):
    path = captures / "binance_hft" / "spot_btcusdt_20240808.raw.gz"
    with gzip.open(path) as file:
        text = b"".join(file.readlines()[:15_000])
    fast, slow = tmp_path / "fast.raw", tmp_path / "slow.raw"
    fast.write_bytes(text)
    slow.write_bytes(unusual(text))

    assert outcome(tmp_path / "1", fast) == outcome(tmp_path / "2", slow) != "refused"


@pytest.mark.parametrize("venue", ["spot", "usdm"])
def test_any_damage_gives_the_same_with_and_without_the_shortcuts(tmp_path, venue):
    draw = random.Random(5)
    frames = SOUND
    if venue == "usdm":
        frames = [
            book(10) | {"E": 1, "T": 1},
            diff(11, [("99.99", "3.1")], venue=venue, previous=10),
            trade(1, X="MARKET"),
            diff(15, [("99.98", "3.0")], [("100.05", "0.5")], venue=venue, previous=11, first=13),
            trade(2, X="MARKET"),
        ]
    text = b"".join(
        b"%d %s\n" % (T0 + n, json.dumps(frame, separators=(",", ":")).encode())
        for n, frame in enumerate(frames)
    )
    said = set()
    for n in range(400):
        damaged = bytearray(text)
        for _ in range(draw.choice([1, 1, 2])):
            at = draw.randrange(20, len(damaged))
            damaged[at] = draw.choice(b'0123456789"[]{},:.-eEtTuUpqmMsab')
        fast, slow = tmp_path / "fast.raw", tmp_path / "slow.raw"
        fast.write_bytes(damaged)
        slow.write_bytes(unusual(bytes(damaged)))

        results = [outcome(tmp_path / f"{n}{path.stem}", path) for path in (fast, slow)]

        assert results[0] == results[1], bytes(damaged)
        said.add(str(results[0])[:9])
    assert len(said) > 1
