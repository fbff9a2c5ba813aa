"""The part of the replica that has a past: public trades, digests, and the curve of profit and loss.

Everything is bounded: a curve that is full keeps every second point and doubles its interval, so it always
reaches back to the first one.
"""

from collections import deque
from collections.abc import Iterable, Mapping

import msgspec

from services.gateway.records import PositionRecord
from shared.kernels.book import Book
from shared.messages import Event, market, system
from shared.messages.market import InstrumentRules
from shared.units import NS_PER_S

TRADES_KEPT = 60
POINTS_MAX = 720
INTERVAL_NS = NS_PER_S


class TradeRecord(msgspec.Struct, frozen=True, array_like=True):
    """One public execution; `side` is the aggressor's."""

    seq: int
    ts_ns: int
    symbol: str
    trade_id: int
    price_ticks: int
    qty_lots: int
    side: int


class DigestRecord(msgspec.Struct, frozen=True, array_like=True):
    """What a core said its state was after `at_seq`."""

    service: str
    at_seq: int
    digest: bytes
    ts_ns: int


class HistoryState(msgspec.Struct, array_like=True):
    """The snapshot of a `History`."""

    trades: list[TradeRecord] = []
    digests: list[DigestRecord] = []
    curves: list[tuple[str, list[tuple[int, int]]]] = []
    mids: list[tuple[str, int]] = []
    interval_ns: int = INTERVAL_NS
    next_ns: int = 0


class History:
    """Trades by market, digests by service, and profit and loss by quote asset over time."""

    def __init__(self) -> None:
        self.trades: dict[str, deque[TradeRecord]] = {}
        self.digests: dict[str, DigestRecord] = {}
        self.curves: dict[str, list[tuple[int, int]]] = {}
        self.interval_ns = INTERVAL_NS
        self._mids: dict[str, int] = {}
        self._next_ns = 0

    def take_trade(self, event: Event) -> None:
        """Keep one public trade, and forget the oldest one of its market."""
        header, trade = event
        assert isinstance(trade, market.Trade)
        kept = self.trades.setdefault(trade.symbol, deque(maxlen=TRADES_KEPT))
        kept.append(
            TradeRecord(
                header.seq,
                header.ts_ns,
                trade.symbol,
                trade.trade_id,
                trade.price_ticks,
                trade.qty_lots,
                int(trade.side),
            )
        )

    def take_digest(self, event: Event) -> None:
        """Keep the newest digest of a service."""
        header, said = event
        assert isinstance(said, system.CoreDigest)
        self.digests[said.service] = DigestRecord(said.service, said.at_seq, said.digest, header.ts_ns)

    def take_time(
        self,
        ts_ns: int,
        positions: Iterable[PositionRecord],
        rules: Mapping[str, InstrumentRules],
        books: Mapping[str, Book],
    ) -> None:
        """Add a point to each curve when one is due; `ts_ns` is the mesh time of the tick."""
        if ts_ns < self._next_ns:
            return
        self._next_ns = ts_ns + self.interval_ns
        for symbol, book in books.items():
            if book.is_trusted:
                self._mids[symbol] = book.bid_ticks + book.ask_ticks
        for asset, atoms in self.profit_atoms(positions, rules, books).items():
            self.curves.setdefault(asset, []).append((ts_ns, atoms))
        if any(len(points) > POINTS_MAX for points in self.curves.values()):
            self.interval_ns *= 2
            self.curves = {asset: points[::2] for asset, points in self.curves.items()}

    def profit_atoms(
        self,
        positions: Iterable[PositionRecord],
        rules: Mapping[str, InstrumentRules],
        books: Mapping[str, Book],
    ) -> dict[str, int]:
        """Return realized profit, less fees, plus funding and what open positions gained, by quote asset.

        An open position is marked at the middle of its book, and while that may not be used at its last
        middle; one whose book was never seen counts with what it realized.
        """
        found = {known.quote_asset: 0 for known in rules.values()}
        for record in positions:
            net_atoms = record.realized_atoms - record.fees_atoms + record.funding_atoms
            book, known = books.get(record.symbol), rules.get(record.symbol)
            mid_half_ticks = self._mids.get(record.symbol)
            if book is not None and book.is_trusted:
                mid_half_ticks = book.bid_ticks + book.ask_ticks
            if record.position_lots and mid_half_ticks is not None and known is not None:
                net_atoms += record.unrealized_atoms(mid_half_ticks, known.tick_lot_atoms)
            found[record.quote_asset] = found.get(record.quote_asset, 0) + net_atoms
        return found

    def dump(self) -> HistoryState:
        """Return everything, canonically ordered."""
        return HistoryState(
            trades=[trade for symbol in sorted(self.trades) for trade in self.trades[symbol]],
            digests=[self.digests[service] for service in sorted(self.digests)],
            curves=sorted(self.curves.items()),
            mids=sorted(self._mids.items()),
            interval_ns=self.interval_ns,
            next_ns=self._next_ns,
        )

    @classmethod
    def load(cls, state: HistoryState) -> "History":
        """Return the history of a `dump()`."""
        made = cls()
        for trade in state.trades:
            made.trades.setdefault(trade.symbol, deque(maxlen=TRADES_KEPT)).append(trade)
        made.digests = {record.service: record for record in state.digests}
        made.curves = {asset: list(points) for asset, points in state.curves}
        made._mids = dict(state.mids)
        made.interval_ns, made._next_ns = state.interval_ns, state.next_ns
        return made
