"""Settings of the strategy process: its instances and the warm-up after a restart."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from shared.settings import Doc, Ge, Predicate

INSTANCE_NAME = re.compile(r"[a-z][a-z0-9_]{0,11}\Z")
"""What an instance may be called: the name is a part of every client order id."""


def is_instance_name(name: str) -> bool:
    """Return whether `name` may name a strategy instance."""
    return INSTANCE_NAME.match(name) is not None


def is_market(symbol: str) -> bool:
    """Return whether `symbol` has the form `venue:SYMBOL`."""
    venue, colon, market = symbol.partition(":")
    return bool(venue and colon and market)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceSettings:
    """One strategy instance; `params` are checked against the settings class of its kind."""

    kind: Annotated[str, Doc("name of a built-in strategy, or the import path `my.module:MyStrategy`")]
    symbol: Annotated[str, Predicate(is_market), Doc("market, like binance_usdm:BTCUSDT")]
    enabled: Annotated[bool, Doc("false withdraws its quotes and places none")] = True
    params: Annotated[Mapping[str, Any], Doc("settings of the kind; see docs/strategies.md")] = field(
        default_factory=dict
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategySettings:
    """The section of the strategy process: instances by name, and the warm-up of ST-6."""

    instances: Annotated[Mapping[str, InstanceSettings], Doc("strategy instances by name")] = field(
        default_factory=dict
    )
    warmup_s: Annotated[int, Ge(0), Doc("seconds after a start in which no order is sent")] = 0
    warmup_points: Annotated[int, Ge(0), Doc("book updates and trades seen before the first order")] = 100

    def __post_init__(self) -> None:
        """Refuse names that cannot be a part of a client order id."""
        for name in self.instances:
            if not is_instance_name(name):
                raise ValueError(
                    f"strategy instance {name!r}: names are 1 to 12 of a-z, 0-9 and _, a letter first"
                )
