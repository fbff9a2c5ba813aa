"""A recording shows when a candle or a fact on the log is not what the venue sent."""

import json

import msgspec
import pytest

from services.market_data.shell_recorder import answer_line
from services.market_data.verify import verify
from shared.messages import Event, Header
from shared.messages.market import Candle, FundingRate, Liquidation, OpenInterest
from shared.venues import VENUES

MINUTE_MS = 60_000
USDM = VENUES["binance_usdm"]


@pytest.fixture
def run(kit):
    """Play candles, funding, open interest and liquidations; return (recorded lines, events of the log)."""
    lines, events = [], []
    now_ms = 1_700_000_000_000
    open_ms = now_ms // MINUTE_MS * MINUTE_MS

    def respond(_venue, target):
        name = target.partition("?")[0].rpartition("/")[2]
        answers = {
            "klines": [
                [open_ms + n * MINUTE_MS, "100.0", "101.0", "99.0", "100.5", "5.0005",
                 open_ms + n * MINUTE_MS + 59_999, "500", 9, "2", "200", "0"]
                for n in (-2, -1, 0)
            ],
            "openInterest": {"openInterest": "1000.500", "symbol": "BTCUSDT", "time": now_ms},
            "premiumIndex": {"symbol": "BTCUSDT", "markPrice": "100.12", "indexPrice": "100.2",
                             "lastFundingRate": "-0.0001", "nextFundingTime": now_ms + 60_000,
                             "time": now_ms},
        }  # fmt: skip
        if name == "exchangeInfo":
            return 200, kit.exchange_info("BTCUSDT", tick="0.10", lot="0.001")
        body = json.dumps(answers[name]).encode() if name in answers else kit.book()
        line = answer_line(USDM, target, body)
        if line is not None:
            lines.append((rig.now_ns, line))
        return 200, body

    rig = kit.Rig(kit.one_market("binance_usdm", candles=True, facts=True), respond)
    rig.now_ns = now_ms * 10**6
    rig.start()
    rig.pass_ms(1200)
    body = {"t": open_ms, "T": open_ms + 59_999, "s": "BTCUSDT", "i": "1m", "f": 1, "L": 2, "o": "100.0",
            "c": "100.5", "h": "101.0", "l": "99.0", "v": "7", "n": 12, "x": True, "q": "1", "V": "1",
            "Q": "1", "B": "0"}  # fmt: skip
    order = {"s": "BTCUSDT", "S": "BUY", "p": "101.0", "q": "2", "z": "2", "T": now_ms + 5}
    mark = {"E": now_ms + 1000, "s": "BTCUSDT", "p": "100.1", "i": "100.2", "r": "0.002",
            "T": now_ms + 60_000}  # fmt: skip
    for stream, data in (
        ("btcusdt@kline_1m", {"E": open_ms + MINUTE_MS, "k": body}),
        ("btcusdt@forceOrder", {"o": order}),
        ("btcusdt@markPrice@1s", mark),
    ):
        raw = json.dumps({"stream": stream, "data": data}, separators=(",", ":")).encode()
        lines.append((rig.now_ns, raw))
        rig.raw("binance_usdm", raw)
        rig.pass_ms(1000)
    for message in rig.said:
        header = Header(len(events) + 1, rig.now_ns, lines[0][0], 1, "market_data.io", 1, 1, 0)
        events.append(Event(header, message))
    return lines, events


@pytest.mark.req("MD-24")
def test_facts_that_were_recorded_have_no_difference(run):
    lines, events = run

    counts = {kind: sum(isinstance(e.message, kind) for e in events)
              for kind in (Candle, FundingRate, OpenInterest, Liquidation)}  # fmt: skip
    assert counts == {Candle: 4, FundingRate: 2, OpenInterest: 1, Liquidation: 1}
    assert verify("binance_usdm", lines, events) == []


@pytest.mark.parametrize("kind", [Candle, FundingRate, OpenInterest, Liquidation])
def test_every_number_that_was_changed_is_found(run, kind):
    lines, events = run
    place = next(i for i, event in enumerate(events) if isinstance(event.message, kind))
    message = events[place].message
    ignored = {"symbol", "ts_recv_ns"} | ({"ts_venue_ns"} if kind is Candle else set())
    fields = [name for name in message.__struct_fields__ if name not in ignored]

    for name in fields:
        value = getattr(message, name)
        wrong = (
            (not value)
            if isinstance(value, bool)
            else type(value)(1 - value)
            if name == "side"
            else value + 1
        )
        planted = msgspec.structs.replace(message, **{name: wrong})
        changed = [*events[:place], events[place]._replace(message=planted), *events[place + 1 :]]

        found = verify("binance_usdm", lines, changed)

        assert found, f"{name} of {kind.__name__} was changed"
        assert "is not in the recording as it was said" in found[0]


def test_a_fact_whose_frame_is_missing_is_found(run):
    lines, events = run

    for stream in (
        b"@kline_1m",
        b"@klines_1m",
        b"@markPrice",
        b"@forceOrder",
        b"@openInterest",
        b"@premiumIndex",
    ):
        rest = [line for line in lines if stream not in line[1][:60]]
        assert len(rest) < len(lines), stream
        assert verify("binance_usdm", rest, events), stream


def test_a_fact_from_before_the_recording_that_is_said_again_is_not_judged(run):
    lines, events = run
    place = next(i for i, event in enumerate(events) if isinstance(event.message, Candle))
    early = msgspec.structs.replace(events[place].message, ts_recv_ns=lines[0][0] - 1, open_ns=60_000_000_000)
    said_again = [*events, events[place]._replace(message=early)]

    assert verify("binance_usdm", lines, said_again) == []
