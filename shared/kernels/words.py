"""Sizes and word operations of the uncompiled book; the compiled one has those of book.pxd."""

import array

WINDOW_TICKS = 16384
WINDOW_WORDS = 256
WINDOW_TOPS = 4


def kernel_msb(word: int) -> int:
    """Return the index of the highest set bit."""
    return word.bit_length() - 1


def kernel_lsb(word: int) -> int:
    """Return the index of the lowest set bit."""
    return (word & -word).bit_length() - 1


def kernel_i64(values: "array.array[int]", index: int) -> int:
    """Return one integer of a levels block."""
    return values[index]
