"""How long an order or a cancel takes to the paper venue: seeded, the same on every machine (BR-17)."""

import hashlib

from services.broker.settings import BrokerSettings
from shared.units import NS_PER_MS, PPM

_WORD = 1 << 16
_WORDS = 12


def latency_ns(settings: BrokerSettings, key: str) -> int:
    """Return the time from us to the venue's matching for `key` (`order:ID`, `cancel:ID`).

    A normal draw from an integer hash of seed and key: the sum of twelve uniform words has variance 1 in
    units of a word, and tails that end at six deviations. Spikes multiply; the least value holds before.
    """
    digest = hashlib.blake2b(f"{settings.seed}:{key}".encode(), digest_size=28).digest()
    words = [int.from_bytes(digest[i : i + 2], "little") for i in range(0, 2 * _WORDS, 2)]
    deviation = sum(words) - _WORDS // 2 * _WORD
    value_ns = settings.latency_ms * NS_PER_MS
    value_ns += settings.latency_std_ms * NS_PER_MS * deviation // _WORD
    value_ns = max(value_ns, settings.latency_min_ms * NS_PER_MS)
    spike = int.from_bytes(digest[24:28], "little") * PPM >> 32
    return value_ns * settings.latency_spike_factor if spike < settings.latency_spike_ppm else value_ns
