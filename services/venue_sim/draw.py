"""Repeatable draws: a 64-bit integer hash of a seed and a counter, instead of a random generator."""

MASK = 2**64 - 1


def mix(value: int) -> int:
    """Return splitmix64 of `value` (Steele, Lea, Flood 2014): equal chances for all 64 bits."""
    value = (value + 0x9E3779B97F4A7C15) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


class Draw:
    """A stream of draws; `counter` is its whole state."""

    __slots__ = ("_key", "counter")

    def __init__(self, seed: int, stream: int, counter: int = 0) -> None:
        self._key = mix(mix(seed) ^ (stream * 0xD1342543DE82EF95 & MASK))
        self.counter = counter

    def bits(self) -> int:
        """Return the next 64 bits."""
        self.counter += 1
        return mix(self._key + self.counter)

    def below(self, limit: int) -> int:
        """Return a number from 0 to `limit` - 1."""
        return (self.bits() * limit) >> 64

    def between(self, low: int, high: int) -> int:
        """Return a number from `low` to `high`, both included."""
        return low + self.below(high - low + 1)

    def chance(self, ppm: int) -> bool:
        """Return True in `ppm` of a million draws."""
        return self.below(1_000_000) < ppm

    def bell(self, deviation: int) -> int:
        """Return a bell-shaped number around 0 with about this standard deviation (sum of four uniforms)."""
        bits = self.bits()
        total = (bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) + (bits >> 48)
        # Four uniforms on 0..65535: mean 131070, variance 4 * 65536^2 / 12, so deviation 37837.
        return (total - 131_070) * deviation // 37_837
