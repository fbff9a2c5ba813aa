"""Many seeds of the campaign, in several processes, and what they add up to."""

import multiprocessing
import signal
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from functools import partial
from types import FrameType

import msgspec

from services.fused.live import Outcome, run_seed
from services.fused.live_planted import PLANTED

SEED_LIMIT_S = 120
"""A seed that takes longer than this hangs."""
SEEDS_PER_LIFE = 200
"""A worker process is replaced after so many seeds."""


class Sums(msgspec.Struct, kw_only=True):
    """What a campaign has seen."""

    seeds: int = 0
    failed: int = 0
    orders: int = 0
    fills: int = 0
    unknowns: int = 0
    crashes: int = 0
    events: int = 0
    sent: int = 0
    virtual_s: float = 0.0
    classes: dict[str, int] = {}
    resolved_ms_max: int = 0

    def add(self, outcome: Outcome) -> None:
        """Count one seed."""
        self.seeds += 1
        self.failed += bool(outcome.problems)
        self.orders += outcome.order_count
        self.fills += outcome.fill_count
        self.unknowns += outcome.unknown_count
        self.crashes += outcome.crash_count
        self.events += outcome.event_count
        self.sent += outcome.wire_count
        self.virtual_s += outcome.virtual_s
        self.resolved_ms_max = max([self.resolved_ms_max, *outcome.resolved_ms])
        counts = Counter(self.classes)
        counts.update(outcome.classes)
        self.classes = dict(sorted(counts.items()))


def judged(seed: int, *, planted: str = "", only: frozenset[str] | None = None) -> Outcome:
    """Run one seed and return its outcome; whatever it raises is a problem of this seed."""

    def hang(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"no end after {SEED_LIMIT_S} s")

    before = signal.signal(signal.SIGALRM, hang)
    signal.alarm(SEED_LIMIT_S)
    bug = PLANTED[planted] if planted else None
    chosen = only if only is not None or bug is None else bug.faults or None
    try:
        with bug.switched_on() if bug is not None else nullcontext():
            return run_seed(seed, chosen)
    except Exception as error:  # noqa: BLE001  any exception is a finding
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{where.filename.rpartition('/')[2]}:{where.lineno}"
        return Outcome(seed=seed, problems=[f"{type(error).__name__}: {str(error)[:500]} at {place}"])
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def outcomes(
    seeds: Iterable[int], workers: int, *, planted: str = "", only: frozenset[str] | None = None
) -> Iterator[Outcome]:
    """Yield the outcome of each seed as it comes, from `workers` processes (1: in this one)."""
    run = partial(judged, planted=planted, only=only)
    if workers == 1:
        yield from map(run, seeds)
        return
    context = multiprocessing.get_context("fork")
    with context.Pool(workers, maxtasksperchild=SEEDS_PER_LIFE) as pool:
        yield from pool.imap_unordered(run, seeds, chunksize=4)


def caught(planted: str, seeds: Iterable[int]) -> Outcome | None:
    """Return the first outcome with a problem while a planted bug is switched on, None when none has one."""
    for seed in seeds:
        outcome = judged(seed, planted=planted)
        if outcome.problems:
            return outcome
    return None
