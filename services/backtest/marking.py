"""Mark a run: the mids at its fills and after them, and the mids that its equity is marked at, from columns.

Done once after a backtest, whichever path it took, so that both are marked alike: one walk over each market's
rows at the speed of the book kernel. A mid counts at its local time (`ts_local_ns`).
"""

from array import array
from collections.abc import Mapping, Sequence
from itertools import repeat

from services.backtest.record import Run
from services.backtest.tables import MID_COLUMNS
from shared.columns import Columns
from shared.errors import JournalError
from shared.kernels.marking import MidWalk
from shared.profit_parts import HORIZONS_NS
from shared.units import NS_PER_MS, NS_PER_S

AFTER_NS = (0, *HORIZONS_NS)
"""Times after a fill at which its mid is noted: at it, then 0.1, 1, 10 and 60 s later."""
STEPS_MAX = 20_000
"""A run has at most about this many steps, of up to three marks each."""
STEPS_NS = tuple(
    [100 * NS_PER_MS, 200 * NS_PER_MS, 500 * NS_PER_MS]
    + [seconds * NS_PER_S for seconds in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 21_600, 86_400)]
)


def step_of(span_ns: int) -> int:
    """Return the shortest step of which `span_ns` has no more than `STEPS_MAX`."""
    return next((step for step in STEPS_NS if span_ns <= STEPS_MAX * step), STEPS_NS[-1])


def mark(run: Run, columns: Mapping[str, Sequence[Columns]], step_ns: int | None = None) -> None:
    """Fill in the mids of `run.fills` and replace `run.marks`, from the files of each market in order.

    Marks are kept of the time that the run covers (`meta.from_ns` to `meta.until_ns`); the mids after its
    last fills may come from later rows of the same files.

    Raises:
        JournalError: a market that was traded has no columns.
    """
    traded = set(run.fills.market)
    first_ns, last_ns = _span(columns)
    first_ns, last_ns = run.meta.from_ns or first_ns, run.meta.until_ns or last_ns
    step_ns = step_ns or step_of(last_ns - first_ns)
    marks: list[tuple[int, int, int]] = []
    for at, rules in enumerate(run.markets):
        files = columns.get(rules.symbol, ())
        if at in traded and not files:
            raise JournalError(f"{rules.symbol} was traded, but its columns were not given to mark the run")
        if not files:
            continue
        walk = _walked(run, at, files, step_ns)
        if at in traded:
            found = zip(walk.mark_ns, repeat(at), walk.mark_mids, strict=False)
            marks.extend(row for row in found if first_ns <= row[0] <= last_ns)
    marks.sort(key=lambda row: row[0])
    run.marks.ts_ns = array("q", [row[0] for row in marks])
    run.marks.market = array("H", [row[1] for row in marks])
    run.marks.mid_half_ticks = array("q", [row[2] for row in marks])
    run.meta.mark_step_ns = step_ns


def _span(columns: Mapping[str, Sequence[Columns]]) -> tuple[int, int]:
    headers = [each.header for files in columns.values() for each in files if each.count]
    if not headers:
        return 0, 0
    return min(each.first_local_ns for each in headers), max(each.last_local_ns for each in headers)


def _walked(run: Run, market: int, files: Sequence[Columns], step_ns: int) -> MidWalk:
    """Return the walk over a market's files, and let it answer the fills there."""
    fills = run.fills
    rows = [row for row, of_fill in enumerate(fills.market) if of_fill == market]
    is_only = len(rows) == len(fills)
    times = fills.ts_ns if is_only else array("q", [fills.ts_ns[row] for row in rows])
    walk = MidWalk(times, array("q", AFTER_NS), step_ns)
    for each in files:
        walk.walk(each.ts_local_ns, each.kind, each.side, each.price_ticks, each.lots)
    walk.finish()
    for name, mids in zip(MID_COLUMNS, walk.mids, strict=True):
        if is_only:
            setattr(fills, name, mids)
        else:
            answers = getattr(fills, name)
            for row, mid in zip(rows, mids, strict=True):
                answers[row] = mid
    return walk
