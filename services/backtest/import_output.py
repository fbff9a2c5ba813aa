"""What every import has in common: the names of its files, the choice of markets, and what it made."""

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from services.backtest.coverage import Coverage
from shared.columns import SUFFIX, ColumnsHeader
from shared.units import NS_PER_S


class Imported(NamedTuple):
    """One column file that an import made."""

    path: Path
    header: ColumnsHeader
    coverage: Coverage


def column_path(out: Path, symbol: str, first_ns: int) -> Path:
    """Return `<out>/binance_usdm-BTCUSDT-20240808T235415.columns`: market and time of the first line."""
    at = datetime.fromtimestamp(first_ns // NS_PER_S, UTC)
    return out / f"{symbol.replace(':', '-')}-{at:%Y%m%dT%H%M%S}{SUFFIX}"


def is_wanted(venue: str, name: str, symbols: Collection[str]) -> bool:
    """Return whether a market is among `symbols` (`BTCUSDT`, `binance:BTCUSDT`); all are when it is empty."""
    return not symbols or any(symbol.upper() in {name, f"{venue.upper()}:{name}"} for symbol in symbols)
