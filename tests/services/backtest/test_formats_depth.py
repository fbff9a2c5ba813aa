"""Binance's depth archive: snapshots and updates joined by their ids, breaks as gaps."""

import pytest

from services.backtest.formats_depth import COLUMNS, DepthArchiveImport
from services.backtest.formats_rows import FormatError
from services.backtest.import_rules import GivenRules
from services.backtest.importing import format_of
from shared.columns import CLEAR, FIELDS, INVALID, LAST, LEVEL, Columns, ColumnsError

GIVEN = GivenRules(tick_size="0.1", lot_size="0.001")
MS = 10**6
SNAP = "BTCUSDT,1000,50,50,{},snap,{},{},-1"


def a_file(path, *lines):
    path.write_text("\n".join([",".join(COLUMNS), *lines, ""]))
    return path


def update(first, last, previous, at_ms, *levels):
    return [
        f"BTCUSDT,{at_ms},{first},{last},{side},set,{price},{qty},{previous}" for side, price, qty in levels
    ]


def imported(folder, *paths, allowed=(), symbols=(), given=GIVEN):
    each = DepthArchiveImport(paths, folder / "out", given, symbols)
    try:
        coverage = each.read()
        made = each.finish(allowed)[0]
    finally:
        each.abort()
    with Columns.open(made.path) as columns:
        return list(zip(*(getattr(columns, name) for name, _, _ in FIELDS), strict=True)), coverage[0]


BOOK = [SNAP.format("b", "20377.00", "1.770"), SNAP.format("a", "20377.10", "0.5")]


@pytest.mark.req("BT-8")
def test_updates_join_a_snapshot_and_each_other_by_their_ids(tmp_path):
    snap = a_file(tmp_path / "snap.csv", *BOOK)
    updates = a_file(
        tmp_path / "update.csv",
        *update(40, 45, 39, 990, ("b", "1.0", "1")),
        *update(46, 52, 45, 1010, ("a", "20377.10", "0.000"), ("a", "20377.20", "2")),
        *update(60, 61, 52, 1020, ("b", "20377.00", "1")),
    )
    assert format_of(snap).name == format_of(updates).name == "depth-archive"

    rows, coverage = imported(tmp_path, snap, updates, allowed=("no-book",))

    assert rows == [
        (1000 * MS, 1000 * MS, 0, 0, CLEAR, 0),
        (1000 * MS, 1000 * MS, 203_770, 1_770, LEVEL, 0),
        (1000 * MS, 1000 * MS, 203_771, 500, LEVEL | LAST, 1),
        (1010 * MS, 1010 * MS, 203_771, 0, LEVEL, 1),
        (1010 * MS, 1010 * MS, 203_772, 2_000, LEVEL | LAST, 1),
        (1020 * MS, 1020 * MS, 203_770, 1_000, LEVEL | LAST, 0),
    ]
    assert coverage.findings["no-book"].first == "update 45 is before the first snapshot"


@pytest.mark.req("BT-8")
def test_an_update_that_does_not_follow_is_a_gap_until_the_next_snapshot(tmp_path):
    snap = a_file(tmp_path / "snap.csv", *BOOK, *(line.replace("1000,50,50", "2000,90,90") for line in BOOK))
    updates = a_file(
        tmp_path / "update.csv",
        *update(46, 52, 45, 1010, ("b", "20377.00", "3")),
        *update(60, 61, 55, 1020, ("b", "20377.00", "4")),
        *update(62, 63, 61, 1030, ("b", "20377.00", "5")),
    )

    with pytest.raises(ColumnsError, match=r"gaps \(1\).*updates missing"):
        imported(tmp_path, snap, updates)
    rows, coverage = imported(tmp_path, snap, updates, allowed=("gaps",))
    assert [row[4] & 15 for row in rows] == [CLEAR, LEVEL, LEVEL, LEVEL, INVALID, CLEAR, LEVEL, LEVEL]
    assert [(gap.from_ns, gap.to_ns) for gap in coverage.gaps] == [(1010 * MS, 2000 * MS)]


@pytest.mark.req("BT-8")
def test_real_excerpts_that_are_ten_minutes_apart_are_a_gap(tmp_path, captures):
    paths = [captures / "nautilus" / f"btcusdt-depth-{kind}.csv" for kind in ("snap", "update")]

    with pytest.raises(ColumnsError, match="updates missing, no snapshot after"):
        imported(tmp_path, *paths, given=GivenRules())
    rows, coverage = imported(tmp_path, *paths, given=GivenRules(), allowed=("gaps",))

    # 100 bids of the snapshot, 20377.00 and 1.770 the first; the update breaks the book.
    assert len(rows) == 102
    assert rows[1] == (1667346579146 * MS, 1667346579146 * MS, 203_770, 1_770, LEVEL, 0)
    assert rows[-1][4] == INVALID | LAST
    assert coverage.lines == 200


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("ETHUSDT,1000,50,50,b,snap,1,1,-1", "row 4: this row is of ETHUSDT, those before of BTCUSDT"),
        ("BTCUSDT,1000,49,49,b,snap,1,1,-1", "row 4: last_update_id 49 is before that of the row before"),
        ("BTCUSDT,1000,50,50,x,snap,1,1,-1", "row 4: side 'x', update_type 'snap': one is unknown"),
        ("BTCUSDT,1000,50,50,b,put,1,1,-1", "row 4: side 'b', update_type 'put': one is unknown"),
        ("BTCUSDT,1000,5x,50,b,snap,1,1,-1", "row 4: ids 5x, 50, -1 are none"),
        ("BTCUSDT,1000,50,50,b,snap,1.05,1,-1", "row 4: price '1.05': not a whole number"),
        ("BTCUSDT,1000,50,50,b,snap,1,-1,-1", "row 4: quantity '-1' is negative"),
        ("BTCUSDT,now,50,50,b,snap,1,1,-1", "row 4: timestamp 'now' is no time"),
        ("BTCUSDT,1000,50", "row 4: 3 fields instead of 9"),
    ],
)
def test_a_bad_row_is_named_with_its_value_and_leaves_nothing(tmp_path, line, text):
    path = a_file(tmp_path / "a.csv", *BOOK, line)

    with pytest.raises(FormatError, match=f"a.csv, {text}"):
        imported(tmp_path, path)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_file_without_rows_or_of_another_market_is_refused(tmp_path):
    with pytest.raises(FormatError, match="there is no row below the header"):
        imported(tmp_path, a_file(tmp_path / "none.csv"))
    with pytest.raises(FormatError, match="no file is of ETHUSDT"):
        imported(tmp_path, a_file(tmp_path / "a.csv", *BOOK), symbols=("ETHUSDT",))
