"""Options of a backtest that stand in place of the configuration's: latency, queue, fees, seed."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from services.broker.settings import BrokerSettings
from shared.errors import ConfigError
from shared.kernels.matching import MODELS
from shared.messages.market import InstrumentRules
from shared.units import PPM

RECORDED = "recorded:"
RECORDED_MAX = 100_000
POWERS = ("power", "power2", "power3")
LATENCY_MS_MAX = 3_600_000
FEE_PPM_MAX = 100_000
"""10 %: more is a slip of units."""


class RunOptions(msgspec.Struct, frozen=True):
    """What a run changes of its configuration; an empty text or None leaves it as it is.

    `latency` is `MEAN`, `MEAN/STD` or `MEAN/STD/LEAST` in whole milliseconds from us to the venue (constant
    with the mean alone), or `recorded:FILE` with one latency in microseconds a line, to draw from; `queue` a
    model of `MODELS`, with `:N` the power of a power model or the share ahead of `pro_rata`; `fees`
    `MAKER/TAKER` in parts per million of the value (a rebate negative); `seed` that of the latency draws.
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
        changes |= _queue(options.queue)
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


def _queue(text: str) -> dict[str, Any]:
    model, _, number = text.partition(":")
    if model not in MODELS:
        raise ConfigError(f"--queue {text!r}: write one of {', '.join(MODELS)}")
    if not number:
        return {"queue_model": model}
    try:
        value = Decimal(number)
    except InvalidOperation:
        value = Decimal(-1)
    value = value if value.is_finite() else Decimal(-1)
    if model in POWERS and Decimal("0.1") <= value <= 20:
        return {"queue_model": model, "queue_power_pct": int(value * 100)}
    if model == "pro_rata" and 0 <= value <= 1:
        return {"queue_model": model, "queue_ahead_ppm": int(value * PPM)}
    raise ConfigError(
        f"--queue {text!r}: behind the colon stands the power of {', '.join(POWERS)} (0.1 to 20), or of "
        "pro_rata the share of the cancels ahead of us (0 to 1, as `quotemesh fidelity` finds it)"
    )


def _recorded(name: str) -> dict[str, Any]:
    try:
        words = Path(name).read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--latency {RECORDED}{name}: cannot be read: {error}") from None
    limit_us = LATENCY_MS_MAX * 1000
    if not 0 < len(words) <= RECORDED_MAX or not all(w.isdecimal() and int(w) <= limit_us for w in words):
        raise ConfigError(
            f"--latency {RECORDED}{name}: one whole number of microseconds a line is due, 1 to "
            f"{RECORDED_MAX} of them, each at most {limit_us}; `quotemesh fidelity --latencies` writes it"
        )
    return {"latency_recorded_us": tuple(map(int, words))}


def _latency(text: str) -> dict[str, Any]:
    if text.startswith(RECORDED):
        return _recorded(text.removeprefix(RECORDED))
    words = text.split("/")
    if not 1 <= len(words) <= 3 or not all(w.isdecimal() and int(w) <= LATENCY_MS_MAX for w in words):
        raise ConfigError(
            f"--latency {text!r}: write milliseconds as MEAN, MEAN/STD or MEAN/STD/LEAST, like 50 or "
            f"50/20/10 (at most {LATENCY_MS_MAX}), or {RECORDED}FILE"
        )
    mean, std, least = [*map(int, words), 0, 0][:3]
    drawn = {"latency_ms": mean, "latency_std_ms": std, "latency_min_ms": least, "latency_spike_ppm": 0}
    return {**drawn, "latency_recorded_us": ()}


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
