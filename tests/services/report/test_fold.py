import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.report.fold import PARTS, ReportFold, money_text, report
from shared.errors import JournalError
from shared.messages import control, orders, system
from shared.units import Side


@pytest.mark.req("BT-2", "JR-10")
def test_a_round_trip_is_reported_with_fees_volume_and_result(log, market_rules):
    # one lot at one tick is 10,000 atoms of 1e-8: 10 lots at 100.0 are 1.00 USDT
    log.say(market_rules())
    log.touch(999, 1001)
    log.accept("a")
    log.fill("a", "t1", fee_atoms=20_000)
    log.accept("b", side=Side.SELL, price=1100)
    log.fill("b", "t2", side=Side.SELL, price=1100, fee_atoms=22_000)

    found = report(log.events)

    own = found["strategies"]["as_btc"]
    assert (own["orders"], own["orders_sent"], own["fills"], own["orders_filled"]) == (2, 2, 2, 2)
    assert own["volume"] == "2.10"
    assert own["fees"] == "0.00042"
    assert own["realized_pnl"] == "0.10"
    assert own["unrealized_pnl"] == "0.00"
    assert own["net_pnl"] == "0.09958"
    assert (own["round_trips"], own["win_rate"]) == (1, "1.0000")
    assert own["positions"] == {"binance_usdm:BTCUSDT": "0.000"}
    assert found["totals"]["net_pnl"] == "0.09958"
    json.dumps(found)


@pytest.mark.req("BT-2")
def test_drawdown_is_measured_on_marked_equity_while_the_position_is_open(log, market_rules):
    log.say(market_rules())
    log.touch(999, 1001)
    log.accept("a")
    log.fill("a", "t1")
    log.touch(1099, 1101)  # +0.10
    log.touch(899, 901)  # -0.10
    log.touch(999, 1001)

    own = report(log.events)["strategies"]["as_btc"]

    assert own["max_drawdown"] == "0.20"
    assert own["unrealized_pnl"] == "0.00"
    assert own["max_drawdown_at_ts_ns"] - own["max_drawdown_from_ts_ns"] == 1_000_000_000


def test_a_book_that_is_not_trusted_does_not_move_the_marks(log, market_rules):
    log.say(market_rules())
    log.touch(999, 1001)
    log.accept("a")
    log.fill("a", "t1")
    log.snapshot([(900, 5)], [])  # one side only

    assert report(log.events)["strategies"]["as_btc"]["unrealized_pnl"] == "0.00"


@pytest.mark.req("I-15")
def test_a_repeated_trade_id_is_counted_and_not_booked(log, market_rules):
    log.say(market_rules())
    log.accept("a")
    log.fill("a", "t1")
    log.fill("a", "t1")

    own = report(log.events)["strategies"]["as_btc"]

    assert (own["fills"], own["fills_repeated"], own["volume"]) == (1, 1, "1.00")


def test_strategies_are_kept_apart_and_totals_are_their_sum(log, market_rules):
    log.say(market_rules())
    log.touch(999, 1001)
    for name, price in (("as_btc", 990), ("grid_eth", 1010)):
        log.accept(name, strategy=name, price=price)
        log.fill(name, "t" + name, strategy=name, price=price)

    found = report(log.events)

    assert found["strategies"]["as_btc"]["unrealized_pnl"] == "0.01"
    assert found["strategies"]["grid_eth"]["unrealized_pnl"] == "-0.01"
    assert found["totals"]["unrealized_pnl"] == "0.00"
    assert found["totals"]["orders"] == 2


def test_money_of_two_assets_is_never_added_up(log, market_rules):
    log.say(market_rules())
    log.say(market_rules("binance:ETHBTC", "0.00001", "0.0001", 9, 1, "BTC"))
    log.accept("a")
    log.fill("a", "t1")
    log.accept("b", strategy="eth", symbol="binance:ETHBTC")
    log.fill("b", "t2", strategy="eth", symbol="binance:ETHBTC")

    found = report(log.events)

    assert found["totals"]["volume"] is None
    assert found["totals"]["fills"] == 2
    assert found["strategies"]["eth"]["quote_asset"] == "BTC"
    assert found["strategies"]["eth"]["volume"] == "0.00001"


def test_a_strategy_without_an_order_is_shown_with_zeros(log):
    log.say(control.StrategyStatus("quiet", "warming_up"), source="strategy/quiet")

    own = report(log.events)["strategies"]["quiet"]

    assert (own["orders"], own["volume"], own["win_rate"]) == (0, "0.00", None)


def test_an_empty_log_gives_a_report_of_zeros():
    assert report([])["totals"]["orders"] == 0


def test_a_fill_without_rules_before_it_is_a_clear_error(log):
    log.accept("a")
    log.fill("a", "t1")

    with pytest.raises(JournalError, match="no rules of that market"):
        report(log.events)


def test_other_ticks_after_the_first_fill_are_a_clear_error(log, market_rules):
    log.say(market_rules())
    log.accept("a")
    log.fill("a", "t1")
    log.say(market_rules(tick="1.00", atoms=100_000))

    with pytest.raises(JournalError, match="another tick or lot"):
        report(log.events)


def test_what_became_of_orders_is_counted(log):
    for order_id in "abc":
        log.intent(order_id)
    symbol = "binance_usdm:BTCUSDT"
    log.say(orders.OrderRefused("a", "as_btc", symbol, "position", "too large"), source="risk")
    log.say(orders.NotSent("b", "as_btc", symbol, "stale", "old"), source="broker")
    log.say(orders.OrderRejected("c", "as_btc", symbol, "-1013", "filter"), source="broker")

    own = report(log.events)["strategies"]["as_btc"]

    assert (own["orders"], own["orders_refused"], own["orders_not_sent"], own["orders_rejected"]) == (
        3,
        1,
        1,
        1,
    )


SYMBOL = "binance_usdm:BTCUSDT"
trades = st.lists(
    st.tuples(
        st.sampled_from(list(Side)), st.integers(1, 10_000), st.integers(1, 500), st.integers(-50, 500)
    ),
    max_size=30,
)


@given(made=trades)
@settings(deadline=None)
def test_net_profit_equals_cash_flow_plus_the_value_of_the_position(new_log, market_rules, made):
    log = new_log()
    log.say(market_rules())
    log.touch(999, 1001)
    cash = position = 0
    for at, (side, price, qty, fee) in enumerate(made):
        log.fill(f"o{at}", f"t{at}", side=side, price=price, qty=qty, fee_atoms=fee)
        cash -= side.sign * price * qty * 10_000 + fee
        position += side.sign * qty

    own = report(log.events)["totals"]

    expected = Decimal(cash + position * 1000 * 10_000).scaleb(-8)
    assert Decimal(own["net_pnl"]) == expected
    assert Decimal(own["max_drawdown"]) >= 0


@given(st.integers(-(10**40), 10**40))
@settings(deadline=None)
def test_money_texts_are_plain_decimals_with_two_to_eight_places(value):
    text = money_text(value)

    places = text.partition(".")[2]
    assert 2 <= len(places) <= 8
    assert "e" not in text.lower()
    assert abs(Decimal(text).scaleb(30) - value) <= 10**22


@pytest.mark.req("JR-4")
def test_memory_does_not_grow_with_the_log(log, market_rules, monkeypatch):
    monkeypatch.setattr("shared.ledger.TRADE_IDS_KEPT", 10)
    log.say(market_rules())
    for at in range(100):
        log.accept(f"o{at}")
        log.fill(f"o{at}", f"t{at}")
    fold = ReportFold()
    for event in log.events:
        fold.apply(event)

    sizes = [len(value) for value in vars(fold).values() if isinstance(value, dict)]

    assert max(sizes) <= 2
    assert all(len(ids) <= 10 for _, ids in fold.profits.ledger.dump().trade_ids)


@pytest.mark.req("RK-29", "BT-2")
def test_the_parts_of_the_profit_sum_to_it(log, market_rules):
    # 10 lots at 100.0: a tick is 0.001 USDT. Bought a tick below the mid, which then falls by three ticks.
    log.say(market_rules())
    log.touch(1000, 1002)
    log.accept("a")
    log.fill("a", "t1", price=1000, fee_atoms=20_000)
    log.touch(997, 999)  # a second after the fill: beyond 0.1 s, within 1 s
    log.say(orders.FundingPaid("as_btc", SYMBOL, 1, 10_000, 99_800, 10, -9_980, "USDT"), source="broker")
    log.say(orders.FundingPaid("as_btc", SYMBOL, 1, 10_000, 99_800, 10, -9_980, "USDT"), source="broker")
    for _ in range(65):
        log.say(system.Tick(1), source="bus")
    log.touch(1010, 1012)

    own = report(log.events)["strategies"]["as_btc"]

    assert (own["spread_capture"], own["adverse_100ms"], own["adverse_1s"]) == ("0.001", "0.00", "-0.003")
    assert (own["adverse_10s"], own["adverse_60s"], own["inventory"]) == ("0.00", "0.00", "0.013")
    assert (own["fees"], own["funding"], own["net_pnl"]) == ("0.0002", "-0.0000998", "0.0107002")
    parts = sum(Decimal(own[name]) for name in PARTS)
    assert parts - Decimal(own["fees"]) + Decimal(own["funding"]) == Decimal(own["net_pnl"])
    assert own["fees_by_asset"] == {"USDT": "0.0002"}


@pytest.mark.req("RK-29")
def test_a_fill_through_zero_ends_a_trip_with_its_part_of_the_fee(log, market_rules):
    log.say(market_rules())
    log.touch(999, 1001)
    log.fill("a", "t1", price=1000, qty=4)
    log.say(system.Tick(1), source="bus")
    log.fill("b", "t2", side=Side.SELL, price=990, qty=10, fee_atoms=1000)
    log.fill("c", "t3", price=980, qty=6)

    own = report(log.events)["strategies"]["as_btc"]

    # Lost 0.004 and 400 atoms of fee in two seconds, won 0.006 less 600 atoms in one.
    assert (own["round_trips"], own["win_rate"], own["average_holding_s"]) == (2, "0.5000", "1.5000")
    assert own["profit_factor"] == format(round(Decimal("0.005994") / Decimal("0.004004"), 4), "f")


def test_a_fee_in_a_third_asset_is_shown_in_it(log, market_rules):
    log.say(market_rules())
    log.touch(999, 1001)
    log.fill("a", "t1", fee_asset="BNB", fee_atoms=5_000)

    own = report(log.events)["strategies"]["as_btc"]

    assert (own["fees"], own["fees_by_asset"]) == ("0.00", {"BNB": "0.00005"})
