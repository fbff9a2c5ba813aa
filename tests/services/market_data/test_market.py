"""Frames of one market that cannot be used, and its trades."""

import pytest

S = 1000
PUBLIC, DEPTH, AGG = "binance_usdm/public", "btcusdt@depth@100ms", "btcusdt@aggTrade"


@pytest.mark.req("I-32")
@pytest.mark.parametrize(
    "change",
    [
        {"U": 10**30},
        {"u": -1},
        {"u": 1},
        {"E": "now"},
        {"E": 10**30},
        {"s": "ETHUSDT"},
        {"b": None},
        {"pu": 1.5},
    ],
)
def test_a_depth_frame_with_impossible_fields_closes_the_book(kit, rig, change):
    kit.live(rig)

    rig.frame("binance_usdm", DEPTH, {**kit.diff(rig, 120, 110), **change})

    assert kit.reasons(rig) == ["bad_data"]


@pytest.mark.req("I-32")
@pytest.mark.parametrize(
    "others",
    [{"p": "0"}, {"p": "NaN"}, {"p": "-1"}, {"p": "1e30"}, {"p": "100.05"}, {"q": "-1"}, {"q": "x"},
     {"a": -2}, {"s": "ETHUSDT"}, {"m": "yes"}, {"T": -1}, {"a": 10**30}, {"p": None}],
)  # fmt: skip
def test_a_bad_trade_is_refused_and_counted_and_the_book_lives_on(kit, rig, others):
    kit.live(rig)

    rig.frame("binance_usdm", AGG, kit.trade(rig, 5, **others))

    assert not rig.of(kit.Trade)
    assert kit.reasons(rig) == []
    assert rig.core.venues["binance_usdm"].counters.bad_frame_count == 1


def test_trades_come_once_with_the_aggressors_side_and_prints_off_the_book_are_left_out(kit, rig):
    kit.live(rig)
    for one in (
        kit.trade(rig, 5),
        kit.trade(rig, 5),
        kit.trade(rig, 6, m=False),
        kit.trade(rig, 7, X="INSURANCE_FUND"),
    ):
        rig.frame("binance_usdm", AGG, one)

    trades = rig.of(kit.Trade)
    assert [(t.trade_id, t.side.name, t.price_ticks, t.qty_lots) for t in trades] == [
        (5, "SELL", 1005, 500),
        (6, "BUY", 1005, 500),
    ]
