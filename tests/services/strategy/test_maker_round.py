"""A round trip alone: when it is open, what it counts, and the prices and lots it asks for (ST-48)."""

import pytest

from services.strategy.maker_round import Round
from shared.units import Side

SPOT = "binance:BTCUSDT"


def opened():
    return Round(599_940, 600_060, 5, 5)


@pytest.mark.req("ST-48")
def test_it_is_open_while_a_position_can_be_closed_or_an_order_is_filled_in_part(make_stage) -> None:
    flat, holds = make_stage(), make_stage().hold(2)
    # 2 lots of 0.001 are worth 120 USDT: too little where the venue asks for 200
    rest = make_stage(min_notional_atoms=200 * 10**8).hold(2)

    assert [opened().holds(stage.ctx) for stage in (flat, holds, rest)] == [False, True, False]


@pytest.mark.req("ST-48")
def test_executions_use_up_their_own_side_and_no_more_than_there_is() -> None:
    one = opened()

    one.take(Side.BUY, 2)
    one.take(Side.SELL, 7)

    assert (one.bid_lots, one.ask_lots) == (3, 0)


@pytest.mark.req("ST-48")
def test_its_prices_stay_but_never_cross_the_market() -> None:
    assert opened().prices(599_999, 600_001) == (599_940, 600_060)
    assert opened().prices(599_900, 599_930) == (599_929, 600_060)
    assert opened().prices(600_070, 600_080) == (599_940, 600_071)


@pytest.mark.req("ST-48", "ST-14")
@pytest.mark.parametrize(
    ("position", "may_short", "wanted"),
    [(0, True, (5, 5)), (0, False, (5, 0)), (8, True, (2, 8)), (-7, True, (7, 3)), (8, False, (2, 8))],
)
def test_it_offers_the_position_at_least_and_keeps_to_the_limit(position, may_short, wanted) -> None:
    assert opened().lots(position, 10, may_short) == wanted
