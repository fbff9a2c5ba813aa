"""Books and rules as a log tells them: the prices of a report, the lines of `export books`."""

from shared.double_entry import AssetMark
from shared.errors import JournalError
from shared.kernels.book import Book
from shared.messages import Event, market


class Marks:
    """The newest rules and book of each market. Memory grows with markets, not with the log."""

    def __init__(self) -> None:
        self.rules: dict[str, market.InstrumentRules] = {}
        self.books: dict[str, Book] = {}
        self.update_ids: dict[str, int] = {}
        self.mids_half_ticks: dict[str, int] = {}

    def apply(self, event: Event) -> str:
        """Take one event and return the market whose book it changed, empty when it changed none."""
        message = event.message
        kind = type(message)
        if kind is market.BookUpdate:
            return self._update(message)
        if kind is market.BookSnapshot:
            book = self.books.setdefault(message.symbol, Book())
            book.snapshot(message.levels, message.bid_count, message.update_n)
            self.update_ids[message.symbol] = message.last_update_id
            return self._marked(message.symbol, book)
        if kind is market.BookInvalid:
            known = self.books.get(message.symbol)
            if known is not None:
                known.invalidate()
        elif kind is market.InstrumentRules:
            self.rules[message.symbol] = message
        return ""

    def _update(self, message: market.BookUpdate) -> str:
        book = self.books.get(message.symbol)
        if book is None or not book.update(message.levels, message.bid_count, message.update_n):
            return ""
        self.update_ids[message.symbol] = message.last_update_id
        return self._marked(message.symbol, book)

    def _marked(self, symbol: str, book: Book) -> str:
        # A book that nobody may trade on does not move the marks.
        if book.is_trusted:
            self.mids_half_ticks[symbol] = book.bid_ticks + book.ask_ticks
        return symbol

    def fee_mark(self, fee_asset: str, rules: market.InstrumentRules) -> AssetMark | None:
        """Return the price of a fee taken in a third asset, where the log has a market of it."""
        if fee_asset in (rules.quote_asset, rules.base_asset):
            return None
        for symbol, other in self.rules.items():
            mid = self.mids_half_ticks.get(symbol)
            if mid and (other.base_asset, other.quote_asset) == (fee_asset, rules.quote_asset):
                return AssetMark.of(mid, other)
        return None

    def rules_of(self, symbol: str, seq: int) -> market.InstrumentRules:
        """Return the rules of `symbol` as known at `seq`; raises `JournalError` when there are none."""
        rules = self.rules.get(symbol)
        if rules is None:
            raise JournalError(
                f"seq {seq} is about {symbol}, but the log holds no rules of that market before it, so its "
                "ticks and lots cannot be turned into prices; export a log from its beginning, or a later "
                "part that begins with `InstrumentRules`"
            )
        return rules
