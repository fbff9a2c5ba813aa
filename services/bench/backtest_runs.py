"""Our engine on a feed: the cases of the benchmark, and a process of its own for start, memory and length.

`python -m services.bench.backtest_runs FILE STEP_MS` prints one line of JSON about a run in a fresh process.
"""

import json
import sys
import time
from pathlib import Path
from typing import NamedTuple

from shared.columns import Columns
from shared.kernels.backtest import Engine
from shared.kernels.backtest_rules import SkewedMaker, run_function, skewed_maker
from shared.kernels.limits import Limits
from shared.units import NS_PER_MS

LATENCY_NS = NS_PER_MS
LOTS, MOST_LOTS = 100, 1000
SKEW_E6, HALF_SPREAD_E6 = 6_000_000, 1_500_000
TICK_LOT_ATOMS = 10_000
SAMPLES_NS = 1000 * NS_PER_MS
ATOMS = 10**18


class Ran(NamedTuple):
    """What a run took and did."""

    seconds: float
    orders: int
    fills: int


def _limits() -> Limits:
    """Return limits that look at every order and refuse none."""
    return Limits(
        order_lots_max=10**6,
        order_atoms_max=ATOMS,
        position_lots_max=10**6,
        position_atoms_max=ATOMS,
        symbol_atoms_max=ATOMS,
        portfolio_atoms_max=ATOMS,
        open_orders_max=1000,
        spread_e2_bps_max=10**6,
        band_e2_bps_max=10**6,
        tick_lot_atoms=TICK_LOT_ATOMS,
        is_derivative=True,
    )


def run(columns: Columns, step_ms: float, case: str, rows: int = 0) -> Ran:
    """Run one case over the first `rows` (0: all).

    `peer`: the model of the peer (exchange time, all cancels behind, whole fills). `full`: partial fills,
    pro-rata queue, risk in the loop, equity samples. `python`: as `full`, decided by a plain Python function.
    `events`: as `full`, decided at every book event. Fees are taken in each.
    """
    is_peer = case == "peer"
    engine = Engine(LATENCY_NS, LATENCY_NS, "behind" if is_peer else "pro_rata", not is_peer, True)
    count = rows or len(columns.lots)
    engine.add_market(
        columns.ts_exch_ns[:count],
        columns.ts_local_ns[:count],
        columns.kind[:count],
        columns.side[:count],
        columns.price_ticks[:count],
        columns.lots[:count],
        TICK_LOT_ATOMS,
        maker_fee_ppm=200,
        taker_fee_ppm=700,
        limits=None if is_peer else _limits(),
    )
    if not is_peer:
        engine.set_samples(SAMPLES_NS)
    step_ns = 0 if case == "events" else int(step_ms * NS_PER_MS)
    started = time.perf_counter()
    if case == "python":
        run_function(engine, skewed_maker(MOST_LOTS, SKEW_E6, HALF_SPREAD_E6), step_ns, LOTS)
    else:
        engine.run_rule(SkewedMaker(LOTS, MOST_LOTS, SKEW_E6, HALF_SPREAD_E6), step_ns)
    seconds = time.perf_counter() - started
    engine.finish()
    return Ran(seconds, len(engine.orders), len(engine.fills))


def own_bytes() -> int:
    """Return the memory of this process without pages of files."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    return 0


def main(path: str, step_ms: str) -> None:
    """Open, walk one event, walk all; say what was measured."""
    columns = Columns.open(Path(path))
    run(columns, float(step_ms), "full", 1000)
    # The clock of both is the machine's: `started` was taken by who started this process.
    first_s = time.clock_gettime(time.CLOCK_MONOTONIC)
    ran = run(columns, float(step_ms), "full")
    facts = {"first_s": first_s, "rows": len(columns.lots), "own_bytes": own_bytes(), **ran._asdict()}
    sys.stdout.write(json.dumps(facts) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
