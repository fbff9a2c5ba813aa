"""Coverage of files is counted once, and what is not sound is refused unless it is allowed (BT-8)."""

import pytest

from services.backtest.coverage import KINDS, Coverage, allowances, of_headers, refuse, table, when
from shared.columns import ColumnsError, ColumnsHeader, Gap
from shared.messages.market import InstrumentRules

S = 10**9
T0 = 1_723_161_255 * S


def header(first_s, last_s, symbol="binance:BTCUSDT", gaps=(), count=10):
    rules = InstrumentRules(symbol, "BTC", "USDT", "0.1", "0.001", 8, 10, 1, 9, 0, 1, 0, 0, 0, False)
    first, last = T0 + first_s * S, T0 + last_s * S
    parts = [Gap(T0 + a * S, T0 + b * S, "why") for a, b in gaps]
    return ColumnsHeader(
        1, symbol, rules, count, first, last, first, last, f"{first_s}", parts, "0" * 64, [0] * 6, 0, 3, 4
    )


@pytest.mark.req("BT-8")
def test_files_of_a_market_that_follow_each_other_are_covered_whole():
    (found,) = of_headers([header(10, 20), header(0, 10), header(25, 30), header(0, 0, count=0)])

    assert (found.first_ns, found.last_ns) == (T0, T0 + 30 * S)
    assert (found.rows, found.diffs, found.trades) == (30, 9, 12)
    assert found.findings == {}
    assert found.covered_ppm == 1_000_000
    refuse([found])


@pytest.mark.req("BT-8")
def test_a_hole_between_files_and_gaps_within_are_gaps_counted_once():
    # Two gaps that overlap (2..5), and one of 11 s between the files: 14 of 40 seconds.
    (found,) = of_headers([header(0, 20, gaps=[(2, 4), (3, 5)]), header(31, 40)])

    assert found.findings["gaps"].count == 3
    assert found.gap_ns == 14 * S
    assert found.covered_ppm == 650_000
    with pytest.raises(ColumnsError, match=r"gaps .3.: parts are missing(.|\n)*--allow gaps"):
        refuse([found])
    refuse([found], {"gaps"})


@pytest.mark.req("BT-8")
@pytest.mark.parametrize("second", [header(15, 30), header(0, 20), header(5, 6)])
def test_files_that_cover_the_same_time_are_duplicates(second):
    (found,) = of_headers([header(0, 20), second])

    with pytest.raises(ColumnsError, match=r"duplicates .*lie in two of the files"):
        refuse([found], {"gaps"})


def test_markets_are_apart_and_what_is_wrong_is_named_with_its_market():
    found = of_headers([header(0, 9, "binance:ETHUSDT", gaps=[(1, 2)]), header(5, 6), header(5, 6)])

    assert [one.symbol for one in found] == ["binance:BTCUSDT", "binance:ETHUSDT"]
    with pytest.raises(ColumnsError) as refused:
        refuse(found)
    assert "binance:BTCUSDT: duplicates (1)" in str(refused.value)
    assert "binance:ETHUSDT: gaps (1)" in str(refused.value)
    assert "--allow gaps,duplicates" in str(refused.value)


def test_the_table_shows_times_coverage_and_the_first_gaps():
    (found,) = of_headers([header(0, 100, gaps=[(n, n + 1) for n in range(0, 40, 2)])])
    found.notes = ["the clock was slow"]

    text = table([found])

    assert "2024-08-08 23:54:15.000" in text
    assert "80.000%" in text
    assert "gaps (20): parts are missing; first: why, from 2024-08-08 23:54:15.000" in text
    assert text.count(" why\n") == 10
    assert "and 10 more gaps" in text
    assert "note: the clock was slow" in text


def test_data_that_are_nothing_but_gaps_end_the_import(monkeypatch):
    monkeypatch.setattr("services.backtest.coverage.GAPS_MAX", 2)
    found = Coverage("a:B", [], gaps=[], findings={})

    found.add_gap(Gap(1, 2, "x"))
    found.add_gap(Gap(3, 4, "x"))
    with pytest.raises(ColumnsError, match="over 2 gaps"):
        found.add_gap(Gap(5, 6, "x"))


def test_allowances_are_names_of_what_can_be_found():
    assert allowances(" gaps, duplicates ,") == {"gaps", "duplicates"}
    assert allowances("") == frozenset()
    with pytest.raises(ColumnsError, match="--allow everything: must be of gaps, duplicates"):
        allowances("gaps,everything")
    assert set(KINDS) == allowances(",".join(KINDS))


@pytest.mark.parametrize(
    ("ts_ns", "text"), [(0, "1970-01-01 00:00:00.000"), (2**63 - 1, "2262-04-11 23:47:16.854")]
)
def test_times_are_read_in_utc(ts_ns, text):
    assert when(ts_ns) == text
