"""One venue: rules, connections, requests, and what the log hears of them."""

import pytest

S = 1000
PUBLIC, DEPTH, AGG = "binance_usdm/public", "btcusdt@depth@100ms", "btcusdt@aggTrade"


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
            else (200, kit.book())
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


@pytest.mark.req("MD-2", "MD-4")
def test_books_are_asked_for_with_back_off_while_the_venue_fails_and_slowly_when_it_says_stop(
    kit, rig, venue
):
    kit.live(rig)
    rig.fetched.clear()
    venue.status, venue.depth = 500, b"oops"
    rig.frame("binance_usdm", DEPTH, kit.diff(rig, 200, 150))
    rig.pass_ms(6 * S)
    failing = len(rig.fetched)
    venue.status = 429
    rig.pass_ms(30 * S)
    limited = len(rig.fetched) - failing

    assert 3 <= failing <= 6
    assert limited <= 1


@pytest.mark.req("MD-3", "MD-2")
def test_a_connection_silent_for_45_seconds_is_made_anew_and_the_other_is_not(kit, rig):
    kit.live(rig)
    rig.opened.clear()
    for _ in range(46):
        rig.pass_ms(1000)
        rig.frame("binance_usdm/market", AGG, kit.trade(rig, rig.now_ns // 10**9))

    assert rig.closed == [PUBLIC]
    assert [o.connection for o in rig.opened] == [PUBLIC]
    assert 250 <= rig.opened[0].after_ms <= 500


@pytest.mark.req("MD-2")
def test_a_lost_connection_closes_its_books_at_once_and_the_log_tells(kit, rig, venue):
    kit.live(rig)
    venue.depth = kit.book(500)

    rig.disconnect(PUBLIC, "reset by peer")
    assert kit.reasons(rig) == ["disconnected"]
    assert rig.of(kit.FeedStatus)[-1].state == "reconnecting"
    rig.pass_ms(2 * S)
    rig.frame("binance_usdm", DEPTH, kit.diff(rig, 510, 500))

    assert rig.of(kit.FeedStatus)[-1].state == "live"
    assert rig.of(kit.FeedStatus)[-1].reconnect_count == 1
    assert rig.of(kit.FeedStatus)[-1].reason == ""
    assert [m.last_update_id for m in rig.of(kit.BookSnapshot)] == [500]


def test_an_announced_shutdown_moves_to_a_new_connection_at_once(kit, rig):
    kit.live(rig)
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
    kit.live(rig)
    venue.tick, venue.depth = "1.0", kit.book(200)

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
    assert kit.reasons(rig)[-1] == "halted"
    assert not any("depth?" in target for _, target in rig.fetched)
    assert rig.core.ready

    venue.info_status = "TRADING"
    rig.pass_ms(61 * S)
    rig.frame("binance_usdm", DEPTH, kit.diff(rig, 110, 100))

    assert [m.status for m in rig.of(kit.InstrumentRules)] == [status or "UNKNOWN", "TRADING"]
    assert len(rig.of(kit.BookSnapshot)) == 1


@pytest.mark.req("MD-24")
def test_the_end_of_a_capture_is_said_once_when_all_connections_have_heard_of_it(kit, rig):
    kit.live(rig)
    done = {"e": "captureFinished", "frames": 42}

    rig.frame(PUBLIC, "!quotemesh@capture", done)
    assert not rig.of(kit.CaptureFinished)
    rig.frame("binance_usdm/market", "!quotemesh@capture", done)
    rig.frame(PUBLIC, "!quotemesh@capture", done)
    rig.pass_ms(120 * S)

    assert [(m.venue, m.frame_count) for m in rig.of(kit.CaptureFinished)] == [("binance_usdm", 42)]
    assert rig.of(kit.FeedStatus)[-1].state == "finished"
    assert kit.reasons(rig) == []


@pytest.mark.req("BR-30")
def test_prices_with_more_decimals_than_the_rules_are_reported(kit, rig, venue):
    kit.live(rig)
    venue.depth = kit.book(200, bids=(("100.0", "1"), ("90.05", "1")))

    rig.frame("binance_usdm", DEPTH, kit.diff(rig, 200, 150))
    rig.pass_ms(1500)

    assert "prices have 1 decimals more than the tick 0.10" in rig.of(kit.FeedStatus)[-1].reason
