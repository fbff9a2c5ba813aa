"""Which path a backtest takes: the array path where it models all that is configured, else the exact one."""

from collections.abc import Mapping
from typing import Any

from services.backtest import array_needs


def unmodelled(sections: Mapping[str, Any], span_ns: int) -> list[str]:
    """Return what the settings ask for and the array path does not do, empty when it does everything."""
    del span_ns
    return array_needs.unmodelled(sections)
