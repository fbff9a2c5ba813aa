"""What must hold before the first order, and what keeps orders away later: key, mode, clock, bans, rules."""

import json

import pytest

from shared.execution import commands, reports
from shared.execution.outside import HttpCall, SendText
from shared.units import NS_PER_MS, NS_PER_S
from tests.services.broker.binance.venue_words import exchange_info, rules_of

VENUES = ("binance", "binance_usdm")


def troubles(line):
    return [report for report in line.said if isinstance(report, reports.Unreachable)]


def instead(line, path, status, body, headers=()):
    """Let every call of a path be answered so."""
    answered = line.answer
    line.answer = lambda call: (
        (status, list(headers), json.dumps(body).encode())
        if call.target.partition("?")[0].endswith(path)
        else answered(call)
    )


def count_of(line):
    return len([item for item in line.work if isinstance(item, HttpCall | SendText)])


# ---- keys


@pytest.mark.req("RK-17")
@pytest.mark.parametrize("venue", VENUES)
def test_a_key_that_may_withdraw_is_refused_for_good(joined, only, venue):
    line = joined(venue, account={"can_withdraw": True})
    line.start().run(2000)

    assert troubles(line)[-1].is_final
    assert "the key may withdraw" in troubles(line)[-1].reason
    assert reports.Reachable() not in line.said
    (refused,) = only(reports.Refused, line.ask(line.place(1, "e-a-b1-1")))
    assert (refused.is_sent, refused.code) == (False, "unreachable")
    before = count_of(line)
    line.run(60_000)
    assert count_of(line) == before, "a person must act: nothing is asked again"


@pytest.mark.req("RK-17")
@pytest.mark.parametrize("venue", VENUES)
def test_a_key_that_may_not_trade_is_refused_for_good(joined, venue):
    line = joined(venue, account={"can_trade": False})
    line.start().run(2000)
    assert troubles(line)[-1].is_final
    assert "the key may not trade" in troubles(line)[-1].reason


@pytest.mark.parametrize("venue", VENUES)
def test_where_the_venue_has_no_key_rights_those_of_the_account_are_read(joined, venue):
    line = joined(venue)
    object.__setattr__(line.settings, "endpoints", line.settings.endpoints._replace(rights=""))
    line.start().run(2000)
    assert reports.Reachable() in line.said
    assert not [path for path in line.paths() if "sapi" in path]


@pytest.mark.parametrize("kind", ["hmac", "ed25519"])
@pytest.mark.parametrize("venue", VENUES)
def test_a_key_that_is_revoked_stops_trading_and_asking(joined, only, venue, kind):
    line = joined(venue, kind).up()
    line.exchange.account_of_key(f"key-{kind}").is_revoked = True
    for session in line.sessions.values():
        session.is_revoked = True

    said = line.ask(line.place(1, "e-a-b1-1"), commands.AskAccount(2), ms=3000)

    assert {report.kind for report in only(reports.Refused, said)} <= {reports.RefusalKind.KEY}
    assert troubles(line)[-1].is_final
    before = count_of(line)
    line.run(60_000)
    assert count_of(line) - before <= 3


# ---- modes and settings


def test_an_account_in_hedge_mode_is_for_a_person(joined):
    line = joined("binance_usdm")
    instead(line, "/positionSide/dual", 200, {"dualSidePosition": True})
    line.start().run(1000)
    assert troubles(line)[-1].is_final
    assert "one-way mode" in troubles(line)[-1].reason


def test_leverage_and_margin_are_set_only_where_configured(joined):
    line = joined("binance_usdm").up()
    assert not [path for path in line.paths() if path.endswith(("/leverage", "/marginType"))]

    line = joined("binance_usdm", leverage={"BTCUSDT": 3}, margin_type={"BTCUSDT": "ISOLATED"}).up()
    assert [path for path in line.paths() if path.endswith(("/leverage", "/marginType"))] == [
        "/fapi/v1/marginType",
        "/fapi/v1/leverage",
    ]


def test_a_setting_that_stands_already_is_no_trouble_and_one_that_is_refused_is_final(joined):
    line = joined("binance_usdm", margin_type={"BTCUSDT": "ISOLATED"})
    instead(line, "/marginType", 400, {"code": -4046, "msg": "No need to change margin type."})
    line.start().run(1000)
    assert reports.Reachable() in line.said

    line = joined("binance_usdm", leverage={"BTCUSDT": 100})
    instead(line, "/leverage", 400, {"code": -4028, "msg": "Leverage 100 is not valid"})
    line.start().run(1000)
    assert troubles(line)[-1].is_final
    assert "leverage of BTCUSDT cannot be set as configured" in troubles(line)[-1].reason


# ---- the clock


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("skew_ms", [-450, 450])
def test_a_clock_within_the_limit_is_corrected(joined, only, venue, skew_ms):
    line = joined(venue)
    line.skew_ns = skew_ms * NS_PER_MS
    line.up()
    assert abs(line.adapter._account.budget.offset_ns - line.skew_ns) < 10 * NS_PER_MS
    assert only(reports.Acted, line.ask(line.place(1, "e-a-b1-1")))


@pytest.mark.parametrize("skew_ms", [-700, 700])
def test_a_clock_beyond_the_limit_stops_orders_until_it_is_right_and_cancels_still_go(joined, only, skew_ms):
    line = joined("binance", clock_interval_ms=5000).up()
    line.ask(line.place(1, "e-a-b1-1"))
    line.skew_ns = skew_ms * NS_PER_MS
    line.run(6000)
    assert "the clocks differ by" in troubles(line)[-1].reason
    assert not troubles(line)[-1].is_final
    (refused,) = only(reports.Refused, line.ask(line.place(2, "e-a-b1-2")))
    assert not refused.is_sent
    assert only(reports.Acted, line.ask(commands.Cancel(3, line.symbol, "e-a-b1-1")))

    line.skew_ns = 0
    line.run(6000)
    assert line.said[-1] == reports.Reachable()


def test_a_slow_answer_proves_no_clock_wrong(joined):
    line = joined("binance", clock_interval_ms=2000).up()
    line.trip_ns = 1500 * NS_PER_MS
    line.run(10_000)
    assert not [one for one in troubles(line)[1:] if "clocks" in one.reason]


@pytest.mark.req("BR-7")
def test_a_refusal_for_time_sets_the_clock_and_asks_once_more_but_never_an_order(joined, only):
    line = joined("binance", has_user_stream=False).up_without_stream()
    line.is_api_refused = True
    line.skew_ns = 4000 * NS_PER_MS  # the venue's clock runs ahead: our stamps are outside the window

    said = line.ask(commands.AskAccount(1), line.place(2, "e-a-b1-1"), ms=1000)

    assert only(reports.AccountTold, said)
    (refused,) = only(reports.Refused, said)
    assert (refused.request_id, refused.kind, refused.is_sent) == (2, reports.RefusalKind.CLOCK, True)
    places = [text for text in line.frames if b'"order.place"' in text.text]
    assert len(places) == 1


# ---- bans


@pytest.mark.req("BR-7")
@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize(("status", "after", "least_s"), [(429, "20", 20), (418, "130", 130), (429, "", 60)])
def test_nothing_leaves_inside_a_ban(joined, only, venue, status, after, least_s):
    line = joined(venue, kind="ed25519").up()
    answered = line.answer
    headers = [("retry-after", after)] if after else []
    line.answer = lambda _: (status, headers, b'{"code":-1003,"msg":"Too much request weight used"}')
    said = line.ask(commands.AskAccount(1), ms=50)
    line.answer = answered

    (refused,) = only(reports.Refused, said)
    assert refused.kind is reports.RefusalKind.RATE
    assert refused.retry_ns >= line.now_ns + (least_s - 1) * NS_PER_S
    assert troubles(line)[-1].until_ns == refused.retry_ns
    before = count_of(line)
    while line.now_ns < refused.retry_ns - 200 * NS_PER_MS:
        line.run(5000 if refused.retry_ns - line.now_ns > 6 * NS_PER_S else 100)
        line.take(line.adapter.carry_out([commands.Cancel(7, line.symbol, "x")], line.now_ns))
    assert count_of(line) == before
    line.run(6000)
    assert count_of(line) > before
    assert line.adapter._said_unreachable == ""


# ---- markets


@pytest.mark.req("BR-26", "MD-20")
@pytest.mark.parametrize("venue", VENUES)
def test_rules_that_differ_from_the_venue_s_own_keep_the_market_closed(joined, only, venue):
    line = joined(venue).up()
    line.take(line.adapter.on_rules(rules_of(venue, tick="0.5"), line.now_ns))
    (refused,) = only(reports.Refused, line.ask(line.place(1, "e-a-b1-1")))
    assert (refused.kind, refused.code) == (reports.RefusalKind.FILTER, "mismatch")
    assert "the log says tick 0.5, the venue's exchangeInfo" in refused.reason

    line.take(line.adapter.on_rules(rules_of(venue), line.now_ns))
    assert only(reports.Acted, line.ask(line.place(2, "e-a-b1-2")))


@pytest.mark.req("MD-20")
@pytest.mark.parametrize("venue", VENUES)
def test_a_refusal_by_a_filter_that_passed_is_told_and_the_filters_are_read_again(joined, only, venue):
    line = joined(venue).up()
    line.is_api_refused = True
    line.adapter._session.end("test", line.now_ns, [])
    line.adapter._transport.api_socket = ""
    instead(line, "/order", 400, {"code": -1013, "msg": "Filter failure: PRICE_FILTER"})
    before = [path for path in line.paths() if path.endswith("exchangeInfo")]

    said = line.ask(line.place(1, "e-a-b1-1"), ms=6000)

    (refused,) = only(reports.Refused, said)
    assert (refused.kind, refused.code, refused.is_sent) == (reports.RefusalKind.FILTER, "-1013", True)
    assert only(reports.RulesDoubtful, said) == [reports.RulesDoubtful(line.symbol, "PRICE_FILTER")]
    after = [path for path in line.paths() if path.endswith("exchangeInfo")]
    assert len(after) > len(before)


@pytest.mark.parametrize("venue", VENUES)
def test_a_halted_market_takes_no_orders_and_a_market_that_is_not_listed_is_named(joined, only, venue):
    line = joined(venue)
    instead(line, "/exchangeInfo", 200, exchange_info(venue, status="HALT"))
    line.start().run(1000)
    (refused,) = only(reports.Refused, line.ask(line.place(1, "e-a-b1-1")))
    assert (refused.kind, refused.code, refused.is_sent) == (reports.RefusalKind.HALTED, "STATUS", False)

    line = joined(venue)
    body = exchange_info(venue)
    body["symbols"] = []
    instead(line, "/exchangeInfo", 200, body)
    line.start().run(1000)
    (refused,) = only(reports.Refused, line.ask(line.place(1, "e-a-b1-1")))
    assert "the venue does not list BTCUSDT" in refused.reason
