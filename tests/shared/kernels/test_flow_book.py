"""The draws and bounds behind generated flow."""

import math

from shared.kernels.flow_book import FlowBook, quantiles


def test_the_table_holds_the_quantiles_of_the_exponential_distribution():
    table = quantiles()

    assert len(table) == 4096
    assert list(table) == sorted(table)
    # The median of a mean of 65,536 is ln 2 of it, and the mean of all is the mean.
    assert abs(table[2048] - 65_536 * math.log(2)) < 20
    assert abs(sum(table) / 4096 - 65_536) < 100


def test_a_book_begins_at_its_price_and_time():
    book = FlowBook(7, 20_000, 40, 1_000)

    assert (book.now_ns, book.latency_min_ns) == (1_000, 0)
