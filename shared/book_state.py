"""The state of a book kernel as it stands in a snapshot of a core."""

from typing import NamedTuple

from shared.kernels.book import Book


class BookState(NamedTuple):
    """Levels best first, bids first, with the update number and whether the book is valid."""

    levels: bytes
    bid_count: int
    update_n: int
    is_valid: bool


def dump_book(book: Book) -> BookState:
    """Return the whole book: equal books give equal states."""
    levels, bid_count = book.dump()
    return BookState(levels, bid_count, int(book.update_n), bool(book.is_valid))


def load_book(state: BookState) -> Book:
    """Return the book of a `dump_book`."""
    book = Book()
    book.snapshot(state.levels, state.bid_count, state.update_n)
    if not state.is_valid:
        book.invalidate()
    return book
