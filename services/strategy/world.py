"""What all strategy instances share: books, rules, and the gates of the whole mesh."""

import msgspec

from shared.instrument import venue_of
from shared.kernels.book import Book
from shared.messages.market import Basis, FundingRate, InstrumentRules, Regime
from shared.units import NS_PER_S

WATCHED = frozenset({"market_data", "risk", "broker"})
"""Services without which no quote may rest."""

START_GRACE_NS = 15 * NS_PER_S
"""After a start of the bus, books and services have this long to come back before quotes are withdrawn."""


class WorldState(msgspec.Struct, array_like=True):
    """A snapshot of the world."""

    rules: list[InstrumentRules]
    books: list[tuple[str, bytes, int, int, bool]]
    is_killed: bool
    trading_state: str
    trading_reason: str
    silent: list[str]
    finished: list[str]
    is_stopping: bool
    grace_until_ns: int
    scopes: list[tuple[str, str, str, str]] = []
    regimes: list[Regime] = []
    fundings: list[FundingRate] = []
    bases: list[Basis] = []


class World:
    """Everything outside the instances that decides whether orders may rest.

    It fails closed: a kill, a halt, a silent service or a book that is not trusted withdraws quotes.
    """

    def __init__(self) -> None:
        self.rules: dict[str, InstrumentRules] = {}
        self.books: dict[str, Book] = {}
        self.is_killed = False
        self.trading_state = "active"
        self.trading_reason = ""
        self.silent: set[str] = set()
        self.finished: set[str] = set()
        self.is_stopping = False
        self.grace_until_ns = 0
        self.now_ns = 0
        self.scopes: dict[tuple[str, str], tuple[str, str]] = {}
        self.regimes: dict[str, Regime] = {}
        self.fundings: dict[str, FundingRate] = {}
        self.bases: dict[str, Basis] = {}

    def book(self, symbol: str) -> Book:
        """Return the book of `symbol`, an invalid one when nothing was heard of it."""
        book = self.books.get(symbol)
        if book is None:
            book = self.books[symbol] = Book()
        return book

    def is_finished(self, symbol: str) -> bool:
        """Return whether the capture that plays this market has ended."""
        return venue_of(symbol) in self.finished

    def hold_reason(self, symbol: str, strategy: str) -> str:
        """Return why no order of `strategy` in `symbol` may rest, empty when it may."""
        if self.is_killed:
            return "killed"
        if self.is_stopping:
            return "the mesh is being stopped"
        if self.silent:
            return f"{min(self.silent)} is silent"
        if self.trading_state == "halted":
            return f"halted: {self.trading_reason}"
        for state, reason in self._scopes_of(strategy, symbol):
            if state == "halted":
                return f"halted: {reason}"
        if symbol not in self.rules:
            return f"no rules of {symbol} yet"
        if not self.books[symbol].is_trusted:
            return "book not trusted"
        return ""

    @property
    def is_forced(self) -> bool:
        """Return whether orders have to leave even where a stop or start explains what is missing."""
        return self.is_killed or self.trading_state == "halted"

    def stop(self) -> None:
        """Take a planned stop: resting orders stay, whatever falls silent, until the next epoch."""
        self.is_stopping = True

    def begin_epoch(self, now_ns: int) -> None:
        """Take a new life of the bus: it judges silence anew, and services get time to come back."""
        self.is_stopping = False
        self.silent.clear()
        self.grace_until_ns = now_ns + START_GRACE_NS

    def is_reducing(self, strategy: str, symbol: str) -> bool:
        """Return whether only orders of `strategy` in `symbol` that shrink a position are allowed."""
        return self.trading_state == "reducing" or any(
            state == "reducing" for state, _ in self._scopes_of(strategy, symbol)
        )

    def reducing_reason(self, strategy: str, symbol: str) -> str:
        """Return why only orders that shrink a position are allowed, empty when all are."""
        reasons = [why for state, why in self._scopes_of(strategy, symbol) if state == "reducing"]
        if self.trading_state == "reducing":
            reasons.insert(0, self.trading_reason)
        return f"only reducing: {'; '.join(reasons)}" if reasons else ""

    def set_scope(self, strategy: str, symbol: str, state: str, reason: str) -> None:
        """Take what risk allows a part of the mesh; active lifts what held it."""
        if state == "active":
            self.scopes.pop((strategy, symbol), None)
        else:
            self.scopes[strategy, symbol] = (state, reason)

    def _scopes_of(self, strategy: str, symbol: str) -> list[tuple[str, str]]:
        if not self.scopes:
            return []
        parts = ((strategy, symbol), (strategy, ""), ("", symbol))
        return [self.scopes[part] for part in parts if part in self.scopes]

    def dump(self) -> WorldState:
        """Return the whole state in a canonical order."""
        books = []
        for symbol in sorted(self.books):
            book = self.books[symbol]
            levels, bid_count = book.dump()
            books.append((symbol, levels, bid_count, book.update_n, book.is_valid))
        return WorldState(
            [self.rules[symbol] for symbol in sorted(self.rules)],
            books,
            self.is_killed,
            self.trading_state,
            self.trading_reason,
            sorted(self.silent),
            sorted(self.finished),
            self.is_stopping,
            self.grace_until_ns,
            [(*scope, *said) for scope, said in sorted(self.scopes.items())],
            [self.regimes[symbol] for symbol in sorted(self.regimes)],
            [self.fundings[symbol] for symbol in sorted(self.fundings)],
            [self.bases[symbol] for symbol in sorted(self.bases)],
        )

    def load(self, state: WorldState) -> None:
        """Replace everything by the result of `dump`."""
        self.__init__()  # type: ignore[misc]
        self.rules = {rules.symbol: rules for rules in state.rules}
        for symbol, levels, bid_count, update_n, is_valid in state.books:
            book = self.book(symbol)
            book.snapshot(levels, bid_count, update_n)
            if not is_valid:
                book.invalidate()
        self.is_killed = state.is_killed
        self.trading_state = state.trading_state
        self.trading_reason = state.trading_reason
        self.silent = set(state.silent)
        self.finished = set(state.finished)
        self.is_stopping = state.is_stopping
        self.grace_until_ns = state.grace_until_ns
        self.scopes = {(strategy, symbol): (how, why) for strategy, symbol, how, why in state.scopes}
        self.regimes = {one.symbol: one for one in state.regimes}
        self.fundings = {one.symbol: one for one in state.fundings}
        self.bases = {one.symbol: one for one in state.bases}
