"""A book in a snapshot is the same book afterwards, valid or not."""

import array

import pytest

from shared.book_state import dump_book, load_book
from shared.kernels.book import Book


@pytest.mark.parametrize("is_valid", [True, False])
def test_a_book_is_restored_with_its_number_and_validity(is_valid):
    book = Book()
    book.snapshot(array.array("q", [100, 5, 99, 2, 101, 7]).tobytes(), 2, 41)
    if not is_valid:
        book.invalidate()

    copy = load_book(dump_book(book))

    assert dump_book(copy) == dump_book(book)
    assert copy.is_trusted == is_valid
    assert copy.update(array.array("q", [98, 1]).tobytes(), 1, 42) == is_valid


def test_a_book_that_never_had_levels_is_restored():
    assert dump_book(load_book(dump_book(Book()))) == dump_book(Book())
