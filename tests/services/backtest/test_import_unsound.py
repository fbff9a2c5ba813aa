"""What is unsound in a recording is refused by its name, and taken only when it is allowed (BT-8)."""

import gzip
import json
import random

import pytest

from services.backtest.import_rules import given_rules
from shared.columns import CLEAR, INVALID, LEVEL, Columns, ColumnsError
from tests.services.backtest.recordings import (
    EVERYTHING,
    SOUND,
    T0,
    S,
    book,
    books,
    diff,
    events,
    imported,
    outcome,
    recording,
    trade,
    unusual,
)


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
        (gzip.compress(b"time,price\n1,2\n", mtime=0), "line 1: starts with b'time,price'"),
        (gzip.compress(b"1723161255000000000 {}\n", mtime=0)[:-8] + b"\0" * 8, "is damaged"),
        (b"\x1f\x8b and nonsense", "is damaged"),
        (gzip.compress(b"x" * 20_000_000, mtime=0), "line of over"),
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
