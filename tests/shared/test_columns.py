"""A column file holds exactly what was appended, and nothing bears its name before it is whole."""

import resource
import struct
import subprocess
import sys
import textwrap
from array import array
from pathlib import Path

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given, settings

from shared.columns import (
    CLEAR,
    FIELDS,
    LAST,
    LEVEL,
    MAGIC,
    PAGE_BYTES,
    ROW_BYTES,
    TRADE,
    Columns,
    ColumnsError,
    ColumnsWriter,
    Gap,
)
from shared.messages.market import InstrumentRules

SYMBOL = "binance_usdm:BTCUSDT"
RULES = InstrumentRules(
    SYMBOL, "BTC", "USDT", "0.1", "0.001", 8, 10_000, 1, 10**6, 0, 1, 0, 200, 500, is_derivative=True
)
ROWS = [
    (90, 100, 0, 0, CLEAR, 0),
    (90, 100, 618_000, 1_500, LEVEL, 0),
    (90, 100, 618_001, 2_000, LEVEL | LAST, 1),
    (0, 107, 618_001, 6, TRADE | LAST, 0),
]


def as_arrays(rows):
    return [array(code, column) for (_, code, _), column in zip(FIELDS, zip(*rows, strict=True), strict=True)]


def written(path, *blocks, gaps=None):
    writer = ColumnsWriter(path, SYMBOL, RULES, "a test")
    for block in blocks:
        writer.append_rows(*as_arrays(block))
    writer.finish(gaps)
    return path


def rows_of(columns):
    return list(zip(*(getattr(columns, name) for name, _, _ in FIELDS), strict=True))


@pytest.mark.req("BT-1")
def test_what_was_appended_is_read_back_from_pages_of_the_mapped_file(tmp_path):
    path = written(tmp_path / "a.columns", ROWS[:3], ROWS[3:], gaps=[Gap(3, 5, "why")])

    with Columns.open(path, verify=True) as columns:
        header = columns.header
        assert rows_of(columns) == ROWS
        assert (columns.ts_exch_ns.format, columns.price_ticks.format, columns.kind.format) == ("q", "i", "B")
        assert (header.symbol, header.rules, header.source) == (SYMBOL, RULES, "a test")
        assert (header.count, header.first_local_ns, header.last_local_ns) == (4, 100, 107)
        assert header.gaps == [Gap(3, 5, "why")]
        assert (header.depth_count, header.trade_count) == (1, 1)
        # 100 - 90; the trade does not know the venue's time
        assert header.latency_min_ns == 10
        assert all(offset % PAGE_BYTES == 0 for offset in header.offsets)
    content = path.read_bytes()
    assert content.startswith(MAGIC)
    lots = header.offsets[3]
    assert struct.unpack_from("<4q", content, lots) == (0, 1_500, 2_000, 6)
    assert [path.name for path in tmp_path.iterdir()] == ["a.columns"]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(-(2**63), 2**63 - 1),
            st.integers(0, 2**62),
            st.integers(-(2**31), 2**31 - 1),
            st.integers(-(2**63), 2**63 - 1),
            st.integers(0, 255),
            st.integers(0, 1),
        ),
        max_size=30,
    ),
    st.integers(1, 7),
)
def test_any_rows_in_order_of_receipt_come_back(tmp_path_factory, rows, block):
    rows.sort(key=lambda row: row[1])
    path = tmp_path_factory.mktemp("columns") / "a.columns"

    written(path, *(rows[i : i + block] for i in range(0, len(rows), block)))

    with Columns.open(path, verify=True) as columns:
        assert rows_of(columns) == rows


def test_local_times_are_shifted_at_the_end_with_all_that_is_told_of_them(tmp_path):
    writer = ColumnsWriter(tmp_path / "a.columns", SYMBOL, RULES, "a test")
    writer.append_rows(*as_arrays(ROWS))

    writer.finish([Gap(100, 107, "why")], local_shift_ns=-30)

    with Columns.open(tmp_path / "a.columns", verify=True) as columns:
        assert rows_of(columns) == [(row[0], row[1] - 30, *row[2:]) for row in ROWS]
        header = columns.header
    assert (header.first_local_ns, header.last_local_ns, header.latency_min_ns) == (70, 77, -20)
    assert header.first_exch_ns == 90
    assert header.gaps == [Gap(70, 77, "why")]


def test_no_rows_make_a_file_without_rows(tmp_path):
    with Columns.open(written(tmp_path / "a.columns")) as columns:
        assert columns.count == 0
        assert rows_of(columns) == []


@pytest.mark.parametrize("rows", [[ROWS[3], ROWS[0]], [*ROWS, ROWS[1]]])
def test_rows_before_the_one_before_are_refused(tmp_path, rows):
    writer = ColumnsWriter(tmp_path / "a.columns", SYMBOL, RULES, "a test")

    with pytest.raises(ColumnsError, match="is of 100 ns, before the 107 ns"):
        writer.append_rows(*as_arrays(rows))

    writer.abort()
    assert list(tmp_path.iterdir()) == []


def broken(path, change):
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c.__setitem__(slice(0, 4), b"PK12"), "is no column file"),
        (lambda c: c.__delitem__(slice(-PAGE_BYTES, None)), "reaches beyond"),
        (lambda c: c.__delitem__(slice(60, None)), "header is not whole"),
        (lambda c: c.__setitem__(slice(12, 20), b"\xc1" * 8), "damaged"),
        (lambda c: c.__delitem__(slice(0, None)), "is no column file"),
        (lambda c: c.__setitem__(8, 255), "damaged"),
    ],
)
def test_a_file_that_is_not_whole_is_refused_with_what_to_do(tmp_path, change, said):
    path = written(tmp_path / "a.columns", ROWS)
    broken(path, change)

    with pytest.raises(ColumnsError, match=said) as refused:
        Columns.open(path)

    assert "import" in str(refused.value)


def test_a_changed_row_is_found_by_the_checksum(tmp_path):
    path = written(tmp_path / "a.columns", ROWS)
    broken(path, lambda content: content.__setitem__(-PAGE_BYTES, 1))

    Columns.open(path).close()
    with pytest.raises(ColumnsError, match="checksum is wrong"):
        Columns.open(path, verify=True)


def test_a_file_of_another_version_is_refused(tmp_path):
    path = written(tmp_path / "a.columns", ROWS)
    with Columns.open(path) as columns:
        packed = msgspec.msgpack.encode(msgspec.structs.replace(columns.header, version=9))
    broken(path, lambda content: content.__setitem__(slice(12, 12 + len(packed)), packed))

    with pytest.raises(ColumnsError, match="another version than 1"):
        Columns.open(path)


def test_no_file_and_no_folder_are_said(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(ColumnsError, match="No such file"):
        Columns.open(tmp_path / "none.columns")
    with pytest.raises(ColumnsError, match="could not be written"):
        ColumnsWriter(tmp_path / "file" / "a.columns", SYMBOL, RULES, "a test")


FILL = """
    import resource, signal, sys
    from array import array
    from pathlib import Path
    from shared.columns import ColumnsError, ColumnsWriter
    from shared.messages.market import InstrumentRules
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limit, rows = int(sys.argv[2]), int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    rules = InstrumentRules("v:S", "B", "Q", "1", "1", 8, 1, 1, 1, 0, 1, 0, 0, 0, is_derivative=False)
    writer = ColumnsWriter(Path(sys.argv[1]), "v:S", rules, "a test")
    block = [array(code, bytes(size * 1000)) for code, size in zip("qqiqBB", (8, 8, 4, 8, 1, 1))]
    try:
        for _ in range(rows // 1000):
            writer.append_rows(*block)
        writer.finish()
    except ColumnsError as error:
        print(error)
"""


@pytest.mark.req("BT-8")
@pytest.mark.parametrize(
    ("limit_bytes", "rows"),
    # A column beyond the limit; each column within it, but all of them together not.
    [(100_000, 50_000), (300_000, 20_000)],
)
def test_what_a_full_disk_does_not_take_leaves_nothing(tmp_path, limit_bytes, rows):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FILL), tmp_path / "a.columns", str(limit_bytes), str(rows)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=True,
    )

    assert "could not be written (File too large)" in done.stdout
    assert "make space" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_behind_is_removed_by_the_next_one(tmp_path):
    # No process has this number: Linux ends at 2^22.
    for name in (".a.columns.99999999", ".b.columns.99999999", ".a.columns.1"):
        (tmp_path / name).touch()

    written(tmp_path / "a.columns", ROWS)

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".a.columns.1",
        ".b.columns.99999999",
        "a.columns",
    ]


def test_memory_does_not_grow_with_the_rows(tmp_path):
    block = as_arrays([(1, 1, 1, 1, LEVEL | LAST, 0)] * 10_000)
    writer = ColumnsWriter(tmp_path / "a.columns", SYMBOL, RULES, "a test")
    writer.append_rows(*block, latency_min_ns=0)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    for _ in range(100):
        writer.append_rows(*block, latency_min_ns=0)
    writer.finish()

    # A million rows have 30 MB.
    assert writer.count * ROW_BYTES > 30_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 20_000
