"""The feed without sockets: frames, answers and time in; messages and instructions out (DESIGN rule 10).

An inlet core: it runs before the log, and what it says is the fact. Times are mesh times; only the delays of
attempts are real time. For another speed of the mesh clock use `settings.at_speed`.
Nothing that comes from outside raises here: it is refused, counted, and closes the book where it must.
"""

from collections.abc import Iterator
from itertools import count

from services.market_data.basis import BasisFeed
from services.market_data.book_feed import BookFeed, Said
from services.market_data.instructions import CloseStream, FetchRest, OpenStream
from services.market_data.settings import MarketDataSettings
from services.market_data.venue_feed import VenueFeed
from shared.units import NS_PER_MS

__all__ = ["CloseStream", "FetchRest", "MarketData", "OpenStream"]


class MarketData:
    """All venues of one process, each market with a state of its own (MD-21).

    Every method returns what is to be published and to be carried out, in order.
    """

    def __init__(self, settings: MarketDataSettings) -> None:
        ids = count(1)
        self.settings = settings
        self.venues = {venue.name: VenueFeed(venue, settings, ids) for venue in settings.venues}
        self._venue_of = {link: venue for venue in self.venues.values() for link in venue.links}
        self._snapshot_ns = 0
        self._bases = list(self._make_bases()) if settings.facts else []

    def _make_bases(self) -> Iterator[BasisFeed]:
        """Pair each perpetual with the spot market of its name, when both are followed."""
        spots: dict[str, BookFeed] = {}
        perpetuals: dict[str, BookFeed] = {}
        for venue in self.venues.values():
            for name, market in venue.markets.items():
                is_perpetual = bool(venue.adapter.mark_stream(name))
                (perpetuals if is_perpetual else spots)[name] = market.book
        for name, book in perpetuals.items():
            if name in spots:
                yield BasisFeed(book, spots[name])

    @property
    def ready(self) -> bool:
        """Return whether everything is subscribed and every open market has its first book."""
        return all(venue.is_ready for venue in self.venues.values())

    @property
    def failure(self) -> str:
        """Return why these settings can never work, empty when they can."""
        return "; ".join(venue.failure for venue in self.venues.values() if venue.failure)

    def priceless(self, now_ns: int) -> str:
        """Return which markets have had no trusted price since the start and why, empty for none (MD-15).

        A market that the venue has halted can have none; a venue that told us to wait is waited for.
        """
        found = []
        for venue in self.venues.values():
            names = [
                market.symbol
                for market in venue.markets.values()
                if not market.has_price and (market.book.rules is None or market.is_trading)
            ]
            if names and now_ns >= venue.limited_until_ns:
                found.append(f"{', '.join(names)} (feed {' '.join(filter(None, venue.state()))})")
        return "; ".join(found)

    def start(self, now_ns: int) -> Said:
        """Begin: books are distrusted, rules are asked for, connections follow."""
        out: Said = []
        self._snapshot_ns = now_ns
        for venue in self.venues.values():
            venue.start(now_ns, out)
        return out

    def on_connected(self, connection: str, now_ns: int) -> Said:
        """Take the success of an `OpenStream`."""
        out: Said = []
        venue = self._venue_of[connection]
        venue.connected(venue.links[connection], now_ns, out)
        return out

    def on_disconnected(self, connection: str, reason: str, now_ns: int) -> Said:
        """Take the end of a connection, or the failure of an `OpenStream`."""
        out: Said = []
        venue = self._venue_of[connection]
        venue.disconnected(venue.links[connection], reason, now_ns, out)
        return out

    def on_frame(self, connection: str, frame: bytes, now_ns: int) -> Said:
        """Take one raw frame of a connection, in the venue's combined form."""
        out: Said = []
        venue = self._venue_of[connection]
        venue.take_frame(venue.links[connection], frame, now_ns, out)
        return out

    def on_response(
        self, request_id: int, status: int, body: bytes, now_ns: int, retry_after_ms: int = 0
    ) -> Said:
        """Take the answer to a `FetchRest`; status 0 means that none came, and `body` says why."""
        out: Said = []
        for venue in self.venues.values():
            if request_id in venue.requests:
                venue.take_response(request_id, status, body, now_ns, retry_after_ms, out)
        return out

    def on_time(self, now_ns: int) -> Said:
        """Let time pass: called every 50 ms."""
        out: Said = []
        for venue in self.venues.values():
            venue.watch(now_ns, out)
        for basis in self._bases:
            basis.watch(now_ns, out)
        if now_ns - self._snapshot_ns >= self.settings.snapshot_interval_ms * NS_PER_MS:
            self._say_books("period", now_ns, out)
        return out

    def on_new_epoch(self, now_ns: int) -> Said:
        """Say everything again: the log of the new epoch may be a restored backup (DESIGN rule 7)."""
        out: Said = []
        for venue in self.venues.values():
            venue.say_rules(now_ns, out)
            venue.say_status(now_ns, out)
            venue.facts.say_again(out)
        self._say_books("epoch", now_ns, out)
        return out

    def on_source_gap(self, now_ns: int) -> Said:
        """Say all books whole and the facts again: some of our events did not reach the log."""
        out: Said = []
        for venue in self.venues.values():
            venue.facts.say_again(out)
        self._say_books("gap", now_ns, out)
        return out

    def on_backlog(self, behind: int, now_ns: int) -> Said:
        """Take how many of our events the stream has not shown yet: far behind, books are conflated.

        Conflation begins above `backlog_max` and ends below a quarter of it.
        """
        out: Said = []
        if behind > self.settings.backlog_max:
            for book in self._books():
                book.is_conflating = True
        elif behind * 4 < self.settings.backlog_max:
            for book in self._books():
                book.catch_up(now_ns, out)
        return out

    def _books(self) -> list[BookFeed]:
        return [market.book for venue in self.venues.values() for market in venue.markets.values()]

    def _say_books(self, reason: str, now_ns: int, out: Said) -> None:
        self._snapshot_ns = now_ns
        for book in self._books():
            book.say_state(reason, now_ns, out)
