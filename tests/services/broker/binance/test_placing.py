"""New orders and cancels: how each is put in the venue's words, batches, doubts, and what is refused here."""

import json
from urllib.parse import parse_qsl

import pytest

from services.broker.binance.orders import BATCH_CANCEL_MAX, BATCH_PLACE_MAX
from shared.execution import commands, reports
from shared.messages.orders import OrderType, TimeInForce
from shared.units import NS_PER_S, Side

VENUES = ("binance", "binance_usdm")
Kind = reports.RefusalKind


def sent_params(line, method="order.place"):
    """Return the parameters of the last request of a kind over the WebSocket API."""
    frames = [json.loads(frame.text) for frame in line.frames]
    return [frame["params"] for frame in frames if frame["method"] == method][-1]


def rest_only(joined, venue, **settings):
    line = joined(venue, has_user_stream=venue == "binance_usdm", **settings)
    line.is_api_refused = True
    line.start().run(1500)
    assert reports.Reachable() in line.said
    return line


CASES = {
    "post_only": ({"is_post_only": True}, {"type": "LIMIT_MAKER"}, {"type": "LIMIT", "timeInForce": "GTX"}),
    "plain": ({}, {"type": "LIMIT", "timeInForce": "GTC", "newOrderRespType": "FULL",
                   "selfTradePreventionMode": "EXPIRE_MAKER"},
              {"type": "LIMIT", "timeInForce": "GTC", "newOrderRespType": "RESULT",
               "selfTradePreventionMode": "EXPIRE_MAKER"}),
    "ioc": ({"tif": TimeInForce.IOC, "away": -50}, {"timeInForce": "IOC"}, {"timeInForce": "IOC"}),
    "fok": ({"tif": TimeInForce.FOK, "away": -50}, {"timeInForce": "FOK"}, {"timeInForce": "FOK"}),
    "market": ({"order_type": OrderType.MARKET, "price_ticks": 0}, {"type": "MARKET"}, {"type": "MARKET"}),
    "closing": ({"side": Side.SELL, "is_reduce_only": True}, {"side": "SELL"}, {"reduceOnly": "true"}),
    "stop": ({"side": Side.SELL, "stop_ticks": 5_000_000},
             {"type": "STOP_LOSS_LIMIT", "stopPrice": "50000.00", "timeInForce": "GTC"}, None),
}  # fmt: skip


@pytest.mark.parametrize("case", list(CASES))
@pytest.mark.parametrize("venue", VENUES)
def test_an_order_is_put_in_the_words_of_the_venue(joined, only, venue, case):
    fields, spot, usdm = CASES[case]
    expected = spot if venue == "binance" else usdm
    line = joined(venue).up()

    said = line.ask(line.place(1, "e-a-b1-1", **fields))

    if expected is None:
        (refused,) = only(reports.Refused, said)
        assert (refused.kind, refused.is_sent) == (Kind.INVALID, False)
        return
    params = sent_params(line)
    assert {name: params.get(name) for name in expected} == expected
    assert params["newClientOrderId"] == "e-a-b1-1"
    if case in {"post_only"} and venue == "binance":
        assert "timeInForce" not in params
    if case == "market":
        assert "price" not in params
    answers = [report for report in said if hasattr(report, "request_id")]
    assert len(answers) == 1
    if case not in {"closing"}:  # without a position the venue refuses to reduce it
        assert type(answers[0]) is reports.Acted


@pytest.mark.parametrize(
    ("venue", "fields", "code"),
    [
        ("binance", {"expire_ns": 10**19}, "GTD"),
        ("binance", {"is_reduce_only": True}, "reduceOnly"),
        ("binance", {"is_post_only": True, "tif": TimeInForce.IOC}, "LIMIT_MAKER"),
        ("binance", {"is_post_only": True, "stop_ticks": 6_000_000}, "LIMIT_MAKER"),
        ("binance_usdm", {"stop_ticks": 600_000}, "algoOrder"),
        ("binance_usdm", {"is_post_only": True, "tif": TimeInForce.FOK}, "GTX"),
        ("binance_usdm", {"expire_ns": 1}, "GTD"),
        ("binance_usdm", {"expire_ns": 10**19, "order_type": OrderType.MARKET, "price_ticks": 0}, "GTD"),
    ],
)
def test_what_the_venue_does_not_offer_is_refused_by_name_and_not_sent(joined, only, venue, fields, code):
    line = joined(venue).up()
    count = len(line.frames)
    (refused,) = only(reports.Refused, line.ask(line.place(1, "e-a-b1-1", **fields), ms=10))
    assert (refused.kind, refused.code, refused.is_sent) == (Kind.INVALID, code, False)
    assert len(line.frames) == count


def test_an_order_with_an_end_has_it_in_whole_seconds(joined, only):
    line = joined("binance_usdm").up()
    ends_ns = line.now_ns + 700 * NS_PER_S + 123
    said = line.ask(line.place(1, "e-a-b1-1", expire_ns=ends_ns))
    params = sent_params(line)
    assert (params["timeInForce"], params["goodTillDate"]) == ("GTD", ends_ns // NS_PER_S * 1000)
    assert only(reports.Acted, said)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"client_order_id": "has space"}, "client_order_id"),
        ({"client_order_id": "x" * 37}, "client_order_id"),
        ({"symbol": "binance:OTHER"}, "rules"),
        ({"qty_lots": 0}, "LOT_SIZE"),
    ],
)
def test_a_malformed_order_does_not_leave(joined, only, changes, code):
    line = joined("binance").up()
    place = line.place(1, "e-a-b1-1")
    fields = {name: getattr(place, name) for name in place.__struct_fields__} | changes
    (refused,) = only(reports.Refused, line.ask(commands.Place(**fields), ms=10))
    assert (refused.code, refused.is_sent) == (code, False)


# ---- batches


@pytest.mark.req("BR-9")
def test_orders_at_once_share_a_request_where_the_venue_has_one_and_each_has_its_own_result(joined, only):
    line = rest_only(joined, "binance_usdm")
    wrong = commands.Place(6, "e-a-b6-1", line.symbol, Side.BUY, 600_000, 10, is_reduce_only=True)
    places = [line.place(number, f"e-a-b{number}-1", away=100 + number) for number in range(1, 6)]

    said = line.ask(*places, wrong, line.place(7, "e-a-b7-1", away=200))

    batches = [call for call in line.http if call.target.startswith("/fapi/v1/batchOrders")]
    asked = [dict(parse_qsl(call.target.partition("?")[2]))["batchOrders"] for call in batches]
    assert (BATCH_PLACE_MAX, BATCH_CANCEL_MAX) == (5, 10)
    assert [len(json.loads(text)) for text in asked] == [
        5, 2,
    ]  # fmt: skip
    assert sorted(report.request_id for report in only(reports.Acted, said)) == [1, 2, 3, 4, 5, 7]
    (refused,) = only(reports.Refused, said)
    assert (refused.request_id, refused.is_sent) == (6, True)

    said = line.ask(*[commands.Cancel(10 + n, line.symbol, f"e-a-b{n}-1") for n in range(1, 9)])
    gone = [call for call in line.http if call.method == "DELETE"]
    assert len(gone) == 1
    assert sorted(report.request_id for report in only(reports.Acted, said)) == [11, 12, 13, 14, 15, 17]
    assert {(r.request_id, r.kind) for r in only(reports.Refused, said)} == {
        (16, Kind.NOT_FOUND), (18, Kind.NOT_FOUND),
    }  # fmt: skip


@pytest.mark.req("BR-9")
def test_a_batch_without_an_answer_leaves_every_order_of_it_in_doubt(joined, only):
    line = rest_only(joined, "binance_usdm")
    line.is_deaf = True
    line.ask(line.place(1, "e-a-b1-1"), line.place(2, "e-a-b2-1"), ms=10)
    call = line.http[-1]
    before = len(line.said)
    line.take(line.adapter.on_http_failed(call.call_id, "reset", True, line.now_ns))
    assert [(type(one), one.request_id) for one in line.said[before:]] == [
        (reports.Doubtful, 1), (reports.Doubtful, 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "body", [b"[]", b"{}", b"nonsense", b"[null,7]", b'[{"code":-1007,"msg":"x"},{"code":-1000,"msg":"y"}]']
)
def test_a_batch_answer_that_says_nothing_of_an_order_leaves_it_in_doubt(joined, only, body):
    line = rest_only(joined, "binance_usdm")
    line.is_deaf = True
    line.ask(line.place(1, "e-a-b1-1"), line.place(2, "e-a-b2-1"), ms=10)
    before = len(line.said)
    line.take(line.adapter.on_http(line.http[-1].call_id, 200, (), body, line.now_ns))
    assert {type(one) for one in line.said[before:]} == {reports.Doubtful}
    assert len(line.said[before:]) == 2


def test_many_cancels_of_one_market_are_one_request_each_ten_also_while_the_api_stands(joined, only):
    line = joined("binance_usdm", creates_burst=100).up()
    line.ask(*[line.place(n, f"e-a-b{n}-1", away=100 + n) for n in range(1, 13)])
    said = line.ask(*[commands.Cancel(100 + n, line.symbol, f"e-a-b{n}-1") for n in range(1, 13)])
    assert len([call for call in line.http if call.method == "DELETE"]) == 2
    assert len(only(reports.Acted, said)) == 12


# ---- doubts


@pytest.mark.req("BR-8")
@pytest.mark.parametrize("venue", VENUES)
def test_an_order_whose_connection_is_lost_is_in_doubt_and_goes_no_other_way(joined, only, venue):
    line = joined(venue).up()
    line.is_deaf = True
    line.ask(line.place(1, "e-a-b1-1"), ms=10)
    socket = line.frames[-1].socket
    before, calls = len(line.said), len(line.http)

    line.take(line.adapter.on_closed(socket, "reset by peer", line.now_ns))

    (doubt,) = only(reports.Doubtful, line.said[before:])
    assert (doubt.request_id, doubt.reason) == (1, "the connection is gone: reset by peer")
    line.is_deaf = False
    line.sessions.pop(socket)
    line.run(3000)
    assert not [call for call in line.http[calls:] if call.method == "POST" and "/order" in call.target]
    assert line.methods().count("order.place") == 1


@pytest.mark.req("BR-8")
@pytest.mark.parametrize("venue", VENUES)
def test_an_answer_after_the_doubt_is_told_as_evidence_once(joined, only, venue):
    line = joined(venue, stream_stale_ms=60_000, recv_window_ms=60_000).up()
    line.is_deaf = True
    line.ask(line.place(1, "e-a-b1-1"), ms=10)
    line.run(10_200)
    assert [doubt.request_id for doubt in only(reports.Doubtful, line.said)] == [1]
    line.is_deaf = False
    before = len(line.said)
    line.run(100)
    told = [report.order for report in only(reports.OrderChanged, line.said[before:])]
    assert {order.client_order_id for order in told} == {"e-a-b1-1"}
    assert not [one for one in line.said[before:] if getattr(one, "request_id", 0) == 1]


@pytest.mark.parametrize("venue", VENUES)
def test_a_request_that_did_not_leave_is_refused_and_not_in_doubt(joined, only, venue):
    line = rest_only(joined, venue)
    line.is_deaf = True
    line.ask(line.place(1, "e-a-b1-1"), ms=10)
    before = len(line.said)
    line.take(line.adapter.on_http_failed(line.http[-1].call_id, "no route", False, line.now_ns))
    (refused,) = only(reports.Refused, line.said[before:])
    assert not refused.is_sent


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize(("status", "body", "answer"), [
    (500, b"", reports.Doubtful), (502, b"<html>", reports.Doubtful), (504, b"{}", reports.Doubtful),
    (503, b'{"code":0,"msg":"Unknown error, please check your request."}', reports.Doubtful),
    (503, b'{"code":0,"msg":"Service Unavailable."}', reports.Refused),
    (408, b"", reports.Doubtful), (400, b'{"code":-1007,"msg":"Timeout"}', reports.Doubtful),
    (400, b"<html>", reports.Doubtful), (200, b"", reports.Doubtful), (200, b"null", reports.Doubtful),
    (200, b'{"symbol":"BTCUSDT"}', reports.Doubtful), (200, b'{"code":-2010,"msg":"x"}', reports.Doubtful),
    (400, b'{"code":-2019,"msg":"Margin is insufficient."}', reports.Refused),
])  # fmt: skip
def test_what_an_answer_leaves_open_stays_open(joined, venue, status, body, answer):
    line = rest_only(joined, venue)
    line.is_deaf = True
    line.ask(line.place(1, "e-a-b1-1"), ms=10)
    before = len(line.said)
    line.take(line.adapter.on_http(line.http[-1].call_id, status, (), body, line.now_ns))
    assert [type(one) for one in line.said[before:] if hasattr(one, "request_id")] == [answer]


def test_an_answer_about_another_order_is_no_answer(joined, only):
    line = rest_only(joined, "binance")
    line.is_deaf = True
    line.ask(line.place(1, "e-a-b1-1"), line.place(2, "e-a-b2-1"), ms=10)
    first, second = line.http[-2:]
    _, _, body = line.answer(first)
    before = len(line.said)
    line.take(line.adapter.on_http(second.call_id, 200, (), body, line.now_ns))
    (doubt,) = only(reports.Doubtful, line.said[before:])
    assert doubt.request_id == 2


@pytest.mark.req("BR-6")
def test_orders_that_do_not_fit_are_refused_at_once_with_the_time_to_try_again(joined, only):
    line = joined("binance").up()
    said = line.ask(*[line.place(n, f"e-a-b{n}-1", away=100 + n) for n in range(1, 41)], ms=50)
    refused = only(reports.Refused, said)
    assert len(refused) == 10
    assert {(one.kind, one.code, one.is_sent) for one in refused} == {(Kind.RATE, "budget", False)}
    assert all(one.retry_ns > 0 for one in refused)
    count = line.methods().count("order.place")
    line.run(2000)
    assert line.methods().count("order.place") == count == 30
