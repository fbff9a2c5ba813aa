"""Both paths agree on random markets: holes, crossed books, rows at one time, funding, poor wallets."""

import random
from dataclasses import replace
from decimal import Decimal

import pytest

from services.backtest.run_options import Fees
from services.bench.agreement import compared, sections_of
from services.strategy.settings import InstanceSettings
from shared.columns import LAST, MARK, TRADE

PARAMS = {
    "avellaneda_stoikov": {
        "half_spread_bps": 0.1,
        "requote_threshold_bps": 0.1,
        "requote_threshold_ticks": 2,
    },
    "grid": {"interval_bps": 1, "order_notional": 100},
    "imbalance": {
        "imbalance_threshold": 0.2,
        "persistence": 1,
        "min_confidence": 0.1,
        "min_momentum": 0.0,
    },
}
GAPS_MS = (0, 0, 1, 3, 7, 20, 50, 100, 100, 130, 500, 900, 3000)
SEEDS = range(24)
FEES = Fees(0, 100)


def whole(draw, mid):
    sides = [[(mid + sign * 10 * i, draw.randint(1, 40)) for i in range(1, 9)] for sign in (-1, 1)]
    return sides[0], sides[1]


def changed(draw, mid):
    """Return changed levels around a mid, at times such that the book stays crossed or one-sided."""
    bids = [(mid - 10 - 10 * draw.randint(0, 6), draw.choice([0, 0, 1, 5, 20, 60])) for _ in range(3)]
    asks = [(mid + 10 + 10 * draw.randint(0, 6), draw.choice([0, 0, 1, 5, 20, 60])) for _ in range(3)]
    if draw.random() < 0.9:
        bids += [(price, 0) for price in range(mid, mid + 80, 10)]
        asks += [(price, 0) for price in range(mid - 70, mid + 10, 10)]
        bids.append((mid - 10, draw.randint(1, 30)))
        asks.append((mid + 10, draw.randint(1, 30)))
    return bids, asks


def market(draw, tape, count):
    mid, at_ms = 600_000, 0
    tape.book(0, *whole(draw, mid))
    for _ in range(count):
        at_ms += draw.choice(GAPS_MS if draw.random() < 0.3 else (1, 3, 7, 20, 30))
        kind = draw.random()
        if kind < 0.45:
            mid += draw.choice([-30, -20, -10, 0, 0, 0, 10, 20, 30])
            if draw.random() < 0.1:
                tape.row(at_ms, TRADE, mid + 10, draw.randint(1, 30), 0)
            tape.change(at_ms, *changed(draw, mid))
        elif kind < 0.9:
            side = draw.randint(0, 1)
            price = mid + (10, -10)[side] + draw.choice([0, 0, 0, 10, -10])
            tape.trade(at_ms, price, draw.choice([1, 3, 10, 50, 200]), side)
        elif kind < 0.93:
            tape.invalid(at_ms)
        elif kind < 0.97:
            tape.book(at_ms, *whole(draw, mid))
        elif kind < 0.985:
            tape.funding(at_ms, draw.randint(-20_000, 20_000), mid)
        else:
            tape.row(at_ms, MARK | LAST, mid)
    return tape


def settings(draw, symbol):
    kinds = [draw.choice(list(PARAMS)) for _ in range(draw.choice([1, 1, 2]))]
    sections = sections_of(kinds[0], symbol)
    instances = {
        name: InstanceSettings(kind=kind, symbol=symbol, params=PARAMS[kind])
        for name, kind in zip(("one", "two"), kinds, strict=False)
    }
    warmup = {"warmup_points": draw.choice([0, 100]), "warmup_s": draw.choice([0, 0, 2])}
    sections["strategy"] = replace(sections["strategy"], instances=instances, **warmup)
    sections["broker"] = replace(
        sections["broker"],
        latency_ms=draw.choice([1, 5, 50, 300]),
        latency_std_ms=draw.choice([0, 20]),
        # At 0 a report may be said with another event of the same time, which one path does not have.
        latency_min_ms=1,
        queue_model=draw.choice(["pro_rata", "behind", "power", "power3", "log2"]),
        queue_ahead_ppm=draw.choice([1_000_000, 300_000]),
        latency_recorded_us=draw.choice([(), (1_000, 40_000, 251_500)]),
        start_grace_ms=draw.choice([0, 15_000]),
        initial_balance=Decimal(draw.choice([100, 10_000])),
    )
    if draw.random() < 0.3:
        sections["risk"] = replace(sections["risk"], loss_max=Decimal(draw.choice(["0.5", "2"])))
    return sections


@pytest.mark.req("BT-1")
@pytest.mark.parametrize("seed", SEEDS)
def test_random_markets_are_the_same_on_both_paths(tape, tmp_path, seed):
    draw = random.Random(seed)
    symbol = draw.choice(["binance_usdm:BTCUSDT", "binance:BTCUSDT"])
    columns = market(draw, tape(symbol), draw.choice([300, 1000])).open(tmp_path / "a.columns")

    found = compared(settings(draw, symbol), [columns], fees=FEES)

    assert found.difference == ""
    assert found.message_count >= 300
