"""Replays an event array with the installed hftbacktest and prints what its local side sees each second.

Run by `services.bench.formats` with the interpreter that `QUOTEMESH_PEERS` names; imports nothing of ours:
`PYTHON formats_peer.py FILE.npz TICK LOT`.
"""

import importlib
import json
import sys
from typing import Any


def main(path: str, tick: float, lot: float) -> dict[str, Any]:
    """Return the counts, and (time, bid, ask in ticks, their lots) after each second."""
    peer = importlib.import_module("hftbacktest")
    data = importlib.import_module("numpy").load(path)["data"]
    importlib.import_module("hftbacktest.data.validation").validate_event_order(data)
    asset = (
        peer.BacktestAsset()
        .data([path])
        .linear_asset(1.0)
        .constant_order_latency(1_000_000, 1_000_000)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0002, 0.0007)
        .tick_size(tick)
        .lot_size(lot)
        .last_trades_capacity(1_000_000)
    )
    replay = peer.HashMapMarketDepthBacktest([asset])
    seconds, trade_count = [], 0
    while replay.elapse(1_000_000_000) == 0:
        depth = replay.depth(0)
        lots = [round(float(quantity) / lot) for quantity in (depth.best_bid_qty, depth.best_ask_qty)]
        ticks = [int(depth.best_bid_tick), int(depth.best_ask_tick)]
        seconds.append([int(replay.current_timestamp), *ticks, *lots])
        trade_count += len(replay.last_trades(0))
        replay.clear_last_trades(0)
    return {"events": len(data), "trades": trade_count, "seconds": seconds}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))) + "\n")
