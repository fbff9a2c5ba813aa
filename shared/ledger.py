"""Positions and profit from fills, each fill applied exactly once (I-15, I-16, RK-20, RK-29).

Two views of the same fills: per (strategy, symbol) and per symbol. Money is in atoms of the symbol's quote
asset; a symbol must be registered with its `tick_lot_atoms` before its first fill.
"""

from typing import NamedTuple

from shared.kernels.position import Position
from shared.messages.orders import Fill

TRADE_IDS_KEPT = 20_000
"""Trade ids remembered per symbol, the newest; a repeat older than these is not recognised."""


class LedgerState(NamedTuple):
    """A dump of the ledger: canonical, so equal ledgers give equal bytes."""

    scales: list[tuple[str, int]]
    by_symbol: list[tuple[str, tuple[int, ...]]]
    by_strategy: list[tuple[str, str, tuple[int, ...]]]
    trade_ids: list[tuple[str, list[str]]]


class Ledger:
    """What was bought and sold, by whom, and what it earned."""

    def __init__(self) -> None:
        self.by_symbol: dict[str, Position] = {}
        self.by_strategy: dict[tuple[str, str], Position] = {}
        self._scales: dict[str, int] = {}
        self._trade_ids: dict[str, dict[str, None]] = {}

    def register(self, symbol: str, tick_lot_atoms: int) -> None:
        """Set the value of one lot at one tick; it may not change while a symbol has fills."""
        known = self._scales.get(symbol)
        assert known in {None, tick_lot_atoms} or symbol not in self.by_symbol, (
            f"{symbol}: tick * lot became {tick_lot_atoms} atoms, its fills were booked at {known}; "
            "close the position and start a new data directory for the new rules"
        )
        self._scales[symbol] = tick_lot_atoms

    def is_registered(self, symbol: str) -> bool:
        """Return whether fills of `symbol` can be booked."""
        return symbol in self._scales

    def apply(self, fill: Fill) -> bool:
        """Book `fill`; return False and change nothing when its trade id was booked before."""
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
        total.apply_fill(int(fill.side), fill.price_ticks, fill.qty_lots, fill.fee_atoms)
        own.apply_fill(int(fill.side), fill.price_ticks, fill.qty_lots, fill.fee_atoms)
        seen[fill.trade_id] = None
        if len(seen) > TRADE_IDS_KEPT:
            del seen[next(iter(seen))]
        return True

    def position_lots(self, symbol: str) -> int:
        """Return the signed position of the account in `symbol`."""
        position = self.by_symbol.get(symbol)
        return 0 if position is None else int(position.position_lots)

    def strategy_position_lots(self, strategy: str, symbol: str) -> int:
        """Return the signed position of one strategy in `symbol`."""
        position = self.by_strategy.get((strategy, symbol))
        return 0 if position is None else int(position.position_lots)

    def profit_atoms(self, symbol: str, mark_centiticks: int | None) -> int:
        """Return realized - fees + unrealized of `symbol`; without a mark the open part counts as 0."""
        position = self.by_symbol.get(symbol)
        if position is None:
            return 0
        closed = int(position.realized_atoms) - int(position.fees_atoms)
        return closed if mark_centiticks is None else closed + int(position.unrealized_atoms(mark_centiticks))

    def dump(self) -> LedgerState:
        """Return the whole state."""
        return LedgerState(
            scales=sorted(self._scales.items()),
            by_symbol=sorted((symbol, tuple(p.dump())) for symbol, p in self.by_symbol.items()),
            by_strategy=sorted((a, b, tuple(p.dump())) for (a, b), p in self.by_strategy.items()),
            trade_ids=sorted((symbol, list(ids)) for symbol, ids in self._trade_ids.items()),
        )

    def load(self, state: LedgerState) -> None:
        """Replace everything by a dump."""
        self._scales = dict(state.scales)
        self.by_symbol = {symbol: _loaded(dumped) for symbol, dumped in state.by_symbol}
        self.by_strategy = {(a, b): _loaded(dumped) for a, b, dumped in state.by_strategy}
        self._trade_ids = {symbol: dict.fromkeys(ids) for symbol, ids in state.trade_ids}


def _loaded(dumped: tuple[int, ...]) -> Position:
    position = Position(dumped[0])
    position.load(tuple(dumped))
    return position
