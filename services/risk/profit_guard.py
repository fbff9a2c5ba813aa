"""Where the profit comes from, as risk's ledger sees it: `ProfitParts` each minute and after a round trip."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from services.risk.guard import QuietGuard
from shared.double_entry import in_64_bits
from shared.messages import Event, Message, guards, market, orders, system
from shared.profit_parts import Key, ProfitSplit, SplitState
from shared.units import NS_PER_S

if TYPE_CHECKING:
    from services.risk.knowledge import RiskKnowledge

SAY_EVERY_NS = 60 * NS_PER_S
_BOOKS: frozenset[type[Message]] = frozenset({market.BookUpdate, market.BookSnapshot})


class _State(msgspec.Struct, array_like=True, frozen=True):
    split: SplitState
    said: list[guards.ProfitParts]
    due: list[Key]
    next_ns: int


class ProfitGuard(QuietGuard):
    """Splits the profit of each strategy in each market; it holds nothing back.

    Books are watched for the mids of the horizons; while no fill waits for one, a book costs a look-up.
    """

    name = "profit_parts"
    watches: frozenset[type[Message]] = frozenset(
        {orders.Fill, system.Tick, market.BookUpdate, market.BookSnapshot}
    )
    folds = frozenset({guards.ProfitParts})

    def __init__(self) -> None:
        self.split = ProfitSplit()
        self.said: dict[Key, guards.ProfitParts] = {}
        self.due: list[Key] = []
        self.next_ns = 0

    def observe(self, event: Event, known: "RiskKnowledge") -> None:
        """Take a mid, time or a new fill."""
        message, now_ns = event.message, event.header.ts_ns
        if type(message) in _BOOKS:
            if self.split.is_waiting(message.symbol):
                self.split.take_mid(message.symbol, known.markets[message.symbol].mark_half_ticks, now_ns)
            return
        self.due = []
        if isinstance(message, orders.Fill):
            self._take_fill(message, known, now_ns)
            return
        self.split.pass_time(now_ns)
        if now_ns >= self.next_ns:
            self.next_ns = now_ns + SAY_EVERY_NS
            self.due = self.split.keys()

    def _take_fill(self, fill: orders.Fill, known: "RiskKnowledge", now_ns: int) -> None:
        key = (fill.strategy, fill.symbol)
        signed_lots = fill.side.sign * fill.qty_lots
        tick_lot_atoms = known.ledger.terms[fill.symbol].tick_lot_atoms
        mid = known.markets[fill.symbol].mark_half_ticks
        self.split.take_fill(key, signed_lots, fill.price_ticks, tick_lot_atoms, mid, now_ns)
        after = known.ledger.strategy_position_lots(*key)
        before = after - signed_lots
        if before != 0 and before * after <= 0:
            self.due = [key]

    def decide(self, event: Event, known: "RiskKnowledge") -> Iterable[Message]:
        """Say the parts that are due and changed since they were last said."""
        if not self.due or type(event.message) in _BOOKS:
            return ()
        found = [self.parts_of(key, known) for key in self.due]
        return tuple(parts for parts in found if self.said.get((parts.strategy, parts.symbol)) != parts)

    def parts_of(self, key: Key, known: "RiskKnowledge") -> guards.ProfitParts:
        """Return the parts of now, with equity at the last mid of a trusted book."""
        ledger = known.ledger
        parts = self.split.parts(
            key,
            int(ledger.by_strategy[key].fees_atoms),
            ledger.strategy_funding(*key).atoms,
            ledger.strategy_profit_atoms(*key, known.markets[key[1]].mark_centiticks),
        )
        return guards.ProfitParts(*key, ledger.terms[key[1]].quote_asset, *map(in_64_bits, parts))

    def fold(self, message: Message) -> None:
        """Remember what was said."""
        if isinstance(message, guards.ProfitParts):
            self.said[message.strategy, message.symbol] = message

    def dump(self) -> bytes:
        """Return the state."""
        said = [self.said[key] for key in sorted(self.said)]
        return msgspec.msgpack.encode(_State(self.split.dump(), said, self.due, self.next_ns))

    def load(self, data: bytes) -> None:
        """Take the state."""
        state = msgspec.msgpack.decode(data, type=_State)
        self.split.load(state.split)
        self.said = {(parts.strategy, parts.symbol): parts for parts in state.said}
        self.due, self.next_ns = list(state.due), state.next_ns
