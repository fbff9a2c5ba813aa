"""Small parts by themselves: connections and their pauses, the watch, error bodies, what an outcome means."""

import pytest

from services.broker.adapters import adapter_of
from services.broker.binance.account import Account
from services.broker.binance.adapter import BinanceAdapter
from services.broker.binance.budget import WEIGHT, Budget, Cost, Count, Held, Purpose
from services.broker.binance.build import make_adapter
from services.broker.binance.calls import Answer, Lost, Request, Security, ban_end_ms, ban_wait_ms, error_of
from services.broker.binance.clock import VenueClock
from services.broker.binance.errors import DOUBT, Verdict
from services.broker.binance.fills import FillsQuestion
from services.broker.binance.info import MarketInfo
from services.broker.binance.link import Link
from services.broker.binance.listening import PrivateStream
from services.broker.binance.markets import Market
from services.broker.binance.refusals import doubt_of, failure_of
from services.broker.binance.session import ApiSession
from services.broker.binance.settings import ENDPOINTS, SPOT, USDM, BinanceSettings, endpoints_at
from services.broker.binance.startup import Startup
from services.broker.binance.transport import Transport, counts_of
from services.broker.binance.watch import StreamWatch
from services.broker.keys import VenueKey
from services.broker.settings import VenueAccess
from shared.errors import ConfigError
from shared.execution import commands, reports
from shared.execution.outside import HttpCall, OpenSocket
from shared.units import NS_PER_MS, NS_PER_S
from tests.services.broker.binance.venue_words import exchange_info, rules_of

KEY = VenueKey("k" * 20, "s" * 40)
START_NS = 1_800_000_000 * NS_PER_S


def settings_of(venue=SPOT, **changes):
    return BinanceSettings(venue=venue, endpoints=endpoints_at(venue, "http://x"), **changes)


def account_of(venue=SPOT, **changes):
    account = Account(settings_of(venue, **changes), KEY)
    account.markets["BTCUSDT"] = Market(rules_of(venue))
    return account


# ---- connections


def test_a_connection_that_stood_is_tried_at_once_and_one_that_never_did_ever_later():
    link, out = Link("binance/api", 2, Budget(settings_of())), []
    for _ in range(3):
        link.open("ws://x", START_NS, out)
        link.lost(START_NS)
    assert [item.after_ms for item in out] == [0, 250, 500]
    assert [item.socket for item in out] == ["binance/api#1", "binance/api#2", "binance/api#3"]

    link.open("ws://x", START_NS, out)
    link.opened(START_NS)
    link.lost(START_NS + 10 * NS_PER_S)
    link.open("ws://x", START_NS, out)
    assert out[-1].after_ms == 0


def test_no_connection_is_made_inside_a_ban():
    budget = Budget(settings_of())
    budget.ban(START_NS + 90 * NS_PER_S, "banned")
    out = []
    Link("binance/api", 2, budget).open("ws://x", START_NS, out)
    assert out == [OpenSocket("binance/api#1", "ws://x", 90_000)]


def test_a_hold_by_a_limit_not_told_yet_lasts_a_second_and_not_its_window():
    budget = Budget(settings_of())
    begin_ns = START_NS - START_NS % (60 * NS_PER_S)
    budget.learn([Count(WEIGHT, 60, 1100)], begin_ns)
    assert budget.held(Purpose.CANCEL, Cost(1), begin_ns).retry_ns == begin_ns + NS_PER_S

    budget.learn([Count(WEIGHT, 60, -1, 1200)], begin_ns)
    assert budget.held(Purpose.CANCEL, Cost(1), begin_ns).retry_ns == begin_ns + 60 * NS_PER_S


def test_the_watch_awaits_only_orders_that_were_accepted_and_not_yet_told():
    watch, out = StreamWatch(5000), []
    watch.up(0, out)
    for name in ("told_first", "never_told", "refused"):
        watch.await_order(name)
    watch.told("told_first")
    watch.accepted("told_first", 0)
    watch.told("refused")
    watch.accepted("never_told", 0)
    watch.proven(4999 * NS_PER_MS)
    assert not watch.is_stale(4999 * NS_PER_MS)
    watch.proven(5000 * NS_PER_MS)
    assert watch.is_stale(5000 * NS_PER_MS)
    assert "never_told" in watch.stale_reason()
    watch.down("gone", out)
    watch.down("again", out)
    assert out == [reports.UserStreamUp(), reports.UserStreamDown("gone")]
    assert not watch.is_stale(10**18)


def test_the_watch_awaits_the_end_of_what_was_canceled_and_another_event_is_none():
    watch, out = StreamWatch(5000), []
    watch.await_cancel("before_up")
    watch.up(0, out)
    for name in ("told_first", "never_told", "not_found"):
        watch.await_cancel(name)
    watch.told("told_first", is_over=True)
    watch.not_canceled("not_found")
    for name in ("before_up", "told_first", "not_found"):
        watch.canceled(name, 0)
    watch.proven(5000 * NS_PER_MS)
    assert not watch.is_stale(5000 * NS_PER_MS)

    watch.canceled("never_told", 0)
    watch.told("never_told")
    assert watch.is_stale(5000 * NS_PER_MS)
    watch.told("never_told", is_over=True)
    assert not watch.is_stale(5000 * NS_PER_MS)


def test_sessions_and_streams_wait_for_a_connection_before_they_speak():
    account, out = account_of(USDM), []
    session = ApiSession(account.transport, account.watch, "hmac", has_stream=False)
    session.pass_time(START_NS, out)
    stream = PrivateStream(account.transport, account.watch)
    stream.pass_time(START_NS, out)
    assert out == []
    stream.start(START_NS, out)
    (call,) = out
    assert (call.method, call.target, call.headers) == (
        "POST",
        "/fapi/v1/listenKey",
        (("X-MBX-APIKEY", "k" * 20),),
    )


# ---- bodies and outcomes


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"code":"x"}', b"\xff\xfe", b"[" * 9999])
def test_an_error_body_that_is_none_has_no_code(body):
    assert error_of(body).code == 0
    assert ban_end_ms(body) == 0


def test_the_end_of_a_ban_over_the_websocket_api_is_read():
    body = b'{"code":-1003,"msg":"banned","data":{"serverTime":1,"retryAfter":1800000123456}}'
    assert ban_end_ms(bytes(error_of(body).data)) == 1_800_000_123_456


def test_what_is_left_of_a_ban_is_told_by_the_clock_of_the_venue_alone():
    body = b'{"code":-1003,"msg":"banned","data":{"serverTime":1000,"retryAfter":2816}}'
    assert ban_wait_ms(bytes(error_of(body).data)) == 1816
    assert ban_wait_ms(b'{"retryAfter":2816}') == 0
    assert ban_wait_ms(b'{"retryAfter":"x","serverTime":1}') == 0


def test_each_outcome_is_one_kind_of_report():
    answer = Answer(400, b"", Verdict(reports.RefusalKind.BALANCE), -2019, "Margin", 0)
    assert doubt_of(7, answer) == reports.Refused(7, reports.RefusalKind.BALANCE, "-2019", "Margin", True, 0)
    assert type(doubt_of(7, answer._replace(verdict=DOUBT))) is reports.Doubtful
    assert type(doubt_of(7, Lost("reset", True, 0))) is reports.Doubtful
    assert not doubt_of(7, Lost("refused", False, 0)).is_sent
    assert failure_of(7, Held("full", 9)) == reports.Refused(
        7, reports.RefusalKind.RATE, "budget", "full", False, 9
    )


def test_limits_that_are_published_become_windows():
    info = exchange_info(SPOT)["rateLimits"]
    from services.broker.binance.calls import RateLimit

    limits = [RateLimit(**one) for one in info] + [RateLimit("ORDERS", "CENTURY", 1, 5)]
    assert counts_of(limits) == [Count("REQUEST_WEIGHT", 60, -1, 6000), Count("ORDERS", 10, -1, 300)]


# ---- transport and clock


def test_a_request_goes_over_rest_until_the_websocket_api_is_ready_and_is_answered_once():
    account, out, heard = account_of(), [], []
    transport: Transport = account.transport
    request = Request(Purpose.QUERY, _cost(), "GET", "/x", {"a": 1}, "x.y", Security.KEY)
    transport.ask(request, lambda outcome, *_: heard.append(outcome), START_NS, out)
    assert isinstance(out[0], HttpCall)
    transport.take_http(1, 200, (), b"{}", START_NS, out)
    transport.take_http(1, 200, (), b"{}", START_NS, out)
    transport.take_http(99, 200, (), b"{}", START_NS, out)
    assert len(heard) == 1
    assert transport.in_flight == 0


def _cost():
    from services.broker.binance.budget import Cost

    return Cost(1)


def test_the_clock_takes_the_sample_with_the_shortest_round_trip():
    account, out = account_of(), []
    clock = VenueClock(account.transport)
    clock.begin(START_NS, out)
    now_ns = START_NS
    for number, (trip_ms, ahead_ms) in enumerate(((400, 260), (20, 101), (300, 200)), 1):
        middle_ms = (now_ns // NS_PER_MS) + trip_ms // 2
        now_ns += trip_ms * NS_PER_MS
        body = b'{"serverTime":%d}' % (middle_ms + ahead_ms)
        account.transport.take_http(number, 200, (), body, now_ns, out)
    assert clock.is_known
    assert clock.skew_ms == 101
    assert not clock.is_too_far


@pytest.mark.parametrize("body", [b"", b"{}", b'{"serverTime":"x"}', b'{"serverTime":1.5}', b"[]"])
def test_a_time_that_cannot_be_read_leaves_the_clock_unknown_and_is_asked_again(body):
    account, out = account_of(), []
    clock = VenueClock(account.transport)
    clock.begin(START_NS, out)
    account.transport.take_http(1, 200, (), body, START_NS, out)
    assert not clock.is_known
    assert "cannot be read" in clock.note
    clock.pass_time(START_NS + NS_PER_S, out)
    assert len(out) == 2


# ---- markets, startup, questions


def test_markets_are_asked_for_before_anything_is_checked():
    account, out = account_of(), []
    info: MarketInfo = account.info
    assert not info.is_known
    assert info.why_not(account.markets["BTCUSDT"])[0] == "unlisted"
    Startup(account).pass_time(START_NS, out)
    assert out == []
    info.pass_time(START_NS, out)
    assert [call.target for call in out] == ["/api/v3/exchangeInfo?symbol=BTCUSDT"]


def test_open_orders_are_counted_as_they_come_and_go():
    account = account_of()
    order = reports.VenueOrder("binance:BTCUSDT", "c", "1", reports.VenueState.NEW, 0, 1, 1, 0)
    account.saw(order)
    account.saw(order)
    assert account.open_count("binance:BTCUSDT") == 1
    account.saw_all("binance:BTCUSDT", [])
    assert account.open_count("binance:BTCUSDT") == 0


def test_a_question_for_executions_that_is_held_back_says_when_to_ask_again():
    account, out = account_of(), []
    account.budget.ban(START_NS + NS_PER_S, "banned")
    ask = commands.AskFills(3, "binance:BTCUSDT", "5")
    FillsQuestion(account, ask, account.markets["BTCUSDT"], START_NS).send(START_NS, out)
    assert out == [
        reports.Refused(3, reports.RefusalKind.RATE, "budget", "banned", False, START_NS + NS_PER_S)
    ]


# ---- the adapter of an account


@pytest.mark.parametrize("venue", [SPOT, USDM])
def test_an_account_of_the_configuration_gets_its_adapter(venue):
    access = VenueAccess(name=venue, symbols=("BTCUSDT",), network="live", rest_url="https://x", key="k")
    adapter = adapter_of(access, KEY)
    assert isinstance(adapter, BinanceAdapter)
    assert adapter.venue == make_adapter(settings_of(venue), KEY).venue == venue
    assert adapter._settings.endpoints.rights == "https://api.binance.com"
    assert (
        adapter_of(
            VenueAccess(name=venue, symbols=(), network="testnet", rest_url="https://x", key="k"), KEY
        )._settings.endpoints.rights
        == ""
    )


def test_only_who_trades_on_usdm_changes_the_account_and_only_as_configured():
    plain = VenueAccess(name=USDM, symbols=("BTCUSDT",), network="live", key="k")
    asked = VenueAccess(
        name=USDM, symbols=("BTCUSDT",), network="live", key="k", leverage=3, margin_type="isolated"
    )
    assert adapter_of(plain, KEY)._settings.leverage == adapter_of(plain, KEY)._settings.margin_type == {}
    assert adapter_of(asked, KEY)._settings.leverage == {"BTCUSDT": 3}
    assert adapter_of(asked, KEY)._settings.margin_type == {"BTCUSDT": "ISOLATED"}
    beside = adapter_of(asked, KEY, has_user_stream=False)._settings
    assert (beside.leverage, beside.margin_type) == ({}, {})


def test_a_venue_without_an_adapter_and_a_secret_that_is_none_are_refused():
    with pytest.raises(ConfigError, match="nowhere"):
        adapter_of(VenueAccess(name="nowhere", symbols=(), network="live", key="k"), KEY)
    with pytest.raises(ConfigError, match="the secret of the API key cannot be used"):
        adapter_of(VenueAccess(name=SPOT, symbols=(), network="live", key="k"), VenueKey("k", "short"))


def test_every_network_of_the_venue_is_encrypted():
    for endpoints in ENDPOINTS.values():
        assert endpoints.rest.startswith("https://")
        assert endpoints.api.startswith("wss://")
        assert endpoints.stream.startswith("wss://")
