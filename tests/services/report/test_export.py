import json
from itertools import chain

import pytest

from services.report.export import Wanted, book_lines, event_lines, fill_lines, order_lines
from shared.errors import JournalError
from shared.messages import market, orders
from shared.units import Side

SYMBOL = "binance_usdm:BTCUSDT"


@pytest.mark.req("JR-10")
def test_an_order_line_has_its_state_at_the_end_and_the_place_of_its_intent(log, market_rules):
    log.say(market_rules())
    log.accept("a", price=1005)
    seq = log.intent("b", strategy="grid_eth", side=Side.SELL)
    log.fill("a", "t1", qty=4, filled_lots=4, leaves_lots=6)

    first, second = order_lines(log.events)

    assert first["client_order_id"] == "a"
    assert first["side"] == "buy"
    assert (first["price"], first["qty"], first["filled_qty"]) == ("100.50", "0.010", "0.004")
    assert first["state"] == "partially_filled"
    assert (first["seq"], first["updated_seq"]) == (2, len(log.events))
    assert (second["state"], second["side"], second["seq"]) == ("intended", "sell", seq)
    assert second["ts_ns"] == log.events[seq - 1].header.ts_ns


def test_an_adjusted_order_shows_what_was_approved(log, market_rules):
    log.say(market_rules())
    log.intent("a", qty=10)
    adjusted = orders.OrderAdjusted("a", "as_btc", SYMBOL, Side.BUY, 1000, 6, 10, "position", "too large")
    log.say(adjusted, source="risk")

    (line,) = order_lines(log.events)

    assert (line["qty"], line["state"], line["reason"]) == ("0.006", "approved", "too large")


def test_a_late_fill_of_a_canceled_order_is_still_counted(log, market_rules):
    log.say(market_rules())
    log.accept("a")
    log.say(orders.OrderCanceled("a", "as_btc", SYMBOL, 0), source="broker")
    log.fill("a", "t1", qty=3, filled_lots=3, leaves_lots=7)

    (line,) = order_lines(log.events)

    assert (line["state"], line["filled_qty"]) == ("canceled", "0.003")


@pytest.mark.req("JR-4")
def test_finished_orders_do_not_pile_up_and_none_is_lost(log, market_rules, monkeypatch):
    monkeypatch.setattr("services.report.export.FINISHED_KEPT", 3)
    log.say(market_rules())
    log.accept("resting")
    for at in range(10):
        log.accept(f"o{at}")
        log.say(orders.OrderCanceled(f"o{at}", "as_btc", SYMBOL, 0), source="broker")

    found = [line["client_order_id"] for line in order_lines(log.events)]

    assert sorted(found) == sorted(["resting", *(f"o{at}" for at in range(10))])


def test_lines_can_be_limited_to_a_market_a_strategy_and_a_seq(log, market_rules):
    log.say(market_rules())
    log.say(market_rules("binance:BTCUSDT"))
    log.accept("a")
    log.accept("b", strategy="imb_btc", symbol="binance:BTCUSDT")
    seq_of_c = log.intent("c")

    def ids(**wanted):
        return [line["client_order_id"] for line in order_lines(log.events, Wanted(**wanted))]

    assert ids(symbol="binance:BTCUSDT") == ["b"]
    assert ids(strategy="as_btc") == ["a", "c"]
    assert ids(after_seq=seq_of_c - 1) == ["c"]


def test_a_fill_line_has_the_fee_as_a_plain_decimal(log, market_rules):
    log.say(market_rules())
    log.accept("a")
    seq = log.fill("a", "t1", fee_atoms=-1)

    (line,) = fill_lines(log.events)

    assert (line["fee"], line["fee_asset"], line["seq"]) == ("-0.00000001", "USDT", seq)
    assert (line["price"], line["qty"], line["is_maker"]) == ("100.00", "0.010", True)


@pytest.mark.req("MD-4")
def test_each_applied_depth_event_gives_one_book_line(log, market_rules):
    log.say(market_rules())
    log.snapshot([(999, 5), (998, 7)], [(1001, 6)])
    seq = log.update([(999, 0)], [])
    log.update([], [(1001, 2)])
    log.snapshot([(998, 7)], [(1001, 2)], reason="period")

    found = list(book_lines(log.events))

    assert len(found) == 2
    assert found[0] == {
        "symbol": SYMBOL,
        "update_id": 102,
        "bid_px": "99.80",
        "bid_qty": "0.007",
        "ask_px": "100.10",
        "ask_qty": "0.006",
        "ts_ns": log.events[seq - 1].header.ts_ns,
        "seq": seq,
        "trusted": True,
    }
    assert found[1]["ask_qty"] == "0.002"


def test_an_update_after_a_hole_is_not_applied_and_gives_no_line_until_a_snapshot(log, market_rules):
    log.say(market_rules())
    log.snapshot([(999, 5)], [(1001, 6)])
    log.update([(999, 4)], [], skip=1)
    log.update([(999, 3)], [])
    log.say(market.BookInvalid(SYMBOL, "gap"))
    log.snapshot([(999, 2)], [(1001, 6)], reason="gap")
    log.update([(999, 1)], [])

    assert [line["bid_qty"] for line in book_lines(log.events)] == ["0.001"]


def test_a_conflated_snapshot_stands_for_its_depth_events(log, market_rules):
    log.say(market_rules())
    log.snapshot([(999, 5)], [(1001, 6)])
    log.snapshot([(999, 4)], [(1001, 6)], reason="conflated")

    assert [line["bid_qty"] for line in book_lines(log.events)] == ["0.004"]


def test_a_book_with_an_empty_side_is_shown_as_not_trusted(log, market_rules):
    log.say(market_rules())
    log.snapshot([(999, 5)], [(1001, 6)])
    log.update([(999, 0)], [])

    (line,) = book_lines(log.events)

    assert (line["bid_px"], line["bid_qty"], line["trusted"]) == (None, None, False)


def test_a_book_without_rules_before_it_is_a_clear_error(log):
    log.snapshot([(999, 5)], [(1001, 6)])
    log.update([(999, 0)], [])

    with pytest.raises(JournalError, match=f"about {SYMBOL}, but the log holds no rules"):
        list(book_lines(log.events))


def test_events_are_written_with_the_names_of_their_fields(log, market_rules):
    log.say(market_rules())
    log.snapshot([(999, 5)], [(1001, 6)])
    log.intent("a")

    found = list(event_lines(log.events))

    assert [line["type"] for line in found] == ["instrument", "book_snapshot", "order_intent"]
    assert found[1]["message"]["levels"] == log.events[1].message.levels.hex()
    assert found[2]["message"]["client_order_id"] == "a"
    assert found[2]["topic"] == ".intent.as_btc"


def test_every_line_is_json(log, market_rules):
    log.say(market_rules())
    log.snapshot([(999, 5)], [(1001, 6)])
    log.update([(999, 1)], [])
    log.accept("a")
    log.fill("a", "t1")

    found = chain(*(lines(log.events) for lines in (order_lines, fill_lines, book_lines, event_lines)))

    assert all(json.loads(json.dumps(line)) == line for line in found)
