"""The private streams: confirmed, probed, renewed, made anew; what they tell of orders, money and funding."""

import json

import pytest

from services.broker.binance.private import is_end_of_stream, is_shutdown
from shared.execution import commands, reports
from shared.execution.outside import CloseSocket, OpenSocket
from shared.units import NS_PER_MS, NS_PER_S, Side

VENUES = ("binance", "binance_usdm")
HOUR_MS = 3_600_000


def downs(line):
    return [report.reason for report in line.said if isinstance(report, reports.UserStreamDown)]


def ups(line):
    return line.said.count(reports.UserStreamUp())


def tell(line, event):
    """Let the venue tell an event on the private stream."""
    socket = next(name for name in line.sessions if ("private" in name) == (line.venue == "binance_usdm"))
    text = event if line.venue == "binance_usdm" else {"subscriptionId": 0, "event": event}
    before = len(line.said)
    line.take(line.adapter.on_text(socket, json.dumps(text).encode(), line.now_ns))
    return line.said[before:]


def execution(**changes):
    """Return an `executionReport` as the venue's documents show it."""
    return {
        "e": "executionReport", "E": 1, "s": "BTCUSDT", "c": "mine", "S": "BUY", "o": "LIMIT", "f": "GTC",
        "q": "0.01000", "p": "60000.00", "P": "0", "F": "0", "g": -1, "C": "", "x": "NEW", "X": "NEW",
        "r": "NONE", "i": 4, "l": "0", "z": "0", "L": "0", "n": "0", "N": None, "T": 5, "t": -1, "I": 8,
        "w": True, "m": False, "M": False, "O": 1, "Z": "0", "Y": "0", "Q": "0", "W": 1, "V": "NONE",
        **changes,
    }  # fmt: skip


def update(**changes):
    """Return an `ORDER_TRADE_UPDATE` as the venue's documents show it."""
    order = {
        "s": "BTCUSDT", "c": "mine", "S": "SELL", "o": "LIMIT", "f": "GTX", "q": "0.010", "p": "60000.0",
        "ap": "0", "sp": "0", "x": "NEW", "X": "NEW", "i": 8, "l": "0", "z": "0", "L": "0", "T": 7, "t": 0,
        "b": "0", "a": "9", "m": False, "R": True, "wt": "CONTRACT_PRICE", "ot": "LIMIT", "ps": "BOTH",
        "cp": False, "rp": "0", "pP": False, "V": "NONE", "pm": "NONE", "gtd": 0, "er": "0", **changes,
    }  # fmt: skip
    return {"e": "ORDER_TRADE_UPDATE", "E": 1, "T": 1, "o": order}


# ---- liveness


@pytest.mark.req("BR-3")
@pytest.mark.parametrize("venue", VENUES)
def test_a_connection_that_falls_silent_is_down_within_five_seconds_and_made_anew(joined, venue):
    line = joined(venue, "ed25519").up()
    line.run(20_000)
    assert not downs(line)

    line.is_deaf = True
    line.run(5500)
    assert len(downs(line)) == 1
    assert "did not answer for 5000 ms" in downs(line)[0]

    line.is_deaf = False
    line.run(2000)
    assert ups(line) == 2


@pytest.mark.parametrize("venue", VENUES)
def test_an_accepted_order_that_the_stream_keeps_silent_about_brings_it_down(joined, venue):
    line = joined(venue).up()
    line.streams.collect = lambda _: line.exchange.events() and None

    line.ask(line.place(1, "e-a-b1-1"))
    line.run(5500)

    assert downs(line) == ["the private stream tells nothing of e-a-b1-1, which the venue accepted"]


@pytest.mark.req("I-27")
@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("count", [1, 12])
def test_a_canceled_order_whose_end_the_stream_keeps_silent_about_brings_it_down(joined, venue, count):
    """What else happened in that hole, a trade by hand for one, must be fetched."""
    line = joined(venue).up()
    names = [f"e-a-b{n}-1" for n in range(count)]
    line.ask(*[line.place(n, name, away=1000 + n) for n, name in enumerate(names, 1)])
    collect = line.streams.collect
    line.streams.collect = lambda _: line.exchange.events() and None

    line.ask(*[commands.Cancel(100 + n, line.symbol, name) for n, name in enumerate(names)])
    line.streams.collect = collect
    line.run(4500)
    assert not downs(line)
    line.run(1000)

    assert len(downs(line)) == 1
    assert downs(line)[0].endswith(", which the venue canceled")
    assert ups(line) == 2


@pytest.mark.parametrize("venue", VENUES)
def test_a_cancel_that_the_stream_tells_or_that_finds_nothing_leaves_it_up(joined, venue):
    line = joined(venue).up()
    line.ask(line.place(1, "e-a-b1-1"))

    line.ask(commands.Cancel(2, line.symbol, "e-a-b1-1"))
    line.ask(commands.Cancel(3, line.symbol, "e-a-b1-1"))
    line.run(11_000)

    assert downs(line) == []


def test_the_venue_that_no_longer_holds_our_subscription_is_subscribed_anew(joined):
    line = joined("binance", "hmac").up()
    socket = next(iter(line.sessions))
    line.adapter._session._subscription_id = 99

    line.run(3000)

    assert downs(line) == ["the venue no longer holds our subscription"]
    assert ups(line) == 2
    assert CloseSocket(socket) in line.work


@pytest.mark.req("BR-12")
def test_the_listen_key_is_renewed_every_half_hour(joined):
    line = joined("binance_usdm", listen_key_ms=60_000).up()
    line.run(125_000)
    renewals = [call for call in line.http if call.method == "PUT" and call.target.endswith("/listenKey")]
    assert len(renewals) == 2
    assert not downs(line)


@pytest.mark.req("BR-12")
@pytest.mark.parametrize("is_told", [True, False])
def test_a_listen_key_that_ends_is_replaced(joined, is_told):
    line = joined("binance_usdm", listen_key_ms=60_000).up()
    line.streams.expire_key(line.streams._key_of(line.account), line.venue_ns // NS_PER_MS)
    if not is_told:  # the event is lost: the next renewal finds out
        next(s for name, s in line.sessions.items() if "private" in name).heard.clear()
    line.run(500 if is_told else 70_000)

    assert len(downs(line)) == 1
    assert ("listenKeyExpired" if is_told else "no longer knows the key") in downs(line)[0]
    assert ups(line) == 2
    opened = [item.url for item in line.work if isinstance(item, OpenSocket) and "listenKey=" in item.url]
    assert len(set(opened)) == 2
    assert not any("listenKey=" in reason for reason in downs(line))


@pytest.mark.parametrize("venue", VENUES)
def test_connections_are_made_anew_before_the_venue_ends_them(joined, venue):
    line = joined(venue, socket_life_ms=30_000).up()
    line.run(32_000)
    assert any("made anew" in reason for reason in downs(line))
    assert ups(line) == 2
    said = line.ask(line.place(1, "e-a-b1-1"))
    assert [type(report) for report in said if hasattr(report, "request_id")] == [reports.Acted]


@pytest.mark.parametrize("venue", VENUES)
def test_a_shutdown_that_is_announced_is_not_waited_for(joined, venue):
    line = joined(venue).up()
    tell(line, {"e": "serverShutdown", "E": 1})
    line.run(500)
    assert len(downs(line)) == 1
    assert ups(line) == 2


def test_the_end_of_a_subscription_is_an_end_of_the_stream(joined):
    assert is_end_of_stream("listenKeyExpired")
    assert is_shutdown("serverShutdown")
    line = joined("binance").up()
    tell(line, {"e": "eventStreamTerminated", "E": 1})
    assert "eventStreamTerminated" in downs(line)[0]
    line.run(500)
    assert ups(line) == 2


def test_a_stream_that_never_opens_is_tried_with_growing_pauses(joined):
    line = joined("binance")
    line.is_api_refused = True
    line.start().run(60_000)
    pauses = [item.after_ms for item in line.work if isinstance(item, OpenSocket)]
    assert pauses[:8] == [0, 250, 500, 1000, 2000, 5000, 10_000, 30_000]
    assert reports.UserStreamUp() not in line.said


# ---- what they tell


def test_on_a_cancel_the_order_keeps_its_own_id(joined):
    line = joined("binance").up()
    (changed,) = tell(line, execution(x="CANCELED", X="CANCELED", c="cancel-7", C="mine"))
    assert (changed.order.client_order_id, changed.order.state) == ("mine", reports.VenueState.CANCELED)
    (changed,) = tell(line, execution(x="REPLACED", X="NEW", c="new-id", C="mine"))
    assert changed.order.client_order_id == "new-id"


def test_a_spot_execution_has_fee_maker_and_what_is_left(joined):
    line = joined("binance").up()
    filled, changed = tell(
        line,
        execution(x="TRADE", X="PARTIALLY_FILLED", l="0.00400", z="0.00600", L="59999.99", n="0.0001",
                  N="BNB", t=12, m=True),
    )  # fmt: skip
    assert filled.fill == reports.VenueFill(
        "binance:BTCUSDT", "12", "4", "mine", Side.BUY, 5_999_999, 400, "0.0001", "BNB", True, 5 * NS_PER_MS,
        600, 400,
    )  # fmt: skip
    assert changed.order.state is reports.VenueState.PARTIALLY_FILLED


def test_self_trade_prevention_ends_an_order_without_a_fill(joined):
    line = joined("binance").up()
    (changed,) = tell(line, execution(x="TRADE_PREVENTION", X="EXPIRED_IN_MATCH", pY="EXPIRE_MAKER", t=3))
    assert changed.order.state is reports.VenueState.EXPIRED
    assert changed.order.reason == "self-trade prevention EXPIRE_MAKER"


def test_a_deposit_is_told_by_its_reason_and_then_by_what_is_held(joined):
    line = joined("binance").up()
    assert tell(line, {"e": "balanceUpdate", "E": 1, "a": "BTC", "d": "1.50", "T": 2}) == [
        reports.BalancesChanged([], [], "balanceUpdate BTC 1.50")
    ]
    told = tell(
        line, {"e": "outboundAccountPosition", "E": 1, "u": 1, "B": [{"a": "BTC", "f": "2", "l": "0.1"}]}
    )
    assert told == [
        reports.BalancesChanged([reports.Balance("BTC", "2", "0.1")], [], "outboundAccountPosition")
    ]


@pytest.mark.parametrize("name", ["autoclose-1571", "adl_autoclose", "settlement_autoclose-1"])
def test_liquidations_are_told_under_the_ids_of_the_venue(joined, name):
    line = joined("binance_usdm").up()
    filled, changed = tell(
        line,
        update(c=name, x="CALCULATED", X="FILLED", l="0.010", z="0.010", L="59000.0", t=9, n="1", N="USDT"),
    )
    assert (filled.fill.client_order_id, changed.order.client_order_id) == (name, name)
    assert changed.order.reason == "liquidation or deleveraging"


def test_a_usdm_post_only_order_that_expires_says_why(joined):
    line = joined("binance_usdm").up()
    (changed,) = tell(line, update(x="EXPIRED", X="EXPIRED", er="1"))
    assert changed.order.is_post_only
    assert changed.order.is_reduce_only
    assert changed.order.reason == "self-trade prevention"


def test_positions_and_wallets_come_with_their_reason(joined):
    line = joined("binance_usdm").up()
    account = {"m": "ORDER", "B": [{"a": "USDT", "wb": "100.5", "cw": "1", "bc": "0"}],
               "P": [{"s": "BTCUSDT", "pa": "-0.004", "ep": "60000", "bep": "0", "cr": "0", "up": "0",
                      "mt": "cross", "iw": "0", "ps": "BOTH"},
                     {"s": "OTHERUSDT", "pa": "1", "ep": "1"}]}  # fmt: skip
    (told,) = tell(line, {"e": "ACCOUNT_UPDATE", "E": 1, "T": 1, "a": account})
    assert told == reports.BalancesChanged(
        [reports.Balance("USDT", "100.5")],
        [reports.VenuePosition("binance_usdm:BTCUSDT", -4, "60000")],
        "ORDER",
    )
    (told,) = tell(line, {"e": "MARGIN_CALL", "E": 1, "p": account["P"]})
    assert told.reason == "MARGIN_CALL"


@pytest.mark.req("BR-11")
def test_an_execution_that_only_the_short_event_told_is_fetched_with_its_fee(joined, only):
    line = joined("binance_usdm").up()
    (filled,) = only(reports.Filled, line.ask(line.place(1, "e-a-b1-1", away=-50, lots=1)))
    lite = {"e": "TRADE_LITE", "E": 1, "T": 1, "s": "BTCUSDT", "q": "0.001", "p": "1", "m": False,
            "c": "e-a-b1-1", "S": "BUY", "L": "1", "l": "0.001", "i": 1}  # fmt: skip

    tell(line, {**lite, "t": int(filled.fill.trade_id)})
    before = len(line.said)
    line.run(2000)
    assert not only(reports.Filled, line.said[before:])

    line.adapter._events._told_trades.clear()
    tell(line, {**lite, "t": int(filled.fill.trade_id)})
    line.run(2000)
    (again,) = only(reports.Filled, line.said[before:])
    assert (again.fill.trade_id, again.fill.fee) == (filled.fill.trade_id, filled.fill.fee)


@pytest.mark.req("BR-13")
def test_funding_is_told_once_with_its_market_also_on_cross_margin(joined, only):
    line = joined("binance_usdm").up()
    said = line.ask(line.place(1, "e-a-b1-1", away=-50))
    line.run(2000)
    records = [{"symbol": "BTCUSDT", "incomeType": "FUNDING_FEE", "income": "-0.12500000", "asset": "USDT",
                "time": 1_800_000_000_000, "info": "", "tranId": 1, "tradeId": ""}]  # fmt: skip
    answered = line.answer
    line.answer = lambda call: (
        (200, [], json.dumps(records).encode())
        if call.target.startswith("/fapi/v1/income")
        else answered(call)
    )
    for _ in range(2):
        account = {"m": "FUNDING_FEE", "B": [{"a": "USDT", "wb": "99", "cw": "1", "bc": "-0.125"}]}
        tell(line, {"e": "ACCOUNT_UPDATE", "E": 1, "T": 1_800_000_000_100, "a": account})
        line.run(3000)

    (booked,) = only(reports.FundingBooked, line.said)
    lots = sum(report.fill.qty_lots for report in only(reports.Filled, said))
    assert booked == reports.FundingBooked(
        "binance_usdm:BTCUSDT", "USDT", "-0.12500000", 1_800_000_000 * NS_PER_S, lots
    )


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("event", [{"X": "INVENTED"}, {"q": "x"}, {"S": "BOTH"}, {"i": "4"}, {"z": None}])
def test_an_event_that_cannot_be_read_is_not_skipped_in_silence(joined, venue, event):
    line = joined(venue).up()
    tell(line, execution(**event) if venue == "binance" else update(**event))
    line.run(500)
    assert len(downs(line)) == 1
    assert "an event cannot be read" in downs(line)[0]
    assert ups(line) == 2


@pytest.mark.parametrize("venue", VENUES)
def test_a_quantity_between_two_lots_says_that_the_rules_have_changed(joined, only, venue):
    line = joined(venue).up()
    tell(line, execution(q="0.000005") if venue == "binance" else update(q="0.0005"))
    assert only(reports.RulesDoubtful, line.said) == [reports.RulesDoubtful(line.symbol, "LOT_SIZE")]
    assert len(downs(line)) == 1


@pytest.mark.parametrize("venue", VENUES)
def test_events_of_markets_that_are_not_followed_and_of_new_kinds_are_no_trouble(joined, venue):
    line = joined(venue).up()
    for event in (
        execution(s="OTHER") if venue == "binance" else update(s="OTHER"),
        {"e": "externalLockUpdate", "a": "NEO"},
        {"e": "SOMETHING_NEW", "x": [1]},
    ):
        assert tell(line, event) == []
    assert not downs(line)


def test_without_a_private_stream_a_tool_asks_beside_a_broker(joined, only):
    line = joined("binance_usdm", has_user_stream=False)
    line.start().run(2000)
    assert reports.Reachable() in line.said
    assert not [path for path in line.paths() if path.endswith("listenKey")]
    assert only(reports.OpenOrders, line.ask(commands.AskOpenOrders(1)))


@pytest.mark.parametrize("venue", VENUES)
def test_a_stop_leaves_the_listen_key_to_others(joined, venue):
    line = joined(venue).up()
    line.take(line.adapter.stop(line.now_ns))
    assert not line.sessions
    assert not [call for call in line.http if call.method == "DELETE"]
    assert line.adapter.on_time(line.now_ns + NS_PER_S) == []
