"""Names of streams."""

import pytest

from services.venue_sim.streams import kind_of, source_of, split_stream, trade_stream_of


@pytest.mark.parametrize(
    ("stream", "kind", "source"),
    [
        ("btcusdt@depth", "depth", "btcusdt@depth"),
        ("btcusdt@depth@100ms", "depth", "btcusdt@depth"),
        ("btcusdt@depth@0ms", "depth", "btcusdt@depth"),
        ("btcusdt@depth5@100ms", "depth5", "btcusdt@depth5@100ms"),
        ("btcusdt@kline_1m", "kline", "btcusdt@kline_1m"),
        ("btcusdt@kline_1d@+08:00", "kline", "btcusdt@kline_1d@+08:00"),
        ("btcusdt@markPrice@1s", "markPrice", "btcusdt@markPrice@1s"),
        ("btcusdt", "", "btcusdt"),
        ("@depth", "", "@depth"),
        ("btcusdt@", "", "btcusdt@"),
    ],
)
def test_the_kind_and_the_source_of_a_name(stream, kind, source):
    assert (kind_of(stream), source_of(stream)) == (kind, source)
    assert (split_stream(stream) is None) == (kind == "")


def test_only_aggregates_come_from_trades():
    assert trade_stream_of("btcusdt@aggTrade") == "btcusdt@trade"
    assert trade_stream_of("btcusdt@trade") == ""
