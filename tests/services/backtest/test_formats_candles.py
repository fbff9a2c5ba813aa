"""Candles: the walk of each, a book that is declared, and fills only where the candle has been."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.backtest.formats_candles import CandleImport, CandleRow
from services.backtest.formats_rows import FormatError
from services.backtest.import_rules import GivenRules
from services.backtest.importing import format_of
from shared.columns import CLEAR, FIELDS, INVALID, KIND_MASK, LAST, LEVEL, TRADE, Columns, ColumnsError
from shared.kernels.matching import RestingQueue

SYMBOL = "binance:BTCUSDT"
GIVEN = GivenRules(tick_size="0.5", lot_size="1")
HEAD = "open_time,open,high,low,close,volume"
AT_MS = 1_700_000_000_000
BUY, SELL = 0, 1


def candles_file(path, *candles, head=HEAD, step_ms=60_000):
    lines = [f"{AT_MS + step_ms * at},{','.join(map(str, candle))}" for at, candle in enumerate(candles)]
    path.write_text("\n".join([*([head] if head else []), *lines, ""]))
    return path


def imported(folder, *paths, given=GIVEN, allowed=(), symbols=(SYMBOL,)):
    each = CandleImport(paths, folder / "out", given, symbols)
    try:
        coverage = each.read()
        made = each.finish(allowed)[0]
    finally:
        each.abort()
    with Columns.open(made.path) as columns:
        return list(zip(*(getattr(columns, name) for name, _, _ in FIELDS), strict=True)), coverage[0]


def ms_of(rows):
    return [(row[1] - AT_MS * 10**6) // 10**6 for row in rows]


@pytest.mark.req("BT-5")
def test_an_up_candle_goes_to_its_high_first_and_a_down_candle_to_its_low():
    assert CandleRow(0, 100, 110, 95, 105, 1).walk() == (100, 110, 95, 105)
    assert CandleRow(0, 105, 110, 95, 100, 1).walk() == (105, 95, 110, 100)
    assert CandleRow(0, 100, 100, 100, 100, 1).walk() == (100, 100, 100, 100)


@pytest.mark.req("BT-5")
def test_a_candle_becomes_trades_and_a_book_at_its_four_points(tmp_path):
    # Up: 100, 103, 99, 102; in ticks of 0.5 these are 200, 206, 198, 204. A quarter of 8 lots trades at each.
    path = candles_file(tmp_path / "c.csv", (100, 103, 99, 102, 8))
    assert format_of(path).name == "candles"

    rows, coverage = imported(tmp_path, path)

    assert [row[2:] for row in rows] == [
        (0, 0, CLEAR, 0),
        (200, 2, LEVEL, 0),
        (202, 2, LEVEL | LAST, 1),
        # At the high the ask is the high.
        (206, 2, TRADE | LAST, BUY),
        (200, 0, LEVEL, 0),
        (204, 2, LEVEL, 0),
        (202, 0, LEVEL, 1),
        (206, 2, LEVEL | LAST, 1),
        # At the low the bid is the low.
        (198, 2, TRADE | LAST, SELL),
        (204, 0, LEVEL, 0),
        (198, 2, LEVEL, 0),
        (206, 0, LEVEL, 1),
        (200, 2, LEVEL | LAST, 1),
        (204, 2, TRADE | LAST, BUY),
        (198, 0, LEVEL, 0),
        (202, 2, LEVEL, 0),
        (200, 0, LEVEL, 1),
        (204, 2, LEVEL | LAST, 1),
    ]
    assert ms_of(rows)[:4] == [0, 0, 0, 19_999]
    assert ms_of(rows)[-1] == 59_999
    assert coverage.notes == ["book made from candles of 60 s: spread 2 ticks, 2 lots on each side"]


prices = st.lists(st.integers(50, 400), min_size=4, max_size=4)


@pytest.mark.req("BT-5")
@settings(max_examples=60)
@given(st.lists(st.tuples(prices, st.integers(0, 50)), min_size=1, max_size=6))
def test_trades_and_touches_lie_inside_their_candle_and_the_book_never_crosses(tmp_path_factory, found):
    folder = tmp_path_factory.mktemp("candles")
    candles = []
    for ticks, volume in found:
        low, first, last, high = sorted(ticks)
        first, last = (first, last) if sum(ticks) % 2 else (last, first)
        candles.append((first / 2, high / 2, low / 2, last / 2, volume))

    rows, _ = imported(folder, candles_file(folder / "c.csv", *candles))

    book = ({}, {})
    traded = [0] * len(candles)
    reached = [set() for _ in candles]
    for at_ms, (_, _, price, lots, kind, side) in zip(ms_of(rows), rows, strict=True):
        at = at_ms // 60_000
        low, high = candles[at][2] * 2, candles[at][1] * 2
        if kind & KIND_MASK == LEVEL:
            book[side].pop(price, None)
            if lots:
                book[side][price] = lots
        elif kind & KIND_MASK == TRADE:
            assert low <= price <= high
            # A resting order that this trade fills lies between the trade and the touch before it.
            assert lots > 0
            traded[at] += lots
        if kind & LAST and kind & KIND_MASK == LEVEL:
            (bid,), (ask,) = book[0], book[1]
            assert 0 < bid < ask == bid + 2
            assert low <= bid <= high or low <= ask <= high
            reached[at] |= {bid, ask}
            if high - low >= 4:
                assert low <= bid
                assert ask <= high
    for at, (_, high, low, _, volume) in enumerate(candles):
        # The first point of all has no book before it and no trade.
        assert traded[at] in {volume, volume - volume // 4}
        assert {low * 2, high * 2} <= reached[at]


@pytest.mark.req("BT-5")
@pytest.mark.parametrize("candle", [(100, 103, 99, 102, 400), (102, 103, 99, 100, 400)])
def test_resting_orders_are_filled_at_every_level_of_the_candle_and_at_none_beyond(tmp_path, candle):
    # The candle before stands at the open, so that the book is known and nothing was filled yet.
    rows, _ = imported(tmp_path, candles_file(tmp_path / "c.csv", (candle[0],) * 4 + (4,), candle))
    start = next(at for at, row in enumerate(rows) if ms_of(rows)[at] >= 60_000)
    open_ticks, low, high = candle[0] * 2, 198, 206
    queue = RestingQueue()
    for price in range(low - 10, open_ticks):
        queue.add(BUY, price, price, 1, 0)
    for price in range(open_ticks + 1, high + 10):
        queue.add(SELL, price, price, 1, 0)

    filled = set()
    for _, _, price, lots, kind, side in rows[start:]:
        if kind & KIND_MASK == TRADE:
            for handle, fill_lots in queue.trade(side, price, lots):
                filled.add(handle)
                queue.reduce(handle, fill_lots)

    assert filled == {price for price in range(low, high + 1) if price != open_ticks}


@pytest.mark.req("BT-8")
def test_a_missing_candle_is_a_gap_in_which_the_book_is_not_trusted(tmp_path):
    path = tmp_path / "c.csv"
    lines = [f"{AT_MS + ms},100,101,99,100,4" for ms in (0, 60_000, 240_000)]
    path.write_text("\n".join([HEAD, *lines]))

    with pytest.raises(ColumnsError, match=r"gaps \(1\): .*2 candles missing"):
        imported(tmp_path, path)
    rows, coverage = imported(tmp_path, path, allowed=("gaps",))
    broken = [at for at, row in enumerate(rows) if row[4] & KIND_MASK == INVALID]
    assert [ms_of(rows)[at] for at in broken] == [120_000]
    assert rows[broken[0] + 1][4] == CLEAR
    assert coverage.gaps[0].to_ns - coverage.gaps[0].from_ns == 120 * 10**9


def test_files_without_a_header_and_with_other_names_are_read(tmp_path):
    bare = tmp_path / "bare.csv"
    bare.write_text(f"{AT_MS},100,103,99,102,8,{AT_MS + 59_999},800,3,4,400,0\n")
    named = candles_file(
        tmp_path / "named.csv", (8, 102, 99, 103, 100), head="Timestamp,volume,close,low,high,open"
    )

    assert format_of(bare).name == format_of(named).name == "candles"
    assert imported(tmp_path, bare)[0] == imported(tmp_path, named)[0]


def test_the_data_tell_the_steps(tmp_path):
    each = CandleImport(
        [candles_file(tmp_path / "c.csv", (1.25, 1.5, 1, 1.25, 0.2))], tmp_path, GivenRules(), (SYMBOL,)
    )
    each.read()
    made = each.finish()[0]
    assert (made.header.rules.tick_size, made.header.rules.lot_size) == ("0.25000000", "0.20000000")


@pytest.mark.req("BT-8")
@pytest.mark.parametrize(
    ("candle", "text"),
    [
        ((100, 99, 98, 100, 1), "row 3: open 100, high 99, low 98, close 100 are no candle"),
        ((100, 101, 100.5, 101, 1), "row 3: .* are no candle"),
        ((100.1, 101, 99, 100, 1), "row 3: price '100.1': not a whole number of ticks of 0.5"),
        ((100, 101, 99, 100, -4), "row 3: quantity '-4' is negative"),
        ((100, 101, 99, 100, "nan"), "row 3: quantity 'nan': must be a plain decimal"),
        ((100, "inf", 99, 100, 1), "row 3: price 'inf': must be a plain decimal"),
        ((0, 101, 0, 100, 1), "row 3: price '0': 0 ticks"),
        ((100, 101), "row 3: 3 fields instead of 6; the file is cut off"),
    ],
)
def test_a_bad_candle_is_named_with_its_value_and_leaves_nothing(tmp_path, candle, text):
    path = candles_file(tmp_path / "c.csv", (100, 101, 99, 100, 1), candle)

    with pytest.raises(FormatError, match=f"c.csv, {text}"):
        imported(tmp_path, path)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.req("BT-8")
def test_double_candles_wrong_files_and_a_missing_market_are_refused(tmp_path):
    double = candles_file(tmp_path / "double.csv", (100, 101, 99, 100, 1), (100, 101, 99, 100, 1), step_ms=0)
    for path, symbols, text in (
        (double, (SYMBOL,), "row 3: the candle of 1700000000000 is not after the one before"),
        (candles_file(tmp_path / "none.csv"), (SYMBOL,), "there is no row of market data"),
        (candles_file(tmp_path / "other.csv", head="a,b"), (SYMBOL,), "its header 'a,b' is none of candles"),
        (double, (), "name one: --symbol"),
    ):
        with pytest.raises(FormatError, match=text):
            imported(tmp_path, path, symbols=symbols)
