from decimal import Decimal

import pytest

from services.strategy.grid_preview import break_even_ppm
from services.strategy.grid_settings import GridSettings
from services.strategy.grid_slots import Lock
from services.strategy.grid_targets import level_of, slot_name
from shared.messages import orders
from shared.units import Side

SYMBOL = "binance_usdm:BTCUSDT"
# Tick 0.1, lot 0.001; anchor 600,000 ticks and 10 bps: an interval of 600 ticks, 60 USDT a lot.
STEP = 600


def test_levels_have_slot_names_both_ways() -> None:
    assert [slot_name(level) for level in (0, 12, -7)] == ["p0", "p12", "n7"]
    assert [level_of(slot_name(level)) for level in (0, 12, -7)] == [0, 12, -7]


@pytest.mark.req("ST-22", "ST-25")
def test_the_first_price_is_the_anchor_and_buys_stand_below_it(table) -> None:
    one = table().start()

    # the anchor's own level is less than a tenth of an interval below the price
    assert one.price(600_000) == {
        "n1": (Side.BUY, 599_400, 1),
        "n2": (Side.BUY, 598_800, 1),
    }
    assert set(one.price(600_060)) == {"p0", "n1", "n2"}


@pytest.mark.req("ST-21")
def test_a_level_buys_the_amount_rounded_down_at_its_own_price(table) -> None:
    one = table(order_notional=Decimal(300)).start()

    # 300 / 59.94 = 5.005; 300 / 59.88 = 5.01
    assert {slot: lots for slot, (_, _, lots) in one.price(600_000).items()} == {"n1": 5, "n2": 5}


@pytest.mark.req("ST-21")
def test_a_level_below_the_venues_minimum_is_skipped_with_a_note(table) -> None:
    # 120 USDT are 2 lots up to 60,000 and 1 lot above
    one = table(rules={"min_qty_lots": 2}, order_notional=Decimal(120)).start()
    one.price(600_000)

    assert set(one.price(601_300)) == {"p0"}
    assert [note.code for note in one.notes] == ["level_skipped"]


@pytest.mark.req("ST-23", "ST-32")
def test_what_was_bought_is_sold_one_interval_higher_and_earns_the_difference_less_fees(table) -> None:
    one = table().start()
    one.price(600_000)
    one.place()
    one.price(599_300)
    one.fill("n1", fee_atoms=1_200_000)

    wanted = one.price(599_310)
    assert wanted["n1"] == (Side.SELL, 600_000, 1)
    one.place()
    one.fill("n1", fee_atoms=1_300_000)

    # 600 ticks of 0.1 on 0.001 = 0.06 USDT less 0.025 of fees
    assert one.grid.ledger.realized_atoms == 6_000_000 - 2_500_000
    assert one.grid.ledger.cycles == 1
    assert one.price(599_500)["n1"][0] is Side.BUY


@pytest.mark.req("ST-32")
def test_a_better_entry_is_kept_as_the_real_price(table) -> None:
    one = table().start()
    one.price(600_000)
    one.place()

    one.fill("n1", price=599_000)

    assert one.grid.ledger.slots[-1].cost_atoms == 599_000 * 10_000


@pytest.mark.req("ST-23")
def test_sells_are_reduce_only_on_derivatives_unless_the_market_is_shared(make_stage, make_table) -> None:
    for symbol, shares, wanted in (
        (SYMBOL, False, True),
        (SYMBOL, True, False),
        ("binance:BTCUSDT", False, False),
    ):
        one = make_table(make_stage(symbol)).start()
        one.stage.ctx.shares_market = shares
        one.price(600_000)
        one.place()
        one.fill("n1")
        one.stage.touch(599_300, 599_302)

        said = one.grid.on_book(one.stage.ctx)[0]

        assert [quote.is_reduce_only for quote in said.quotes if quote.side is Side.SELL] == [wanted]


@pytest.mark.req("ST-23")
def test_far_sells_wait_until_the_price_is_near(table) -> None:
    one = table(sell_window=1).start()
    one.price(600_000)
    one.place()
    one.fill("n1")
    one.fill("n2")

    assert {slot for slot, quote in one.price(597_600).items() if quote[0] is Side.SELL} == set()
    assert {slot for slot, quote in one.price(598_250).items() if quote[0] is Side.SELL} == {"n2"}


@pytest.mark.req("ST-24")
def test_the_grid_follows_the_price_both_ways_and_keeps_what_rests(table) -> None:
    one = table().start()
    one.price(600_000)
    one.place()

    up = one.price(603_100)

    assert set(up) == {"p5", "p4", "p3", "n1", "n2"}
    assert set(one.place().price(590_000)) >= {"n17", "n18", "n19"}


@pytest.mark.req("ST-30")
def test_at_the_cap_a_batch_of_the_larger_side_goes_farthest_first_never_a_part_filled_one(table) -> None:
    one = table(order_cap=6, cleanup_batch=3, order_notional=Decimal(200)).start()
    for mid in (600_000, 601_000, 602_000):
        one.price(mid)
        one.place()
    # given: n2, n1, p0 .. p3 rest, the farthest of them filled in part
    one.fill("n2", lots=1)
    assert len(one.stage.orders) == 6

    wanted = one.price(603_100)

    assert "n2" in wanted
    assert not {"n1", "p0", "p1"} & set(wanted)
    assert len(wanted) <= 6


@pytest.mark.req("ST-30")
def test_there_are_never_more_orders_than_the_cap(table) -> None:
    one = table(order_cap=8, cleanup_batch=2).start()
    for step in range(60):
        wanted = one.price(600_000 + step * 450)
        for slot in [slot for slot in one.stage.orders.by_slot if slot not in wanted]:
            one.cancel(slot)
        one.place()
        assert len(one.stage.orders) <= 8


def test_no_more_levels_are_bought_than_allowed(table) -> None:
    one = table(max_layers=3).start()
    for mid in (600_000, 598_000, 596_000, 594_000):
        one.price(mid)
        one.place()
        for slot in [slot for slot, order in one.stage.orders.by_slot.items() if order.side is Side.BUY]:
            one.fill(slot)

    assert sum(1 for slot in one.grid.ledger.slots.values() if slot.held_lots) == 3


@pytest.mark.req("ST-26")
def test_a_cancelled_part_filled_buy_is_sold_for_what_it_bought(table) -> None:
    one = table(order_notional=Decimal(300)).start()
    one.price(600_000)
    one.place()
    one.fill("n1", lots=2)

    one.cancel("n1")

    assert one.price(599_500)["n1"] == (Side.SELL, 600_000, 2)


@pytest.mark.req("ST-26")
def test_what_is_too_little_to_be_sold_joins_the_next_level_with_its_cost(table) -> None:
    one = table(rules={"min_qty_lots": 3}, order_notional=Decimal(300)).start()
    one.price(600_000)
    one.place()
    one.fill("n1", lots=2)
    one.cancel("n1")
    one.price(599_400)
    assert one.grid.ledger.pot_lots == 2

    one.fill("n2")
    wanted = one.price(598_900)

    assert wanted["n2"] == (Side.SELL, 599_400, 7)
    assert one.grid.ledger.slots[-2].cost_atoms == (2 * 599_400 + 5 * 598_800) * 10_000


@pytest.mark.req("I-06", "I-12")
def test_a_sell_waits_while_a_buy_at_its_price_has_no_known_outcome(table) -> None:
    one = table().start()
    one.price(600_000)
    one.place()
    one.hear(orders.OrderUnknown(*one.head("n1"), "no answer"))
    one.fill("n2")

    assert "n2" not in one.price(598_700)

    one.fill("n1")
    assert one.price(598_650)["n2"] == (Side.SELL, 599_400, 1)


@pytest.mark.req("I-06")
def test_a_late_fill_of_an_earlier_order_moves_the_position_and_not_the_new_order(table) -> None:
    one = table(order_notional=Decimal(300)).start()
    one.price(600_000)
    one.place()
    old = one.head("n1")
    one.cancel("n1")
    one.price(599_950)
    one.place("n1")

    late = orders.Fill(*old, "late", Side.BUY, 599_400, 2, 2, 0, 0, "USDT", True, 0)
    one.grid.on_fill(one.stage.ctx, "n1", late)

    assert one.grid.ledger.slots[-1].held_lots == 2
    assert one.grid.ledger.slots[-1].lock is Lock.LOCKED


@pytest.mark.req("I-06")
def test_what_a_late_fill_sold_too_much_is_owed_by_the_next_level(table) -> None:
    one = table(order_notional=Decimal(300)).start()
    one.price(600_000)
    one.place()

    late = orders.Fill("x-one-n1-0", "one", SYMBOL, "late", Side.SELL, 600_000, 2, 2, 0, 0, "USDT", True, 0)
    one.grid.on_fill(one.stage.ctx, "n1", late)
    one.fill("n1")

    assert one.grid.ledger.pot_lots == -2
    assert one.price(599_300)["n1"] == (Side.SELL, 600_000, 3)
    assert one.grid.ledger.pot_lots == 0


@pytest.mark.req("ST-33")
def test_idle_levels_far_from_the_price_are_forgotten(table) -> None:
    one = table().start()
    for mid in range(600_000, 640_000, 1500):
        wanted = one.price(mid)
        one.place()
        for slot in list(one.stage.orders.by_slot):
            one.cancel(slot)
    one.price(640_000)

    assert len(one.grid.ledger.slots) < 30
    assert wanted


@pytest.mark.req("ST-35")
def test_an_interval_that_loses_after_fees_is_refused_with_the_number_that_would_not(table) -> None:
    assert break_even_ppm(200) == 401

    for interval, is_refused in ((4.0, True), (4.01, False)):
        one = table(interval_bps=interval)
        if is_refused:
            with pytest.raises(ValueError, match=r"interval_bps 4 loses.*set at least 4.01"):
                one.start()
        else:
            one.start()


def test_an_interval_denser_than_the_tick_is_refused_with_the_least_that_works(table) -> None:
    one = table(interval_bps=5.0).start()

    with pytest.raises(ValueError, match="one tick is 100 bps"):
        one.price(100)


def test_windows_that_never_fit_under_the_cap_are_refused() -> None:
    with pytest.raises(ValueError, match="order_cap 5 is less than buy_window"):
        GridSettings(order_cap=5)


@pytest.mark.req("ST-25")
def test_a_restored_grid_has_the_same_levels_whatever_the_price(table, make_stage, make_table) -> None:
    one = table().start()
    one.price(600_000)
    one.place()
    one.fill("n1")
    saved = one.grid.snapshot()

    for mid in (500_000, 580_000, 599_000, 600_777, 700_000):
        other = make_table(make_stage())
        other.grid.restore(saved)
        other.start()
        other.price(mid)
        assert other.grid.ladder.anchor_ticks == 600_000
        assert other.grid.ledger.slots[-1].held_lots == 1
        assert all(
            (quote[1] - 600_000) % STEP == 0 for quote in other.wanted.values() if quote[0] is Side.BUY
        )


def test_another_interval_waits_until_the_grid_is_empty(table) -> None:
    one = table().start()
    one.price(600_000)
    busy = table(interval_bps=20.0)
    busy.grid.restore(one.place().grid.snapshot())
    idle = table(interval_bps=20.0)
    idle.grid.restore(table().start().grid.snapshot())

    said = busy.grid.on_start(busy.stage.ctx)
    assert [note.code for note in said] == ["interval_kept"]
    assert busy.grid.ladder.interval_ticks == 600

    idle.start().price(600_000)
    assert idle.grid.ladder.interval_ticks == 1200


def test_lots_from_elsewhere_are_named_and_left_alone(table) -> None:
    one = table()
    one.stage.hold(5)

    said = one.grid.on_start(one.stage.ctx)

    assert "5 lots belong to no slot" in said[0].text
    assert all(quote[0] is Side.BUY for quote in one.price(600_000).values())
