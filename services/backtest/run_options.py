"""Options of a backtest that stand in place of the configuration's: latency, queue, fees, seed."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec

from services.broker.settings import BrokerSettings
from shared.errors import ConfigError
from shared.messages.market import InstrumentRules

QUEUES = ("pro_rata", "behind")
LATENCY_MS_MAX = 3_600_000
FEE_PPM_MAX = 100_000
"""10 %: more is a slip of units."""


class RunOptions(msgspec.Struct, frozen=True):
    """What a run changes of its configuration; an empty text or None leaves it as it is.

    `latency` is `MEAN`, `MEAN/STD` or `MEAN/STD/LEAST` in whole milliseconds from us to the venue (constant
    with the mean alone); `queue` one of `QUEUES`; `fees` `MAKER/TAKER` in parts per million of the value (a
    rebate negative); `seed` that of the latency draws.
    """

    latency: str = ""
    queue: str = ""
    fees: str = ""
    seed: int | None = None


class Fees(NamedTuple):
    """Fee rates in parts per million."""

    maker_ppm: int
    taker_ppm: int


def with_options(sections: Mapping[str, Any], options: RunOptions) -> dict[str, Any]:
    """Return the settings with the options in; raises `ConfigError` for an option that cannot be."""
    changes: dict[str, Any] = {}
    if options.latency:
        changes |= _latency(options.latency)
    if options.queue:
        if options.queue not in QUEUES:
            raise ConfigError(f"--queue {options.queue!r}: write one of {', '.join(QUEUES)}")
        changes["queue_model"] = options.queue
    if options.seed is not None:
        if options.seed < 0:
            raise ConfigError(f"--seed {options.seed}: a seed is a whole number from 0 on")
        changes["seed"] = options.seed
    changed = dict(sections)
    broker: BrokerSettings = sections["broker"]
    changed["broker"] = replace(broker, **changes)
    strategy = sections["strategy"]
    changed["strategy"] = replace(strategy, shadow=replace(strategy.shadow, **changes))
    return changed


def _latency(text: str) -> dict[str, int]:
    words = text.split("/")
    if not 1 <= len(words) <= 3 or not all(w.isdecimal() and int(w) <= LATENCY_MS_MAX for w in words):
        raise ConfigError(
            f"--latency {text!r}: write milliseconds as MEAN, MEAN/STD or MEAN/STD/LEAST, like 50 or "
            f"50/20/10 (at most {LATENCY_MS_MAX})"
        )
    mean, std, least = [*map(int, words), 0, 0][:3]
    return {"latency_ms": mean, "latency_std_ms": std, "latency_min_ms": least, "latency_spike_ppm": 0}


def fees_of(text: str) -> Fees | None:
    """Return the rates in `MAKER/TAKER`, None for an empty text; raises `ConfigError` for another form."""
    if not text:
        return None
    words = text.split("/")
    try:
        rates = [int(word) for word in words]
    except ValueError:
        rates = []
    if len(rates) != 2 or not all(-FEE_PPM_MAX <= rate <= FEE_PPM_MAX for rate in rates):
        raise ConfigError(
            f"--fees {text!r}: write MAKER/TAKER in parts per million of the value, like 200/500 for 0.02 % "
            f"and 0.05 % (at most {FEE_PPM_MAX})"
        )
    return Fees(*rates)


def with_fees(rules: InstrumentRules, fees: Fees) -> InstrumentRules:
    """Return the rules of a market with other fees."""
    return msgspec.structs.replace(rules, maker_fee_ppm=fees.maker_ppm, taker_fee_ppm=fees.taker_ppm)
