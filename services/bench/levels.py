"""The market of the benchmarks: one perpetual, 20+20 levels changed by each update."""

import array

from shared.messages.market import InstrumentRules

SYMBOL = "binance_usdm:BTCUSDT"
MID_TICKS = 600_000


def rules() -> InstrumentRules:
    """Return the rules of the benchmark market."""
    return InstrumentRules(
        symbol=SYMBOL,
        base_asset="BTC",
        quote_asset="USDT",
        tick_size="0.1",
        lot_size="0.001",
        quote_exponent=8,
        tick_lot_atoms=10_000,
        min_qty_lots=1,
        max_qty_lots=1_000_000,
        min_notional_atoms=0,
        min_price_ticks=1,
        max_price_ticks=0,
        maker_fee_ppm=200,
        taker_fee_ppm=500,
        is_derivative=True,
    )


def update_block(i: int) -> bytes:
    """Return 20 bids and 20 asks around the middle with quantities that differ by `i`."""
    block = array.array("q")
    for level in range(20):
        block.extend((MID_TICKS - 1 - level, 100 + (i * 7 + level) % 50))
    for level in range(20):
        block.extend((MID_TICKS + 1 + level, 100 + (i * 5 + level) % 50))
    return block.tobytes()
