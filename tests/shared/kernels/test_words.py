"""Word operations of the uncompiled book."""

import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kernels import words


@given(st.integers(1, 2**64 - 1))
def test_the_highest_and_the_lowest_set_bit_are_found(word):
    highest, lowest = words.kernel_msb(word), words.kernel_lsb(word)

    assert 1 << highest <= word < 1 << (highest + 1)
    assert word & (1 << lowest)
    assert word % (1 << lowest) == 0


def test_the_bitmap_has_one_bit_for_each_tick_and_one_for_each_word():
    assert words.WINDOW_WORDS * 64 == words.WINDOW_TICKS
    assert words.WINDOW_TOPS * 64 == words.WINDOW_WORDS


@pytest.mark.parametrize("index", [0, 1, 2])
def test_an_integer_of_a_block_is_read_by_its_index(index):
    values = array.array("q", [-5, 0, 2**62])

    assert words.kernel_i64(values, index) == values[index]
