"""A recording shows when the log does not say what the venue sent."""

import json

import msgspec
import pytest

from services.market_data.verify import verify
from shared.messages import Event, Header

SYMBOL = "binance_usdm:BTCUSDT"
DEPTH, AGG = "btcusdt@depth@100ms", "btcusdt@aggTrade"


@pytest.fixture
def run(kit, venue):
    """Play a short session; return (recorded lines, events of the log)."""

    def play():
        rig = kit.Rig(kit.one_market("binance_usdm"), venue)
        lines, events, seen = [], [], 0

        def said():
            nonlocal seen
            for message in rig.said[seen:]:
                header = Header(len(events) + 1, rig.now_ns, rig.now_ns, 1, "market_data.io", 1, 1, 0)
                events.append(Event(header, message))
            seen = len(rig.said)

        def frame(stream, data):
            raw = json.dumps({"stream": stream, "data": data}, separators=(",", ":")).encode()
            lines.append((rig.now_ns, raw))
            rig.raw("binance_usdm", raw)
            said()

        rig.start()
        lines.append((rig.now_ns, venue.depth))
        said()
        last_id = 100
        for i in range(40):
            rig.pass_ms(100)
            said()
            previous = last_id if i != 20 else last_id + 5
            last_id = previous + 10
            if i == 20:
                venue.depth = kit.book(last_id)
            frame(DEPTH, kit.diff(rig, last_id, previous, bids=[("99.0", str(1 + i))]))
            frame(AGG, kit.trade(rig, 10 + i))
            if i == 20:
                rig.pass_ms(1100)
                lines.append((rig.now_ns, venue.depth))
                said()
        rig._take(rig.core.on_source_gap(rig.now_ns))
        said()
        return lines, events

    return play


def changed(events, kind, n, **fields):
    """Return `events` with the nth message of a kind changed, or left out when no field is given."""
    places = [i for i, e in enumerate(events) if isinstance(e.message, kind)]
    i = places[n]
    new = [events[i]._replace(message=msgspec.structs.replace(events[i].message, **fields))] if fields else []
    return [*events[:i], *new, *events[i + 1 :]]


@pytest.mark.req("MD-24")
def test_a_log_that_says_what_was_recorded_has_no_difference(kit, run):
    lines, events = run()

    assert verify("binance_usdm", lines, events) == []
    assert {m.message.reason for m in events if isinstance(m.message, kit.BookSnapshot)} == {"start", "gap"}
    assert verify("binance", lines, events) == []


@pytest.mark.parametrize("n", [0, 5, -1])
def test_each_changed_or_missing_message_is_found(kit, run, n):
    lines, events = run()
    plants = [
        changed(events, kit.BookUpdate, n, levels=(990).to_bytes(8, "little") + (77).to_bytes(8, "little")),
        changed(events, kit.BookUpdate, n, last_update_id=999_999),
        changed(events, kit.BookUpdate, n, ts_venue_ns=5),
        changed(events, kit.Trade, n, price_ticks=1),
        changed(events, kit.Trade, n, trade_id=1),
        changed(events, kit.BookSnapshot, -1, last_update_id=999_999),
        changed(events, kit.BookSnapshot, 0, levels=b"", bid_count=0),
    ]

    for planted in plants:
        assert verify("binance_usdm", lines, planted) != []
    if n != -1:
        (difference, *_) = verify("binance_usdm", lines, changed(events, kit.BookUpdate, n))
        assert "was not said" in difference


def test_events_outside_the_recording_are_not_judged(run):
    lines, events = run()

    assert verify("binance_usdm", lines[21:], events) == []
    assert verify("binance_usdm", [], events) == []
