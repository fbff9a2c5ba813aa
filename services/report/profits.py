"""What a report books: fills and funding once, the round trips they make, and the parts of the profit."""

from typing import NamedTuple

from services.report.account import COMMON_EXPONENT
from services.report.marks import Marks
from shared.double_entry import asset_exponent
from shared.ledger import Key, Ledger
from shared.messages.market import InstrumentRules
from shared.messages.orders import Fill, FundingPaid
from shared.profit_parts import Parts, ProfitSplit
from shared.round_trips import ClosedTrip, RoundTrips


class Booked(NamedTuple):
    """What one fill did, in atoms of the quote asset; `trip` is the round trip that it closed."""

    realized_atoms: int
    fee_atoms: int
    volume_atoms: int
    trip: ClosedTrip | None


class Profits:
    """A ledger of the log, marked at the mids of trusted books."""

    def __init__(self, marks: Marks) -> None:
        self.ledger = Ledger()
        self._marks = marks
        self._trips = RoundTrips()
        self._split = ProfitSplit()

    def take_fill(self, fill: Fill, rules: InstrumentRules, ts_ns: int) -> Booked | None:
        """Book a fill; None when it was booked before."""
        ledger, key = self.ledger, (fill.strategy, fill.symbol)
        ledger.register_rules(rules)
        mark = self._marks.fee_mark(fill.fee_asset, rules)
        before = ledger.by_strategy.get(key)
        realized_before = 0 if before is None else int(before.realized_atoms)
        if not ledger.apply(fill, mark):
            return None
        fee_atoms = ledger.fee_atoms(fill, mark)
        lot_atoms = fill.price_ticks * rules.tick_lot_atoms
        trip = self._trips.take_fill(key, fill.side, lot_atoms, fill.qty_lots, fee_atoms, ts_ns)
        mid = self._marks.mids_half_ticks.get(fill.symbol, 0)
        lots = fill.side.sign * fill.qty_lots
        self._split.take_fill(key, lots, fill.price_ticks, rules.tick_lot_atoms, mid, ts_ns)
        realized = int(ledger.by_strategy[key].realized_atoms) - realized_before
        return Booked(realized, fee_atoms, fill.qty_lots * lot_atoms, trip)

    def take_funding(self, paid: FundingPaid) -> bool:
        """Book a payment; False when it was booked before."""
        if not self.ledger.apply_funding(paid):
            return False
        self._trips.take_funding((paid.strategy, paid.symbol), paid.amount_atoms)
        return True

    def take_mid(self, symbol: str, ts_ns: int) -> None:
        """Take the mid that the marks now have."""
        if self._split.is_waiting(symbol):
            self._split.take_mid(symbol, self._marks.mids_half_ticks.get(symbol, 0), ts_ns)

    def pass_time(self, ts_ns: int) -> None:
        """Let the horizons before `ts_ns` pass."""
        self._split.pass_time(ts_ns)

    def unrealized_atoms(self, key: Key) -> int:
        """Return what an open position gained at the last mid, 0 before the first."""
        mid = self._marks.mids_half_ticks.get(key[1])
        return 0 if mid is None else int(self.ledger.by_strategy[key].unrealized_atoms(mid * 50))

    def parts(self, key: Key) -> Parts:
        """Return the parts of the profit of one strategy in one market."""
        mid = self._marks.mids_half_ticks.get(key[1])
        return self._split.parts(
            key,
            int(self.ledger.by_strategy[key].fees_atoms),
            self.ledger.strategy_funding(*key).atoms,
            self.ledger.strategy_profit_atoms(*key, None if mid is None else mid * 50),
        )

    def fees_by_asset(self, strategy: str = "") -> dict[str, int]:
        """Return fees in the assets they were taken in, in 10^-30, of one strategy when named."""
        found: dict[str, int] = {}
        for (owner, symbol), books in self.ledger.books.items():
            terms = self.ledger.terms[symbol]
            for (account, asset), atoms in books.balances.items():
                if account == "fees" and strategy in ("", owner):
                    scale = 10 ** (COMMON_EXPONENT - asset_exponent(asset, terms))
                    found[asset] = found.get(asset, 0) + atoms * scale
        return dict(sorted(found.items()))
