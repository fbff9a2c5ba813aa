"""What a grid need not look at: exactly the mids at which judging its exits and its trend changes nothing."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.strategy.grid_exits import ExitState
from services.strategy.grid_ledger import GridLedger
from services.strategy.grid_levels import direction_of, ladder_at, signs_of
from services.strategy.grid_samples import Samples
from services.strategy.grid_settings import GridSettings
from services.strategy.grid_slots import Slot
from services.strategy.grid_watch import ALWAYS, NEVER, due_ns, gap_of, quiet_exits, quiet_trend
from services.strategy.imbalance import Imbalance
from services.strategy.market_exit import ENTRY
from services.strategy.registry import settings_of
from shared.messages import orders
from shared.messages.orders import FundingPaid
from shared.units import INT64_MAX, NS_PER_S, Side

TICK_LOT = 7


def ledger_of(direction, held, pot=(0, 0)):
    ledger = GridLedger(lambda level: direction_of(direction, level))
    for level, (lots, ticks, fees) in enumerate(held, start=-len(held) // 2):
        slot = Slot(level, ticks, held_lots=lots, cost_atoms=lots * ticks * TICK_LOT, fees_atoms=fees)
        ledger.slots[level] = slot
    ledger.pot_lots, ledger.pot_cost_atoms = pot
    return ledger


def is_quiet(settings, leaving, ledger, mid):
    """Return whether judging at a mid finds nothing and remembers nothing new."""
    after = copy.copy(leaving)
    found = after.judge(settings, ledger.unrealized_atoms(mid, TICK_LOT), ledger.held_cost_atoms())
    return found == "" and after == leaving


EXITS = st.builds(
    lambda stop, take, part: GridSettings(
        stop_loss_pct=stop, take_profit_pct=take, trailing_pct=round(take * part, 4)
    ),
    st.sampled_from([0.0, 0.0001, 0.5, 3.0, 60.0]),
    st.sampled_from([0.0, 0.0001, 0.3, 2.0, 90.0]),
    st.sampled_from([0.0, 0.5, 1.0]),
)
HELD = st.lists(
    st.tuples(st.integers(1, 50), st.integers(900, 1100), st.integers(-500, 500)), min_size=1, max_size=5
)


@pytest.mark.req("ST-34")
@given(
    EXITS,
    st.sampled_from(["long", "short", "neutral"]),
    HELD,
    st.integers(-3, 3),
    st.none() | st.integers(0, 200_000),
)
def test_the_quiet_mids_are_those_at_which_no_exit_is_near(
    settings, direction, held, pot_lots, highest
) -> None:
    is_armed = highest is not None and settings.take_profit_pct > 0
    leaving = ExitState(is_armed=is_armed, highest_ppm=(highest or 0) if is_armed else 0)
    ledger = ledger_of(direction, held, (pot_lots, 1_000 * pot_lots * TICK_LOT))

    low, high = quiet_exits(settings, leaving, ledger, TICK_LOT)

    edges = {low - 1, low, low + 1, high - 1, high, high + 1, 1_000, 2_000, 2_300, 10**6}
    for mid in {edge for edge in edges if 0 <= edge <= 10**15}:
        assert is_quiet(settings, leaving, ledger, mid) == (low <= mid <= high)


def test_without_exits_every_mid_is_quiet_and_a_pot_alone_is_always_looked_at() -> None:
    stop, nothing = GridSettings(stop_loss_pct=1.0), ledger_of("long", [])

    assert quiet_exits(GridSettings(), ExitState(), ledger_of("long", [(5, 1_000, 0)]), TICK_LOT) == ALWAYS
    assert quiet_exits(stop, ExitState(), nothing, TICK_LOT) == ALWAYS
    assert quiet_exits(stop, ExitState(is_armed=True), nothing, TICK_LOT) == NEVER
    assert quiet_exits(stop, ExitState(), ledger_of("long", [], (1, 700)), TICK_LOT) == NEVER


@pytest.mark.req("ST-34")
def test_the_stop_of_ten_lots_bought_at_a_thousand_is_where_it_was_worked_out() -> None:
    # cost 70,000 atoms; -1 % is -700 atoms, 10 ticks below: at 1,980 half ticks the loss is exactly that
    ledger = ledger_of("long", [(10, 1_000, 0)])

    assert quiet_exits(GridSettings(stop_loss_pct=1.0), ExitState(), ledger, TICK_LOT) == (1_981, INT64_MAX)


@pytest.mark.req("ST-34")
@given(
    st.sampled_from(["long", "short", "neutral"]),
    st.lists(st.integers(1_900, 2_100), max_size=6),
    st.sampled_from([0, 1, 3, 5]),
    st.sampled_from([0.0, 1.0, 12.5]),
    st.integers(1_850, 2_150),
)
def test_within_the_quiet_mids_of_the_trend_the_same_is_blocked(direction, halves, length, band, mid) -> None:
    settings, samples = GridSettings(trend_length=length, trend_band_bps=band), Samples(1, halves)

    def blocked_at(price):
        return frozenset(sign for sign in signs_of(direction) if samples.is_against(settings, sign, price))

    blocked = blocked_at(mid)
    low, high = quiet_trend(settings, samples, direction, blocked, is_locked=False)

    assert low <= mid <= high
    for price in range(1_840, 2_160):
        if low <= price <= high:
            assert blocked_at(price) == blocked
        else:
            assert blocked_at(price) != blocked


def test_a_lock_blocks_everywhere_until_it_ends() -> None:
    settings, samples = GridSettings(sample_s=60), Samples(10, [])

    assert quiet_trend(settings, samples, "neutral", frozenset({1, -1}), is_locked=True) == ALWAYS
    assert quiet_trend(settings, samples, "neutral", frozenset({1}), is_locked=True) == NEVER
    assert due_ns(settings, samples, 0) == 660 * NS_PER_S
    assert due_ns(settings, samples, 650 * NS_PER_S) == 650 * NS_PER_S


@given(st.integers(50_000, 10**9), st.integers(100, 5_000), st.integers(1, 10**9))
def test_the_interval_is_the_same_over_the_whole_range_that_is_named(anchor, ppm, price) -> None:
    ladder = ladder_at(anchor, ppm, "percent")
    near = max(min(price, anchor * 2), anchor // 2)

    gap, (low, high) = gap_of(ladder, near)

    assert low <= near < high
    for edge in (low, near, high - 1):
        assert ladder.gap_at(ladder.level_at(edge)) == gap


# ---- what ends the watch


def funding(now_ns):
    return FundingPaid("one", "binance_usdm:BTCUSDT", now_ns, 100, 60_000_000, 3, -12_345, "USDT")


@pytest.mark.req("ST-32")
def test_funding_fills_and_new_targets_end_the_watch_of_a_grid_until_its_next_look(table) -> None:
    one = table(stop_loss_pct=5.0).start()
    one.price(600_000)
    one.place()
    one.price(600_000)
    gate = one.grid.gate(one.stage.ctx)
    assert (gate.is_watching, gate.on_book(one.stage.ctx.book, one.stage.world.now_ns, 0)) == (True, False)

    one.grid.on_funding(one.stage.ctx, funding(1))
    assert (gate.is_watching, gate.on_book(one.stage.ctx.book, one.stage.world.now_ns, 0)) == (False, True)
    one.price(600_000)
    assert gate.is_watching

    one.fill(next(iter(one.stage.orders.by_slot)), lots=1)
    assert gate.on_book(one.stage.ctx.book, one.stage.world.now_ns, 1) is True


@pytest.mark.req("ST-29")
def test_behind_its_gate_a_grid_that_lacks_money_enters_again_when_its_lock_ends(table) -> None:
    one = table(margin_lock_s=20, sample_s=3600).start()
    one.price(600_000)
    one.send("n1")
    gate, book, began_ns = one.grid.gate(one.stage.ctx), one.stage.ctx.book, one.stage.world.now_ns
    one.price(600_000)

    one.hear(orders.OrderRejected(*one.head("n1"), "-2019", "Margin is insufficient."))
    one.price(600_000)

    assert gate.on_book(book, began_ns + 20 * NS_PER_S - 1, 0) is False
    assert gate.on_book(book, began_ns + 20 * NS_PER_S, 0) is True


@pytest.mark.req("ST-42")
def test_a_fill_ends_the_watch_of_a_position_before_the_next_book(make_stage) -> None:
    stage = make_stage().at(10**18).touch(599_999, 600_001)
    one = Imbalance(settings_of("imbalance", {}))
    gate = one.gate(stage.ctx)
    one.on_book(stage.ctx)
    assert gate.on_timer(10**18, stage.ctx.book) is False

    stage.hold(5)
    one.on_fill(stage.ctx, ENTRY, stage.fill(ENTRY, Side.BUY, 600_000, 5))

    assert gate.on_timer(10**18, stage.ctx.book) is True
