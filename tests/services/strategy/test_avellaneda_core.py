"""The market maker in its core: what reaches the log, not only what it would like."""

import pytest

from services.strategy.conformance import CHECKS, Candidate
from shared.messages import orders
from shared.messages.control import InstanceFailed, StrategyStatus
from shared.messages.market import BookInvalid, Trade
from shared.messages.system import Tick
from shared.units import NS_PER_S, Side

USDM, SPOT = "binance_usdm:BTCUSDT", "binance:BTCUSDT"
KIND = "avellaneda_stoikov"
LEARNT = {"sigma_bps": "0.5", "kappa_per_bps": "1", "arrivals_per_s": "2"}
VARIANTS = {
    "2008": {"model": "avellaneda_stoikov", "horizon_s": "1", **LEARNT},
    "2013": {"model": "glft", **LEARNT},
    "calibrated": {"model": "glft", "calibration_s": "10", "calibration_orders": "10", "sample_ms": "200"},
    "gated": {"gate_by_position": "true", "order_notional": "300"},
    "auto": {"vpin_enabled": "auto", "vpin_window": "20"},
}


@pytest.mark.req("ST-2", "ST-14", "ST-16", "ST-48")
@pytest.mark.parametrize("symbol", [USDM, SPOT])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("check", CHECKS)
def test_every_variant_keeps_what_every_strategy_must(check, variant, symbol) -> None:
    assert CHECKS[check](Candidate(KIND, VARIANTS[variant], symbol), 11) == []


@pytest.mark.req("ST-13")
def test_no_order_leaves_during_the_new_warm_up_after_a_lost_book(opened, of, settle, live) -> None:
    desk = opened(one=(KIND, {"warmup_books": 3}))
    for _ in range(3):
        desk.move(desk.mid_ticks)
    settle(desk)
    assert set(live(desk)) == {"bid", "ask"}

    desk.say(BookInvalid(USDM, "gap"))
    settle(desk)
    assert live(desk) == {}

    before = len(of(orders.OrderIntent, desk.said))
    desk.show_book()
    desk.move(desk.mid_ticks + 200)
    desk.move(desk.mid_ticks + 200)
    assert len(of(orders.OrderIntent, desk.said)) == before
    desk.move(desk.mid_ticks)
    assert len(of(orders.OrderIntent, desk.said)) == before + 2


@pytest.mark.req("ST-16")
def test_a_model_switched_on_while_its_instance_quotes_learns_and_quotes(
    opened, settings, of, settle, live
) -> None:
    desk = opened()
    settle(desk)
    model = {"warmup_books": 0, "model": "glft", "requote_threshold_ticks": 1, **LEARNT}

    desk.configure(settings(one=(KIND, {**model, "sigma_bps": "0", "calibration_s": 10, "sample_ms": 200})))
    for _ in range(600):
        desk.step()

    assert of(InstanceFailed, desk.said) == []
    assert "bps/√s" in of(StrategyStatus, desk.said)[-1].text
    assert "calibrating" not in of(StrategyStatus, desk.said)[-1].text
    assert live(desk)


@pytest.mark.req("ST-17")
def test_a_wanted_quote_rests_for_an_hour(opened, of, settle, live) -> None:
    desk = opened()
    settle(desk)
    resting = {slot: order.client_order_id for slot, order in live(desk).items()}

    for _ in range(360):
        desk.now_ns += 10 * NS_PER_S
        desk.say(Tick(1), "bus")
        desk.move(desk.mid_ticks)

    assert {slot: order.client_order_id for slot, order in live(desk).items()} == resting
    assert of(orders.CancelIntent, desk.said) == []


@pytest.mark.req("ST-17")
def test_a_quote_that_the_venue_cancelled_is_replaced_at_the_next_book(opened, of, settle, live) -> None:
    desk = opened()
    settle(desk)
    bid = live(desk)["bid"]

    desk.say(orders.OrderCanceled(bid.client_order_id, "one", USDM, 0))
    assert "bid" not in live(desk)
    desk.move(desk.mid_ticks)

    assert live(desk)["bid"].client_order_id != bid.client_order_id
    assert set(live(desk)) == {"bid", "ask"}


@pytest.mark.req("ST-17")
def test_a_quote_in_doubt_is_cancelled_after_thirty_seconds_and_replaced_once_that_is_sure(
    opened, of, settle, live
) -> None:
    desk = opened()
    settle(desk)
    bid = live(desk)["bid"]
    desk.is_answering = False
    desk.say(orders.OrderUnknown(bid.client_order_id, "one", USDM, "no answer"))

    for _ in range(29):
        desk.now_ns += NS_PER_S
        desk.move(desk.mid_ticks)
    assert of(orders.CancelIntent, desk.said) == []
    desk.now_ns += NS_PER_S
    desk.move(desk.mid_ticks)

    cancels = of(orders.CancelIntent, desk.said)
    assert [(one.client_order_id, one.reason) for one in cancels] == [
        (bid.client_order_id, "in doubt for 30 s")
    ]
    assert live(desk)["bid"].client_order_id == bid.client_order_id
    desk.say(orders.OrderCanceled(bid.client_order_id, "one", USDM, 0))
    desk.move(desk.mid_ticks)
    assert live(desk)["bid"].client_order_id != bid.client_order_id


@pytest.mark.req("ST-12")
def test_toxic_flow_cancels_within_the_event_of_the_trade_that_made_it_so(opened, of, settle, live) -> None:
    desk = opened(one=(KIND, {"warmup_books": 0, "vpin_window": 10}))
    settle(desk)
    ids = {order.client_order_id for order in live(desk).values()}

    answers = []
    for number in range(10):
        answers = desk.say(Trade(USDM, number, desk.mid_ticks, 10, Side.BUY, 0, desk.now_ns))

    assert {one.client_order_id for one in of(orders.CancelIntent, answers)} == ids
    settle(desk)
    before = len(of(orders.OrderIntent, desk.said))
    for _ in range(5):
        desk.move(desk.mid_ticks + 100)
    assert len(of(orders.OrderIntent, desk.said)) == before


@pytest.mark.req("ST-48")
def test_a_part_filled_round_trip_moves_no_order_while_the_market_does(
    opened, of, settle, live, fill_of
) -> None:
    params = {"warmup_books": 0, "gate_by_position": "true", "order_notional": 300}
    desk = opened(one=(KIND, params))
    settle(desk)
    bid = live(desk)["bid"]
    resting = {order.client_order_id for order in live(desk).values()}

    desk.say(fill_of(bid, "t1", lots=2, leaves=bid.qty_lots - 2))
    for _ in range(10):
        desk.move(desk.mid_ticks + 5)

    assert of(orders.CancelIntent, desk.said) == []
    assert {order.client_order_id for order in live(desk).values()} == resting
    # then: the entry fills up, and is not entered again before the exit
    desk.say(fill_of(bid, "t2", lots=bid.qty_lots - 2, leaves=0))
    desk.move(desk.mid_ticks)
    assert set(live(desk)) == {"ask"}
