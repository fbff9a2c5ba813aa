"""hftbacktest on the columns of a feed; run by the Python of an environment that has it, never imported.

usage: python backtest_peer_hft.py FOLDER, then a line `DEPTH STEP_MS` on the standard input (DEPTH hash or
roi); each is answered with one line of JSON: seconds of the run, orders sent, fills. Compilation and the
loading of data are not counted. Same rule as `shared.kernels.backtest_rules.SkewedMaker`.
"""
# mypy: ignore-errors
# ruff: noqa: ANN001, ANN201  types of a peer that is not installed here

import json
import sys
import time
from pathlib import Path

import numpy as np
from hftbacktest import (
    ALL_ASSETS,
    BUY,
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    GTX,
    LIMIT,
    LOCAL_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    BacktestAsset,
    HashMapMarketDepthBacktest,
    ROIVectorMarketDepthBacktest,
    event_dtype,
)
from numba import njit, uint64

TICK, LOT = 0.1, 0.001
LATENCY_NS = 1_000_000
MOST = 1.0
ORDER_LOTS = 100
SKEW_TICKS, HALF_SPREAD_TICKS = 6.0, 1.5
WARM_ROWS = 20_000


@njit
def walk(engine, step_ns):
    """Quote both sides each step; return how many orders were sent."""
    sent = 0
    while engine.elapse(step_ns) == 0:
        engine.clear_inactive_orders(ALL_ASSETS)
        depth = engine.depth(0)
        bid, ask = depth.best_bid_tick, depth.best_ask_tick
        bid_qty, ask_qty = depth.best_bid_qty, depth.best_ask_qty
        position = engine.position(0)
        fair = (bid * ask_qty + ask * bid_qty) / (ask_qty + bid_qty) - SKEW_TICKS * position / MOST
        low = min(int(np.floor(fair - HALF_SPREAD_TICKS)), bid)
        high = max(int(np.ceil(fair + HALF_SPREAD_TICKS)), ask)
        buys, sells = position < MOST, position > -MOST
        orders = engine.orders(0).values()
        while orders.has_next():
            order = orders.get()
            if order.side == BUY:
                if order.price_tick == low and buys:
                    buys = False
                elif order.cancellable:
                    engine.cancel(0, order.order_id, False)
            elif order.price_tick == high and sells:
                sells = False
            elif order.cancellable:
                engine.cancel(0, order.order_id, False)
        if buys:
            engine.submit_buy_order(0, uint64(low), low * TICK, ORDER_LOTS * LOT, GTX, LIMIT, False)
            sent += 1
        if sells:
            engine.submit_sell_order(0, uint64(high), high * TICK, ORDER_LOTS * LOT, GTX, LIMIT, False)
            sent += 1
    return sent


def events_of(folder):
    """Return the feed as this peer's events; a whole book is its levels."""
    column = {
        name: np.fromfile(folder / name, dtype)
        for name, dtype in (
            ("ts_exch_ns", "i8"),
            ("ts_local_ns", "i8"),
            ("price_ticks", "i4"),
            ("lots", "i8"),
            ("kind", "u1"),
            ("side", "u1"),
        )
    }
    kind = column["kind"] & 15
    kept = kind <= 1
    events = np.zeros(int(kept.sum()), event_dtype)
    side = np.where(column["side"] == 0, np.uint64(BUY_EVENT), np.uint64(SELL_EVENT))
    what = np.where(kind == 1, np.uint64(TRADE_EVENT), np.uint64(DEPTH_EVENT))
    events["ev"] = (what | side | np.uint64(EXCH_EVENT | LOCAL_EVENT))[kept]
    events["exch_ts"] = column["ts_exch_ns"][kept]
    events["local_ts"] = column["ts_local_ns"][kept]
    events["px"] = np.round(column["price_ticks"][kept] * TICK, 1)
    events["qty"] = np.round(column["lots"][kept] * LOT, 3)
    return events


def engine_of(events, is_roi, highest):
    """Return a backtest of one asset: constant latency, risk-averse queue, no partial fills."""
    asset = (
        BacktestAsset()
        .data([events])
        .linear_asset(1.0)
        .constant_order_latency(LATENCY_NS, LATENCY_NS)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0002, 0.0007)
        .tick_size(TICK)
        .lot_size(LOT)
        .last_trades_capacity(0)
    )
    if is_roi:
        return ROIVectorMarketDepthBacktest([asset.roi_lb(0.0).roi_ub(highest)])
    return HashMapMarketDepthBacktest([asset])


def main():
    """Answer each line of the standard input."""
    events = events_of(Path(sys.argv[1]))
    highest = float(events["px"].max()) * 2
    for is_roi in (False, True):
        walk(engine_of(events[:WARM_ROWS], is_roi, highest), 100_000_000)
    print(json.dumps({"rows": len(events)}), flush=True)  # noqa: T201
    for line in sys.stdin:
        depth, step_ms = line.split()
        engine = engine_of(events, depth == "roi", highest)
        engine.elapse(1)
        started = time.perf_counter()
        sent = walk(engine, int(float(step_ms) * 1_000_000))
        seconds = time.perf_counter() - started
        fills = engine.state_values(0).num_trades
        engine.close()
        print(json.dumps({"seconds": seconds, "orders": int(sent), "fills": int(fills)}), flush=True)  # noqa: T201


main()
