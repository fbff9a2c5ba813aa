"""The walk over recorded lines says the same compiled and not, and stops where only the caller knows."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from shared.kernels.capture_lines import DONE, FULL, OTHER, CaptureLines

ROOT = Path(__file__).resolve().parents[3]
T0 = 1_723_161_255_000_000_000
PREFIX = b'{"stream":"btcusdt@'


def lines_of(*frames, start=T0):
    return bytearray(
        b"".join(
            b"%d %s\n" % (start + n, json.dumps(f, separators=(",", ":")).encode())
            for n, f in enumerate(frames)
        )
    )


def parser(chains_previous=False, capacity=100):
    made = CaptureLines(PREFIX, [b"trade", b"bookTicker"], chains_previous, (1, 2), (1, 1), capacity)
    made.is_live = True
    made.last_id = 10
    made.last_trade_id = 4
    return made


def diff(u, bids, asks, **more):
    data = {"e": "depthUpdate", "E": 5, "s": "BTCUSDT", "U": u, "u": u, "b": bids, "a": asks} | more
    return {"stream": "btcusdt@depth@100ms", "data": data}


def trade(n, **more):
    data = {"e": "trade", "E": 6, "s": "BTCUSDT", "t": n, "p": "1.01", "q": "0.7", "T": 6, "m": True} | more
    return {"stream": "btcusdt@trade", "data": data}


def rows(made):
    columns = (made.ts_exch_ns, made.ts_local_ns, made.price_ticks, made.lots, made.kind, made.side)
    return list(zip(*(column[: made.count] for column in columns), strict=True))


def walked(made, data):
    at = made.walk(data, 0, len(data))
    return made.stop, at


@pytest.mark.req("BT-1")
def test_diffs_and_trades_that_continue_become_rows():
    made = parser()
    data = lines_of(
        diff(11, [["1.00", "2.0"], ["0.9900000", "0"]], [["1.02", "0.30"]]),
        {"stream": "btcusdt@bookTicker", "data": {"u": 1}},
        {"stream": "ethusdt@trade", "data": {"p": "what?"}},
        trade(5, X="MARKET", M=True),
        diff(12, [], [], T=7),
    )

    assert walked(made, data) == (DONE, len(data))
    assert rows(made) == [
        (5_000_000, T0, 100, 20, 0, 0),
        (5_000_000, T0, 99, 0, 0, 0),
        (5_000_000, T0, 102, 3, 0x80, 1),
        (6_000_000, T0 + 3, 101, 7, 0x81, 1),
    ]
    assert (made.line_count, made.other_count, made.diff_count, made.trade_count) == (5, 1, 2, 1)
    assert (made.last_id, made.last_trade_id, made.last_local_ns) == (12, 5, T0 + 4)
    assert made.latency_min_ns == T0 + 4 - 7_000_000
    assert made.diffs[:10].tolist() == [11, 11, -1, 0, 3, 12, 12, -1, 4, 4]


@pytest.mark.parametrize(
    "frame",
    [
        diff(12, [], []),  # a hole
        diff(10, [], []),  # an old one
        diff(11, [["1.005", "1"]], []),  # off the tick
        diff(11, [["1.00", "0.05"]], []),  # off the lot
        diff(11, [["1.00", "-1"]], []),
        diff(11, [["0.00", "1"]], []),
        diff(11, [["1.00", "1", "x"]], []),
        diff(11, [["30000000.00", "1"]], []),  # over 2^31 - 1 ticks
        diff(11, [["1.00", "9999999999999999999"]], []),
        diff(11, [["1.00", "1000000000000000.1"]], []),
        diff(11, [["1.", "1"]], []),
        diff(11, [["", "1"]], []),
        diff(11, [], [], s="ETHUSDT"),
        diff(11, [], [], x=1),
        diff(11, [], [], U=12),
        diff(11, [], [], E=2**60),
        {"stream": "btcusdt@depth5", "data": {}},
        trade(6),
        trade(4),
        trade(5, X="ADL"),
        trade(5, q="0"),
        trade(5, p="x"),
        trade(5, s="BTCUSD"),
        {"stream": "btcusdt@trades", "data": {}},
        {"lastUpdateId": 5},
        {"stream": "btcusdt@depth", "data": {}},
        {},
    ],
)
def test_the_walk_stops_before_what_it_does_not_know_for_sure_and_keeps_nothing_of_it(frame):
    made = parser()
    data = lines_of({"stream": "btcusdt@bookTicker", "data": {}}, frame)
    first = data.index(b"\n") + 1

    assert walked(made, data) == (OTHER, first)

    assert made.count == 0
    assert (made.last_id, made.last_trade_id, made.line_count) == (10, 4, 1)


def test_previous_ids_chain_where_the_venue_names_them():
    made = parser(chains_previous=True)

    # U is not contiguous there.
    assert walked(made, lines_of(diff(15, [], [], U=13, pu=10)))[0] == DONE
    assert walked(made, lines_of(diff(16, [], [], pu=14)))[0] == OTHER
    assert walked(made, lines_of(diff(16, [], [])))[0] == OTHER
    assert made.last_id == 15


@pytest.mark.parametrize("start", [T0 - 1, 10**18 - 1, 10**19, 9 * 10**18 + 5 * 10**17])
def test_a_time_that_falls_or_is_none_is_the_callers(start):
    made = parser()
    made.last_local_ns = T0

    assert walked(made, lines_of(trade(5), start=start)) == (OTHER, 0)


def test_without_room_the_line_is_taken_again_later():
    made = parser(capacity=2)
    three = lines_of(diff(11, [["1.00", "1"], ["0.99", "1"]], [["1.02", "1"]]))
    two = lines_of(diff(11, [["1.00", "1"]], [["1.02", "1"]]), trade(5))

    assert walked(made, three) == (FULL, 0)
    assert made.count == 0
    stop, at = walked(made, two)
    assert (stop, made.count, made.line_count) == (FULL, 2, 1)
    made.count, made.rows_before = 0, 2
    assert made.walk(two, at, len(two)) == len(two)
    assert made.count == 1


def test_not_live_every_diff_is_the_callers_and_trades_go_on():
    made = parser()
    made.is_live = False

    assert walked(made, lines_of(trade(5), diff(11, [], [])))[0] == OTHER
    assert made.trade_count == 1


def state_after(seed):
    """Return the state after many lines of which some are damaged: equal compiled and uncompiled."""
    draw = random.Random(seed)
    made = parser(capacity=64)
    found = []
    for n in range(1500):
        frame = draw.choice(
            [
                diff(
                    made.last_id + draw.choice([1, 1, 1, 2]),
                    [[f"{draw.randrange(1, 999) / 100:.4f}", "1.5"]],
                    [],
                ),
                trade(
                    made.last_trade_id + draw.choice([1, 1, 1, 0]),
                    q=f"{draw.randrange(9)}.{draw.randrange(99)}",
                ),
            ]
        )
        data = lines_of(frame, start=T0 + n)
        if draw.random() < 0.5:
            data[draw.randrange(len(data) - 1)] = draw.choice(b'0123456789"[]{},:.-ne')
        found.append((walked(made, data), made.count, made.last_id, made.last_trade_id))
        if made.stop == FULL:
            found.append(rows(made))
            made.count = 0
    return hash(tuple(map(repr, found))), rows(made)


def test_compiled_and_uncompiled_say_the_same():
    code = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('t', {str(Path(__file__))!r})\n"
        "t = importlib.util.module_from_spec(spec); spec.loader.exec_module(t)\n"
        "print(t.state_after(7))\n"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": "0", "QUOTEMESH_KERNELS": kernels, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for kernels in ("", "python")
    ]

    assert said[0] == said[1]
