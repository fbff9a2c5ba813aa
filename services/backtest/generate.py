"""Generated market data: a seeded order flow written to a column file (BT-7)."""

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from services.backtest.formats_rows import FormatError, market_rules, rows_of
from shared.columns import FIELDS, ColumnsHeader
from shared.kernels.flow_rows import REGIMES, FlowRows
from shared.kernels.levels import LevelParser

BLOCK_ROWS = 1_048_576
STEP_ROWS = 32
ORIGIN_NS = 1_704_067_200_000_000_000
"""2024-01-01 00:00 UTC: generated data bear no wall clock, so a seed gives the same file each time."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Flow:
    """What is generated: `mean_gap_us` is the mean time between steps, `price` the first bid."""

    seed: int = 7
    regime: str = "mixed"
    event_count: int = 1_000_000
    symbol: str = "binance_usdm:BTCUSDT"
    tick_size: str = "0.1"
    lot_size: str = "0.001"
    price: str = "20000"
    level_count: int = 200
    mean_gap_us: int = 1000
    origin_ns: int = ORIGIN_NS


def generate(flow: Flow, out: Path, progress: Progress | None = None) -> ColumnsHeader:
    """Write about `flow.event_count` rows (at most 32 fewer) to `out`; the same flow gives the same bytes.

    `progress` hears (rows done, rows wanted) after each block.

    Raises:
        FormatError: a value of the flow is out of range.
        ColumnsError: the file cannot be written.
    """
    rules = market_rules(flow.symbol, flow.tick_size, flow.lot_size)
    try:
        start_ticks = LevelParser(flow.tick_size, flow.lot_size).ticks(flow.price)
        source = FlowRows(
            flow.seed, flow.regime, start_ticks, flow.level_count, 1000 * flow.mean_gap_us, flow.origin_ns
        )
    except ValueError as error:
        raise FormatError(f"generated data of {flow.symbol}: {error}") from None
    least = source.rows_min()
    if flow.event_count < least:
        raise FormatError(
            f"generated data of {flow.symbol}: {flow.event_count} events are fewer than the {least} that the "
            f"first book of {flow.level_count} levels needs; ask for more events or fewer levels"
        )
    what = f"generated: seed {flow.seed}, regime {flow.regime}, {flow.level_count} levels"
    with rows_of(out, rules, what) as rows:
        while (left := flow.event_count - rows.count) >= least:
            # What is left after this block is none, or enough for another one.
            size = left if left <= BLOCK_ROWS + least else BLOCK_ROWS
            block = [array(code, bytes(size * width)) for _, code, width in FIELDS]
            used = source.fill(*block)
            rows.append([column[:used] for column in block], latency_min_ns=source.latency_min_ns)
            if progress is not None:
                progress(rows.count, flow.event_count)
        return rows.finish()


__all__ = ["ORIGIN_NS", "REGIMES", "Flow", "generate"]
