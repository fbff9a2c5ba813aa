"""How long an order or a cancel takes to the paper venue: seeded, the same on every machine (BR-17)."""

# ruff: noqa: D102  what is looked at is named like the setting or field itself

import hashlib
import struct
from typing import Protocol

from shared.units import NS_PER_MS, NS_PER_US, PPM

_WORD = 1 << 16
_WORDS = 12
_DRAW = struct.Struct(f"<{_WORDS}HI")


class LatencyModel(Protocol):
    """The settings of the draws: mean, deviation, least value and spikes, or recorded values."""

    @property
    def seed(self) -> int: ...
    @property
    def latency_ms(self) -> int: ...
    @property
    def latency_std_ms(self) -> int: ...
    @property
    def latency_min_ms(self) -> int: ...
    @property
    def latency_spike_ppm(self) -> int: ...
    @property
    def latency_spike_factor(self) -> int: ...
    @property
    def latency_recorded_us(self) -> tuple[int, ...]: ...


def latency_ns(settings: LatencyModel, key: str) -> int:
    """Return the time from us to the venue's matching for `key` (`order:ID`, `cancel:ID`).

    A normal draw from an integer hash of seed and key: the sum of twelve uniform words has variance 1 in
    units of a word, and tails that end at six deviations. Spikes multiply; the least value holds before.
    Of recorded values each is drawn as often as any other, and nothing else counts.
    """
    digest = hashlib.blake2b(f"{settings.seed}:{key}".encode(), digest_size=_DRAW.size).digest()
    words: tuple[int, ...] = _DRAW.unpack(digest)
    recorded = settings.latency_recorded_us
    if recorded:
        return recorded[words[_WORDS] * len(recorded) >> 32] * NS_PER_US
    deviation = sum(words[:_WORDS]) - _WORDS // 2 * _WORD
    value_ns = settings.latency_ms * NS_PER_MS
    value_ns += settings.latency_std_ms * NS_PER_MS * deviation // _WORD
    value_ns = max(value_ns, settings.latency_min_ms * NS_PER_MS)
    spike = words[_WORDS] * PPM >> 32
    return value_ns * settings.latency_spike_factor if spike < settings.latency_spike_ppm else value_ns
