"""Questions to the venue: pages, damaged answers, orders of others, what is not offered."""

import json

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from services.broker.binance.account import Account
from services.broker.binance.asking import Questions
from services.broker.binance.markets import Market
from services.broker.binance.settings import BinanceSettings, endpoints_at
from services.broker.binance.startup import Startup
from services.broker.keys import VenueKey
from shared.execution import commands, reports
from shared.units import NS_PER_S
from tests.services.broker.binance.venue_words import answer_body, damaged, order_body, rules_of

NOW_NS = 1_800_000_000 * NS_PER_S
VENUES = ("binance", "binance_usdm")


def questions_of(venue):
    config = BinanceSettings(venue=venue, endpoints=endpoints_at(venue, "http://x"))
    account = Account(config, VenueKey("k" * 20, "s" * 40))
    account.markets["BTCUSDT"] = Market(rules_of(venue))
    return account, Questions(account, Startup(account))


@pytest.mark.parametrize("venue", VENUES)
@settings(max_examples=60, deadline=None)
@given(data=st.data(), kind=st.integers(0, 6))
def test_a_damaged_answer_is_a_doubt_or_an_answer_and_never_both(venue, data, kind):
    symbol = f"{venue}:BTCUSDT"
    command = (
        commands.AskOrder(1, symbol, "c"),
        commands.AskOpenOrders(1, symbol),
        commands.AskOpenOrders(1),
        commands.AskFills(1, symbol, "4"),
        commands.AskAccount(1),
        commands.AskKeyRights(1),
        commands.CancelAll(1, symbol),
    )[kind]
    account, questions = questions_of(venue)
    out = []
    questions.ask(command, NOW_NS, out)
    (call,) = out
    body = damaged(answer_body(venue, call, NOW_NS), data.draw)

    said = []
    account.transport.take_http(call.call_id, 200, (), body, NOW_NS, said)

    answers = [one for one in said if getattr(one, "request_id", 0) == 1]
    assert len(answers) == 1


def test_orders_of_others_in_markets_that_are_not_followed_are_left_out():
    account, questions = questions_of("binance")
    out, said = [], []
    questions.ask(commands.AskOpenOrders(1), NOW_NS, out)
    body = json.dumps([order_body({}, NOW_NS), order_body({"symbol": "OTHER"}, NOW_NS)]).encode()
    account.transport.take_http(out[0].call_id, 200, (), body, NOW_NS, said)
    (told,) = said
    assert [order.symbol for order in told.orders] == ["binance:BTCUSDT"]


def test_a_market_without_rules_is_refused_by_name():
    _, questions = questions_of("binance")
    out = []
    questions.ask(commands.AskOrder(1, "binance:ELSE", "c"), NOW_NS, out)
    assert out[0].code == "rules"


def test_executions_come_page_by_page_also_from_a_time_on(joined, only, monkeypatch):
    line = joined("binance_usdm").up()
    for number in range(1, 8):
        line.ask(line.place(number, f"e-a-b{number}-1", away=-50, lots=1))
    monkeypatch.setattr("services.broker.binance.fills.PAGE_COUNT", 2)

    (by_id,) = only(reports.Fills, line.ask(commands.AskFills(20, line.symbol, "0"), ms=500))
    (by_time,) = only(
        reports.Fills, line.ask(commands.AskFills(21, line.symbol, "", line.now_ns - 60 * NS_PER_S), ms=500)
    )
    told = {report.fill.trade_id for report in only(reports.Filled, line.said)}
    assert {fill.trade_id for fill in by_id.fills} == {fill.trade_id for fill in by_time.fills} == told
    assert [int(fill.trade_id) for fill in by_id.fills] == sorted(int(trade_id) for trade_id in told)
    assert all(fill.fee_asset == "USDT" and not fill.is_maker for fill in by_id.fills)


def test_the_countdown_is_armed_on_usdm_and_refused_by_name_on_spot(joined, only):
    line = joined("binance_usdm").up()
    assert reports.Done(1) in line.ask(commands.Countdown(1, line.symbol, 60_000))
    (refused,) = only(
        reports.Refused, joined("binance").up().ask(commands.Countdown(1, "binance:BTCUSDT", 1))
    )
    assert refused.code == "countdown"
