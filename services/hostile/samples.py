"""Real input to damage: a log, snapshots and venue exchanges of the fused mesh, and recorded captures."""

import gzip
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from services.fused.assemble import assemble
from services.fused.mesh import Stored
from services.market_data.core import MarketData
from shared.units import NS_PER_S

CAPTURES = ("usdm_btcusdt_20240808.raw.gz", "spot_btcusdt_20240808.raw.gz")
CAPTURE_LINES = 1500


class Samples(NamedTuple):
    """What one short run of the mesh leaves: its settings, log, a snapshot per service, REST answers.

    `lines` are recorded lines of real venues by file, empty where no captures are at hand.
    """

    sections: Mapping[str, Any]
    log: list[Stored]
    snapshots: dict[str, bytes]
    answers: dict[str, bytes]
    frames: list[tuple[str, bytes]]
    lines: dict[str, list[bytes]]


class _HeardFeed(MarketData):
    """The feed of a run, which also keeps what it is given."""

    def __init__(self, feed: MarketData) -> None:
        self.__dict__ = feed.__dict__
        self.frames: list[tuple[str, bytes]] = []
        self.answers: dict[str, bytes] = {}

    def on_frame(self, connection: str, frame: bytes, now_ns: int) -> Any:
        self.frames.append((connection, frame))
        return super().on_frame(connection, frame, now_ns)

    def on_response(
        self, request_id: int, status: int, body: bytes, now_ns: int, retry_after_ms: int = 0
    ) -> Any:
        for venue in self.venues.values():
            if request_id in venue.requests and status == 200:
                self.answers[f"{venue.name} {venue.requests[request_id].target}"] = body
        return super().on_response(request_id, status, body, now_ns, retry_after_ms)


def harvest(sections: Mapping[str, Any], captures: Path | None, seconds: int = 20) -> Samples:
    """Run the mesh of `sections` on its simulated venue for `seconds` of virtual time and keep everything."""
    log: list[Stored] = []
    run = assemble(sections, build="hostile", epoch=7, store=log.append)
    run.feed = heard = _HeardFeed(run.feed)
    run.run(run.now_ns + seconds * NS_PER_S)
    snapshots = {service: host.snapshot() for service, host in run.mesh.hosts.items()}
    lines = {}
    for name in CAPTURES if captures is not None else ():
        assert captures is not None
        path = captures / "binance_hft" / name
        if path.is_file():
            with gzip.open(path, "rb") as file:
                lines[name] = list(islice(file, CAPTURE_LINES))
    return Samples(sections, log, snapshots, heard.answers, heard.frames, lines)
