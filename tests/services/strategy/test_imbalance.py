from decimal import Decimal

import pytest

from services.strategy.base import PlaceOrder
from services.strategy.imbalance import (
    DAY_NS,
    ENTRY,
    EXIT,
    Imbalance,
    ImbalanceSettings,
    confidence,
    direction,
    size_factor,
)
from services.strategy.own_orders import OwnOrder
from shared.messages.orders import OrderIntent, OrderType, TimeInForce
from shared.units import NS_PER_S, Side

SPOT = "binance:BTCUSDT"


@pytest.mark.req("ST-40")
@pytest.mark.parametrize(
    ("imbalance", "weighted", "streak", "z", "agrees", "wanted"),
    [
        (0.5, 0.5, 5, None, False, 0.2 + 0.1 + 0.1),
        (-0.5, -0.5, 5, None, False, 0.4),
        (0.0, 0.0, 0, None, False, 0.0),
        # the streak counts up to ten
        (0.0, 0.0, 10, None, False, 0.2),
        (0.0, 0.0, 1000, None, False, 0.2),
        # volatility: beyond one deviation, not at it
        (0.5, 0.5, 5, -1.0, False, 0.4),
        (0.5, 0.5, 5, -1.01, False, 0.5),
        (0.5, 0.5, 5, 1.0, False, 0.4),
        (0.5, 0.5, 5, 1.01, False, 0.3),
        (0.5, 0.5, 5, None, True, 0.5),
        # clipped below at 0 and above at 1
        (0.0, 0.0, 0, 2.0, False, 0.0),
        (1.0, 1.0, 10, -2.0, True, 1.0),
        (1.0, 1.0, 10, None, False, 0.8),
    ],
)
def test_confidence_follows_the_formula_at_each_clipping_point(
    imbalance, weighted, streak, z, agrees, wanted
) -> None:
    assert confidence(imbalance, weighted, streak, z, agrees) == pytest.approx(wanted)


class Features:
    """Features with the values of a good long signal, changed by the test."""

    def __init__(self, **changes):
        values = {
            "imbalance": 0.9,
            "weighted": 0.8,
            "streak": 10,
            "momentum": 0.0002,
            "imbalance_momentum": 0.01,
            "volatility_z": 0.0,
        }
        for name, value in {**values, **changes}.items():
            setattr(self, name, value)


SETTINGS = ImbalanceSettings()


@pytest.mark.req("ST-39")
def test_a_signal_needs_every_condition() -> None:
    assert direction(Features(), 1.0, SETTINGS)[0] == 1

    for changes in (
        {"imbalance": 0.29},
        {"imbalance": 0.0},
        {"streak": 2},
        {"momentum": 0.00009},
        {"momentum": -0.0002},
        {"imbalance_momentum": -0.01},
        {"imbalance": 0.35, "weighted": 0.0},
    ):
        assert direction(Features(**changes), 1.0, SETTINGS)[0] == 0, changes
    assert direction(Features(), 10.1, SETTINGS)[0] == 0
    assert direction(Features(), 10.0, SETTINGS)[0] == 1


@pytest.mark.req("ST-39")
def test_a_short_signal_mirrors_a_long_one() -> None:
    mirrored = Features(imbalance=-0.9, weighted=-0.8, momentum=-0.0002, imbalance_momentum=-0.01)

    assert direction(mirrored, 1.0, SETTINGS) == (-1, direction(Features(), 1.0, SETTINGS)[1])


@pytest.mark.req("ST-40")
def test_what_is_not_known_yet_forbids_nothing() -> None:
    unknown = Features(momentum=None, imbalance_momentum=None, volatility_z=None)

    assert direction(unknown, 1.0, SETTINGS)[0] == 1


@pytest.mark.req("ST-41")
def test_the_size_is_larger_in_calm_and_smaller_in_wild_markets() -> None:
    assert [size_factor(z) for z in (None, 0.0, -1.0, 1.0, -1.01, 1.01)] == [
        1,
        1,
        1,
        1,
        Decimal("1.5"),
        Decimal("0.5"),
    ]


def lean(stage, one, count=30, start=600_000, lots=(3000, 100), step=10):
    """Let a market rise (or fall) with a book that leans; return every order wanted."""
    wanted = []
    for turn in range(count):
        stage.at(stage.world.now_ns + NS_PER_S)
        mid = start + turn * step
        grow = (turn, 0) if lots[0] > lots[1] else (0, turn)
        stage.book([(mid - 1, lots[0] + grow[0])], [(mid + 1, lots[1] + grow[1])])
        wanted += [order for order in one.on_book(stage.ctx) if isinstance(order, PlaceOrder)]
    return wanted


def strategy(**changes):
    return Imbalance(ImbalanceSettings(**{"min_momentum": 0.00001, **changes}))


def entered(stage, one, order, atr_steps=True):
    """Let an entry fill."""
    fill = stage.fill(ENTRY, order.side, order.price_ticks, order.qty_lots)
    stage.position.apply_fill(order.side, order.price_ticks, order.qty_lots, 0)
    one.on_fill(stage.ctx, ENTRY, fill)


@pytest.mark.req("ST-39", "ST-41")
def test_a_leaning_rising_book_is_bought_at_the_ask(make_stage) -> None:
    stage = make_stage().at(DAY_NS)

    orders = lean(stage, strategy())

    first = orders[0]
    assert (first.slot, first.side, first.order_type, first.tif) == (
        ENTRY,
        Side.BUY,
        OrderType.LIMIT,
        TimeInForce.IOC,
    )
    # 10 % of 10,000 at 60 a lot
    assert first.qty_lots == 16
    assert "confidence" in first.reason


@pytest.mark.req("ST-39", "ST-14")
def test_a_falling_book_is_sold_short_on_derivatives_only(make_stage) -> None:
    derivative = lean(make_stage().at(DAY_NS), strategy(), lots=(100, 3000), step=-10)
    spot = lean(make_stage(SPOT).at(DAY_NS), strategy(), lots=(100, 3000), step=-10)

    assert spot == []
    assert {order.side for order in derivative} == {Side.SELL}


@pytest.mark.req("ST-42")
def test_a_position_is_left_at_its_stop_and_at_its_target(make_stage) -> None:
    for move, word in ((-60, "stop-loss"), (90, "take-profit")):
        stage, one = make_stage().at(DAY_NS), strategy(atr_floor_bps=0.5)
        order = lean(stage, one)[0]
        entered(stage, one, order)
        # an ATR of at least 0.5 bps is 30 ticks: stop at 60, target at 90

        stage.touch(order.price_ticks + move + 1 * (move < 0), order.price_ticks + move + 2)
        assert one.on_book(stage.ctx) == ()
        stage.touch(order.price_ticks + move + (1 if move > 0 else -1), order.price_ticks + move + 3)
        leave = one.on_book(stage.ctx)[0]

        assert (leave.slot, leave.side, leave.order_type) == (EXIT, Side.SELL, OrderType.MARKET)
        assert leave.qty_lots == order.qty_lots
        assert leave.is_reduce_only
        assert leave.reason.startswith(word)


@pytest.mark.req("ST-42")
def test_a_reversed_signal_leaves_the_position(make_stage) -> None:
    stage, one = make_stage().at(DAY_NS), strategy(stop_atr=1e6, target_atr=1e6)
    entered(stage, one, lean(stage, one)[0])

    orders = lean(stage, one, start=600_000, lots=(100, 9000), step=-30)

    assert {order.slot for order in orders if order.side is Side.SELL} == {EXIT}


@pytest.mark.req("ST-41", "I-11")
def test_adding_takes_half_and_never_passes_the_largest_position(make_stage) -> None:
    stage, one = make_stage().at(DAY_NS), strategy(stop_atr=1e6, target_atr=1e6, entry_gap_s=0)
    sizes = []
    for turn in range(12):
        orders = [o for o in lean(stage, one, start=600_000 + turn * 300) if o.slot == ENTRY]
        if orders:
            sizes.append(orders[0].qty_lots)
            entered(stage, one, orders[0])

    assert sizes[0] >= 16
    assert sizes[1] < sizes[0]
    # 20 % of 10,000 is 33 lots of 60
    assert stage.position.position_lots <= 33


@pytest.mark.req("ST-43")
def test_a_day_has_so_many_entries_and_the_next_one_begins_anew(make_stage) -> None:
    stage, one = make_stage().at(DAY_NS), strategy(max_daily_trades=1, entry_gap_s=0)
    order = lean(stage, one)[0]
    stage.fill(ENTRY, Side.BUY, 1, 1)
    one.on_fill(stage.ctx, ENTRY, stage.fill(ENTRY, Side.BUY, order.price_ticks, 1, leaves=1))
    one.on_fill(stage.ctx, ENTRY, stage.fill(ENTRY, Side.BUY, order.price_ticks, 1))

    assert lean(stage, one) == []
    assert "1 entries today" in one.format_status(stage.ctx)

    stage.at(2 * DAY_NS)
    assert lean(stage, one) != []


def test_entries_keep_a_distance_in_time(make_stage) -> None:
    stage, one = make_stage().at(DAY_NS), strategy(entry_gap_s=5)
    order = OwnOrder("id", ENTRY, Side.BUY, 1, 1, 1, OrderType.LIMIT, TimeInForce.IOC, False, False, 0)
    first = lean(stage, one, count=16)
    assert first

    one.on_order_event(stage.ctx, order, OrderIntent("id", "one", stage.rules.symbol, Side.BUY, 1, 1))

    assert lean(stage, one, count=4, start=600_200) == []
    assert lean(stage, one, count=12, start=600_240) != []


def test_nothing_is_entered_while_an_order_has_no_outcome(make_stage) -> None:
    stage, one = make_stage().at(DAY_NS), strategy()
    stage.orders.intend(
        OrderIntent("e-one-entry-1", "one", stage.rules.symbol, Side.BUY, 1, 1, slot=ENTRY), 0
    )

    assert lean(stage, one) == []


def test_samples_are_taken_in_their_interval(make_stage) -> None:
    stage, one = make_stage().at(DAY_NS), strategy(sample_ms=10_000)

    lean(stage, one, count=30)

    assert "streak 3" in one.format_status(stage.ctx)


def test_a_restored_strategy_decides_as_the_one_it_came_from(make_stage) -> None:
    stage, one, other = make_stage().at(DAY_NS), strategy(), strategy()
    entered(stage, one, lean(stage, one)[0])

    other.restore(one.snapshot())

    assert other.snapshot() == one.snapshot()
    before = stage.world.now_ns
    mine = lean(stage, one, start=600_300)
    assert lean(stage.at(before), other, start=600_300) == mine
