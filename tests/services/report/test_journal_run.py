"""A run out of a log: the same figures as those of the log's own report, mids after fills, one day of it."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.backtest.figures import figures
from services.broker.settings import BrokerSettings
from services.market_data.settings import FeedVenue, MarketDataSettings
from services.report.fold import report
from services.report.journal_run import RECORDED, run_of
from shared.errors import JournalError
from shared.messages import Event, market, orders, system
from shared.settings import pack
from shared.units import NS_PER_S, Side


def start(log, url="sim"):
    venue = FeedVenue(name="binance_usdm", symbols=("BTCUSDT",), url=url)
    log.say(system.EpochStarted(1, "build1"), source="bus")
    for service, settings_of in (
        ("market_data", MarketDataSettings(venues=(venue,))),
        ("broker", BrokerSettings(initial_balance=Decimal(500))),
    ):
        log.say(system.ServiceStarted(service, 1, "build1", pack(settings_of), [service]), source="bus")


@pytest.mark.req("BT-2", "JR-10")
def test_a_log_gives_the_run_of_its_orders_fills_and_settings(log, market_rules):
    start(log)
    log.say(market_rules())
    log.touch(999, 1001)
    log.accept("a")
    log.fill("a", "t1", fee_atoms=20_000)
    log.touch(1003, 1005)
    log.accept("b", side=Side.SELL, price=1100)
    log.fill("b", "t2", side=Side.SELL, price=1100, fee_atoms=22_000)

    run = run_of(log.events)

    found = figures(run)
    assert (run.meta.source, run.meta.path, run.meta.commit) == ("paper", "journal", "build1")
    assert run.meta.capital_atoms == 500 * 10**8
    assert (found.orders, found.fills, found.round_trips) == (2, 2, 1)
    assert (found.net_pnl, found.fees) == (Decimal("0.09958"), Decimal("0.00042"))
    # the first fill at a mid of 100.0; the book of the next second is 0.4 higher
    assert list(run.fills.mid_half_ticks) == [2000, 2008]
    assert run.fills.mid_100ms_half_ticks[0] == 2000
    assert run.fills.mid_1s_half_ticks[0] == 2008, "at or before one second"
    assert run.is_generated


@pytest.mark.req("BT-11")
@pytest.mark.parametrize(
    ("url", "simulated", "is_generated"),
    [
        ("sim", "generated", True),
        ("sim", RECORDED, False),
        ("", "generated", False),
        ("http://x", RECORDED, True),
    ],
)
def test_what_the_data_were_is_told_by_the_settings_on_the_log(
    log, market_rules, url, simulated, is_generated
):
    start(log, url)
    log.say(market_rules())

    assert run_of(log.events, simulated).is_generated is is_generated


@pytest.mark.req("BT-11")
def test_a_log_that_tells_of_the_end_of_a_capture_was_of_recorded_data(log, market_rules):
    start(log)
    log.say(market_rules())
    log.say(market.CaptureFinished("binance_usdm", 9))

    assert not run_of(log.events).is_generated


def test_time_passes_with_ticks_after_the_last_book(log, market_rules):
    log.say(market_rules())
    log.touch(999, 1001)
    log.fill("a", "t1")
    for number in range(3):
        log.say(system.Tick(number), source="bus")

    fills = run_of(log.events).fills

    assert (fills.mid_1s_half_ticks[0], fills.mid_10s_half_ticks[0]) == (2000, 0)


@pytest.mark.req("BT-4")
def test_equity_between_fills_is_marked(log, market_rules):
    log.say(market_rules())
    log.touch(999, 1001)
    log.fill("a", "t1")
    log.touch(949, 951)
    log.touch(999, 1001)

    assert figures(run_of(log.events)).max_drawdown == Decimal("0.05")


def test_a_fee_in_the_base_asset_is_worth_the_price_of_its_fill(log, market_rules):
    log.say(market_rules())
    log.touch(999, 1001)
    # 0.00001 BTC at 100 USDT
    log.fill("a", "t1", fee_asset="BTC", fee_atoms=1_000)
    log.fill("b", "t2", fee_asset="BNB", fee_atoms=5)

    run = run_of(log.events)

    assert figures(run).fees == Decimal("0.001")
    assert run.meta.notes == ["1 fills paid fees in BNB, of which the log has no price: not counted."]


def test_a_fill_that_is_said_twice_counts_once(log, market_rules):
    log.say(market_rules())
    log.fill("a", "t1")
    log.fill("a", "t1")

    assert figures(run_of(log.events)).fills == 1


def test_a_trade_in_a_market_without_rules_ends_with_what_to_do(log):
    log.fill("a", "t1")

    with pytest.raises(JournalError, match="no rules"):
        run_of(log.events)


def test_another_tick_after_a_fill_is_refused(log, market_rules):
    log.say(market_rules())
    log.fill("a", "t1")
    log.say(market_rules(tick="0.01", atoms=1_000))

    with pytest.raises(JournalError, match="another tick or lot"):
        run_of(log.events)


@pytest.mark.req("BT-2")
def test_one_day_of_a_log_begins_with_the_position_that_it_found(log, market_rules):
    log.say(market_rules())
    log.touch(999, 1001)
    log.accept("a")
    log.fill("a", "t1")
    count = len(log.events)
    log.touch(1099, 1101)
    log.accept("b", side=Side.SELL, price=1100)
    log.fill("b", "t2", side=Side.SELL, price=1100)
    day_ns = 86_400 * NS_PER_S
    events = log.events[:count] + [shifted(event, day_ns) for event in log.events[count:]]
    day = datetime.fromtimestamp(events[-1].header.ts_ns // NS_PER_S, tz=UTC).date()

    run = run_of(events, day=day)

    # ten lots carried over at 100.0 and sold at 110.0, 0.01 a lot: the gain is the day's
    found = figures(run)
    assert (found.fills, found.orders, found.volume) == (1, 1, Decimal("1.1"))
    assert found.net_pnl == Decimal("0.1")
    assert found.positions == {"binance_usdm:BTCUSDT": "0.000"}
    assert found.round_trips == 1
    assert run.meta.notes == ["as_btc began with 10 lots of binance_usdm:BTCUSDT, carried over at the mid."]
    first = datetime.fromtimestamp(events[0].header.ts_ns // NS_PER_S, tz=UTC).date()
    assert figures(run_of(events, day=first)).net_pnl + found.net_pnl == figures(run_of(events)).net_pnl


def shifted(event, later_ns):
    header = msgspec.structs.replace(event.header, ts_ns=event.header.ts_ns + later_ns)
    return Event(header, event.message)


def test_a_day_without_events_is_named(log, market_rules):
    log.say(market_rules())

    with pytest.raises(JournalError, match="no event on 2020-01-01"):
        run_of(log.events, day=datetime(2020, 1, 1, tzinfo=UTC).date())


actions = st.lists(
    st.one_of(
        st.tuples(st.just("touch"), st.integers(900, 1100)),
        st.tuples(st.just("fill"), st.sampled_from(list(Side)), st.integers(900, 1100), st.integers(1, 9)),
        st.tuples(st.just("funding"), st.integers(-1000, 1000)),
    ),
    max_size=40,
)


@given(actions)
@settings(max_examples=60, deadline=None)
def test_any_log_gives_the_profit_and_parts_of_its_own_report(new_log, market_rules, drawn):
    log = new_log()
    log.say(market_rules())
    log.touch(999, 1001)
    for at, action in enumerate(drawn):
        if action[0] == "touch":
            log.touch(action[1], action[1] + 2)
        elif action[0] == "fill":
            _, side, price, qty = action
            log.fill(f"o{at}", f"t{at}", side=side, price=price, qty=qty, fee_atoms=price * qty)
        else:
            log.say(
                orders.FundingPaid("as_btc", "binance_usdm:BTCUSDT", at, 1, 1, 0, action[1], "USDT"),
                source="broker",
            )
    for _ in range(70):
        log.touch(999, 1001)

    totals = report(log.events)["totals"]
    found = figures(run_of(log.events))

    assert found.fills == totals["fills"]
    if found.fills:
        for name in ("net_pnl", "realized_pnl", "fees", "funding", "volume"):
            assert getattr(found, name) == pytest.approx(Decimal(totals[name]), abs=Decimal("1e-7")), name
        names = ("spread_capture", "adverse_100ms", "adverse_1s", "adverse_10s", "adverse_60s", "inventory")
        for name in names:
            assert getattr(found, name) == pytest.approx(Decimal(totals[name]), abs=Decimal("1e-7")), name
        assert found.round_trips == totals["round_trips"]
        # the log's own report books fee and gain of a fill one after the other
        assert found.max_drawdown <= Decimal(totals["max_drawdown"]) + Decimal("1e-7")
