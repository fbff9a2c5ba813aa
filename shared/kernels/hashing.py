# cython: language_level=3, infer_types=False, cdivision=False
"""Integer hash for seeded draws (splitmix64): a seed and a counter give one draw, in every process."""

import cython

MASK = cython.declare(cython.ulonglong, 0xFFFFFFFFFFFFFFFF)


@cython.ccall
def splitmix64(value: cython.ulonglong) -> cython.ulonglong:
    """Return a well-mixed 64-bit hash of a 64-bit integer (Steele, Lea and Flood 2014)."""
    value = (value + 0x9E3779B97F4A7C15) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


@cython.ccall
def draw(seed: cython.ulonglong, counter: cython.ulonglong) -> cython.ulonglong:
    """Return draw number `counter` of a seed, uniform over 0..2^64 - 1."""
    return splitmix64(splitmix64(seed) ^ counter)


def draw_below(seed: int, counter: int, bound: int) -> int:
    """Return draw number `counter` of a seed, uniform over 0..bound - 1 (bias below bound / 2^64).

    Raises:
        ValueError: `bound` is not positive.
    """
    if bound <= 0:
        raise ValueError(f"draw below {bound}: the bound must be positive")
    return draw(seed, counter) * bound >> 64
