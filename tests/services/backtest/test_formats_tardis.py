"""Tardis CSV: real rows are read, ours come back, and what cannot be is named with its row."""

import gzip
from array import array

import pytest

from services.backtest.formats_rows import FormatError, market_rules
from services.backtest.formats_tardis import BOOK_COLUMNS, TRADE_COLUMNS, TardisImport
from services.backtest.formats_tardis_export import export_tardis
from services.backtest.import_rules import GivenRules
from services.backtest.importing import format_of
from shared.columns import CLEAR, FIELDS, INVALID, LAST, LEVEL, TRADE, Columns, ColumnsError, ColumnsWriter

SYMBOL = "binance_usdm:BTCUSDT"
GIVEN = GivenRules(tick_size="0.1", lot_size="0.001")
US = 1000
ROWS = [
    (90 * US, 100 * US, 0, 0, CLEAR, 0),
    (90 * US, 100 * US, 618_000, 1_500, LEVEL, 0),
    (90 * US, 100 * US, 618_003, 2_000, LEVEL | LAST, 1),
    (95 * US, 108 * US, 618_003, 6, TRADE | LAST, 0),
    (96 * US, 108 * US, 618_003, 1_994, LEVEL, 1),
    (96 * US, 108 * US, 617_999, 0, LEVEL | LAST, 0),
    (97 * US, 110 * US, 618_000, 30, TRADE | LAST, 1),
    (99 * US, 120 * US, 0, 0, CLEAR, 0),
    (99 * US, 120 * US, 618_001, 7, LEVEL, 0),
    (99 * US, 120 * US, 618_002, 9, LEVEL | LAST, 1),
]
BOOK_HEAD, TRADE_HEAD = ",".join(BOOK_COLUMNS), ",".join(TRADE_COLUMNS)
BOOK = "binance-futures,BTCUSDT,{},{},{},{},{},{}"
A_BOOK = [
    BOOK.format(90, 100, "true", "bid", "61800.0", "1.5"),
    BOOK.format(90, 100, "true", "ask", "61800.3", "2"),
]


def columns_file(path, rows):
    writer = ColumnsWriter(path, SYMBOL, market_rules(SYMBOL, "0.1", "0.001"), "a test")
    columns = zip(*rows, strict=True)
    writer.append_rows(*(array(code, column) for (_, code, _), column in zip(FIELDS, columns, strict=True)))
    writer.finish()
    return path


def rows_of(path):
    with Columns.open(path, verify=True) as columns:
        return list(zip(*(getattr(columns, name) for name, _, _ in FIELDS), strict=True))


def imported(folder, *paths, given=GIVEN, allowed=(), symbols=()):
    each = TardisImport(paths, folder / "out", given, symbols)
    try:
        coverage = each.read()
        return each.finish(allowed)[0], coverage[0]
    finally:
        each.abort()


def text_file(path, *lines):
    path.write_text("\n".join([*lines, ""]))
    return path


@pytest.mark.req("MD-24")
@pytest.mark.parametrize("suffix", ["csv", "csv.gz"])
def test_rows_come_back_as_they_were(tmp_path, suffix):
    source = columns_file(tmp_path / "a.columns", ROWS)
    paths = tmp_path / f"a.book.{suffix}", tmp_path / f"a.trades.{suffix}"

    told = export_tardis(source, *paths)
    assert [format_of(path).name for path in paths] == ["tardis", "tardis"]
    made, coverage = imported(tmp_path, *paths)

    assert rows_of(made.path) == ROWS
    assert (told.book_rows, told.trade_rows, told.merged_count, told.cut_count) == (6, 2, 0, 0)
    assert (coverage.symbol, coverage.diffs, coverage.trades) == (SYMBOL, 3, 2)


def test_the_files_are_what_tardis_documents(tmp_path):
    export_tardis(columns_file(tmp_path / "a.columns", ROWS), tmp_path / "b.csv", tmp_path / "t.csv.gz")

    assert (tmp_path / "b.csv").read_text().splitlines()[:4] == [
        "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount",
        "binance-futures,BTCUSDT,90,100,true,bid,61800.0,1.500",
        "binance-futures,BTCUSDT,90,100,true,ask,61800.3,2.000",
        "binance-futures,BTCUSDT,96,108,false,ask,61800.3,1.994",
    ]
    assert gzip.decompress((tmp_path / "t.csv.gz").read_bytes()).decode().splitlines() == [
        "exchange,symbol,timestamp,local_timestamp,id,side,price,amount",
        "binance-futures,BTCUSDT,95,108,4,buy,61800.3,0.006",
        "binance-futures,BTCUSDT,97,110,7,sell,61800.0,0.030",
    ]


def test_a_snapshot_after_a_snapshot_still_begins_a_new_book(tmp_path):
    rows = [*ROWS[:3], *((ts + 20 * US, at + 20 * US, *rest) for ts, at, *rest in ROWS[:3])]
    export_tardis(columns_file(tmp_path / "a.columns", rows), tmp_path / "b.csv", tmp_path / "t.csv")

    found = rows_of(imported(tmp_path, tmp_path / "b.csv")[0].path)

    assert [row[4] & 15 for row in found] == [CLEAR, LEVEL, LEVEL, LEVEL, CLEAR, LEVEL, LEVEL]
    assert found[3][3] == 0


def test_what_the_format_cannot_say_is_counted(tmp_path):
    rows = [
        *ROWS[:3],
        (1, 110 * US + 1, 0, 0, INVALID | LAST, 0),
        (1, 110 * US + 2, 618_000, 1, LEVEL | LAST, 0),
    ]
    told = export_tardis(columns_file(tmp_path / "a.columns", rows), tmp_path / "b.csv", tmp_path / "t.csv")

    assert (told.left_out_count, told.merged_count, told.cut_count) == (1, 1, 2)


@pytest.mark.req("MD-24")
def test_a_real_file_tells_its_market_and_steps(tmp_path, captures):
    path = captures / "nautilus" / "deribit_incremental_book_L2_BTC-PERPETUAL.csv"

    made, coverage = imported(tmp_path, path, given=GivenRules())

    rows = rows_of(made.path)
    assert (made.header.symbol, made.header.rules.tick_size, made.header.rules.lot_size) == (
        "deribit:BTC-PERPETUAL",
        "0.5",
        "10",
    )
    assert rows[0] == (1585699200245000000, 1585699200355684000, 0, 0, CLEAR, 0)
    # 6421.5 and 18640 of the first line, 6428.5 and 39950 of the last.
    assert rows[1][2:] == (12_843, 1_864, LEVEL, 1)
    assert rows[-1][2:] == (12_857, 3_995, LEVEL | LAST, 1)
    assert (len(rows), coverage.lines) == (16, 15)


@pytest.mark.req("BT-8")
@pytest.mark.parametrize(
    ("line", "text"),
    [
        (BOOK.format(80, 99, "false", "bid", "61800.0", "1"), "row 4: local_timestamp 99 is before 100"),
        (
            BOOK.format(91, 101, "false", "bid", "61800.05", "1"),
            "row 4: price '61800.05': not a whole number of ticks",
        ),
        (BOOK.format(91, 101, "false", "bid", "61800.0", "-1"), "row 4: quantity '-1' is negative"),
        (BOOK.format(91, 101, "false", "bid", "NaN", "1"), "row 4: price 'NaN': must be a plain decimal"),
        (
            BOOK.format(91, 101, "false", "bid", "61800.0", "nan"),
            "row 4: quantity 'nan': must be a plain decimal",
        ),
        (
            BOOK.format(91, 101, "false", "bid", "900000000", "1"),
            "row 4: .* 9000000000 ticks, at most 2147483647",
        ),
        (
            BOOK.format(91, 101, "no", "bid", "61800.0", "1"),
            "row 4: is_snapshot 'no' is unknown; must be of bid, ask",
        ),
        (
            BOOK.format(91, 101, "true", "buy", "61800.0", "1"),
            "row 4: side 'buy' is unknown; must be of bid, ask",
        ),
        (BOOK.format("", 101, "true", "bid", "61800.0", "1"), "row 4: timestamp '' is no time"),
        (BOOK.format(91, "1e5", "true", "bid", "61800.0", "1"), "row 4: local_timestamp '1e5' is no time"),
        ("binance-futures,ETHUSDT,91,101,true,bid,1,1", "row 4: this row is of binance-futures ETHUSDT"),
        ("binance-futures,BTCUSDT,91,101,true,bid", "row 4: 6 fields instead of 8; the file is cut off"),
    ],
)
def test_a_bad_row_is_named_with_its_value_and_leaves_nothing(tmp_path, line, text):
    path = text_file(tmp_path / "b.csv", BOOK_HEAD, *A_BOOK, line)

    with pytest.raises(FormatError, match=f"b.csv, {text}"):
        imported(tmp_path, path)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.req("BT-8")
def test_a_file_that_is_cut_off_wrong_or_empty_is_refused(tmp_path):
    packed = gzip.compress("\n".join([BOOK_HEAD, *A_BOOK * 50]).encode())
    (tmp_path / "half.csv.gz").write_bytes(packed[:-20])
    (tmp_path / "bytes.csv").write_bytes(BOOK_HEAD.encode() + b"\n\xff\xfe\n")
    for path, text in (
        (tmp_path / "half.csv.gz", "is cut off or damaged after line"),
        (tmp_path / "bytes.csv", "row 2: there are bytes that are no text"),
        (tmp_path / "missing.csv", "cannot be read"),
        (text_file(tmp_path / "empty.csv", BOOK_HEAD), "there is no row below the header"),
        (text_file(tmp_path / "other.csv", "a,b,c", "1,2,3"), "its header 'a,b,c' is neither of"),
    ):
        with pytest.raises(FormatError, match=text):
            imported(tmp_path, path)


@pytest.mark.req("BT-8")
def test_quantities_off_the_lot_and_a_missing_snapshot_need_a_word(tmp_path):
    first = BOOK.format(80, 90, "false", "bid", "61800.0", "1")
    cut = BOOK.format(91, 101, "false", "bid", "61800.0", "1.0005")
    path = text_file(tmp_path / "b.csv", BOOK_HEAD, first, *A_BOOK, cut)

    with pytest.raises(ColumnsError, match=r"(?s)no-book \(1\).*off-lot \(1\).*row 5: 1.0005"):
        imported(tmp_path, path)
    rows = rows_of(imported(tmp_path, path, allowed=("no-book", "off-lot"))[0].path)
    assert [row[3] for row in rows] == [0, 1_500, 2_000, 1_000]


def test_files_of_two_markets_become_two_and_a_market_can_be_chosen(tmp_path):
    btc = text_file(tmp_path / "btc.csv", BOOK_HEAD, *A_BOOK)
    eth = text_file(tmp_path / "eth.csv", TRADE_HEAD, "binance,ETHUSDT,5,6,77,sell,3000.1,0.5")
    each = TardisImport([btc, eth], tmp_path / "out", GIVEN)
    assert [found.symbol for found in each.read()] == [SYMBOL, "binance:ETHUSDT"]
    each.abort()

    made, _ = imported(tmp_path, btc, eth, symbols=("ETHUSDT",))
    assert rows_of(made.path) == [(5_000, 6_000, 30_001, 500, TRADE | LAST, 1)]
    with pytest.raises(FormatError, match="no file is of SOLUSDT"):
        imported(tmp_path, btc, symbols=("SOLUSDT",))
