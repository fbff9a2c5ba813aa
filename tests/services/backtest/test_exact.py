"""The exact path: the cores of live trading over messages from columns, in virtual time."""

import dataclasses
from decimal import Decimal

import pytest

from services.backtest.exact import ExactRun
from services.backtest.exact_feed import MarketFeed
from shared.messages import control, orders, system
from shared.messages.market import BookUpdate, InstrumentRules
from shared.units import NS_PER_MS, Side

START_NS = 1_700_000_000 * 10**9

RAISER = """
    from dataclasses import dataclass

    from services.strategy.base import NOTHING, Strategy

    @dataclass(frozen=True)
    class Settings:
        pass

    class Mine(Strategy):
        Settings = Settings

        def on_trade(self, ctx, trade):
            if trade.qty_lots == 13:
                raise ValueError("thirteen is too much")
            return NOTHING
"""
TAKER = """
    from dataclasses import dataclass

    from services.strategy.base import PlaceOrder, Strategy
    from shared.messages.orders import OrderType, TimeInForce
    from shared.units import Side

    @dataclass(frozen=True)
    class Settings:
        pass

    class Mine(Strategy):
        Settings = Settings

        def __init__(self, settings):
            self.count = 0

        def on_trade(self, ctx, trade):
            self.count += 1
            name = f"go{self.count}"
            return [PlaceOrder(name, Side.BUY, 0, 10, OrderType.MARKET, TimeInForce.IOC)]
"""


def played(columns, sections, **options):
    events = []
    feed = MarketFeed([columns], columns.header.rules, has_candles=False)
    run = ExactRun(sections, [feed], build="test", watch=events.append, **options)
    run.start()
    run.run()
    return run, events


def only(events, kind):
    return [event for event in events if type(event.message) is kind]


@pytest.mark.req("BT-1")
def test_a_resting_order_waits_its_turn_and_is_filled_by_trades(tape, tmp_path, sections, buyer):
    # Given 10 lots ahead of us at the best bid: our 5 lots come after them.
    columns = (
        tape()
        .book(0)
        .change(10, asks=[(600_020, 21)])
        .change(200, asks=[(600_020, 22)])
        .trade(300, 600_000, 10, 1)
        .trade(400, 600_000, 3, 1)
        .change(500, bids=[(600_000, 0)])
        .open(tmp_path / "a.columns")
    )

    run, events = played(columns, sections(kind=buyer))

    # The order is decided at 0 ms, reaches the venue at 50 ms, and that is said with the tick of 100 ms.
    accepted = only(events, orders.OrderAccepted)[0]
    assert accepted.header.ts_ns - START_NS == 100 * NS_PER_MS
    assert accepted.message.ts_venue_ns - START_NS == 50 * NS_PER_MS
    fills = only(events, orders.Fill)
    assert fills[0].header.ts_ns - START_NS == 400 * NS_PER_MS
    fill = fills[0].message
    assert fill.qty_lots == 3
    assert (fill.side, fill.price_ticks, fill.is_maker) == (Side.BUY, 600_000, True)
    # 60,000.0 x 0.003 = 180 USDT, 2 bps of it are 0.036.
    assert fill.fee_atoms == 3_600_000
    assert run.is_over
    assert run.failure is None


def test_time_passes_in_ticks_between_the_rows(tape, tmp_path, sections):
    columns = tape().book(0).change(250, bids=[(600_000, 1)]).change(300, bids=[(600_000, 2)])

    _, events = played(columns.open(tmp_path / "a.columns"), sections())

    kinds = (system.Tick, BookUpdate)
    told = [(e.header.ts_ns - START_NS, type(e.message)) for e in events if type(e.message) in kinds]
    # A tick comes after the rows of its own time, and before later ones.
    assert [(at_ns // NS_PER_MS, kind) for at_ns, kind in told] == [
        (100, system.Tick),
        (200, system.Tick),
        (250, BookUpdate),
        (300, BookUpdate),
    ]


def test_every_message_is_stamped_with_its_local_time(tape, tmp_path, sections):
    columns = tape().book(0).change(250, bids=[(600_000, 1)]).open(tmp_path / "a.columns")

    _, events = played(columns, sections())

    update = only(events, BookUpdate)[0]
    assert update.header.ts_ns == update.header.origin_ns == START_NS + 250 * NS_PER_MS
    assert update.message.ts_venue_ns == START_NS + 230 * NS_PER_MS
    assert only(events, InstrumentRules)[0].header.ts_ns == START_NS


@pytest.mark.req("BT-1", "ST-2")
def test_the_same_data_and_settings_give_the_same_run(tmp_path, tape, sections):
    columns = tape().book(0)
    for at in range(1, 40):
        columns.change(at * 50, bids=[(600_000, at)]).trade(at * 50 + 10, 600_000 + 10 * (at % 2), 20, at % 2)
    columns = columns.open(tmp_path / "a.columns")

    first, first_events = played(columns, sections(params={"half_spread_bps": "0.1"}))
    second, second_events = played(columns, sections(params={"half_spread_bps": "0.1"}))

    assert first_events == second_events
    assert first.digest() == second.digest()
    assert only(first_events, orders.OrderIntent)


def test_a_strategy_that_raises_ends_the_run_with_its_event(tape, tmp_path, sections, own_strategy):
    columns = tape().book(0).trade(100, 600_000, 1, 1).trade(200, 600_000, 13, 1).trade(300, 600_000, 1, 1)

    run, events = played(columns.open(tmp_path / "a.columns"), sections(kind=own_strategy("raiser", RAISER)))

    assert run.failure is not None
    assert run.failure.message.error.startswith("ValueError: thirteen is too much (at raiser.py:")
    cause = next(e for e in events if e.header.seq == run.failure.header.cause_seq)
    assert cause.message.qty_lots == 13
    assert run.message_count == 3
    assert not [e for e in events if e.header.ts_ns > START_NS + 200 * NS_PER_MS]


def test_a_stopped_run_goes_on_where_it_stopped(tape, tmp_path, sections):
    columns = tape().book(0)
    for at in range(1, 600):
        columns.change(at, bids=[(600_000, at)])
    columns = columns.open(tmp_path / "a.columns")
    _, whole = played(columns, sections())

    events = []
    feed = MarketFeed([columns], columns.header.rules, has_candles=False)
    run = ExactRun(sections(), [feed], build="test", watch=events.append)
    run.start()
    run.run(lambda: True)
    assert not run.is_over
    stopped_at = run.message_count
    run.run()

    assert stopped_at == 256
    assert events == whole


def test_a_loss_latches_the_kill_and_nothing_is_sent_after_it(tape, tmp_path, sections, own_strategy):
    chosen = sections(kind=own_strategy("taker", TAKER))
    chosen["risk"] = dataclasses.replace(chosen["risk"], loss_max=Decimal("0.1"))
    columns = tape().book(0).trade(10, 600_010, 1, 0)
    for at in range(2, 30):
        columns.change(at * 100, bids=[(600_000, at)]).trade(at * 100 + 5, 600_010, 1, 0)

    _, events = played(columns.open(tmp_path / "a.columns"), chosen)

    latched = only(events, control.KillLatched)
    assert latched
    assert not [e for e in only(events, orders.OrderSent) if e.header.seq > latched[0].header.seq]


def test_without_rows_there_is_nothing_to_run(tape, tmp_path, sections):
    run, events = played(tape().open(tmp_path / "a.columns"), sections())

    assert run.is_over
    assert events == []
