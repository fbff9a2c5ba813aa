"""Positions and profit from fills and funding, each booked exactly once (I-15, I-16, RK-20, RK-29).

Two views of the same fills: per (strategy, symbol) and per symbol. Money is in atoms of the symbol's quote
asset; a symbol must be registered before its first fill. Beside the positions stand the double-entry books of
each (strategy, symbol), which hold every asset that moved (`shared.double_entry`).
"""

from collections.abc import Sequence
from typing import NamedTuple

from shared.double_entry import (
    AssetMark,
    Books,
    MarketTerms,
    Wide,
    fee_in_quote,
    fill_entries,
    funding_entries,
    terms_of,
    wide,
)
from shared.kernels.position import Position
from shared.messages.market import InstrumentRules
from shared.messages.orders import Fill, FundingPaid

TRADE_IDS_KEPT = 20_000
"""Trade ids remembered per symbol, the newest; a repeat older than these is not recognised."""
FUNDING_TIMES_KEPT = 2_000
"""Funding times remembered per strategy and symbol, the newest: almost two years of three a day."""

Key = tuple[str, str]


class LedgerState(NamedTuple):
    """A dump of the ledger: canonical, so equal ledgers give equal bytes."""

    scales: list[tuple[str, int]]
    by_symbol: list[tuple[str, tuple[Wide, ...]]]
    by_strategy: list[tuple[str, str, tuple[Wide, ...]]]
    trade_ids: list[tuple[str, list[str]]]
    terms: Sequence[tuple[str, MarketTerms]] = ()
    books: Sequence[tuple[str, str, list[tuple[str, str, Wide]]]] = ()
    funding: Sequence[tuple[str, str, Wide, int, list[int]]] = ()


class Funding:
    """Funding of one strategy in one market: the sum in atoms, and which times were booked."""

    __slots__ = ("atoms", "count", "times_ns")

    def __init__(self) -> None:
        self.atoms = 0
        self.count = 0
        self.times_ns: dict[int, None] = {}


class Ledger:
    """What was bought and sold, by whom, and what it earned."""

    def __init__(self) -> None:
        self.by_symbol: dict[str, Position] = {}
        self.by_strategy: dict[Key, Position] = {}
        self.books: dict[Key, Books] = {}
        self.funding: dict[Key, Funding] = {}
        self.terms: dict[str, MarketTerms] = {}
        self._scales: dict[str, int] = {}
        self._trade_ids: dict[str, dict[str, None]] = {}
        self._funding_by_symbol: dict[str, int] = {}

    def register(self, symbol: str, tick_lot_atoms: int) -> bool:
        """Set the value of one lot at one tick.

        Returns False and changes nothing when the symbol has fills at another value: they, and those that
        still come of orders of then, are booked at the value they were made at.
        """
        if symbol in self.by_symbol and self._scales[symbol] != tick_lot_atoms:
            return False
        self._scales[symbol] = tick_lot_atoms
        return True

    def register_rules(self, rules: InstrumentRules) -> bool:
        """Register a market with its assets, so that a fee in another asset than its quote is seen as one.

        Returns False and changes nothing when it has fills in other ticks, lots or assets.
        """
        symbol, terms = rules.symbol, terms_of(rules)
        known = self.terms.get(symbol)
        if symbol in self.by_symbol and known not in (None, terms):
            return False
        if not self.register(symbol, rules.tick_lot_atoms):
            return False
        self.terms[symbol] = terms
        if known is None:
            for key, position in self.by_strategy.items():
                if key[1] == symbol:
                    self.books[key] = self._opened(key, position, terms)
        return True

    def is_registered(self, symbol: str) -> bool:
        """Return whether fills of `symbol` can be booked."""
        return symbol in self._scales

    def apply(self, fill: Fill, fee_mark: AssetMark | None = None) -> bool:
        """Book `fill`; return False and change nothing when its trade id was booked before.

        `fee_mark` prices a fee that was taken in a third asset. Without one it stays in its asset, in the
        books, and is no part of the profit in quote.
        """
        seen = self._trade_ids.setdefault(fill.symbol, {})
        if fill.trade_id in seen:
            return False
        scale = self._scales[fill.symbol]
        total = self.by_symbol.get(fill.symbol)
        if total is None:
            total = self.by_symbol[fill.symbol] = Position(scale)
        key = (fill.strategy, fill.symbol)
        own = self.by_strategy.get(key)
        if own is None:
            own = self.by_strategy[key] = Position(scale)
        fee_atoms = self.fee_atoms(fill, fee_mark)
        cost_before = own.cost_atoms
        total.apply_fill(int(fill.side), fill.price_ticks, fill.qty_lots, fee_atoms)
        realized = own.apply_fill(int(fill.side), fill.price_ticks, fill.qty_lots, fee_atoms)
        terms = self.terms.get(fill.symbol)
        if terms is not None:
            books = self.books.setdefault(key, Books())
            books.post(fill_entries(fill, terms, own.cost_atoms - cost_before, realized))
        seen[fill.trade_id] = None
        if len(seen) > TRADE_IDS_KEPT:
            del seen[next(iter(seen))]
        return True

    def fee_atoms(self, fill: Fill, fee_mark: AssetMark | None = None) -> int:
        """Return what the fee of a fill counts for in atoms of the quote asset; 0 when no price is known."""
        terms = self.terms.get(fill.symbol)
        value = fill.fee_atoms if terms is None else fee_in_quote(fill, terms, fee_mark)
        return 0 if value is None else value

    def apply_funding(self, paid: FundingPaid) -> bool:
        """Book a funding payment; return False and change nothing when it was booked before.

        A time older than all that are remembered, once `FUNDING_TIMES_KEPT` are, counts as booked before.
        """
        key = (paid.strategy, paid.symbol)
        funding = self.funding.get(key)
        if funding is None:
            funding = self.funding[key] = Funding()
        times = funding.times_ns
        is_old = len(times) >= FUNDING_TIMES_KEPT and paid.funding_ns < min(times)
        if paid.funding_ns in times or is_old:
            return False
        funding.atoms += paid.amount_atoms
        funding.count += 1
        self._funding_by_symbol[paid.symbol] = self.funding_atoms(paid.symbol) + paid.amount_atoms
        times[paid.funding_ns] = None
        if len(times) > FUNDING_TIMES_KEPT:
            del times[min(times)]
        if paid.symbol in self.terms:
            entries = funding_entries(self.terms[paid.symbol].quote_asset, paid.amount_atoms)
            self.books.setdefault(key, Books()).post(entries)
        return True

    def position_lots(self, symbol: str) -> int:
        """Return the signed position of the account in `symbol`."""
        position = self.by_symbol.get(symbol)
        return 0 if position is None else int(position.position_lots)

    def strategy_position_lots(self, strategy: str, symbol: str) -> int:
        """Return the signed position of one strategy in `symbol`."""
        position = self.by_strategy.get((strategy, symbol))
        return 0 if position is None else int(position.position_lots)

    def funding_atoms(self, symbol: str) -> int:
        """Return the funding received (negative: paid) in `symbol`."""
        return self._funding_by_symbol.get(symbol, 0)

    def strategy_funding(self, strategy: str, symbol: str) -> Funding:
        """Return the funding of one strategy in `symbol`; read only."""
        return self.funding.get((strategy, symbol)) or Funding()

    def profit_atoms(self, symbol: str, mark_centiticks: int | None) -> int:
        """Return realized - fees + funding + unrealized of `symbol`; without a mark the open part is 0."""
        funding = self.funding_atoms(symbol)
        position = self.by_symbol.get(symbol)
        return funding if position is None else funding + _profit(position, mark_centiticks)

    def strategy_profit_atoms(self, strategy: str, symbol: str, mark_centiticks: int | None) -> int:
        """Return the same of one strategy."""
        booked = self.strategy_funding(strategy, symbol).atoms
        position = self.by_strategy.get((strategy, symbol))
        return booked if position is None else booked + _profit(position, mark_centiticks)

    def _opened(self, key: Key, position: Position, terms: MarketTerms) -> Books:
        """Return the books of a position that was filled before its assets were known, fees in quote."""
        books = Books()
        base_atoms = position.position_lots * terms.lot_base_atoms
        cash = position.realized_atoms - position.cost_atoms - position.fees_atoms
        books.balances = {
            ("cash", terms.quote_asset): cash,
            ("cost", terms.quote_asset): position.cost_atoms,
            ("realized", terms.quote_asset): -position.realized_atoms,
            ("fees", terms.quote_asset): position.fees_atoms,
            ("held", terms.base_asset): base_atoms,
            ("market", terms.base_asset): -base_atoms,
        }
        if key in self.funding:
            books.post(funding_entries(terms.quote_asset, self.funding[key].atoms))
        return books

    def dump(self) -> LedgerState:
        """Return the whole state."""
        return LedgerState(
            scales=sorted(self._scales.items()),
            by_symbol=sorted((symbol, _dumped(p)) for symbol, p in self.by_symbol.items()),
            by_strategy=sorted((a, b, _dumped(p)) for (a, b), p in self.by_strategy.items()),
            trade_ids=sorted((symbol, list(ids)) for symbol, ids in self._trade_ids.items()),
            terms=sorted(self.terms.items()),
            books=sorted((a, b, books.dump()) for (a, b), books in self.books.items()),
            funding=sorted(
                (a, b, wide(f.atoms), f.count, sorted(f.times_ns)) for (a, b), f in self.funding.items()
            ),
        )

    def load(self, state: LedgerState) -> None:
        """Replace everything by a dump."""
        self._scales = dict(state.scales)
        self.by_symbol = {symbol: _loaded(dumped) for symbol, dumped in state.by_symbol}
        self.by_strategy = {(a, b): _loaded(dumped) for a, b, dumped in state.by_strategy}
        self._trade_ids = {symbol: dict.fromkeys(ids) for symbol, ids in state.trade_ids}
        self.terms = {symbol: MarketTerms(*terms) for symbol, terms in state.terms}
        self.books = {}
        for a, b, dumped_books in state.books:
            self.books[a, b] = Books()
            self.books[a, b].load(dumped_books)
        self.funding, self._funding_by_symbol = {}, {}
        for a, b, atoms, count, times_ns in state.funding:
            funding = self.funding[a, b] = Funding()
            funding.atoms, funding.count = int(atoms), count
            funding.times_ns = dict.fromkeys(times_ns)
            self._funding_by_symbol[b] = self.funding_atoms(b) + funding.atoms


def _profit(position: Position, mark_centiticks: int | None) -> int:
    closed = int(position.realized_atoms) - int(position.fees_atoms)
    return closed if mark_centiticks is None else closed + int(position.unrealized_atoms(mark_centiticks))


def _dumped(position: Position) -> tuple[Wide, ...]:
    return tuple(wide(number) for number in position.dump())


def _loaded(dumped: tuple[Wide, ...]) -> Position:
    numbers = [int(number) for number in dumped]
    position = Position(numbers[0])
    position.load(tuple(numbers))
    return position
