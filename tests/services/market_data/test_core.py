"""The feed core against everything a venue, a network and a clock may do."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

S = 1000
PUBLIC, DEPTH, AGG = "binance_usdm/public", "btcusdt@depth@100ms", "btcusdt@aggTrade"


def book(last_id=100, bids=(("100.0", "1"), ("99.0", "2")), asks=(("101.0", "1"), ("102.0", "3"))):
    return json.dumps({"lastUpdateId": last_id, "E": 0, "T": 0, "bids": bids, "asks": asks}).encode()


class Venue:
    """Answers for tests that need no more than one book."""

    def __init__(self, kit, **others):
        self.kit, self.depth, self.status, self.others = kit, book(), 200, others
        self.tick, self.lot = "0.10", "0.001"
        self.info_status = "TRADING"

    def __call__(self, venue, target):
        if "exchangeInfo" in target:
            names = ("BTCUSDT", "ETHUSDT") if venue == "binance_usdm" else ("BTCUSDT",)
            return 200, self.kit.exchange_info(*names, tick=self.tick, lot=self.lot, status=self.info_status)
        return self.status, self.depth


def diff(rig, last_id, previous, bids=(), asks=(), age_ms=0, symbol="BTCUSDT"):
    now_ms = rig.now_ns // 1_000_000 - age_ms
    return {
        "e": "depthUpdate", "E": now_ms, "T": now_ms, "s": symbol,
        "U": previous + 1, "u": last_id, "pu": previous, "b": list(bids), "a": list(asks),
    }  # fmt: skip


def trade(rig, trade_id, price="100.5", qty="0.5", **others):
    now_ms = rig.now_ns // 1_000_000
    return {"e": "aggTrade", "E": now_ms, "s": "BTCUSDT", "a": trade_id, "p": price, "q": qty,
            "f": 1, "l": 1, "T": now_ms, "m": True, **others}  # fmt: skip


@pytest.fixture
def venue(kit):
    return Venue(kit)


@pytest.fixture
def rig(kit, venue):
    return kit.Rig(kit.one_market("binance_usdm"), venue).start()


def live(rig, last_id=110, previous=100):
    """Let the book become open."""
    rig.frame("binance_usdm", DEPTH, diff(rig, last_id, previous))
    rig.said.clear()
    return rig


def reasons(rig, kit):
    return [m.reason for m in rig.of(kit.BookInvalid)]


# ---- start


@pytest.mark.req("MD-1", "MD-20", "I-31")
def test_a_start_distrusts_the_log_says_rules_and_opens_the_book_with_the_first_confirmed_diff(kit, rig):
    kinds = [type(m).__name__ for m in rig.said]
    assert kinds[0] == "BookInvalid"
    assert "InstrumentRules" in kinds
    assert "BookSnapshot" not in kinds
    assert rig.core.ready
    assert {(o.connection, o.group) for o in rig.opened} == {
        (PUBLIC, "public"), ("binance_usdm/market", "market")
    }  # fmt: skip

    rig.frame("binance_usdm", DEPTH, diff(rig, 110, 100, bids=[("100.0", "5")]))

    snapshot, update = rig.of(kit.BookSnapshot, kit.BookUpdate)
    assert (snapshot.reason, snapshot.last_update_id, snapshot.update_n) == ("start", 100, 1)
    assert (update.first_update_id, update.last_update_id, update.update_n) == (101, 110, 2)
    assert (update.bid_count, update.levels) == (
        1,
        (1000).to_bytes(8, "little") + (5000).to_bytes(8, "little"),
    )
    assert update.ts_recv_ns == rig.now_ns


def test_the_book_of_a_quiet_market_is_open_a_second_after_its_snapshot(kit, rig):
    rig.pass_ms(1200)

    (snapshot,) = rig.of(kit.BookSnapshot)
    assert snapshot.last_update_id == 100


@pytest.mark.req("I-31")
def test_an_unconfirmed_book_that_turns_out_too_old_is_closed_and_asked_for_again(kit, rig, venue):
    rig.pass_ms(1200)
    venue.depth = book(300)

    rig.frame("binance_usdm", DEPTH, diff(rig, 310, 290))
    rig.pass_ms(1200)
    rig.frame("binance_usdm", DEPTH, diff(rig, 320, 310))

    assert reasons(rig, kit) == ["disconnected", "gap"]
    assert [m.last_update_id for m in rig.of(kit.BookSnapshot)] == [100, 300]
    assert [m.last_update_id for m in rig.of(kit.BookUpdate)] == [310, 320]


@pytest.mark.req("MD-20")
@pytest.mark.parametrize("name", ["binance", "binance_usdm"])
def test_a_market_that_the_venue_does_not_list_is_named_as_failure(kit, name):
    def respond(_venue, target):
        if name == "binance":
            return 400, b'{"code":-1121,"msg":"Invalid symbol."}'
        return 200, kit.exchange_info("BTCUSDT", tick="0.1", lot="0.1")

    rig = kit.Rig(kit.one_market(name, "NOPEUSDT"), respond).start()
    rig.pass_ms(100)

    assert f"{name} does not list NOPEUSDT" in rig.core.failure
    assert rig.of(kit.FeedStatus)[-1].state == "failed"
    assert not rig.opened
    assert not rig.core.ready


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"symbols":3}', b"<html>", b"\xff\xfe", b"[" * 5000])
def test_unreadable_rules_are_asked_for_again_with_back_off(kit, body):
    answers = [(200, body), (503, b"busy"), (0, b"timeout")]

    def respond(_venue, target):
        if "exchangeInfo" in target and answers:
            return answers.pop(0)
        return (
            (200, kit.exchange_info("BTCUSDT", tick="0.10", lot="0.001"))
            if "Info" in target
            else (200, book())
        )

    rig = kit.Rig(kit.one_market("binance_usdm"), respond).start()
    rig.pass_ms(10 * S)

    assert rig.core.ready
    assert rig.core.failure == ""


@pytest.mark.parametrize("tick", ["0", "-0.1", "NaN", "1e400", "abc", "Infinity", ""])
def test_rules_that_cannot_be_used_end_the_start_with_a_clear_failure(kit, venue, tick):
    venue.tick = tick

    rig = kit.Rig(kit.one_market("binance_usdm"), venue).start()

    assert "lists BTCUSDT with rules that cannot be used" in rig.core.failure


# ---- sequence


@pytest.mark.req("I-31", "MD-4")
def test_a_gap_closes_the_book_at_that_event_and_a_new_book_opens_it(kit, rig, venue):
    live(rig)
    venue.depth = book(200)

    rig.frame("binance_usdm", DEPTH, diff(rig, 200, 150))
    (invalid,) = rig.of(kit.BookInvalid)
    rig.pass_ms(1500)
    rig.frame("binance_usdm", DEPTH, diff(rig, 210, 200))

    assert (invalid.reason, invalid.expected_id, invalid.got_id) == ("gap", 110, 150)
    assert [m.last_update_id for m in rig.of(kit.BookSnapshot)] == [200]
    assert [m.last_update_id for m in rig.of(kit.BookUpdate)] == [200, 210]
    assert rig.core.venues["binance_usdm"].counters.gap_count == 1


@pytest.mark.req("MD-4")
def test_a_diff_that_comes_twice_is_dropped_and_counted(kit, rig):
    live(rig)
    one = diff(rig, 120, 110)

    rig.frame("binance_usdm", DEPTH, one)
    rig.frame("binance_usdm", DEPTH, one)

    assert len(rig.of(kit.BookUpdate)) == 1
    assert reasons(rig, kit) == []
    assert rig.core.venues["binance_usdm"].counters.dropped_count == 1


@pytest.mark.req("MD-2", "MD-4")
def test_books_are_asked_for_with_back_off_while_the_venue_fails_and_slowly_when_it_says_stop(
    kit, rig, venue
):
    live(rig)
    rig.fetched.clear()
    venue.status, venue.depth = 500, b"oops"
    rig.frame("binance_usdm", DEPTH, diff(rig, 200, 150))
    rig.pass_ms(6 * S)
    failing = len(rig.fetched)
    venue.status = 429
    rig.pass_ms(30 * S)
    limited = len(rig.fetched) - failing

    assert 3 <= failing <= 6
    assert limited <= 1


# ---- bad data


@pytest.mark.req("I-32", "MD-6")
@pytest.mark.parametrize(
    "level",
    [
        ["0", "1"], ["0.0", "1"], ["-100.0", "1"], ["NaN", "1"], ["1e30", "1"], ["1" + "0" * 30, "1"],
        ["100.0", "-1"], ["100.0", "NaN"], ["100.0", "1" + "0" * 30], ["", "1"], [100.0, 1], ["100.0"],
        ["100.0", "1", "x"], None, "abc", ["Infinity", "1"], ["\u0661\u0660\u0660", "1"], ["100.05", "1"],
    ],
)  # fmt: skip
def test_a_level_that_is_no_price_and_quantity_closes_the_book_and_is_counted(kit, rig, venue, level):
    live(rig)
    venue.depth = book(200)

    rig.frame("binance_usdm", DEPTH, diff(rig, 120, 110, bids=[level]))
    assert reasons(rig, kit) == ["bad_data"]
    assert not rig.of(kit.BookUpdate)
    rig.pass_ms(1500)
    rig.frame("binance_usdm", DEPTH, diff(rig, 210, 200))

    assert [m.last_update_id for m in rig.of(kit.BookSnapshot)] == [200]


@pytest.mark.req("I-32")
def test_a_level_off_the_tick_below_the_touch_is_left_out_and_counted(kit, rig):
    live(rig)

    rig.frame("binance_usdm", DEPTH, diff(rig, 120, 110, bids=[("98.05", "1"), ("98.0", "2")]))

    (update,) = rig.of(kit.BookUpdate)
    assert update.levels == (980).to_bytes(8, "little") + (2000).to_bytes(8, "little")
    rig.pass_ms(6 * S)
    assert rig.of(kit.FeedStatus)[-1].stray_count == 1


@pytest.mark.req("I-32", "MD-6")
@pytest.mark.parametrize("bid", ["101.0", "101.5"])
def test_a_crossed_or_locked_book_is_closed_instead_of_said(kit, rig, bid):
    live(rig)

    rig.frame("binance_usdm", DEPTH, diff(rig, 120, 110, bids=[(bid, "1")]))

    (invalid,) = rig.of(kit.BookInvalid)
    assert (invalid.reason, invalid.detail[:7]) == ("bad_data", "crossed")
    assert not rig.of(kit.BookUpdate)


@pytest.mark.req("MD-6")
def test_a_one_sided_book_is_said_but_its_price_is_not_trusted(kit, rig):
    live(rig)

    rig.frame("binance_usdm", DEPTH, diff(rig, 120, 110, asks=[("101.0", "0"), ("102.0", "0")]))
    rig.pass_ms(100)

    assert len(rig.of(kit.BookUpdate)) == 1
    assert reasons(rig, kit) == []
    assert not rig.of(kit.PriceUpdate)[-1].is_trusted


@pytest.mark.req("I-32")
@pytest.mark.parametrize(
    "change",
    [
        {"U": 10**30},
        {"u": -1},
        {"u": 1},
        {"E": "now"},
        {"E": 10**30},
        {"s": "ETHUSDT"},
        {"b": None},
        {"pu": 1.5},
    ],
)
def test_a_depth_frame_with_impossible_fields_closes_the_book(kit, rig, change):
    live(rig)

    rig.frame("binance_usdm", DEPTH, {**diff(rig, 120, 110), **change})

    assert reasons(rig, kit) == ["bad_data"]


@pytest.mark.req("I-32")
@pytest.mark.parametrize(
    "others",
    [{"p": "0"}, {"p": "NaN"}, {"p": "-1"}, {"p": "1e30"}, {"p": "100.05"}, {"q": "-1"}, {"q": "x"},
     {"a": -2}, {"s": "ETHUSDT"}, {"m": "yes"}, {"T": -1}, {"a": 10**30}, {"p": None}],
)  # fmt: skip
def test_a_bad_trade_is_refused_and_counted_and_the_book_lives_on(kit, rig, others):
    live(rig)

    rig.frame("binance_usdm", AGG, trade(rig, 5, **others))

    assert not rig.of(kit.Trade)
    assert reasons(rig, kit) == []
    assert rig.core.venues["binance_usdm"].counters.bad_frame_count == 1


def test_trades_come_once_with_the_aggressors_side_and_prints_off_the_book_are_left_out(kit, rig):
    live(rig)
    for one in (trade(rig, 5), trade(rig, 5), trade(rig, 6, m=False), trade(rig, 7, X="INSURANCE_FUND")):
        rig.frame("binance_usdm", AGG, one)

    trades = rig.of(kit.Trade)
    assert [(t.trade_id, t.side.name, t.price_ticks, t.qty_lots) for t in trades] == [
        (5, "SELL", 1005, 500),
        (6, "BUY", 1005, 500),
    ]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
@pytest.mark.req("I-32", "I-34", "MD-8")
def test_no_bytes_from_outside_ever_raise(kit, data):
    """Random bytes and mutated real frames on every door; the book stays closed or sound."""
    rig = kit.Rig(kit.one_market("binance_usdm"), Venue(kit)).start()
    rig.frame("binance_usdm", DEPTH, diff(rig, 110, 100))
    last_id = 110
    for _ in range(data.draw(st.integers(1, 12))):
        good = json.dumps(
            {"stream": DEPTH, "data": diff(rig, last_id + 1, last_id, [("99.0", "1")])}
        ).encode()
        start = data.draw(st.integers(0, len(good)))
        cut = data.draw(st.integers(0, 12))
        junk = data.draw(
            st.one_of(st.binary(max_size=12), st.sampled_from([b"", b'"', b"{", b"1e999", b"null"]))
        )
        frame = data.draw(st.sampled_from([good, good[:start] + junk + good[start + cut :], junk]))
        rig.raw(PUBLIC, frame)
        rig.raw("binance_usdm/market", frame)
        out = rig.core.on_response(
            data.draw(st.integers(0, 9)), data.draw(st.sampled_from([0, 200, 400])), frame, 1
        )
        assert isinstance(out, list)
        last_id = rig.core.venues["binance_usdm"].markets["BTCUSDT"].book.sync.last_id
        market = rig.core.venues["binance_usdm"].markets["BTCUSDT"]
        assert not market.book.is_open or market.book.book.is_trusted or 0 in (
            market.book.book.bid_ticks, market.book.book.ask_ticks
        )  # fmt: skip
    consumer = kit.LogBook("binance_usdm:BTCUSDT", "0.10", "0.001")
    for message in rig.said:
        consumer.take(message)


# ---- time


@pytest.mark.req("MD-3", "I-33")
def test_a_book_without_depth_for_five_seconds_is_stale_and_the_next_diff_opens_it_again(kit, rig):
    live(rig)
    rig.pass_ms(4900)
    assert reasons(rig, kit) == []
    rig.pass_ms(300)
    assert reasons(rig, kit) == ["stale"]
    assert rig.of(kit.FeedStatus)[-1].state == "stale"

    rig.frame("binance_usdm", DEPTH, diff(rig, 120, 110, bids=[("100.0", "7")]))

    snapshot, update = rig.of(kit.BookSnapshot, kit.BookUpdate)
    assert (snapshot.last_update_id, update.last_update_id) == (110, 120)
    assert update.update_n == snapshot.update_n + 1


@pytest.mark.req("I-33")
@pytest.mark.parametrize("age_ms", [11_000, -11_000, 10**9])
def test_events_far_from_our_clock_close_the_book_until_they_are_near_again(kit, rig, age_ms):
    live(rig)

    rig.frame("binance_usdm", DEPTH, diff(rig, 120, 110, bids=[("100.0", "7")], age_ms=age_ms))
    (invalid,) = rig.of(kit.BookInvalid)
    rig.frame("binance_usdm", DEPTH, diff(rig, 130, 120))

    assert invalid.reason == "stale"
    assert "check this host's time" in invalid.detail
    (snapshot,) = rig.of(kit.BookSnapshot)
    assert snapshot.last_update_id == 120


@pytest.mark.req("MD-3", "MD-2")
def test_a_connection_silent_for_45_seconds_is_made_anew_and_the_other_is_not(kit, rig):
    live(rig)
    rig.opened.clear()
    for _ in range(46):
        rig.pass_ms(1000)
        rig.frame("binance_usdm/market", AGG, trade(rig, rig.now_ns // 10**9))

    assert rig.closed == [PUBLIC]
    assert [o.connection for o in rig.opened] == [PUBLIC]
    assert 250 <= rig.opened[0].after_ms <= 500


@pytest.mark.req("MD-2")
def test_a_lost_connection_closes_its_books_at_once_and_the_log_tells(kit, rig, venue):
    live(rig)
    venue.depth = book(500)

    rig.disconnect(PUBLIC, "reset by peer")
    assert reasons(rig, kit) == ["disconnected"]
    assert rig.of(kit.FeedStatus)[-1].state == "reconnecting"
    rig.pass_ms(2 * S)
    rig.frame("binance_usdm", DEPTH, diff(rig, 510, 500))

    assert rig.of(kit.FeedStatus)[-1].state == "live"
    assert rig.of(kit.FeedStatus)[-1].reconnect_count == 1
    assert [m.last_update_id for m in rig.of(kit.BookSnapshot)] == [500]


def test_an_announced_shutdown_moves_to_a_new_connection_at_once(kit, rig):
    live(rig)
    rig.opened.clear()

    rig.frame(PUBLIC, "!serverShutdown", {"e": "serverShutdown", "E": 1})

    assert rig.closed == [PUBLIC]
    assert [(o.connection, o.after_ms) for o in rig.opened] == [(PUBLIC, 0)]


@pytest.mark.req("MD-20")
def test_rules_come_daily_and_a_new_tick_reads_the_book_anew(kit, venue):
    rig = kit.Rig(
        kit.one_market("binance_usdm", rules_interval_ms=60_000, depth_stale_ms=10**9, silence_ms=10**9),
        venue,
    ).start()
    live(rig)
    venue.tick, venue.depth = "1.0", book(200)

    rig.pass_ms(61 * S)
    rig.pass_ms(1500)

    assert [m.tick_size for m in rig.of(kit.InstrumentRules)] == ["1.0"]
    assert "tick or lot" in rig.of(kit.BookInvalid)[0].detail
    assert [m.last_update_id for m in rig.of(kit.BookSnapshot)][-1] == 200


@pytest.mark.req("MD-20")
@pytest.mark.parametrize("status", ["BREAK", "HALT", "CANCEL_ONLY", "SOMETHING_NEW", ""])
def test_a_market_that_is_not_trading_is_closed_until_the_venue_opens_it(kit, venue, status):
    venue.info_status = status
    rig = kit.Rig(kit.one_market("binance_usdm"), venue).start()
    assert reasons(rig, kit)[-1] == "halted"
    assert not any("depth?" in target for _, target in rig.fetched)
    assert rig.core.ready

    venue.info_status = "TRADING"
    rig.pass_ms(61 * S)
    rig.frame("binance_usdm", DEPTH, diff(rig, 110, 100))

    assert [m.status for m in rig.of(kit.InstrumentRules)] == [status or "UNKNOWN", "TRADING"]
    assert len(rig.of(kit.BookSnapshot)) == 1


# ---- what is said when


@pytest.mark.req("MD-13", "MD-14", "MD-9")
def test_prices_come_at_most_every_50_ms_only_when_changed_and_each_second_when_not(kit, rig):
    live(rig)
    rig.pass_ms(100)
    rig.said.clear()
    for i in range(20):
        rig.frame("binance_usdm", DEPTH, diff(rig, 111 + i, 110 + i, bids=[("100.0", str(2 + i))]))
        rig.pass_ms(10)
    busy = rig.of(kit.PriceUpdate)
    rig.said.clear()
    rig.pass_ms(3050)

    assert 3 <= len(busy) <= 5
    assert busy[-1].bid_lots >= 17_000
    assert busy[-1].is_trusted
    assert len(rig.of(kit.PriceUpdate)) in (3, 4)


@pytest.mark.req("MD-11", "MD-21")
def test_every_book_is_said_whole_each_minute_at_a_new_epoch_and_after_a_gap_of_the_log(kit, venue):
    rig = kit.Rig(kit.one_market("binance_usdm", depth_stale_ms=10**9, silence_ms=10**9), venue).start()
    live(rig)

    rig.pass_ms(60 * S)
    rig._take(rig.core.on_new_epoch(rig.now_ns))
    rig._take(rig.core.on_source_gap(rig.now_ns))

    assert [(m.reason, m.update_n) for m in rig.of(kit.BookSnapshot)] == [
        ("period", 2),
        ("epoch", 2),
        ("gap", 2),
    ]
    assert len(rig.of(kit.InstrumentRules)) == 1


def test_a_closed_book_is_said_closed_again_at_a_new_epoch(kit, rig):
    live(rig)
    rig.frame("binance_usdm", DEPTH, diff(rig, 200, 150))
    rig.said.clear()

    rig._take(rig.core.on_new_epoch(rig.now_ns))

    assert reasons(rig, kit) == ["gap"]
    assert not rig.of(kit.BookSnapshot)


@pytest.mark.req("MD-28")
def test_far_behind_the_log_updates_become_one_snapshot_and_what_was_dropped_is_counted(kit, rig):
    live(rig)
    rig.backlog(3000)
    for i in range(50):
        rig.frame("binance_usdm", DEPTH, diff(rig, 111 + i, 110 + i, bids=[("99.5", str(1 + i))]))
        rig.frame("binance_usdm", AGG, trade(rig, 10 + i))
    rig.backlog(1500)
    assert rig.of(kit.BookUpdate, kit.BookSnapshot, kit.Trade) == []

    rig.backlog(100)
    rig.frame("binance_usdm", DEPTH, diff(rig, 161, 160))

    snapshot, update = rig.of(kit.BookSnapshot, kit.BookUpdate)
    assert (snapshot.reason, snapshot.last_update_id, update.last_update_id) == ("conflated", 160, 161)
    assert update.update_n == snapshot.update_n + 1
    assert rig.core.venues["binance_usdm"].counters.dropped_count == 100


@pytest.mark.req("MD-7")
def test_a_book_is_kept_to_its_best_levels_and_the_log_agrees_with_the_feed(kit, venue):
    bids = [(f"{100 - i / 10:.1f}", "1") for i in range(60)]
    venue.depth = book(100, bids=bids)
    rig = kit.Rig(kit.one_market("binance_usdm", snapshot_levels=20), venue).start()
    consumer = kit.LogBook("binance_usdm:BTCUSDT", "0.10", "0.001")

    rig.frame("binance_usdm", DEPTH, diff(rig, 110, 100, bids=[("100.0", "0")]))
    for message in rig.said:
        consumer.take(message)

    own = rig.core.venues["binance_usdm"].markets["BTCUSDT"].book.book
    assert consumer.book.dump() == own.dump()
    assert len(own.levels(0, 100)) == 19


@pytest.mark.req("MD-5")
@pytest.mark.parametrize("name", ["binance", "binance_usdm"])
def test_whole_books_of_20_levels_give_the_same_messages_as_diffs(kit, name):
    stream = "btcusdt@depth20@100ms"
    rig = kit.Rig(kit.one_market(name, depth_channel="depth20@100ms"), Venue(kit)).start()
    consumer = kit.LogBook(f"{name}:BTCUSDT", "0.10", "0.001")

    def partial(last_id, bids, asks):
        if name == "binance":
            return {"lastUpdateId": last_id, "bids": bids, "asks": asks}
        return {**diff(rig, last_id, 0), "b": bids, "a": asks}

    rig.frame(name, stream, partial(10, [("100.0", "1"), ("99.0", "1")], [("101.0", "1")]))
    rig.frame(name, stream, partial(9, [("90.0", "1")], [("91.0", "1")]))
    rig.frame(name, stream, partial(11, [("99.0", "2"), ("98.0", "1")], [("101.0", "1"), ("102.0", "4")]))
    for message in rig.said:
        consumer.take(message)

    assert [type(m).__name__ for m in rig.of(kit.BookSnapshot, kit.BookUpdate)] == [
        "BookSnapshot",
        "BookUpdate",
    ]
    assert consumer.book.levels(0, 5) == [(990, 2000), (980, 1000)]
    assert consumer.book.levels(1, 5) == [(1010, 1000), (1020, 4000)]
    assert not any("depth?" in target for _, target in rig.fetched)

    rig.frame(name, stream, partial(12, [("abc", "2")], []))
    assert reasons(rig, kit)[-1] == "bad_data"
    rig.frame(name, stream, partial(13, [("99.0", "2")], [("101.0", "1")]))
    assert rig.of(kit.BookSnapshot)[-1].last_update_id == 13


@pytest.mark.req("MD-21")
def test_a_book_of_one_market_cannot_change_another(kit, venue):
    feeds = (
        kit.FeedVenue(name="binance_usdm", symbols=("BTCUSDT", "ETHUSDT")),
        kit.FeedVenue(name="binance", symbols=("BTCUSDT",)),
    )
    rig = kit.Rig(kit.MarketDataSettings(venues=feeds), venue).start()
    for symbol in ("BTCUSDT", "ETHUSDT"):
        rig.frame("binance_usdm", f"{symbol.lower()}@depth@100ms", diff(rig, 110, 100, symbol=symbol))
    spot = {k: v for k, v in diff(rig, 110, 100).items() if k not in ("pu", "T")}
    rig.frame("binance", DEPTH, spot)
    others = [
        rig.core.venues["binance_usdm"].markets["ETHUSDT"],
        rig.core.venues["binance"].markets["BTCUSDT"],
    ]
    before = [(m.book.book.dump(), m.book.update_n, m.book.is_open) for m in others]
    rig.said.clear()

    rig.frame("binance_usdm", DEPTH, diff(rig, 120, 110, bids=[("99.5", "9")]))
    rig.frame("binance_usdm", DEPTH, diff(rig, 900, 800))
    rig.disconnect(PUBLIC)

    assert [(m.book.book.dump(), m.book.update_n) for m in others] == [b[:2] for b in before]
    assert others[1].book.is_open
    assert {m.symbol for m in rig.of(kit.BookUpdate)} == {"binance_usdm:BTCUSDT"}
    assert {m.symbol for m in rig.of(kit.BookInvalid)} == {"binance_usdm:BTCUSDT", "binance_usdm:ETHUSDT"}


@pytest.mark.req("MD-24")
def test_the_end_of_a_capture_is_said_once_when_all_connections_have_heard_of_it(kit, rig):
    live(rig)
    done = {"e": "captureFinished", "frames": 42}

    rig.frame(PUBLIC, "!quotemesh@capture", done)
    assert not rig.of(kit.CaptureFinished)
    rig.frame("binance_usdm/market", "!quotemesh@capture", done)
    rig.frame(PUBLIC, "!quotemesh@capture", done)
    rig.pass_ms(120 * S)

    assert [(m.venue, m.frame_count) for m in rig.of(kit.CaptureFinished)] == [("binance_usdm", 42)]
    assert rig.of(kit.FeedStatus)[-1].state == "finished"
    assert reasons(rig, kit) == []


@pytest.mark.req("BR-30")
def test_prices_with_more_decimals_than_the_rules_are_reported(kit, rig, venue):
    live(rig)
    venue.depth = book(200, bids=(("100.0", "1"), ("90.05", "1")))

    rig.frame("binance_usdm", DEPTH, diff(rig, 200, 150))
    rig.pass_ms(1500)

    assert "prices have 1 decimals more than the tick 0.10" in rig.of(kit.FeedStatus)[-1].reason


def test_the_same_inputs_give_the_same_messages(kit, venue):
    def run():
        rig = kit.Rig(kit.one_market("binance_usdm"), venue).start()
        for i in range(30):
            rig.frame(
                "binance_usdm", DEPTH, diff(rig, 110 + i, 109 + i if i else 100, bids=[("99.0", str(i))])
            )
            rig.pass_ms(37)
        rig.disconnect(PUBLIC)
        rig.pass_ms(5 * S)
        return rig.said

    assert run() == run()
