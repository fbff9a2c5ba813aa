"""Settings of the strategy process: its instances and the warm-up after a restart."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Literal

from shared.settings import Doc, Ge, Gt, Predicate

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
    on_pause: Annotated[
        Literal["cancel", "keep"],
        Doc("`keep` lets quotes rest while a person pauses it; kill, halts and silence withdraw them anyway"),
    ] = "cancel"
    capital_max: Annotated[
        Decimal,
        Ge(0),
        Doc("most quote currency that its position and orders may come to be worth on a side; 0: no cap"),
    ] = Decimal(0)
    flags: Annotated[
        Mapping[str, bool], Doc("feature flags of this version, on or off; see docs/strategies/your_own.md")
    ] = field(default_factory=dict)
    shadow_of: Annotated[
        str, Doc("name of a live instance: this one trades beside it on paper of its own, never for real")
    ] = ""

    @property
    def flags_on(self) -> list[str]:
        """Return the names of the flags that are on, sorted."""
        return sorted(name for name, is_on in self.flags.items() if is_on)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowSettings:
    """The paper venue of shadow versions; the configuration takes it over from the section `broker`."""

    initial_balance: Annotated[Decimal, Gt(0), Doc("paper money of each shadow version on spot")] = Decimal(
        10_000
    )
    seed: Annotated[int, Ge(0), Doc("seed of the latency draws")] = 1
    latency_ms: Annotated[int, Ge(0), Doc("mean time from us to the venue's matching")] = 50
    latency_std_ms: Annotated[int, Ge(0), Doc("its standard deviation")] = 20
    latency_min_ms: Annotated[int, Ge(0), Doc("its least value")] = 10
    latency_spike_ppm: Annotated[int, Ge(0), Doc("share of spikes, parts per million")] = 10_000
    latency_spike_factor: Annotated[int, Ge(1), Doc("a spike takes this many times as long")] = 10
    queue_model: Annotated[str, Doc("where cancels of others happen")] = "pro_rata"
    queue_power_pct: Annotated[int, Doc("n of the power models in hundredths")] = 300
    queue_ahead_ppm: Annotated[int, Doc("part of our share of the cancels that is ahead of us")] = 1_000_000
    latency_recorded_us: Annotated[tuple[int, ...], Doc("latencies to draw from, in microseconds")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategySettings:
    """The section of the strategy process: instances by name, and the warm-up of ST-6."""

    instances: Annotated[Mapping[str, InstanceSettings], Doc("strategy instances by name")] = field(
        default_factory=dict
    )
    warmup_s: Annotated[int, Ge(0), Doc("seconds after a start in which only orders that close are sent")] = (
        300
    )
    warmup_points: Annotated[
        int, Ge(0), Doc("book updates and trades seen before the first order that may add to a position")
    ] = 100

    shadow: Annotated[ShadowSettings, Doc("paper venue of shadow versions")] = field(
        default_factory=ShadowSettings
    )
    callback_limit_ms: Annotated[
        int, Ge(100), Doc("a strategy whose callback takes longer than this is stopped")
    ] = 3000

    def __post_init__(self) -> None:
        """Refuse names that cannot be a part of a client order id, and shadows of nothing live."""
        for name, instance in self.instances.items():
            if instance.shadow_of:
                _check_shadow(name, instance, self.instances.get(instance.shadow_of))
            if not is_instance_name(name):
                raise ValueError(
                    f"strategy instance {name!r}: names are 1 to 12 of a-z, 0-9 and _, a letter first"
                )


def _check_shadow(name: str, shadow: InstanceSettings, live: InstanceSettings | None) -> None:
    if live is None or live.shadow_of:
        what = "there is no such strategy" if live is None else "that one is a shadow itself"
        raise ValueError(f"strategy {name} is a shadow of {shadow.shadow_of!r}, but {what}; name a live one")
    if live.symbol != shadow.symbol:
        raise ValueError(
            f"strategy {name} on {shadow.symbol} cannot shadow {shadow.shadow_of} on {live.symbol}: "
            "versions are compared on one market"
        )
