# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
"""Gates: compiled predicates that tell at each event whether a strategy could do or change anything now."""

# ruff: noqa: ARG002  a gate is asked with all there is; what it looks at is its own affair

import cython

if cython.compiled:
    from cython.cimports.shared.kernels.book import Book
else:
    from shared.kernels.book import Book


@cython.cclass
class Gate:
    """Asked instead of a callback; this one always lets through, a subclass knows better.

    False: the callback would have returned nothing, and all that it would have changed is changed: the event
    is dealt with, the callback must not be called. True: nothing is changed, the callback is to be called. So
    asking is right only where the callback would be called otherwise, and once for each event.
    """

    def on_book(self, book: Book, now_ns: cython.longlong, position_lots: cython.longlong) -> cython.bint:
        """Tell whether `Strategy.on_book` is to be called for a change of a trusted book."""
        return True

    def on_trade(
        self,
        side: cython.longlong,
        price_ticks: cython.longlong,
        qty_lots: cython.longlong,
        now_ns: cython.longlong,
    ) -> cython.bint:
        """Tell whether `Strategy.on_trade` is to be called for a public trade; side is the aggressor's."""
        return True

    def on_timer(self, now_ns: cython.longlong, book: Book) -> cython.bint:
        """Tell whether `Strategy.on_timer` is to be called for 100 ms that passed."""
        return True
