"""Builders of captures and venues for the tests of the simulated venue."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

START_NS = 1_700_000_000_000_000_000
START_MS = START_NS // 1_000_000


def line(at_ms: int, stream: str, data: dict[str, Any]) -> bytes:
    frame = json.dumps({"stream": stream, "data": data}, separators=(",", ":")).encode()
    return b"%d %s\n" % (START_NS + at_ms * 1_000_000, frame)


def snapshot_line(at_ms: int, update_id: int, bids: list[Any], asks: list[Any]) -> bytes:
    body = {"lastUpdateId": update_id, "bids": bids, "asks": asks}
    return b"%d %s\n" % (START_NS + at_ms * 1_000_000, json.dumps(body, separators=(",", ":")).encode())


def spot_diff(
    at_ms: int, first: int, last: int, bids: list[Any], asks: list[Any], name: str = "BTCUSDT"
) -> bytes:
    data = {"e": "depthUpdate", "E": START_MS + at_ms, "s": name, "U": first, "u": last, "b": bids, "a": asks}
    return line(at_ms, f"{name.lower()}@depth@100ms", data)


def spot_trade(at_ms: int, trade_id: int, price: str, quantity: str, name: str = "BTCUSDT") -> bytes:
    data = {"e": "trade", "E": START_MS + at_ms, "s": name, "t": trade_id, "p": price, "q": quantity}
    return line(at_ms, f"{name.lower()}@trade", data | {"T": START_MS + at_ms, "m": True, "M": True})


class Make:
    """The builders, as one fixture: test files do not import each other."""

    start_ns = START_NS
    start_ms = START_MS
    line = staticmethod(line)
    snapshot_line = staticmethod(snapshot_line)
    spot_diff = staticmethod(spot_diff)
    spot_trade = staticmethod(spot_trade)

    @staticmethod
    def small_capture() -> list[bytes]:
        """Spot BTCUSDT: a diff, a trade, the snapshot (100) at 300 ms, and diffs that follow it."""
        return [
            spot_diff(0, 90, 95, [["99.00", "1.0"]], [["101.00", "1.0"]]),
            spot_trade(100, 7, "100.00", "0.5"),
            spot_diff(200, 96, 105, [["99.00", "3.0"]], []),
            snapshot_line(300, 100, [["99.00", "2.0"], ["98.00", "1.0"]], [["101.00", "2.0"]]),
            spot_diff(400, 106, 110, [["98.00", "0.0"]], [["102.00", "4.0"]]),
            spot_trade(500, 8, "99.00", "0.25"),
        ]


@pytest.fixture
def make() -> Make:
    return Make()


@pytest.fixture
def write_capture(tmp_path: Path) -> Callable[..., str]:
    """Return a function that writes lines as a gzip capture and returns its path."""

    def write(lines: list[bytes], name: str = "capture.gz") -> str:
        path = tmp_path / name
        path.write_bytes(gzip.compress(b"".join(lines)))
        return str(path)

    return write
