"""Lines of captures: what cannot be read is named with file, line and what to do."""

import gzip

import pytest

from services.venue_sim.capture import CaptureVenue
from services.venue_sim.capture_file import capture_origin_ns, merge_captures, read_capture, venue_of_capture
from shared.errors import ConfigError


@pytest.mark.req("MD-24")
def test_lines_of_several_files_come_in_the_order_of_time_and_time_never_falls(make, write_capture):
    one = write_capture([make.spot_trade(at, at, "1", "1") for at in (0, 20, 10, 30)], "one.gz")
    other = write_capture([make.spot_trade(at, at, "1", "1") for at in (5, 20, 40)], "other.gz")

    merged = list(merge_captures((one, other), allow_truncated=False))

    assert [(line.recv_ns - make.start_ns) // 1_000_000 for line in merged] == [0, 5, 20, 20, 20, 30, 40]
    assert [line.file_n for line in merged] == [0, 1, 0, 0, 1, 0, 1]
    assert [line.line_n for line in read_capture(one, allow_truncated=False)] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("stream", "data", "venue"),
    [
        ("btcusdt@depth", {"e": "depthUpdate", "pu": 4}, "binance_usdm"),
        ("btcusdt@depth", {"e": "depthUpdate", "u": 4}, "binance"),
        ("btcusdt@trade", {"e": "trade", "X": "MARKET"}, "binance_usdm"),
        ("btcusdt@aggTrade", {"e": "aggTrade", "M": False}, "binance"),
        ("btcusdt@bookTicker", {"u": 4, "s": "BTCUSDT"}, "binance"),
        ("btcusdt@bookTicker", {"e": "bookTicker", "u": 4}, "binance_usdm"),
        ("btcusdt@markPrice", {"e": "markPriceUpdate"}, "binance_usdm"),
    ],
)
def test_the_venue_is_told_from_the_payload(make, write_capture, stream, data, venue):
    kline = make.line(0, "btcusdt@kline_1m", {"e": "kline", "E": 5})

    assert venue_of_capture(write_capture([kline, make.line(1, stream, data)]), False) == venue


def test_an_origin_is_found_although_the_first_frames_carry_no_event_time(make, write_capture):
    ticker = {"u": 1, "s": "BTCUSDT", "b": "100.00", "B": "1.0", "a": "101.00", "A": "1.0"}
    path = write_capture(
        [make.line(0, "btcusdt@bookTicker", ticker), make.spot_trade(40, 1, "100.00", "1.0")]
    )

    assert capture_origin_ns((path,)) == make.start_ns


def damaged(tmp_path, kind, lines):
    path = tmp_path / "capture.gz"
    packed = gzip.compress(b"".join(lines))
    if kind == "garbage after":
        path.write_bytes(packed + b"garbage")
    elif kind == "plain text":
        path.write_bytes(b"".join(lines))
    elif kind == "cut off":
        path.write_bytes(packed[:-30])
    elif kind == "flipped":
        path.write_bytes(packed[:60] + bytes([packed[60] ^ 0xFF]) + packed[61:])
    elif kind == "directory":
        path.mkdir()
    elif kind == "empty":
        path.write_bytes(gzip.compress(b""))
    return str(path)


@pytest.mark.req("MD-24", "MD-8")
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "does not exist; check the path"),
        ("plain text", "is not gzip; compress it"),
        ("cut off", "damaged or cut off after line"),
        ("garbage after", "damaged or cut off after line 18"),
        ("flipped", "damaged or cut off|no JSON frame|starts with"),
        ("directory", "cannot be read"),
        ("empty", "holds no depth, trade or bookTicker frame"),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error_that_says_what_to_do(tmp_path, make, kind, message):
    path = damaged(tmp_path, kind, make.small_capture() * 3)

    with pytest.raises(ConfigError, match=message) as caught:
        CaptureVenue((path,))
    assert path in str(caught.value)


@pytest.mark.req("MD-24", "MD-8")
@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"abc {}\n", "line 7: starts with b'abc'"),
        (b'-5 {"stream":"btcusdt@trade","data":{}}\n', "line 7: starts with"),
        (b"%d {\n" % 10**18, "line 7: holds no JSON frame"),
        (
            b'%d {"stream":"btcusdt@weather","data":{}}\n' % 10**18,
            "line 7: is of the unknown stream 'btcusdt@weather'",
        ),
        (b'%d {"stream":"hello","data":{}}\n' % 10**18, "unknown stream 'hello'"),
        (b'%d {"hello":null,"id":1}\n' % 10**18, "neither a combined-stream frame"),
        (
            b'%d {"stream":"btcusdt@trade","data":{"p":"NaN","q":"1"}}\n' % 10**18,
            "'NaN' is no plain non-negative",
        ),
        (
            b'%d {"stream":"btcusdt@trade","data":{"p":"-1","q":"1"}}\n' % 10**18,
            "'-1' is no plain non-negative",
        ),
        (
            b'%d {"stream":"btcusdt@trade","data":{"p":"1e30","q":"1"}}\n' % 10**18,
            "'1e30' is no plain non-negative",
        ),
        (b'%d {"stream":"btcusdt@trade","data":{"p":1.5,"q":"1"}}\n' % 10**18, "line 7: Expected `str`"),
        (
            b'%d {"stream":"btcusdt@depth","data":{"U":1,"u":2,"pu":0}}\n' % 10**18,
            "another venue than the rest",
        ),
    ],
)
def test_a_line_that_cannot_be_played_is_named(make, write_capture, line, message):
    path = write_capture([*make.small_capture(), line])

    with pytest.raises(ConfigError, match=message) as caught:
        CaptureVenue((path,))
    assert "line 7" in str(caught.value)
    assert path in str(caught.value)


@pytest.mark.req("MD-24")
def test_a_cut_off_tail_can_be_allowed_and_the_whole_lines_before_it_play(tmp_path, make):
    trades = [make.spot_trade(n, n, f"{n * n % 977}.25", f"{n * 7919 % 1009}.5") for n in range(1, 2000)]
    path = damaged(tmp_path, "cut off", [*make.small_capture(), *trades])
    half = tmp_path / "half.gz"
    half.write_bytes(gzip.compress(b"".join(make.small_capture())[:-20]))

    assert CaptureVenue((str(half),), allow_truncated=True).frames_total == 4
    assert 1500 < CaptureVenue((path,), allow_truncated=True).frames_total < 2004
    with pytest.raises(ConfigError, match="line 6"):
        CaptureVenue((str(half),))
    with pytest.raises(ConfigError, match=r"simulator\.allow_truncated"):
        CaptureVenue((path,))
