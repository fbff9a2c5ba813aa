"""Generated data as a column file: one flow is one file, and what cannot be is said."""

import pytest

from services.backtest.formats_rows import FormatError
from services.backtest.generate import ORIGIN_NS, REGIMES, Flow, generate
from shared.columns import CLEAR, KIND_MASK, LAST, Columns, ColumnsError

SMALL = Flow(event_count=5_000, level_count=20)


@pytest.mark.req("BT-7")
@pytest.mark.parametrize("regime", REGIMES)
def test_the_same_flow_gives_the_same_file(tmp_path, regime):
    flow = Flow(event_count=3_000, level_count=20, regime=regime)

    first = generate(flow, tmp_path / "a.columns")
    second = generate(flow, tmp_path / "b.columns")
    other = generate(Flow(event_count=3_000, level_count=20, regime=regime, seed=8), tmp_path / "c.columns")

    assert (tmp_path / "a.columns").read_bytes() == (tmp_path / "b.columns").read_bytes()
    assert first.sha256 == second.sha256 != other.sha256


@pytest.mark.req("BT-7")
def test_the_file_says_what_it_is_and_begins_with_a_book(tmp_path):
    told = []
    header = generate(SMALL, tmp_path / "a.columns", lambda done, wanted: told.append((done, wanted)))

    assert 4_968 <= header.count <= 5_000
    assert told == [(header.count, 5_000)]
    assert (header.symbol, header.rules.tick_size, header.rules.lot_size) == (SMALL.symbol, "0.1", "0.001")
    assert header.source == "generated: seed 7, regime mixed, 20 levels"
    assert ORIGIN_NS + 400_000 <= header.first_local_ns < ORIGIN_NS + 10**7
    assert header.latency_min_ns >= 400_000
    with Columns.open(tmp_path / "a.columns", verify=True) as columns:
        least = min(local - exch for local, exch in zip(columns.ts_local_ns, columns.ts_exch_ns, strict=True))
        assert least == header.latency_min_ns
        assert columns.kind[0] == CLEAR
        assert columns.kind[-1] & LAST
        assert not columns.kind[39] & LAST
        # CLEAR and 20 levels of each side are the first message.
        assert columns.kind[40] & LAST
        assert sum(kind & KIND_MASK == CLEAR for kind in columns.kind) == 1
        # The first bid is at 20000, 200,000 ticks of 0.1.
        assert (columns.price_ticks[1], columns.price_ticks[2]) == (200_000, 200_001)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"event_count": 40}, "40 events are fewer than the 73 that the first book of 20 levels needs"),
        ({"price": "5"}, "start_ticks 50: must be 336.."),
        ({"price": "20000.05"}, "price '20000.05': not a whole number of ticks of 0.1"),
        ({"tick_size": "0"}, "tick size '0': must lie in"),
        ({"symbol": "BTCUSDT"}, "'BTCUSDT' is no market; write venue:SYMBOL"),
        ({"level_count": 5_000, "event_count": 20_000}, "levels 5000: must be 1..4000"),
    ],
)
def test_what_cannot_be_generated_is_said(tmp_path, change, text):
    flow = Flow(**{"event_count": 5_000, "level_count": 20, **change})

    with pytest.raises(FormatError, match=text):
        generate(flow, tmp_path / "a.columns")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ColumnsError, match="could not be written"):
        generate(SMALL, tmp_path / "file" / "a.columns")
