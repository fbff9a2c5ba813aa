"""Delays between attempts: 0.5 s, doubled up to 60 s, spread by an integer hash (MD-2)."""

from shared.units import NS_PER_S

BASE_MS = 500
CAP_MS = 60_000
UPTIME_RESET_NS = 300 * NS_PER_S
# Half of each delay is fixed, half is spread: many clients of one venue must not come back together.
_GOLDEN = 0x9E3779B97F4A7C15
_MASK = 2**64 - 1


class Backoff:
    """Attempts of one connection; forgets them after 300 s of uptime."""

    def __init__(self, key: str) -> None:
        self.attempt_count = 0
        self._salt = int.from_bytes(key.encode()[-8:].rjust(8, b"\0"), "big")
        self._draw_count = 0
        self._up_since_ns = 0

    def next_ms(self) -> int:
        """Return the delay before the next attempt."""
        full_ms = min(CAP_MS, BASE_MS << min(self.attempt_count, 16))
        self.attempt_count += 1
        self._draw_count += 1
        return full_ms // 2 + mix(self._salt, self._draw_count) % (full_ms // 2 + 1)

    def up(self, now_ns: int) -> None:
        """Note that the connection works from now on."""
        self._up_since_ns = now_ns

    def down(self, now_ns: int) -> None:
        """Note that it ended; after a long life the next delay is the shortest again."""
        if self._up_since_ns and now_ns - self._up_since_ns >= UPTIME_RESET_NS:
            self.attempt_count = 0
        self._up_since_ns = 0


def mix(salt: int, number: int) -> int:
    """Return 64 bits that look random and are the same in every process (splitmix64)."""
    z = (salt + number * _GOLDEN) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)
