"""Rules and level blocks for tests of the paper venue."""

import array
from types import SimpleNamespace

import pytest

from shared.messages.market import InstrumentRules

PERP, SPOT = "binance_usdm:BTCUSDT", "binance:BTCUSDT"


def rules(symbol=PERP):
    """Return rules like those of BTCUSDT: tick 0.1, lot 0.001, atoms of 1e-8, maker 2 and taker 5 bps."""
    return InstrumentRules(
        symbol=symbol,
        base_asset="BTC",
        quote_asset="USDT",
        tick_size="0.1",
        lot_size="0.001",
        quote_exponent=8,
        tick_lot_atoms=10_000,
        min_qty_lots=1,
        max_qty_lots=0,
        min_notional_atoms=0,
        min_price_ticks=0,
        max_price_ticks=0,
        maker_fee_ppm=200,
        taker_fee_ppm=500,
        is_derivative=symbol == PERP,
    )


def block(bids, asks):
    """Return a levels block, bids first."""
    return array.array("q", [number for level in [*bids, *asks] for number in level]).tobytes()


@pytest.fixture
def make_bench():
    return SimpleNamespace(PERP=PERP, SPOT=SPOT, rules=rules, block=block)
