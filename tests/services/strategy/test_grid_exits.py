"""Stop-loss, take-profit and what they do with the orders: at books, at ticks, and while risk reduces."""

from decimal import Decimal

import pytest

from services.strategy.grid_exits import ExitState, closing_ticks
from services.strategy.grid_settings import GridSettings
from shared.messages import orders
from shared.messages.control import PauseRequested, ResumeRequested, StrategyNote, TradingState
from shared.messages.system import Tick
from shared.units import Side

GRID = {"order_notional": "300", "buy_window": 3, "sell_window": 3, "stop_loss_pct": 0.5}


# ---- the judgement


@pytest.mark.req("ST-34")
def test_the_stop_loss_is_a_part_of_the_cost_of_what_is_held() -> None:
    settings, state = GridSettings(stop_loss_pct=10), ExitState()

    assert state.judge(settings, -99, 1000) == ""
    assert state.judge(settings, -100, 1000) == "stop-loss: -10.00 % of the cost, the limit is -10 %"
    assert state.judge(settings, -100, 0) == ""
    assert state.judge(GridSettings(), -999, 1000) == ""


@pytest.mark.req("ST-34")
def test_take_profit_arms_at_its_trigger_and_leaves_when_the_profit_has_fallen_by_the_trailing_part() -> None:
    settings = GridSettings(take_profit_pct=5, trailing_pct=2)
    state = ExitState()

    # 4 % does not arm; 6 % arms; 8 % is the highest; 6.1 % is within 2 of it, 6 % is not
    reasons = [state.judge(settings, profit, 1000) for profit in (40, 20, 60, 80, 61, 60)]

    assert reasons[:5] == [""] * 5
    assert reasons[5] == "take-profit: 6.00 % of the cost after 8.00 %"


@pytest.mark.req("ST-34")
def test_without_a_trailing_part_the_trigger_leaves_at_once_and_an_empty_grid_disarms() -> None:
    assert "take-profit: 5.00 %" in ExitState().judge(GridSettings(take_profit_pct=5), 50, 1000)

    settings, state = GridSettings(take_profit_pct=5, trailing_pct=2), ExitState()
    state.judge(settings, 80, 1000)
    state.judge(settings, 0, 0)
    assert state.judge(settings, 20, 1000) == ""


# ---- on a stage


@pytest.fixture
def held(table):
    """Return a grid that holds n1 and n2, 5 lots each, with a sell resting at each."""

    def build(**changes):
        values = {"order_notional": Decimal(300), "stop_loss_pct": 0.5}
        one = table(**(values | changes)).start()
        one.price(600_000)
        one.place()
        one.fill("n1")
        one.fill("n2")
        one.price(598_700)
        one.place("n1", "n2")
        return one

    return build


@pytest.mark.req("ST-34")
def test_at_the_stop_everything_is_withdrawn_and_then_sold_through_the_book(held) -> None:
    one = held()

    # cost 599,100 a lot on average: 0.5 % below is 596,104
    assert {"n1", "n2"} <= set(one.price(596_200))
    assert one.price(596_000) == {}
    one.withdraw()
    assert one.wait(0.1) == {"exit": (Side.SELL, 595_999 * 99 // 100, 10)}
    quote = one.quotes["exit"]
    assert (quote.is_post_only, quote.is_reduce_only) == (False, True)
    assert quote.reason.startswith("stop-loss")


@pytest.mark.req("ST-34", "ST-32")
def test_the_profit_of_an_exit_is_exact_and_the_grid_stays_out_until_a_person_resumes_it(held) -> None:
    one = held()
    one.price(596_000)
    one.withdraw()
    one.wait(0.1)
    one.place("exit")
    one.fill("exit", lots=4, price=595_900, fee_atoms=7)
    one.fill("exit", price=595_800, fee_atoms=8)
    one.wait(0.1)

    assert one.grid.ledger.realized_atoms == (4 * 595_900 + 6 * 595_800 - 10 * 599_100) * 10_000 - 15
    assert [note.code for note in one.notes] == ["grid_out"]
    assert one.wait(10**6) == {}
    assert one.price(600_000) == {}

    one.grid.on_state(one.stage.ctx, "paused")
    one.grid.on_state(one.stage.ctx, "quoting")
    assert set(one.price(600_000)) == {"n1", "n2"}
    assert one.grid.ladder.anchor_ticks == 600_000


@pytest.mark.req("ST-34")
def test_with_a_pause_set_the_grid_begins_anew_by_itself_while_the_book_stands_still(held) -> None:
    one = held(exit_pause_s=30)
    one.price(596_000)
    one.withdraw()
    one.wait(0.1)
    one.place("exit")
    one.fill("exit")
    one.wait(0.1)

    assert one.wait(29) == {}
    assert set(one.wait(1.1)) == {"n7", "n8", "n9"}


@pytest.mark.req("ST-34", "I-05")
def test_what_a_sell_in_doubt_may_have_sold_is_not_sold_twice(held) -> None:
    one = held()
    one.hear(orders.OrderUnknown(*one.head("n1"), "no answer"))
    one.price(596_000)
    one.cancel("n2")

    # 5 of the 10 lots are in doubt
    assert one.wait(0.1)["exit"][2] == 5
    one.place("exit")
    one.fill("exit")
    assert one.wait(0.1) == {}
    one.hear(orders.OrderCanceled(*one.head("n1"), 0))
    assert one.wait(0.1)["exit"][2] == 5


@pytest.mark.req("ST-34")
def test_an_exit_that_the_market_ran_away_from_is_priced_anew_after_a_second(held) -> None:
    one = held()
    one.price(596_000)
    one.withdraw()
    one.wait(0.1)
    one.place("exit")

    assert one.price(590_000)["exit"][1] == 595_999 * 99 // 100
    one.later(0.5)
    assert one.price(580_000)["exit"][1] == 595_999 * 99 // 100
    one.later(0.5)
    assert one.price(580_000)["exit"][1] == 579_999 * 99 // 100


@pytest.mark.req("ST-34", "ST-36")
def test_a_short_grid_buys_back_at_its_stop(table) -> None:
    one = table(direction="short", order_notional=Decimal(300), stop_loss_pct=0.5).start()
    one.price(600_000)
    one.place()
    one.fill("p1")
    one.price(604_000)
    one.withdraw()

    assert one.wait(0.1)["exit"] == (Side.BUY, 604_001 * 101 // 100 + 1, 4)


def test_lots_too_few_for_the_venue_do_not_keep_the_grid_from_ending(table) -> None:
    one = table(rules={"min_qty_lots": 3}, order_notional=Decimal(300), stop_loss_pct=0.5).start()
    one.price(600_000)
    one.place()
    one.fill("n1", lots=2)
    one.price(590_000)
    one.withdraw()
    one.wait(0.1)
    one.wait(0.1)

    assert [note.code for note in one.notes] == ["grid_out"]
    assert one.grid.ledger.pot_lots == 2

    # and they do not make it leave again and again
    one.grid.on_state(one.stage.ctx, "paused")
    assert one.price(590_000) != {}
    assert one.wait(0.1) != {}
    assert one.grid.leaving.reason == ""


@pytest.mark.req("ST-34", "RK-6")
@pytest.mark.parametrize(
    ("code", "wanted"),
    # mid 596,000: 9/10 of 40 bps are 2145.6 ticks; what else is refused is no matter of its price
    [("price_band", 593_855), ("rate", 595_999 * 99 // 100)],
)
def test_an_exit_that_the_price_band_refuses_is_priced_within_it(held, code, wanted) -> None:
    one = held()
    one.price(596_000)
    one.withdraw()
    one.wait(0.1)
    one.ask("exit")

    one.hear(orders.OrderRefused(*one.head("exit"), code, "refused", 10_003, 4000))
    again = one.wait(1)

    assert again == {"exit": (Side.SELL, wanted, 10)}


@pytest.mark.req("ST-34", "RK-6")
@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("band_e2_bps", [1, 50, 4000, 9999, 10_000, 100_000])
def test_the_reach_keeps_to_the_band_and_takes_the_touch_at_least(make_stage, side, band_e2_bps) -> None:
    ctx = make_stage().touch(599_999, 600_001).ctx

    price = closing_ticks(ctx, side, band_e2_bps)

    touch = 599_999 if side is Side.SELL else 600_001
    assert (price - touch) * side.sign >= 0
    assert price == touch or abs(2 * price - 1_200_000) * 1_000_000 // 1_200_000 <= band_e2_bps


# ---- in the core, with what risk says


@pytest.fixture
def falling(opened, settle):
    """Return a desk whose grid has bought three levels."""

    def build(**changes):
        desk = opened(one=("grid", GRID | changes))
        settle(desk)
        for mid in (599_300, 598_700, 598_100):
            desk.move(mid)
            desk.venue.match(*desk.touch)
            settle(desk)
        return desk

    return build


def ticks(desk, settle, count):
    """Let time pass while the book stands still."""
    for n in range(count):
        desk.now_ns += 100_000_000
        desk.say(Tick(n), "bus")
        desk.venue.match(*desk.touch)
        settle(desk)


@pytest.mark.req("ST-34")
def test_the_stop_works_while_risk_only_lets_positions_shrink_and_the_book_stands_still(
    falling, settle, live, of
) -> None:
    desk = falling()
    assert desk.core.instance("one").position_lots > 0
    desk.say(TradingState("reducing", ["volume"]), "risk")
    settle(desk)
    assert {order.side for order in live(desk).values()} == {Side.SELL}

    # one book, and then none
    desk.move(594_000)
    ticks(desk, settle, 30)

    assert desk.core.instance("one").position_lots == 0
    assert live(desk) == {}
    assert [note.code for note in of(StrategyNote, desk.said)][-1] == "grid_out"


@pytest.mark.req("ST-34")
def test_while_halted_nothing_is_sent_and_the_exit_goes_on_afterwards(falling, settle, of) -> None:
    desk = falling()
    desk.say(TradingState("halted", ["calendar"]), "risk")
    settle(desk)
    before = len(of(orders.OrderIntent, desk.said))
    desk.move(594_000)
    ticks(desk, settle, 10)
    assert len(of(orders.OrderIntent, desk.said)) == before

    desk.say(TradingState("active", []), "risk")
    desk.move(593_990)
    ticks(desk, settle, 30)

    assert desk.core.instance("one").position_lots == 0


@pytest.mark.req("ST-34")
def test_a_person_brings_a_grid_back_that_is_out(falling, settle, live) -> None:
    desk = falling()
    desk.move(594_000)
    ticks(desk, settle, 30)
    assert "out: stop-loss" in desk.core.instance("one").status_text()

    desk.say(PauseRequested("one", "me", ""), "operator")
    desk.say(ResumeRequested("one", "me", ""), "operator")
    desk.move(594_010)
    settle(desk)

    assert {order.side for order in live(desk).values()} == {Side.BUY}
    assert desk.core.instance("one").strategy.ladder.anchor_ticks == 600_000
