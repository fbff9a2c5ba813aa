"""Files that people give: a configuration, and recorded captures."""

import gzip
import tempfile
from collections.abc import Callable, Mapping
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from services.hostile.campaign import Verdict, rss_of
from services.hostile.mutate import JSON, Mutator
from services.hostile.samples import Samples
from services.venue_sim.capture import CaptureVenue
from services.venue_sim.capture_file import read_capture
from services.venue_sim.capture_scan import scan_captures
from shared.errors import ConfigError

LINES_PER_CAPTURE = 12
STEPS_MAX = 200
PARTS = (
    "mode: paper\n",
    "venues:\n  binance_usdm:\n    url: sim\n    maker_fee_ppm: 200\n",
    "symbols:\n  - binance_usdm:BTCUSDT\n  - binance:BTCUSDT\n",
    "strategies:\n  as_btc:\n    kind: avellaneda_stoikov\n    symbol: binance_usdm:BTCUSDT\n"
    "    params: {order_notional: 100, half_spread_bps: 1.0}\n",
    "risk:\n  limits:\n    order_notional_max: 5000\n",
    "broker: {latency_ms: 50}\n",
    "gateway:\n  port: 8686\n",
    "simulator:\n  seed: 7\n",
    "warmup_s: 0\nwarmup_points: 100\n",
)
ENVIRONMENT = {"QUOTEMESH__GATEWAY__PORT": "9000", "QUOTEMESH__RISK__LIMITS__ORDER_NOTIONAL_MAX": "100"}
SYMBOLS = 2

Loads = Callable[[str, str, Mapping[str, str]], Any]


class ConfigTarget:
    """Damaged configuration texts: each is whole, or refused by `ConfigError` that lists what is wrong."""

    name = "configuration"

    def __init__(self, loads: Loads, default: str, seed: int) -> None:
        self.mutator = Mutator(f"{self.name} {seed}")
        self._loads, self._default = loads, default.encode()
        self.case: tuple[bytes, dict[str, str]] = (b"", {})

    def attempt(self) -> Verdict:
        """Load one damaged text; rarely the whole default one, which takes long to parse."""
        mutator = self.mutator
        text = self._default if mutator.chance(0.02) else self._short()
        text = mutator.damaged_bytes(text) if mutator.chance(0.95) else mutator.damaged(text, JSON)
        environment = dict(ENVIRONMENT) if mutator.chance(0.2) else {}
        for name in list(environment):
            environment[name] = mutator.text() if mutator.chance(0.5) else str(mutator.leaf())
        self.case = (text, environment)
        try:
            self._loads("hostile.yaml", text.decode("utf-8", "replace"), environment)
        except ConfigError as error:
            assert str(error).startswith("hostile.yaml"), "an error that does not name its file"
            return Verdict.REFUSED
        return Verdict.ACCEPTED

    def _short(self) -> bytes:
        kept = [part for part in PARTS if part is PARTS[SYMBOLS] or self.mutator.chance(0.4)]
        self.mutator.draw.shuffle(kept)
        return "".join(kept).encode()

    def shown(self) -> str:
        """Return the last text and environment."""
        return repr((self.case[0][:1000], self.case[1]))

    def rss_bytes(self) -> int:
        """Return the memory of this process."""
        return rss_of()

    def close(self) -> None:
        """Nothing is kept."""


class CaptureTarget:
    """Damaged captures, lines or gzip bytes: scanned, then played; refused by `ConfigError` or whole."""

    name = "captures"

    def __init__(self, samples: Samples, seed: int) -> None:
        self.mutator = Mutator(f"{self.name} {seed}")
        self._lines = list(samples.lines.values()) or [_generated_lines(samples)]
        # Lines with a whole book of 1000 levels would be most of the work.
        self._lines = [[line for line in lines if len(line) < 20_000] for lines in self._lines]
        self._folder = tempfile.TemporaryDirectory(prefix="quotemesh-hostile-")
        self._path = Path(self._folder.name) / "hostile.gz"
        self.case = b""

    def attempt(self) -> Verdict:
        """Write one damaged capture, read it, and play what is accepted."""
        mutator = self.mutator
        lines = mutator.picked(self._lines)
        at = mutator.draw.randrange(len(lines) - LINES_PER_CAPTURE)
        chosen = lines[at : at + LINES_PER_CAPTURE]
        if mutator.chance(0.8):
            chosen = self._damaged_lines(chosen)
        self.case = b"".join(chosen)
        packed = gzip.compress(self.case, 1)
        if mutator.chance(0.25):
            packed = mutator.damaged_bytes(packed)
        self._path.write_bytes(packed)
        is_cut_allowed = mutator.chance(0.5)
        try:
            read = list(read_capture(str(self._path), is_cut_allowed))
            scan_captures((str(self._path),), is_cut_allowed)
            self._play(is_cut_allowed)
        except ConfigError:
            return Verdict.REFUSED
        assert all(before.recv_ns <= after.recv_ns for before, after in pairwise(read)), "time goes back"
        return Verdict.ACCEPTED

    def _damaged_lines(self, lines: list[bytes]) -> list[bytes]:
        mutator, damaged = self.mutator, list(lines)
        at = mutator.draw.randrange(len(damaged))
        time_text, _, frame = damaged[at].partition(b" ")
        if mutator.chance(0.3):
            damaged[at] = mutator.damaged_bytes(damaged[at])
        else:
            damaged[at] = time_text + b" " + mutator.damaged(frame.strip(), JSON) + b"\n"
        return damaged

    def _play(self, is_cut_allowed: bool) -> None:
        venue = CaptureVenue((str(self._path),), is_cut_allowed, {})
        for _ in islice(iter(venue.due_ns, None), STEPS_MAX):
            due_ns = venue.due_ns()
            assert due_ns is not None
            venue.advance(due_ns)

    def shown(self) -> str:
        """Return the last lines."""
        return repr(self.case[:1500])

    def rss_bytes(self) -> int:
        """Return the memory of this process."""
        return rss_of()

    def close(self) -> None:
        """Delete the file."""
        self._folder.cleanup()


def _generated_lines(samples: Samples) -> list[bytes]:
    """Return what a recorder would have written of the USD-M streams of the generated venue."""
    frames = [frame for connection, frame in samples.frames if connection.startswith("binance_usdm")]
    return [b"%d %s\n" % (10**18 + at * 10**6, frame) for at, frame in enumerate(frames)]
