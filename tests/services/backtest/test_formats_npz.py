"""hftbacktest's event array: ours comes back row for row, what others write is read or refused."""

import struct
import zipfile
from array import array
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.backtest.formats_npz import NpzImport, export_npz, npy_head
from services.backtest.formats_rows import FormatError, market_rules
from services.backtest.import_rules import GivenRules
from shared.columns import (
    CLEAR,
    FIELDS,
    FUNDING,
    INVALID,
    LAST,
    LEVEL,
    MARK,
    TRADE,
    Columns,
    ColumnsError,
    ColumnsWriter,
)

SYMBOL = "binance_usdm:BTCUSDT"
RULES = market_rules(SYMBOL, "0.1", "0.001")
GIVEN = GivenRules(tick_size="0.1", lot_size="0.001")
EXCH, LOCAL, BUY, SELL = 1 << 31, 1 << 30, 1 << 29, 1 << 28
DEPTH, DEALT, CLEARED, SNAPSHOT, BEST, ADDED = 1, 2, 3, 4, 5, 10
BOTH = EXCH | LOCAL

ROWS = [
    (90, 100, 0, 0, CLEAR, 0),
    (90, 100, 618_000, 1_500, LEVEL, 0),
    (90, 100, 618_003, 2_000, LEVEL | LAST, 1),
    (95, 107, 618_003, 6, TRADE | LAST, 0),
    (96, 108, 618_003, 1_994, LEVEL, 1),
    (96, 108, 617_999, 0, LEVEL | LAST, 0),
    (97, 110, 0, 0, INVALID | LAST, 0),
    (99, 120, 0, 0, CLEAR, 0),
    (99, 120, 618_001, 7, LEVEL, 0),
    (99, 120, 618_002, 9, LEVEL | LAST, 1),
]


def columns_file(path, rows):
    writer = ColumnsWriter(path, SYMBOL, RULES, "a test")
    writer.append_rows(
        *(array(code, column) for (_, code, _), column in zip(FIELDS, zip(*rows, strict=True), strict=True))
    )
    writer.finish()
    return path


def rows_of(path):
    with Columns.open(path, verify=True) as columns:
        return list(zip(*(getattr(columns, name) for name, _, _ in FIELDS), strict=True))


def imported(folder, *paths, symbols=(SYMBOL,), given=GIVEN, allowed=()):
    each = NpzImport(paths, folder / "out", given, symbols)
    try:
        coverage = each.read()
        return each.finish(allowed)[0], coverage[0]
    finally:
        each.abort()


def events_file(path, events, dtype=None, count=None, cut=0):
    """Write events (ev, exch_ts, local_ts, px, qty) as the other program does."""
    body = b"".join(struct.pack("<QqqddQqd", *event, 0, 0, 0.0) for event in events)
    head = npy_head(len(events) if count is None else count)
    if dtype:
        head = head.replace(*dtype)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.npy", head + body[: len(body) - cut])
    return path


A_BOOK = [
    (SNAPSHOT | BOTH | BUY, 90, 100, 61_800.0, 1.5),
    (SNAPSHOT | BOTH | SELL, 90, 100, 61_800.3, 2.0),
]


@pytest.mark.req("MD-24")
@pytest.mark.parametrize("is_compressed", [True, False])
def test_rows_come_back_as_they_were(tmp_path, is_compressed):
    source = columns_file(tmp_path / "a.columns", ROWS)

    told = export_npz(source, tmp_path / "a.npz", is_compressed=is_compressed)
    made, coverage = imported(tmp_path, tmp_path / "a.npz")

    assert told.event_count == len(ROWS)
    assert rows_of(made.path) == ROWS
    assert (coverage.trades, coverage.lines) == (1, len(ROWS))
    assert (made.header.rules.tick_size, made.header.rules.lot_size) == ("0.1", "0.001")


def test_the_array_is_what_the_other_program_documents(tmp_path):
    export_npz(columns_file(tmp_path / "a.columns", ROWS), tmp_path / "a.npz")

    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        data = archive.read("data.npy")

    assert data[:8] == b"\x93NUMPY\x01\x00"
    start = 10 + int.from_bytes(data[8:10], "little")
    assert start % 64 == 0
    events = [struct.unpack_from("<QqqddQqd", data, start + 64 * at)[:6] for at in range(len(ROWS))]
    assert events[0] == (CLEARED | BOTH, 90, 100, 0.0, 0.0, 0)
    assert events[1] == (SNAPSHOT | BOTH | BUY, 90, 100, 61_800.0, 1.5, 0)
    assert events[3] == (DEALT | BOTH | BUY, 95, 107, 61_800.3, 0.006, 0)
    assert events[4] == (DEPTH | BOTH | SELL, 96, 108, 61_800.3, 1.994, 0)
    assert events[5] == (DEPTH | BOTH | BUY, 96, 108, 61_799.9, 0.0, 0)
    assert events[6] == (CLEARED | BOTH, 97, 110, 0.0, 0.0, 0)


messages = st.lists(
    st.tuples(
        st.integers(0, 30),
        st.integers(-20, 20),
        st.lists(
            st.tuples(st.integers(1, 2**31 - 1), st.integers(0, 10**9), st.booleans()), min_size=1, max_size=3
        ),
        st.sampled_from([LEVEL, TRADE]),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=60)
@given(messages)
def test_venue_times_in_any_order_give_both_orders_and_come_back(tmp_path_factory, found):
    folder = tmp_path_factory.mktemp("npz")
    rows, local_ns = [(1, 1_000, 0, 0, CLEAR | LAST, 0)], 1_000
    for gap_ns, skew_ns, levels, kind in found:
        local_ns += gap_ns
        for price, lots, is_ask in levels:
            rows.append((local_ns - 30 + skew_ns, local_ns, price, lots, kind, int(is_ask)))
        rows[-1] = (*rows[-1][:4], rows[-1][4] | LAST, rows[-1][5])

    source = columns_file(folder / "a.columns", rows)
    told = export_npz(source, folder / "a.npz")

    with zipfile.ZipFile(folder / "a.npz") as archive:
        data = archive.read("data.npy")
    start = 10 + int.from_bytes(data[8:10], "little")
    events = [struct.unpack_from("<Qqq", data, start + 64 * at) for at in range(told.event_count)]
    exch = [event[1] for event in events if event[0] & EXCH]
    local = [event[2] for event in events if event[0] & LOCAL]
    assert exch == sorted(exch)
    assert local == sorted(local)
    assert len(exch) == len(local) == len(rows) == told.event_count - told.split_count
    assert sorted(exch) == sorted(row[0] for row in rows)
    made, _ = imported(folder, folder / "a.npz")
    assert rows_of(made.path) == rows


def test_a_row_in_disorder_stands_twice_and_the_rest_once(tmp_path):
    rows = [
        (1, 100, 0, 0, CLEAR | LAST, 0),
        (50, 101, 5, 1, TRADE | LAST, 0),
        (40, 102, 6, 1, TRADE | LAST, 0),
        (60, 103, 7, 1, TRADE | LAST, 0),
    ]
    told = export_npz(columns_file(tmp_path / "a.columns", rows), tmp_path / "a.npz")

    # 40 for the exchange, 50 for both, 40 for the local side.
    assert (told.event_count, told.split_count) == (5, 1)


def test_what_the_format_cannot_say_is_counted(tmp_path):
    rows = [
        *ROWS,
        (130, 140, 618_000, 100, FUNDING | LAST, 0),
        (0, 150, 618_000, 0, MARK | LAST, 0),
        (0, 160, 5, 1, TRADE | LAST, 1),
    ]

    told = export_npz(columns_file(tmp_path / "a.columns", rows), tmp_path / "a.npz")

    assert (told.event_count, told.left_out_count, told.timeless_count) == (len(ROWS) + 1, 2, 1)
    made, _ = imported(tmp_path, tmp_path / "a.npz")
    assert rows_of(made.path) == [*ROWS, (160, 160, 5, 1, TRADE | LAST, 1)]


def test_local_times_before_the_venues_are_refused_with_the_shift_that_helps(tmp_path):
    source = columns_file(tmp_path / "a.columns", [(2_000, 1_000, 0, 0, CLEAR | LAST, 0)])

    with pytest.raises(FormatError, match="--shift-local-ns 1000"):
        export_npz(source, tmp_path / "a.npz")
    assert not list(tmp_path.glob("*npz*"))

    export_npz(source, tmp_path / "a.npz", local_shift_ns=1_000)
    assert rows_of(imported(tmp_path, tmp_path / "a.npz")[0].path) == [(2_000, 2_000, 0, 0, CLEAR | LAST, 0)]


def test_a_snapshot_without_a_clear_begins_a_book_and_equal_times_are_one_message(tmp_path):
    events = [
        *A_BOOK,
        (DEPTH | BOTH | SELL, 91, 101, 61_800.3, 1.0),
        (DEPTH | BOTH | BUY, 91, 101, 61_799.9, 0.0),
        (DEALT | BOTH | SELL, 91, 101, 61_800.0, 0.5),
        (DEPTH | EXCH | BUY, 95, 200, 61_800.0, 3.0),
        (BEST | BOTH | BUY, 95, 105, 61_800.0, 3.0),
    ]
    made, coverage = imported(tmp_path, events_file(tmp_path / "a.npz", events))

    assert rows_of(made.path) == [
        (90, 100, 0, 0, CLEAR, 0),
        (90, 100, 618_000, 1_500, LEVEL, 0),
        (90, 100, 618_003, 2_000, LEVEL | LAST, 1),
        (91, 101, 618_003, 1_000, LEVEL, 1),
        (91, 101, 617_999, 0, LEVEL | LAST, 0),
        (91, 101, 618_000, 500, TRADE | LAST, 1),
    ]
    assert coverage.notes == ["1 best-price events were passed over"]


def test_clears_of_both_sides_around_a_snapshot_are_one_clear(tmp_path):
    events = [
        (CLEARED | BOTH | BUY, 90, 100, 61_000.0, 0.0),
        (SNAPSHOT | BOTH | BUY, 90, 100, 61_800.0, 1.5),
        (CLEARED | BOTH | SELL, 90, 100, 62_000.0, 0.0),
        (SNAPSHOT | BOTH | SELL, 90, 100, 61_800.3, 2.0),
    ]
    made, _ = imported(tmp_path, events_file(tmp_path / "a.npz", [*events, *events]))

    assert rows_of(made.path) == 2 * [
        (90, 100, 0, 0, CLEAR, 0),
        (90, 100, 618_000, 1_500, LEVEL, 0),
        (90, 100, 618_003, 2_000, LEVEL | LAST, 1),
    ]


@pytest.mark.req("BT-8")
@pytest.mark.parametrize(
    ("event", "text"),
    [
        (
            (DEPTH | BOTH | BUY, 80, 99, 61_800.0, 1.0),
            "event 3|row 3: local_ts 99 is before that of the event before",
        ),
        (
            (DEPTH | BOTH | BUY, 91, 101, 61_800.05, 1.0),
            "row 3: px 61800.05 is no whole number of ticks of 0.1",
        ),
        ((DEPTH | BOTH | BUY, 91, 101, float("nan"), 1.0), "row 3: px nan: must lie in"),
        ((DEPTH | BOTH | BUY, 91, 101, 1e12, 1.0), r"row 3: px 1000000000000.0: must lie in 1..2\^31"),
        ((DEPTH | BOTH | BUY, 91, 101, 61_800.0, -0.001), "row 3: qty -0.001 is negative"),
        ((DEPTH | BOTH | BUY, 91, 101, 61_800.0, float("nan")), "row 3: qty nan: must be a number"),
        ((DEPTH | BOTH | BUY, 91, 101, 61_800.0, float("inf")), "row 3: qty inf: must be a number"),
        ((ADDED | BOTH | BUY, 91, 101, 61_800.0, 1.0), "row 3: ev 0x.* is of kind 10"),
        ((DEPTH | BOTH, 91, 101, 61_800.0, 1.0), "row 3: ev 0x.* is neither a buy nor a sell"),
        ((DEPTH | BOTH | BUY, 91, 0, 61_800.0, 1.0), "row 3: exch_ts 91, local_ts 0"),
    ],
)
def test_a_bad_event_is_named_with_its_value_and_leaves_nothing(tmp_path, event, text):
    path = events_file(tmp_path / "a.npz", [*A_BOOK, event, *A_BOOK])

    with pytest.raises(FormatError, match=f"a.npz, ({text})"):
        imported(tmp_path, path)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.req("BT-8")
def test_quantities_off_the_lot_and_a_missing_snapshot_need_a_word(tmp_path):
    cut = events_file(tmp_path / "cut.npz", [*A_BOOK, (DEALT | BOTH | BUY, 91, 101, 61_800.3, 0.0015)])
    with pytest.raises(ColumnsError, match=r"off-lot \(1\).*first: event 3"):
        imported(tmp_path, cut)
    assert rows_of(imported(tmp_path, cut, allowed=("off-lot",))[0].path)[-1][3] == 1

    bare = events_file(
        tmp_path / "bare.npz", [(DEPTH | BOTH | BUY, 9, 10, 1.0, 1.0), (DEALT | BOTH | BUY, 9, 11, 1.0, 1.0)]
    )
    with pytest.raises(ColumnsError, match=r"no-book \(1\)"):
        imported(tmp_path, bare)
    assert rows_of(imported(tmp_path, bare, allowed=("no-book",))[0].path) == [
        (9, 11, 10, 1_000, TRADE | LAST, 0)
    ]


@pytest.mark.req("BT-8")
def test_a_file_that_is_cut_off_wrong_or_empty_is_refused(tmp_path):
    whole = events_file(tmp_path / "a.npz", A_BOOK)
    (tmp_path / "half.npz").write_bytes(whole.read_bytes()[:200])
    (tmp_path / "text.npz").write_text("hello")
    with zipfile.ZipFile(tmp_path / "other.npz", "w") as archive:
        archive.writestr("prices.npy", b"")
    for path, text in (
        (tmp_path / "half.npz", "is no whole .npz file"),
        (tmp_path / "text.npz", "is no whole .npz file"),
        (tmp_path / "other.npz", "is no whole .npz file with the array data.npy"),
        (tmp_path / "missing.npz", "No such file"),
        (events_file(tmp_path / "short.npz", A_BOOK, cut=10), "ends in event 2 of 2: it is cut off"),
        (events_file(tmp_path / "long.npz", A_BOOK, count=1), "goes on after its 1 events"),
        (
            events_file(tmp_path / "f4.npz", A_BOOK, (b"('px', '<f8')", b"('px', '<f4')")),
            "the array is of .*must be of",
        ),
        (events_file(tmp_path / "2d.npz", A_BOOK, (b"(2,)} ", b"(1,2)}")), "must have one dimension"),
        (
            events_file(tmp_path / "odd.npz", A_BOOK, (b"{'descr'", b"{'de{cr'")),
            "header of data.npy cannot be read",
        ),
        (events_file(tmp_path / "none.npz", []), "there is no row of market data"),
    ):
        with pytest.raises(FormatError, match=text):
            imported(tmp_path, path)
    assert list((tmp_path / "out").iterdir()) == []


def test_the_market_and_its_steps_must_be_named(tmp_path):
    path = events_file(tmp_path / "a.npz", A_BOOK)

    with pytest.raises(FormatError, match="name one: --symbol"):
        imported(tmp_path, path, symbols=())
    with pytest.raises(FormatError, match="give them: --rules tick="):
        imported(tmp_path, path, given=GivenRules())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_an_export_that_cannot_be_written_leaves_nothing(tmp_path):
    source = columns_file(tmp_path / "a.columns", ROWS)
    (tmp_path / ".a.npz.part").symlink_to("/dev/full")

    with pytest.raises(FormatError, match=r"could not be written .*nothing of it is kept"):
        export_npz(source, tmp_path / "a.npz")
    assert list(tmp_path.iterdir()) == [source]
