"""When a book is open, when it is closed, and what the log hears of it."""

import pytest

S = 1000
PUBLIC, DEPTH, AGG = "binance_usdm/public", "btcusdt@depth@100ms", "btcusdt@aggTrade"


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

    rig.frame("binance_usdm", DEPTH, kit.diff(rig, 110, 100, bids=[("100.0", "5")]))

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
    venue.depth = kit.book(300)

    rig.frame("binance_usdm", DEPTH, kit.diff(rig, 310, 290))
    rig.pass_ms(1200)
    rig.frame("binance_usdm", DEPTH, kit.diff(rig, 320, 310))

    assert kit.reasons(rig) == ["disconnected", "gap"]
    assert [m.last_update_id for m in rig.of(kit.BookSnapshot)] == [100, 300]
    assert [m.last_update_id for m in rig.of(kit.BookUpdate)] == [310, 320]


@pytest.mark.req("I-31", "MD-4")
def test_a_gap_closes_the_book_at_that_event_and_a_new_book_opens_it(kit, rig, venue):
    kit.live(rig)
    venue.depth = kit.book(200)

    rig.frame("binance_usdm", DEPTH, kit.diff(rig, 200, 150))
    (invalid,) = rig.of(kit.BookInvalid)
    rig.pass_ms(1500)
    rig.frame("binance_usdm", DEPTH, kit.diff(rig, 210, 200))

    assert (invalid.reason, invalid.expected_id, invalid.got_id) == ("gap", 110, 150)
    assert [m.last_update_id for m in rig.of(kit.BookSnapshot)] == [200]
    assert [m.last_update_id for m in rig.of(kit.BookUpdate)] == [200, 210]
    assert rig.core.venues["binance_usdm"].counters.gap_count == 1


@pytest.mark.req("MD-4")
def test_a_diff_that_comes_twice_is_dropped_and_counted(kit, rig):
    kit.live(rig)
    one = kit.diff(rig, 120, 110)

    rig.frame("binance_usdm", DEPTH, one)
    rig.frame("binance_usdm", DEPTH, one)

    assert len(rig.of(kit.BookUpdate)) == 1
    assert kit.reasons(rig) == []
    assert rig.core.venues["binance_usdm"].counters.dropped_count == 1


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
    kit.live(rig)
    venue.depth = kit.book(200)

    rig.frame("binance_usdm", DEPTH, kit.diff(rig, 120, 110, bids=[level]))
    assert kit.reasons(rig) == ["bad_data"]
    assert not rig.of(kit.BookUpdate)
    rig.pass_ms(1500)
    rig.frame("binance_usdm", DEPTH, kit.diff(rig, 210, 200))

    assert [m.last_update_id for m in rig.of(kit.BookSnapshot)] == [200]


@pytest.mark.req("I-32")
def test_a_level_off_the_tick_below_the_touch_is_left_out_and_counted(kit, rig):
    kit.live(rig)

    rig.frame("binance_usdm", DEPTH, kit.diff(rig, 120, 110, bids=[("98.05", "1"), ("98.0", "2")]))

    (update,) = rig.of(kit.BookUpdate)
    assert update.levels == (980).to_bytes(8, "little") + (2000).to_bytes(8, "little")
    rig.pass_ms(6 * S)
    assert rig.of(kit.FeedStatus)[-1].stray_count == 1


@pytest.mark.req("I-32", "MD-6")
@pytest.mark.parametrize("bid", ["101.0", "101.5"])
def test_a_crossed_or_locked_book_is_closed_instead_of_said(kit, rig, bid):
    kit.live(rig)

    rig.frame("binance_usdm", DEPTH, kit.diff(rig, 120, 110, bids=[(bid, "1")]))

    (invalid,) = rig.of(kit.BookInvalid)
    assert (invalid.reason, invalid.detail[:7]) == ("bad_data", "crossed")
    assert not rig.of(kit.BookUpdate)


@pytest.mark.req("MD-6")
def test_a_one_sided_book_is_said_but_its_price_is_not_trusted(kit, rig):
    kit.live(rig)

    rig.frame("binance_usdm", DEPTH, kit.diff(rig, 120, 110, asks=[("101.0", "0"), ("102.0", "0")]))
    rig.pass_ms(100)

    assert len(rig.of(kit.BookUpdate)) == 1
    assert kit.reasons(rig) == []
    assert not rig.of(kit.PriceUpdate)[-1].is_trusted


@pytest.mark.req("MD-3", "I-33")
def test_a_book_without_depth_for_five_seconds_is_stale_and_the_next_diff_opens_it_again(kit, rig):
    kit.live(rig)
    rig.pass_ms(4900)
    assert kit.reasons(rig) == []
    rig.pass_ms(300)
    assert kit.reasons(rig) == ["stale"]
    assert rig.of(kit.FeedStatus)[-1].state == "stale"

    rig.frame("binance_usdm", DEPTH, kit.diff(rig, 120, 110, bids=[("100.0", "7")]))

    snapshot, update = rig.of(kit.BookSnapshot, kit.BookUpdate)
    assert (snapshot.last_update_id, update.last_update_id) == (110, 120)
    assert update.update_n == snapshot.update_n + 1


@pytest.mark.req("I-33")
@pytest.mark.parametrize("age_ms", [11_000, -11_000, 10**9])
def test_events_far_from_our_clock_close_the_book_until_they_are_near_again(kit, rig, age_ms):
    kit.live(rig)

    rig.frame("binance_usdm", DEPTH, kit.diff(rig, 120, 110, bids=[("100.0", "7")], age_ms=age_ms))
    (invalid,) = rig.of(kit.BookInvalid)
    rig.frame("binance_usdm", DEPTH, kit.diff(rig, 130, 120))

    assert invalid.reason == "stale"
    assert "check this host's time" in invalid.detail
    (snapshot,) = rig.of(kit.BookSnapshot)
    assert snapshot.last_update_id == 120


@pytest.mark.req("MD-7")
def test_a_book_is_kept_to_its_best_levels_and_the_log_agrees_with_the_feed(kit, venue):
    bids = [(f"{100 - i / 10:.1f}", "1") for i in range(60)]
    venue.depth = kit.book(100, bids=bids)
    rig = kit.Rig(kit.one_market("binance_usdm", snapshot_levels=20), venue).start()
    consumer = kit.LogBook("binance_usdm:BTCUSDT", "0.10", "0.001")

    rig.frame("binance_usdm", DEPTH, kit.diff(rig, 110, 100, bids=[("100.0", "0")]))
    for message in rig.said:
        consumer.take(message)

    own = rig.core.venues["binance_usdm"].markets["BTCUSDT"].book.book
    assert consumer.book.dump() == own.dump()
    assert len(own.levels(0, 100)) == 19


@pytest.mark.req("MD-5")
@pytest.mark.parametrize("name", ["binance", "binance_usdm"])
def test_whole_books_of_20_levels_give_the_same_messages_as_diffs(kit, name):
    stream = "btcusdt@depth20@100ms"
    rig = kit.Rig(kit.one_market(name, depth_channel="depth20@100ms"), kit.Venue()).start()
    consumer = kit.LogBook(f"{name}:BTCUSDT", "0.10", "0.001")

    def partial(last_id, bids, asks):
        if name == "binance":
            return {"lastUpdateId": last_id, "bids": bids, "asks": asks}
        return {**kit.diff(rig, last_id, 0), "b": bids, "a": asks}

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
    assert kit.reasons(rig)[-1] == "bad_data"
    rig.frame(name, stream, partial(13, [("99.0", "2")], [("101.0", "1")]))
    assert rig.of(kit.BookSnapshot)[-1].last_update_id == 13
