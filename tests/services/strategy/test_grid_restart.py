"""A grid that is killed and started again at ten different prices goes on as if nothing had happened."""

import msgspec
import pytest

from services.strategy.core import StrategyCore
from services.strategy.desk import Desk, make_rules
from services.strategy.grid import Grid
from services.strategy.grid_settings import GridSettings
from services.strategy.settings import InstanceSettings, StrategySettings
from shared.hosting import NOTHING, CoreHost
from shared.messages import orders

USDM = "binance_usdm:BTCUSDT"
GRID = {"interval_bps": 5.0, "order_notional": "300", "buy_window": 5, "sell_window": 5, "order_cap": 20}
STEPS = 300
# Where the market goes from step to step: up and down through some twenty levels.
WAVES = [180, 180, 170, -190, -200, -170, -160, 150, 190, -150, -210, -140, 205, 195, 160, -175]
CUTS = (17, 45, 72, 101, 129, 158, 183, 214, 247, 281)


def make_desk(variant):
    one = InstanceSettings(kind="grid", symbol=USDM, params=GRID | variant)
    desk = Desk(
        StrategySettings(instances={"one": one}, warmup_s=0, warmup_points=0), make_rules(USDM), seed=7
    )
    desk.start()
    return desk


def walk(desk, steps):
    for step in steps:
        desk.step(jump_ticks=WAVES[step // 4 % len(WAVES)])


def state_of(desk):
    strategy = desk.core.instance("one").strategy
    ledger = strategy.ledger
    return {
        "anchor": strategy.ladder.anchor_ticks,
        "slots": [(slot.level, slot.held_lots, slot.cost_atoms) for slot in ledger.slots_in_order()],
        "realized": ledger.realized_atoms,
        "cycles": ledger.cycles,
        "position": desk.core.instance("one").position_lots,
        "live": sorted((order.slot, order.price_ticks) for order in desk.core.instance("one").orders.dump()),
    }


def recover(desk, cut_seq, how):
    """Give the desk a new process: from a snapshot and the log behind it, or from the log alone."""
    host = CoreHost(StrategyCore())
    missing = []
    if how == "snapshot":
        before = CoreHost(StrategyCore())
        for event in desk.log[:cut_seq]:
            before.apply(event)
        host.restore(before.snapshot())
    for event in desk.log[host.applied_seq :]:
        missing += host.apply(event).outputs
    on_log = {(event.header.source, event.header.n) for event in desk.log}
    desk.host = host
    return [out for out in missing if (out.source, out.n) not in on_log]


@pytest.mark.req("ST-25", "I-03", "I-04")
@pytest.mark.parametrize(
    ("variant", "how"),
    [
        ({}, "log"),
        ({}, "snapshot"),
        ({"direction": "neutral"}, "log"),
        ({"spacing": "percent"}, "snapshot"),
        ({"stop_loss_pct": 2}, "snapshot"),
    ],
    ids=str,
)
def test_restarts_at_ten_prices_cancel_nothing_move_no_level_and_change_no_result(variant, how) -> None:
    undisturbed = make_desk(variant)
    walk(undisturbed, range(STEPS))
    desk = make_desk(variant)
    prices = set()
    done = 0

    for cut in CUTS:
        walk(desk, range(done, cut))
        done = cut
        prices.add(desk.mid_ticks)
        before = state_of(desk)
        assert recover(desk, len(desk.log) * 2 // 3, how) == []
        said = desk.configure(desk.settings)
        assert not [m for m in said if isinstance(m, orders.CancelIntent | orders.OrderIntent)]
        assert state_of(desk) == before
    walk(desk, range(done, STEPS))

    assert len(prices) == len(CUTS)
    assert max(prices) - min(prices) > 5 * 300
    assert state_of(desk) == state_of(undisturbed)
    assert state_of(desk)["cycles"] > 20
    first, second = (
        [m for m in one.said if isinstance(m, orders.OrderIntent | orders.CancelIntent)]
        for one in (desk, undisturbed)
    )
    assert first == second


class Asleep:
    """A dead process: it applies nothing."""

    def __init__(self, host):
        self.core = host.core

    def apply(self, event):  # noqa: ARG002
        return NOTHING


@pytest.mark.req("ST-25", "ST-26", "I-15")
@pytest.mark.parametrize("gap_ticks", [-6000, -3000, -1500, -700, -300, 300, 700, 1500, 3000, 6000])
def test_after_a_gap_while_it_was_dead_no_fill_is_missed_nothing_is_cancelled_and_the_levels_stay(
    gap_ticks,
) -> None:
    # the cap is out of reach: what was decided while dead would fill it, and the farthest leave (ST-30)
    desk = make_desk({"order_cap": 80})
    walk(desk, range(100))
    anchor = desk.core.instance("one").strategy.ladder.anchor_ticks
    resting = {order.client_order_id for order in desk.core.instance("one").orders.dump()}

    # when: the venue goes on for two seconds without us, through a gap
    desk.host = Asleep(desk.host)
    died_at = len(desk.log)
    for step in range(40):
        desk.step(jump_ticks=gap_ticks if step == 10 else 0)
    missed = [e.message for e in desk.log[died_at:] if isinstance(e.message, orders.Fill)]
    late = recover(desk, died_at, "log")
    for out in late:
        desk._append(out.source, out.n, out.cause_seq, out.message)
        if isinstance(out.message, orders.OrderIntent):
            # what was decided on old data is refused by its age (rule 5 of the log)
            head = (out.message.client_order_id, "one", USDM)
            desk.venue.orders.pop(out.message.client_order_id, None)
            desk.say(orders.OrderRefused(*head, "stale_intent", "too old"))
    desk.configure(desk.settings)

    # then: all that rests is what rested before, less what was filled
    gone = {fill.client_order_id for fill in missed if fill.leaves_lots == 0}
    instance = desk.core.instance("one")
    assert not [out for out in late if isinstance(out.message, orders.CancelIntent)]
    assert resting - gone <= {order.client_order_id for order in instance.orders.dump()}
    assert instance.strategy.ladder.anchor_ticks == anchor
    fills = [event.message for event in desk.log if isinstance(event.message, orders.Fill)]
    assert instance.position_lots == sum(fill.side.sign * fill.qty_lots for fill in fills)
    assert instance.strategy.ledger.position_lots == instance.position_lots
    # and it trades on from there, with exact money
    walk(desk, range(100, 160))
    fills = [event.message for event in desk.log if isinstance(event.message, orders.Fill)]
    atoms = desk.rules.tick_lot_atoms
    cash = sum(-f.side.sign * f.price_ticks * f.qty_lots * atoms - f.fee_atoms for f in fills)
    ledger = desk.core.instance("one").strategy.ledger
    tied = sum(slot.cost_atoms + slot.fees_atoms for slot in ledger.slots.values())
    assert ledger.realized_atoms - tied - ledger.pot_cost_atoms == cash


@pytest.mark.req("ST-25")
@pytest.mark.parametrize("variant", [{}, {"direction": "neutral"}, {"stop_loss_pct": 0.3, "exit_pause_s": 2}])
def test_a_new_build_that_adopts_the_log_has_the_same_levels_and_the_same_profit(variant) -> None:
    desk = make_desk(variant)
    walk(desk, range(160))
    host = CoreHost(StrategyCore())
    host.is_deciding = False

    for event in desk.log:
        host.apply(event)

    adopted, wanted = (core.instance("one").strategy for core in (host.core, desk.core))
    assert adopted.snapshot() == wanted.snapshot()


@pytest.mark.req("ST-25")
def test_the_snapshot_of_a_grid_of_before_is_taken_with_its_levels_and_holdings() -> None:
    slot = [-1, 599_400, "confirmed", "locked", "1-one-n1-1", 5, 29_970_000_000, 0]
    state = [600_000, 600, [slot], 0, 0, 77, 3, False, 1_199_000, 4]
    grid = Grid(GridSettings())

    grid.restore(msgspec.msgpack.encode(state))

    assert (grid.ladder.anchor_ticks, grid.ladder.interval_ticks, grid.ladder.ratio_ppm) == (600_000, 600, 0)
    assert (grid.direction, grid.ledger.realized_atoms, grid.ledger.cycles) == ("long", 77, 3)
    found = grid.ledger.slots[-1]
    assert (found.held_lots, found.cost_atoms, found.span, found.post_only_failures) == (
        5,
        29_970_000_000,
        1,
        0,
    )
    assert grid.adaptation.window == 10
