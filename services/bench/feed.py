"""What one depth frame costs in market_data: bytes from the venue in, book messages out (MD-23).

A recorded USD-M capture goes through the inlet core (`MarketData`) in virtual time; each `on_frame` is
timed alone. Without recorded captures there is nothing to measure.
"""

import os
import time
from pathlib import Path

from services.bench.figures import Figure, percentile
from services.bench.machine import ROOT
from services.fused.drive import VirtualRun
from services.fused.mesh import FusedMesh
from services.market_data.core import MarketData
from services.market_data.settings import FeedVenue, MarketDataSettings
from services.venue_sim.build import make_venue
from services.venue_sim.settings import VenueSimSettings
from shared.messages import Instruction, Message
from shared.units import NS_PER_S

CAPTURE = "binance_hft/usdm_btcusdt_20240808.raw.gz"
SECONDS = 120


class _Timed(MarketData):
    """The feed's core with a clock around `on_frame`."""

    def __init__(self, settings: MarketDataSettings) -> None:
        super().__init__(settings)
        self.taken_us: list[float] = []

    def on_frame(self, connection: str, frame: bytes, now_ns: int) -> list[Message | Instruction]:
        """Time one frame; only depth frames count."""
        started_ns = time.perf_counter_ns()
        said = super().on_frame(connection, frame, now_ns)
        if b"@depth" in frame[:40]:
            self.taken_us.append((time.perf_counter_ns() - started_ns) / 1000)
        return said


def capture() -> Path | None:
    """Return the recorded capture, None when this machine has none."""
    folder = Path(os.environ.get("QUOTEMESH_CAPTURES") or ROOT.parent / "shared" / "data")
    path = folder / CAPTURE
    return path if path.is_file() else None


def measure() -> list[Figure]:
    """Return p50 and p99 of a depth frame; empty without a capture."""
    path = capture()
    if path is None:
        return []
    venue = FeedVenue(name="binance_usdm", symbols=("BTCUSDT",), maker_fee_ppm=200, taker_fee_ppm=500)
    feed = _Timed(MarketDataSettings(venues=(venue,)))
    sim = make_venue(VenueSimSettings(mode="capture", files=(str(path),)))
    run = VirtualRun(FusedMesh([], {}, build="bench", epoch=1), sim, feed)
    run.start()
    run.run(run.now_ns + SECONDS * NS_PER_S)
    taken = sorted(feed.taken_us)
    note = f"{len(taken)} depth frames of {CAPTURE}"
    return [
        Figure(
            name=f"depth frame to book message, {name}",
            unit="us",
            value=round(percentile(taken, share), 1),
            at_most=100 if name == "p50" else None,
            note=note,
        )
        for name, share in (("p50", 0.5), ("p99", 0.99))
    ]
