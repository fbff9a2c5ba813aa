"""Which targets there are, and how a number of cases is shared among them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from services.hostile.bus_targets import AppendTarget, CommandTarget, HelloTarget
from services.hostile.campaign import Report, Target, run
from services.hostile.core_targets import CoresTarget
from services.hostile.feed_targets import FramesTarget, RestTarget
from services.hostile.gateway_targets import HttpTarget, SocketTarget
from services.hostile.samples import Samples, harvest
from services.hostile.socket_targets import BusProcessTarget, GatewayProcessTarget, ReadsTarget
from services.hostile.store_targets import RowsTarget, SnapshotTarget
from services.hostile.text_targets import CaptureTarget, ConfigTarget, Loads


class Given(NamedTuple):
    """What targets are made of: real samples, and the loader and default text of configurations."""

    samples: Samples
    loads: Loads
    default_text: str


class Entry(NamedTuple):
    """One target: its share of the cases in thousandths, and what makes it."""

    share: int
    make: Callable[[Given, int], Target]


TARGETS: Mapping[str, Entry] = {
    "append": Entry(520, lambda given, seed: AppendTarget(given.samples, seed)),
    "hello": Entry(80, lambda given, seed: HelloTarget(given.samples, seed)),
    "command": Entry(80, lambda given, seed: CommandTarget(given.samples, seed)),
    "bus-process": Entry(100, lambda given, seed: BusProcessTarget(given.samples, seed)),
    "bus-read": Entry(30, lambda given, seed: ReadsTarget(given.samples, seed)),
    "frames": Entry(50, lambda given, seed: FramesTarget(given.samples, seed)),
    "rest": Entry(20, lambda given, seed: RestTarget(given.samples, seed)),
    "config": Entry(20, lambda given, seed: ConfigTarget(given.loads, given.default_text, seed)),
    "captures": Entry(20, lambda given, seed: CaptureTarget(given.samples, seed)),
    "snapshots": Entry(10, lambda given, seed: SnapshotTarget(given.samples, seed)),
    "cores": Entry(10, lambda given, seed: CoresTarget(given.samples, seed)),
    "rows": Entry(20, lambda given, seed: RowsTarget(given.samples, seed)),
    "http": Entry(15, lambda given, seed: HttpTarget(given.samples, seed)),
    "websocket": Entry(15, lambda given, seed: SocketTarget(given.samples, seed)),
    "gateway-process": Entry(10, lambda given, seed: GatewayProcessTarget(given.samples, seed)),
}
"""One line registers a target; the shares follow what a case costs and sum to a thousand."""


def cases_of(name: str, total: int) -> int:
    """Return the share of `name` in `total` cases, at least one."""
    return max(1, total * TARGETS[name].share // 1000)


def attack(
    name: str,
    cases: int,
    seed: int,
    *,
    sections: Mapping[str, Any],
    captures: Path | None,
    loads: Loads,
    default_text: str,
) -> Report:
    """Run `cases` cases of one target in this process and return what was seen."""
    given = Given(harvest(sections, captures), loads, default_text)
    return run(TARGETS[name].make(given, seed), cases, seed)
