from decimal import Decimal

import pytest

from services.strategy.base import Note, PlaceOrder
from services.strategy.classic_candles import MINUTE_NS
from services.strategy.classic_ladder import Dca, DcaSettings, Martingale, MartingaleSettings
from services.strategy.market_exit import ENTRY, EXIT
from shared.messages.market import Candle
from shared.messages.orders import OrderExpired, OrderIntent
from shared.units import NS_PER_S, Side

START = 1_700_000_000 * 10**9 // MINUTE_NS * MINUTE_NS


class Table:
    """A ladder with its market: closes minutes, and fills what it asks for when the test says so."""

    def __init__(self, stage, one):
        self.stage = stage
        self.one = one
        self.minutes = 0
        self.orders = 0

    def close(self, close, high=0, low=0):
        """Close a minute at this price, its range as given; return what is asked for."""
        opened = START + self.minutes * MINUTE_NS
        self.minutes += 1
        self.stage.at(opened + MINUTE_NS).touch(close - 1, close)
        shape = (close, high or close, low or close, close)
        return list(
            self.one.on_candle(
                self.stage.ctx,
                Candle(self.stage.rules.symbol, 60, opened, *shape, 1, 1, True, opened, opened),
            )
        )

    def fill(self, order, lots=0, is_new=True):
        """Fill an order, in part when `lots` says so."""
        self.orders += is_new
        price = order.price_ticks or self.stage.ctx.book.bid_ticks
        lots = lots or order.qty_lots
        fill = self.stage.fill(
            order.slot, order.side, price, lots, order_id=f"e-one-{order.slot}-{self.orders}"
        )
        self.stage.position.apply_fill(order.side, price, lots, 0)
        self.one.on_fill(self.stage.ctx, order.slot, fill)

    def bought(self, close, **shape):
        """Close a minute and fill what is bought; return its lots, 0 when nothing is."""
        orders = [order for order in self.close(close, **shape) if isinstance(order, PlaceOrder)]
        for order in orders:
            assert (order.slot, order.side) == (ENTRY, Side.BUY)
            self.fill(order)
        return sum(order.qty_lots for order in orders)


def dca(make_stage, **changes):
    values = {"candle_minutes": 1, "atr_window": 2, "cascade_drop": 0.0, "stop_loss": 0.0, "take_profit": 9.0}
    return Table(make_stage(), Dca(DcaSettings(**{**values, **changes})))


def martingale(make_stage, **changes):
    values = {"candle_minutes": 1, "stop_loss": 0.5, "take_profit": 9.0}
    return Table(make_stage(), Martingale(MartingaleSettings(**{**values, **changes})))


# One lot at 100,000 ticks is worth 10 USDT: 100 buys 10 lots, 200 buys 20.


@pytest.mark.req("ST-46")
def test_cost_averaging_buys_first_when_it_knows_the_range_then_a_step_below_the_last_buy(make_stage) -> None:
    table = dca(make_stage)
    assert table.bought(100_000, high=100_500, low=99_500) == 0
    # the range is known: 1,000, so a step is 1.5 % of the price
    assert table.bought(100_000, high=100_500, low=99_500) == 10

    # every true range stays 1,000, down to the price p with p = 100,000 (1 - 1500 / p): 98,476.9
    assert table.bought(99_000, high=100_000, low=99_000) == 0
    assert table.bought(98_478, high=99_478, low=98_478) == 0
    assert table.bought(98_476, high=99_476, low=98_476) == 20
    assert table.one.steps == 2
    assert table.one.last_ticks == 98_476


@pytest.mark.req("ST-46")
@pytest.mark.parametrize(("half_range", "step_ticks"), [(10, 1000), (450, 1350), (5000, 5000)])
def test_a_step_is_an_atr_and_a_half_within_its_limits(make_stage, half_range, step_ticks) -> None:
    # 1.5 * 900 / 100,000 is 1.35 %; the least step is 1 %, the largest 5 %
    table = dca(make_stage, atr_window=1)
    table.bought(100_000, high=100_000 + half_range, low=100_000 - half_range)
    step = table.one.next_step(Bar(100_000))

    assert step * 100_000 == pytest.approx(step_ticks)


class Bar:
    """A bar of which only the close matters."""

    def __init__(self, close):
        self.close_ticks = close


@pytest.mark.req("ST-46")
def test_each_step_is_wider_than_the_one_before(make_stage) -> None:
    table = dca(make_stage, step_min=0.02, step_max=0.02, step_scale=2.0)
    table.close(100_000)
    assert table.bought(100_000) == 10

    # 2 %, then 4 % of 98,000, then 8 % of 94,080
    assert [table.bought(price) for price in (98_001, 98_000)] == [0, 20]
    assert [table.bought(price) for price in (94_081, 94_080)] == [0, 21]
    assert [table.bought(price) for price in (86_554, 86_553)] == [0, 23]


@pytest.mark.req("ST-46", "I-11")
def test_cost_averaging_buys_so_often_and_no_more(make_stage) -> None:
    table = dca(make_stage, step_min=0.02, step_max=0.02, safety_orders=2, max_position_notional=Decimal(500))
    prices = [100_000, 100_000, 97_000, 94_000, 90_000, 80_000, 50_000]

    assert [table.bought(price) > 0 for price in prices] == [False, True, True, True, False, False, False]
    assert table.stage.position.cost_atoms <= 500 * 10**8


@pytest.mark.req("ST-46")
def test_nothing_is_bought_while_the_market_cascades(make_stage) -> None:
    # 5 % within 120 s: two bars of a minute
    table = dca(make_stage, cascade_drop=0.05, cascade_s=120, step_min=0.01, step_max=0.01)
    table.close(100_000)
    assert table.bought(100_000) == 10

    assert table.bought(95_001) == 21
    assert table.bought(90_250) == 0  # exactly 5 % below 95,001 would be 90,250.95
    # the high of two bars ago has left the window
    assert table.bought(90_000) > 0
    # not even the first buy
    other = dca(make_stage, cascade_drop=0.05, cascade_s=120)
    other.close(100_000)
    assert other.bought(95_000) == 0
    assert other.bought(95_000) == 10


@pytest.mark.req("ST-46")
def test_steps_count_fills_and_an_order_that_expired_is_none(make_stage) -> None:
    table = dca(make_stage)
    table.close(100_000)
    (order,) = table.close(100_000)
    stage, one = table.stage, table.one
    intent = OrderIntent(
        "e-one-entry-7", "one", stage.rules.symbol, Side.BUY, order.price_ticks, 10, slot=ENTRY
    )
    own = stage.orders.intend(intent, 1)
    one.on_order_event(stage.ctx, own, intent)
    stage.orders.load([])
    one.on_order_event(stage.ctx, own, OrderExpired("e-one-entry-7", "one", stage.rules.symbol, 0))

    assert (one.steps, one.last_ticks) == (0, 0)
    assert table.bought(100_000) == 10
    assert one.steps == 1


@pytest.mark.req("ST-46", "I-15")
def test_two_fills_of_one_order_are_one_step(make_stage) -> None:
    table = dca(make_stage)
    table.close(100_000)
    (order,) = table.close(100_000)

    table.fill(order, lots=4)
    table.fill(order, lots=6, is_new=False)

    assert (table.one.steps, table.stage.position.position_lots) == (1, 10)
    assert table.one.text() == "1 buys, the last at 100000 ticks"


@pytest.mark.req("ST-46")
def test_a_ladder_that_was_sold_begins_again(make_stage) -> None:
    table = dca(make_stage, take_profit=0.02)
    table.close(100_000)
    assert table.bought(100_000) == 10

    (leave,) = table.close(102_001)
    assert (leave.slot, leave.qty_lots, leave.reason) == (EXIT, 10, "take-profit at +2.00%")
    table.fill(leave)

    assert table.one.steps == 0
    assert table.bought(102_001) == 9


@pytest.mark.req("ST-46")
def test_a_position_that_no_buy_of_the_ladder_made_is_its_first_step(make_stage) -> None:
    table = dca(make_stage)
    table.stage.hold(10, 100_000)
    table.close(100_000)

    assert table.bought(99_999) == 0
    assert (table.one.steps, table.one.last_ticks) == (1, 100_000)
    assert table.bought(95_000) == 21


@pytest.mark.req("ST-46")
def test_a_martingale_doubles_at_each_step_up_to_its_levels(make_stage) -> None:
    table = martingale(make_stage, levels=4, max_position_notional=Decimal(1500))
    # 2 % below the last buy each: 98,000, 96,040, 94,119.2
    prices = [100_000, 98_001, 98_000, 96_041, 96_040, 94_120, 94_119, 80_000, 60_000]

    # 100 / 10, 200 / 9.8, 400 / 9.604, 800 / 9.4119
    assert [table.bought(price) for price in prices] == [10, 0, 20, 0, 41, 0, 84, 0, 0]
    assert table.stage.position.cost_atoms <= 1500 * 10**8


@pytest.mark.req("ST-46", "I-11")
def test_what_a_martingale_lost_is_taken_off_its_cap_until_nothing_is_bought(make_stage) -> None:
    table = martingale(make_stage, levels=2, max_position_notional=Decimal(310))
    position = table.stage.position

    # 11 USDT lost: the second level of 200 would pass 310 - 11
    position.apply_fill(Side.BUY, 100_000, 11, 0)
    position.apply_fill(Side.SELL, 90_000, 11, 0)
    assert position.realized_atoms == -11 * 10**8
    assert table.bought(100_000) == 10
    (note,) = table.close(98_000)
    assert isinstance(note, Note)
    assert (note.code, "capital is used up" in note.text) == ("no_room", True)

    # 211 lost: not even the first
    position.apply_fill(Side.SELL, 100_000, 10, 0)
    table.one.position_left()
    position.apply_fill(Side.BUY, 100_000, 200, 0)
    position.apply_fill(Side.SELL, 90_000, 200, 0)
    assert [type(one) for one in table.close(100_000)] == [Note]


@pytest.mark.req("ST-46")
def test_gains_do_not_raise_the_cap(make_stage) -> None:
    table = martingale(make_stage)
    table.stage.position.apply_fill(Side.BUY, 100_000, 100, 0)
    table.stage.position.apply_fill(Side.SELL, 190_000, 100, 0)

    assert table.one.room_atoms(table.stage.ctx) == 6300 * 10**8


@pytest.mark.req("ST-46")
def test_a_full_martingale_loses_what_its_guide_says(make_stage) -> None:
    table = martingale(make_stage, stop_loss=0.15, take_profit=0.03)
    prices = [10_000]
    for _ in range(5):
        prices.append(prices[-1] * 98 // 100)
    assert all(table.bought(price) for price in prices)
    position = table.stage.position
    assert position.cost_atoms == pytest.approx(6300 * 10**8, rel=0.02)
    assert position.average_price_centiticks == pytest.approx(920_332, rel=0.001)

    (leave,) = table.close(7_820)
    assert leave.reason.startswith("stop-loss at -15.0")
    table.fill(leave)

    assert position.realized_atoms == pytest.approx(-945 * 10**8, rel=0.02)


@pytest.mark.req("ST-46")
def test_after_its_stop_a_ladder_rests(make_stage) -> None:
    table = martingale(make_stage, stop_loss=0.05, cooldown_s=120)
    assert table.bought(100_000) == 10
    (leave,) = table.close(90_000)
    stage = table.stage
    intent = OrderIntent(
        "e-one-exit-7", "one", stage.rules.symbol, Side.SELL, 0, 10, slot=EXIT, reason=leave.reason
    )
    table.one.on_order_event(stage.ctx, stage.orders.intend(intent, 1), intent)
    stage.orders.load([])
    table.fill(leave)

    assert [table.bought(90_000) for _ in range(2)] == [0, 11]


def test_a_rest_too_small_to_be_sold_is_taken_along_by_the_first_buy(make_stage) -> None:
    table = Table(
        make_stage(min_notional_atoms=50 * 10**8),
        Martingale(MartingaleSettings(candle_minutes=1, stop_loss=0.5, take_profit=9.0)),
    )
    (order,) = table.close(100_000)
    table.fill(order, lots=3)
    assert table.one.steps == 1

    assert table.bought(101_000) == 9
    assert (table.one.steps, table.stage.position.position_lots) == (1, 12)


@pytest.mark.parametrize("make", [dca, martingale])
def test_a_restored_ladder_decides_as_the_one_it_came_from(make_stage, make) -> None:
    table, other = make(make_stage), make(make_stage)
    for price in (100_000, 100_000, 97_000, 96_000):
        table.bought(price)

    other.one.restore(table.one.snapshot())

    assert other.one.snapshot() == table.one.snapshot()
    assert other.one.steps == table.one.steps >= 2
    other.stage, other.minutes = table.stage, table.minutes
    wanted = table.close(90_000)
    table.minutes -= 1
    other.minutes = table.minutes
    assert wanted == other.close(90_000) != []


def test_a_ladder_keeps_its_steps_when_its_windows_change(make_stage) -> None:
    table, other = dca(make_stage), dca(make_stage, atr_window=5)
    for price in (100_000, 100_000, 97_000):
        table.bought(price)

    other.one.restore(table.one.snapshot())

    assert (other.one.steps, other.one.last_ticks) == (2, 97_000)
    assert other.one.next_step(Bar(97_000)) is None


@pytest.mark.parametrize("notional", [Decimal(4), Decimal(100)])
def test_a_later_buy_below_the_least_value_of_the_market_is_refused(make_stage, notional) -> None:
    one = Dca(DcaSettings(safety_notional=notional))
    ctx = make_stage(min_notional_atoms=5 * 10**8).at(NS_PER_S).ctx

    if notional < 5:
        with pytest.raises(ValueError, match="an entry of 4 USDT is below the least value"):
            one.on_start(ctx)
    else:
        assert one.on_start(ctx) == ()
