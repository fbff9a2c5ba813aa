"""What a grid does when orders are refused, grow old, and when it is short, neutral, bounded or adaptive."""

from decimal import Decimal

import pytest

from shared.messages import orders
from shared.units import Side

SPOT = "binance:BTCUSDT"
# Tick 0.1, lot 0.001; anchor 600,000 ticks and 10 bps: an interval of 600 ticks, 60 USDT a lot.


def sides(wanted, side):
    return {slot for slot, quote in wanted.items() if quote[0] is side}


# ---- post-only


def rejected(table, slot, times, mid):
    for _ in range(times):
        table.send(slot)
        table.hear(orders.OrderRejected(*table.head(slot), "-5022", "would take"))
        table.price(mid)


@pytest.mark.req("ST-28")
def test_after_three_rejected_tries_a_plain_limit_is_sent_and_a_fill_begins_anew(table) -> None:
    one = table().start()
    one.price(600_000)

    rejected(one, "n1", 2, 600_000)
    assert one.quotes["n1"].is_post_only
    rejected(one, "n1", 1, 600_000)
    assert not one.quotes["n1"].is_post_only
    assert one.quotes["n2"].is_post_only

    one.place("n1")
    one.fill("n1")
    one.price(599_500)
    assert one.quotes["n1"].side is Side.SELL
    assert one.quotes["n1"].is_post_only


@pytest.mark.req("ST-28")
def test_a_plain_limit_is_not_sent_where_forbidden_or_where_taking_would_lose(table) -> None:
    # 6 bps earn less than 2 (maker) + 5 (taker)
    for changes in ({"plain_limit_allowed": False}, {"interval_bps": 6.0}):
        one = table(**changes).start()
        one.price(600_000)

        rejected(one, "n1", 5, 600_000)

        assert one.quotes["n1"].is_post_only


@pytest.mark.req("ST-28")
def test_a_plain_exit_stands_at_its_own_price_and_not_behind_the_touch(table) -> None:
    one = table().start()
    one.price(600_000)
    one.place()
    one.fill("n1")
    # the market jumped past the exit of n1 at 600,000: post-only it would have to stand above the bid
    assert one.price(600_500)["n1"] == (Side.SELL, 600_500, 1)

    rejected(one, "n1", 3, 600_500)

    assert one.wanted["n1"] == (Side.SELL, 600_000, 1)
    assert not one.quotes["n1"].is_post_only


@pytest.mark.req("ST-28")
def test_what_risk_or_the_gate_refuses_does_not_count_as_a_try(table) -> None:
    one = table().start()
    one.price(600_000)
    for _ in range(4):
        one.ask("n1")
        one.hear(orders.OrderRefused(*one.head("n1"), "spread", "too wide"))
        one.price(600_000)

    assert one.quotes["n1"].is_post_only


# ---- margin


@pytest.mark.req("ST-29")
@pytest.mark.parametrize(
    ("kind", "code", "reason"),
    [
        (orders.OrderRejected, "-2019", "Margin is insufficient."),
        (orders.OrderRejected, "-2010", "Account has insufficient balance for requested action."),
        (orders.OrderRejected, "insufficient_balance", "7 atoms to pay, 3 free"),
        (orders.OrderRefused, "margin", "the margin ratio would be too high"),
    ],
)
def test_a_lack_of_money_withdraws_buys_and_locks_buying_for_20_s(table, kind, code, reason) -> None:
    one = table().start()
    one.price(600_000)
    one.place("n2")
    one.ask("n1")
    if kind is orders.OrderRejected:
        quote = one.quotes["n1"]
        terms = (*one.head("n1"), quote.side, quote.price_ticks, quote.qty_lots)
        one.hear(orders.OrderApproved(*terms))
        one.hear(orders.OrderSent(*terms))

    one.hear(kind(*one.head("n1"), code, reason))
    assert one.wanted == {}
    assert [note.code for note in one.notes] == ["margin_lock"]
    one.withdraw()

    one.wait(19.9)
    assert one.price(600_700) == {}
    # the book stands still from here on
    assert set(one.wait(0.2)) == {"p1", "p0", "n1"}


@pytest.mark.req("ST-29")
def test_exits_stay_while_buying_is_locked_and_a_refused_exit_locks_nothing(table) -> None:
    one = table().start()
    one.price(600_000)
    one.place()
    one.fill("n1")
    one.price(599_300)
    one.place("n1")
    one.cancel("n2")
    one.price(599_200)
    one.send("n2")

    one.hear(orders.OrderRejected(*one.head("n2"), "-2019", "Margin is insufficient."))
    assert one.wanted == {"n1": (Side.SELL, 600_000, 1)}

    one.cancel("n1")
    one.wait(21)
    one.send("n1")
    one.hear(orders.OrderRejected(*one.head("n1"), "-2019", "Margin is insufficient."))
    assert sides(one.price(599_000), Side.BUY) != set()


# ---- the cap


@pytest.fixture
def full(table):
    """Return a grid at its cap of 6: sells of n1, n2, n3 above 597,650, buys of n4, n5, n6 below."""

    def build(**changes):
        one = table(**({"order_cap": 6, "cleanup_batch": 3} | changes)).start()
        one.price(600_000)
        one.place()
        for slot, mid in (("n1", 599_300), ("n2", 598_700), ("n3", 598_100)):
            one.fill(slot)
            one.price(mid)
            one.place()
            one.withdraw()
        one.price(597_650)
        one.place()
        assert sides(one.wanted, Side.SELL) == {"n1", "n2", "n3"}
        assert sides(one.wanted, Side.BUY) == {"n4", "n5", "n6"}
        return one

    return build


@pytest.mark.req("ST-30")
def test_a_grid_whose_windows_just_fill_the_cap_is_left_alone(full) -> None:
    one = full()

    assert set(one.price(597_655)) == {"n1", "n2", "n3", "n4", "n5", "n6"}
    assert set(one.wait(10)) == {"n1", "n2", "n3", "n4", "n5", "n6"}


@pytest.mark.req("ST-30")
def test_with_as_many_buys_as_sells_the_farthest_of_both_make_room(full) -> None:
    one = full(cleanup_batch=4)

    # n7 at 595,800 is wanted; from 597,050 n1 is 2,950 away, n2 2,350, n3 1,750, n6 650, n4 550
    assert set(one.price(597_050)) == {"n4", "n5"}
    one.withdraw()
    assert "n7" in one.price(597_050 - 60)


# ---- old orders


@pytest.mark.req("ST-31")
def test_old_orders_outside_the_windows_are_cleaned_each_10_s_and_others_stay(table) -> None:
    one = table(max_order_age_s=60, order_notional=Decimal(300)).start()
    one.wait(5)
    one.price(600_000)
    one.place()
    # n2 is filled in part; n1 and n2 are outside the window at 603,100
    one.fill("n2", lots=1)
    one.price(603_100)
    one.place()

    one.wait(50)
    assert set(one.wanted) == {"n1", "n2", "p3", "p4", "p5"}
    one.wait(10)
    # old now, but the last cleaning was at 50 s: the next is at 60
    one.wait(5)
    assert set(one.wait(10)) == {"n2", "p3", "p4", "p5"}


@pytest.mark.req("ST-31")
def test_an_old_exit_too_far_away_is_cleaned_and_comes_back_when_the_price_does(table) -> None:
    one = table(max_order_age_s=60).start()
    one.price(600_000)
    one.place()
    one.fill("n1")
    one.price(599_300)
    one.place("n1")
    one.withdraw()
    one.price(597_000)

    assert "n1" not in one.wait(75)
    one.withdraw()
    assert one.price(599_000)["n1"] == (Side.SELL, 600_000, 1)


@pytest.mark.req("ST-31")
def test_with_age_0_no_order_is_too_old(table) -> None:
    one = table(max_order_age_s=0).start()
    one.price(600_000)
    one.place()
    one.price(610_000)

    assert {"n1", "n2"} <= set(one.wait(10**6))


# ---- bounds, spacing, directions


@pytest.mark.req("ST-24")
def test_bounds_keep_entries_in_and_let_exits_out(table) -> None:
    one = table(lower_price=Decimal(59_905), upper_price=Decimal(60_000)).start()

    assert set(one.price(600_000)) == {"n1"}
    assert set(one.price(606_000)) == set()
    assert set(one.price(600_000)) == {"n1"}
    one.place()
    one.fill("n1")
    assert one.price(599_200) == {"n1": (Side.SELL, 600_000, 1)}


@pytest.mark.req("ST-24")
def test_percent_levels_stand_as_far_apart_as_their_own_price_says(table) -> None:
    one = table(spacing="percent", interval_bps=100.0, buy_window=3).start()

    # 600,000 / 1.01 and / 1.01^2
    assert one.price(600_000) == {"n1": (Side.BUY, 594_059, 1), "n2": (Side.BUY, 588_177, 1)}
    one.place()
    one.fill("n1")
    one.fill("n2")
    assert one.price(588_300)["n2"] == (Side.SELL, 594_059, 1)


@pytest.mark.req("ST-36")
def test_a_short_grid_sells_above_and_buys_back_one_interval_lower(table) -> None:
    one = table(direction="short").start()

    assert one.price(600_000) == {"p1": (Side.SELL, 600_600, 1), "p2": (Side.SELL, 601_200, 1)}
    one.place()
    one.fill("p1", fee_atoms=1_200_000)
    assert one.price(600_700)["p1"] == (Side.BUY, 600_000, 1)
    assert one.quotes["p1"].is_reduce_only
    one.place("p1")
    one.fill("p1", fee_atoms=1_100_000)

    assert one.grid.ledger.realized_atoms == 6_000_000 - 2_300_000
    assert one.price(600_100)["p1"][0] is Side.SELL


@pytest.mark.req("ST-36")
def test_a_neutral_grid_is_long_below_its_anchor_short_above_it_and_rests_at_it(table) -> None:
    one = table(direction="neutral").start()

    wanted = one.price(600_000)
    assert sides(wanted, Side.BUY) == {"n1", "n2"}
    assert sides(wanted, Side.SELL) == {"p1", "p2"}

    one.place()
    one.fill("n1")
    one.price(599_300)
    assert one.wanted["n1"] == (Side.SELL, 600_000, 1)
    # the venue nets both directions: a reduce-only exit might be refused
    assert not one.quotes["n1"].is_reduce_only
    # above the anchor nothing is bought
    assert not {"p0", "p1"} & sides(one.price(601_500), Side.BUY)


@pytest.mark.req("ST-36")
@pytest.mark.parametrize("direction", ["short", "neutral"])
def test_short_and_neutral_are_refused_on_spot(table, direction) -> None:
    with pytest.raises(ValueError, match=f"direction {direction} sells what it does not have"):
        table(SPOT, direction=direction).start()


@pytest.mark.req("ST-35")
def test_levels_where_the_fees_have_outgrown_the_interval_are_skipped_with_a_note(table) -> None:
    one = table(interval_bps=5.0).start()
    one.price(600_000)
    assert one.wanted

    # 300 ticks are 4 bps at 750,000: both maker fees
    assert one.price(760_000) == {}
    assert [note.code for note in one.notes] == ["level_loses"]


def test_another_direction_waits_until_the_grid_is_empty(table) -> None:
    one = table().start()
    one.price(600_000)
    one.place()
    other = table(direction="short")
    other.stage.orders.load(one.stage.orders.dump())
    other.grid.restore(one.grid.snapshot())
    other.start()
    assert [note.code for note in other.notes] == ["interval_kept"]

    assert sides(other.price(603_000), Side.SELL) == set()
    for slot in list(other.stage.orders.by_slot):
        other.cancel(slot)
    other.price(606_000)

    assert sides(other.wanted, Side.SELL) == {"p11", "p12"}
    assert sides(other.wanted, Side.BUY) == set()


# ---- trend and adaptation


@pytest.mark.req("ST-34")
def test_against_the_trend_entries_are_withdrawn_and_exits_stay(table) -> None:
    one = table(trend_length=2, sample_s=10).start()
    assert one.price(600_000) == {}
    one.wait(10)
    assert set(one.wait(0.1)) == {"n1", "n2"}
    one.place()
    one.fill("n1")
    one.price(599_900)
    one.place()

    # below the average of 600,000 and 600,000
    assert sides(one.price(599_890), Side.BUY) == set()
    assert one.wanted == {"n1": (Side.SELL, 600_000, 1)}
    # while the book stands still the average comes down to the price
    one.wait(10)
    one.wait(10)
    assert sides(one.wait(0.1), Side.BUY) != set()


@pytest.mark.req("ST-37")
def test_an_adaptive_grid_uses_every_second_level_in_a_wild_market_and_the_levels_stay(table) -> None:
    one = table(is_adaptive=True, sample_s=10, volatility_length=2, window_min=2).start()
    one.price(600_000)
    one.place()
    # changes of 0.2 % and 0.1 %: 0.15 % of the price, 1.5 intervals of 0.1 %
    one.later(10).price(601_200)
    one.later(10).price(600_600)
    one.price(600_700)

    assert one.grid.adaptation.stride == 2
    assert {slot: quote[1] for slot, quote in one.wanted.items()} == {
        "p0": 600_000,
        "n2": 598_800,
        "n4": 597_600,
    }
    one.withdraw()
    one.place("p0")
    one.fill("p0")
    # sold two levels higher, also when the market is calm again
    one.grid.adaptation.stride = 1
    assert one.price(600_050)["p0"] == (Side.SELL, 601_200, 1)
