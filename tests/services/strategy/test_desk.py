from services.strategy.conformance import Candidate, run
from services.strategy.desk import draw, levels_block, make_rules, terms_of
from shared.messages import orders
from shared.messages.orders import OrderIntent
from shared.orders import OrderState, next_state
from shared.units import Side

GRID = Candidate("grid", {"interval_bps": 5.0}, "binance_usdm:BTCUSDT")


def test_draws_are_the_same_for_the_same_seed_and_spread_over_the_range() -> None:
    drawn = [draw(1, count, 10) for count in range(2000)]

    assert drawn == [draw(1, count, 10) for count in range(2000)]
    assert drawn != [draw(2, count, 10) for count in range(2000)]
    assert min(drawn.count(value) for value in range(10)) > 150


def test_levels_travel_as_pairs_bids_first() -> None:
    assert levels_block([(1, 2)], [(3, 4)]) == b"".join(n.to_bytes(8, "little") for n in (1, 2, 3, 4))


def test_an_approval_repeats_the_intent() -> None:
    intent = OrderIntent("id", "one", "v:s", Side.SELL, 5, 6, is_post_only=True, slot="x", reason="r")

    approved = orders.OrderApproved(*terms_of(intent))

    assert (approved.client_order_id, approved.side, approved.price_ticks, approved.qty_lots) == (
        "id",
        1,
        5,
        6,
    )
    assert approved.is_post_only


def test_the_scripted_venue_says_only_what_can_follow_and_gives_everything_an_end() -> None:
    desk = GRID.desk(seed=3, trouble=60)
    run(desk)
    states: dict[str, OrderState] = {}
    for event in desk.log:
        message = event.message
        if isinstance(message, orders.OrderIntent):
            states[message.client_order_id] = OrderState.INTENDED
        elif hasattr(message, "client_order_id") and not isinstance(message, orders.CancelIntent):
            order_id = message.client_order_id
            states[order_id] = next_state(order_id, states[order_id], message)

    assert len(states) > 10
    ends = {OrderState.FILLED, OrderState.REFUSED, OrderState.REJECTED, OrderState.NOT_SENT}
    assert ends <= set(states.values())


def test_rules_can_be_changed_field_by_field() -> None:
    assert make_rules("binance:BTCUSDT", min_qty_lots=7).min_qty_lots == 7
    assert not make_rules("binance:BTCUSDT").is_derivative
