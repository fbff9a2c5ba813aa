"""ST-16: what a full model learns through its strategy, when it may quote, and that it fails closed.

BTC at 60,000 with ticks of 0.1: a bp is 60 ticks; 100 USDT are 1 lot of 60 USDT, so q counts lots.
"""

import math
import random
from decimal import Decimal

import msgspec
import pytest

from services.strategy.avellaneda_stoikov import AvellanedaStoikov
from services.strategy.base import Note
from services.strategy.maker_settings import AvellanedaStoikovSettings
from shared.messages.market import Trade
from shared.units import NS_PER_MS, NS_PER_S, Side

START = 1_700_000_000 * NS_PER_S
FIXED = {"sigma_bps": 1.0, "kappa_per_bps": 2.0, "arrivals_per_s": 5.0, "risk_aversion": 0.1}
LEARNS_SIGMA = {"sigma_bps": 0.0, "calibration_half_life_s": 60.0, "calibration_s": 30}
FULL = ["avellaneda_stoikov", "glft"]


def strategy(model, **changes):
    values = {"model": model, "warmup_books": 0, "vpin_enabled": False, **changes}
    return AvellanedaStoikov(AvellanedaStoikovSettings(**values))


def still(_turn):
    """Return how many half ticks a mid that does not move lies above 600,000."""
    return 0


def walk(turn):
    """Return the same for a mid that goes 50 ticks up and down in 20 s."""
    return 100 - abs(turn % 200 - 100)


def passed(one, stage, ticks, half_ticks=still):
    """Let 100 ms pass `ticks` times, with the mid `half_ticks(turn)` above 600,000; return what is said."""
    said = []
    for turn in range(ticks):
        centre = 600_000 + half_ticks(turn) // 2
        stage.touch(centre - 1, centre + 1 + half_ticks(turn) % 2)
        stage.at(stage.ctx.now_ns + 100 * NS_PER_MS)
        said += one.on_timer(stage.ctx)
    return said


def begun(model, stage, ticks=12, **changes):
    """Return a strategy that quotes, after `ticks` of a market that stands still."""
    one = strategy(model, **changes)
    one.on_state(stage.at(START).ctx, "quoting")
    passed(one, stage, ticks)
    return one


@pytest.mark.req("ST-16")
@pytest.mark.parametrize(
    ("held", "bid", "ask"), [(0, 599_940, 600_060), (1, 599_880, 600_000), (-1, 600_000, 600_120)]
)
def test_the_model_of_2008_quotes_around_its_reservation_price(make_stage, targets, held, bid, ask) -> None:
    stage = make_stage().hold(held)
    one = begun("avellaneda_stoikov", stage, **FIXED)

    # gamma sigma^2 T = 0.1 * 1 * 10 = 1 bp = 60 ticks of skew for each order held;
    # half spread 0.5 + 10 ln 1.05 = 0.98790164 bps = 59.2741 ticks
    assert targets(one.on_book(stage.ctx)) == {"bid": (Side.BUY, bid, 1), "ask": (Side.SELL, ask, 1)}


@pytest.mark.req("ST-16")
@pytest.mark.parametrize(
    ("held", "bid", "ask"), [(0, 599_967, 600_033), (3, 599_945, 600_012), (-3, 599_988, 600_055)]
)
def test_the_closed_form_of_2013_quotes_in_ticks_rounded_outward(make_stage, targets, held, bid, ask) -> None:
    stage = make_stage().hold(held)
    one = begun("glft", stage, **FIXED)

    # ln(1.05) / 0.1 + C / 2 with C = sqrt(0.1 / 20 * 1.05^21) = 0.11802463 bps: 32.8148 ticks,
    # and C = 7.08148 ticks of skew for each order held
    assert targets(one.on_book(stage.ctx)) == {"bid": (Side.BUY, bid, 1), "ask": (Side.SELL, ask, 1)}


@pytest.mark.req("ST-16", "ST-14")
@pytest.mark.parametrize("model", FULL)
def test_the_position_is_counted_in_orders_and_limited(make_stage, targets, model) -> None:
    # given: quotes of 5 lots, 15 held of 16 at most
    stage = make_stage().hold(15)
    one = begun(model, stage, order_notional=Decimal(300), **FIXED)
    single = begun(model, make_stage().hold(3), **FIXED)

    quoted = targets(one.on_book(stage.ctx))

    # then: 3 orders held, as with 3 lots in quotes of one; one lot of room is left
    assert (
        quoted["bid"][1]
        == targets(single.on_book(make_stage().hold(3).touch(599_999, 600_001).ctx))["bid"][1]
    )
    assert quoted["bid"][2] == 1
    assert quoted["ask"][2] == 5
    full = make_stage().hold(16)
    assert set(targets(begun(model, full, **FIXED).on_book(full.ctx))) == {"ask"}


@pytest.mark.req("ST-16", "ST-11")
def test_toxic_flow_widens_a_full_model_and_volatility_does_not_twice(make_stage, targets) -> None:
    stage = make_stage()
    one = begun("glft", stage, **FIXED | {"vpin_enabled": True, "vpin_window": 10})
    for turn in range(10):
        one.on_trade(stage.ctx, stage.trade(Side(turn % 4 == 0), 600_000 + 50 * (turn % 2), 10))

    # 7 bought, 3 sold: VPIN 0.4, so 32.8148 * 1.4 = 45.94 ticks
    quoted = targets(one.on_book(stage.ctx))
    assert (quoted["bid"][1], quoted["ask"][1]) == (599_954, 600_046)


@pytest.mark.req("ST-16")
def test_the_half_spread_of_a_model_keeps_its_floor(make_stage, targets) -> None:
    stage = make_stage()
    one = begun("glft", stage, min_half_spread_bps=2.0, **FIXED)

    assert targets(one.on_book(stage.ctx))["ask"][1] == 600_120


@pytest.mark.req("ST-16")
@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        (
            {"risk_aversion": 1000.0, "horizon_s": 3600.0},
            "model_undefined",
            "more than max_half_spread_bps 100",
        ),
        ({"kappa_per_bps": 1e-9}, "model_undefined", "more than max_half_spread_bps"),
        ({"sigma_bps": 0.0}, "calibrating", "of 60 s of moves"),
        ({"kappa_per_bps": 0.0}, "calibrating", "0 of 50 orders"),
    ],
)
def test_what_a_model_cannot_say_is_not_quoted_but_noted(make_stage, targets, changes, code, text) -> None:
    stage = make_stage()
    one = strategy("avellaneda_stoikov", **FIXED | changes)
    one.on_state(stage.at(START).ctx, "quoting")

    said = passed(one, stage, 12)

    assert targets(said) == {}
    notes = [each for each in said if isinstance(each, Note)]
    assert {note.code for note in notes} == {code}
    assert text in notes[0].text
    assert targets(one.on_book(stage.ctx)) is None
    assert text in one.format_status(stage.ctx)


@pytest.mark.req("ST-16")
def test_a_market_that_stands_still_teaches_no_volatility_and_is_not_quoted(make_stage, targets) -> None:
    stage = make_stage()
    one = begun("avellaneda_stoikov", stage, **FIXED | {"sigma_bps": 0.0})

    said = passed(one, stage, 800)

    assert targets(said) == {}
    assert "the mid does not move" in said[-1].text


@pytest.mark.req("ST-16")
@pytest.mark.parametrize("model", FULL)
def test_a_model_that_forgot_stops_quoting(make_stage, targets, model) -> None:
    stage = make_stage()
    one = begun(model, stage, **FIXED | LEARNS_SIGMA)
    passed(one, stage, 900, walk)
    assert targets(one.on_book(stage.ctx)) is not None

    # when: nobody watches for an hour
    stage.at(stage.ctx.now_ns + 3600 * NS_PER_S)
    said = passed(one, stage, 12)

    assert targets(said) == {}
    assert targets(one.on_book(stage.ctx)) is None


@pytest.mark.req("ST-16", "ST-13")
def test_a_model_that_moved_requotes_though_the_fair_value_did_not(make_stage, targets) -> None:
    stage = make_stage()
    one = begun("avellaneda_stoikov", stage, **FIXED | LEARNS_SIGMA)
    passed(one, stage, 900, walk)
    before = targets(one.on_book(stage.touch(599_999, 600_001).ctx))
    assert [targets(one.on_book(stage.ctx)) for _ in range(5)] == [None] * 5

    # when: the moves become twenty times as large, and the fair value is where it was
    passed(one, stage, 900, lambda turn: 20 * walk(turn))
    after = [targets(one.on_book(stage.touch(599_999, 600_001).ctx)) for _ in range(2)]

    assert after[0]["ask"][1] > before["ask"][1] + 42
    assert after[0]["bid"][1] < before["bid"][1] - 42
    assert after[1] is None


@pytest.mark.req("ST-16")
@pytest.mark.parametrize("state", ["pulled", "paused", "finished", "stopped"])
def test_nothing_is_learnt_while_trades_are_not_shown(make_stage, state) -> None:
    stage = make_stage()
    one = begun("glft", stage)
    before = one._calibration.missing()

    if state == "stopped":
        one.on_stop(stage.ctx)
    else:
        one.on_state(stage.ctx, state)
    for _ in range(100):
        one.on_trade(stage.ctx, stage.trade(Side.BUY, 600_005, 1))
    said = passed(one, stage, 200)

    assert said == []
    assert one._calibration.missing() == before == "0 of 60 s of moves, 0 of 50 orders"


def test_a_lost_book_teaches_nothing(make_stage) -> None:
    stage = make_stage()
    one = begun("glft", stage)

    one.on_disconnect(stage.ctx, "gap")
    stage.ctx.book.invalidate()
    stage.at(stage.ctx.now_ns + 5 * NS_PER_S)

    assert one.on_timer(stage.ctx) == ()


# ---- a market whose parameters are known


def flow(seed, steps, arrivals_per_s=2.0, kappa_per_tick=0.1, sigma_ticks=6.0):
    """Yield (ns, bid, ask, trades) each 100 ms: a Brownian mid, exponential depths, Poisson orders."""
    draws = random.Random(seed)
    centre, next_s, trade_id = 600_000.0, [draws.expovariate(arrivals_per_s) for _ in range(2)], 0
    for step in range(1, steps + 1):
        bid = math.floor(centre)
        ask, trades = bid + 1, []
        for side in (Side.BUY, Side.SELL):
            while next_s[side] <= step / 10:
                depth, mid = draws.expovariate(kappa_per_tick), (bid + ask) / 2
                price = math.floor(mid + depth) if side is Side.BUY else math.ceil(mid - depth)
                if price >= ask or price <= bid:
                    trade_id += 1
                    at_ns = START + round(next_s[side] * NS_PER_S)
                    trades.append(Trade("binance_usdm:BTCUSDT", trade_id, price, 1, side, at_ns, at_ns))
                next_s[side] += draws.expovariate(arrivals_per_s)
        yield START + step * 100 * NS_PER_MS, bid, ask, trades
        centre += draws.gauss(0, sigma_ticks * math.sqrt(0.1))


def told(one, stage, moment):
    """Tell the strategy of 100 ms of the flow; return what it says."""
    now_ns, bid, ask, trades = moment
    stage.touch(bid, ask).at(now_ns)
    said = [*one.on_book(stage.ctx)]
    for trade in trades:
        said += one.on_trade(stage.ctx, trade)
    return [*said, *one.on_timer(stage.ctx)]


@pytest.mark.req("ST-16")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_strategy_finds_the_parameters_of_twenty_thousand_trades_within_a_tenth(make_stage, seed) -> None:
    stage = make_stage()
    one = strategy("glft", calibration_half_life_s=7200.0)
    one.on_state(stage.ctx, "quoting")
    count, centre_ticks = 0, 0

    for moment in flow(seed, 60_000):
        told(one, stage, moment)
        count += len(moment[3])
        centre_ticks = moment[1]

    # in bps of the price: sigma 6 ticks, kappa 0.1 per tick
    ticks_per_bps = centre_ticks / 10_000
    found = one._calibration.parameters(ticks_per_bps)
    assert count >= 20_000
    assert found.sigma_bps == pytest.approx(6.0 / ticks_per_bps, rel=0.1)
    assert found.kappa_per_bps == pytest.approx(0.1 * ticks_per_bps, rel=0.1)
    assert found.arrivals_per_s == pytest.approx(2.0, rel=0.1)


@pytest.mark.req("ST-16", "I-39")
@pytest.mark.parametrize("model", FULL)
@pytest.mark.parametrize("cut", [3, 250, 701, 1500])
def test_a_restart_in_the_middle_of_calibration_changes_nothing(make_stage, model, cut) -> None:
    one, other, stage, elsewhere = strategy(model), strategy(model), make_stage(), make_stage()
    one.on_state(stage.ctx, "quoting")
    for step, moment in enumerate(flow(7, 2000)):
        if step == cut:
            other.restore(one.snapshot())
            assert other.snapshot() == one.snapshot()
        said = told(one, stage, moment)
        if step >= cut:
            assert told(other, elsewhere, moment) == said

    assert other.snapshot() == one.snapshot()
    assert one.format_status(stage.ctx) == other.format_status(elsewhere.ctx)


@pytest.mark.req("ST-16")
def test_changed_settings_of_a_model_keep_what_was_learnt(make_stage, targets) -> None:
    stage = make_stage()
    one = strategy("glft")
    one.on_state(stage.ctx, "quoting")
    for moment in flow(7, 2000):
        told(one, stage, moment)
    careful, other_model = strategy("glft", risk_aversion=0.100001), strategy("avellaneda_stoikov")
    careful.restore(one.snapshot())
    other_model.restore(one.snapshot())
    moments = list(flow(7, 2020))[2000:]

    for moment in moments:
        told(one, stage, moment)
    here = one._shape
    for each in (careful, other_model):
        # what the old settings asked for is not quoted; the first look, within a second, gives the new
        assert each._shape is None
        elsewhere = make_stage()
        for moment in moments:
            assert "calibrating" not in str(told(each, elsewhere, moment))

    # then: a little more aversion asks for a little more, and the other model is ready at once
    assert careful._shape.half == pytest.approx(here.half, rel=1e-4)
    assert careful._shape.skew_per_order == pytest.approx(here.skew_per_order, rel=1e-4)
    assert other_model._shape is not None


@pytest.mark.req("ST-16")
def test_a_model_that_is_switched_on_begins_without_quotes_and_off_with_those_of_the_fixed(
    make_stage, targets
) -> None:
    stage = make_stage().touch(599_999, 600_001)
    fixed = strategy("fixed")
    fixed.on_book(stage.ctx)
    full, back = strategy("glft"), strategy("fixed")

    full.restore(fixed.snapshot())
    assert targets(full.on_book(stage.touch(600_099, 600_101).ctx)) is None
    back.restore(full.snapshot())

    quoted = targets(back.on_book(stage.ctx)) or targets(back.on_book(stage.ctx))
    assert quoted == {"bid": (Side.BUY, 600_039, 1), "ask": (Side.SELL, 600_161, 1)}


@pytest.mark.req("JR-5")
def test_the_state_of_an_older_version_is_taken(make_stage, targets) -> None:
    one = strategy("fixed", vpin_enabled=True)
    flow_state = msgspec.msgpack.decode(one.snapshot())[0]

    # books, books since the quote, quoted fair, must quote, is toxic, multiplier: seven fields, no more
    one.restore(msgspec.msgpack.encode([flow_state, 9, 4, 60_000_000, False, False, 1_500_000]))

    stage = make_stage().touch(599_999, 600_001)
    assert targets(one.on_book(stage.ctx)) is None
    assert "spread x1.50" in one.format_status(stage.ctx)
