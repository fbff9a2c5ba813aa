"""The ledger: every order, fill and change of money with its venue time. What tests take as the truth."""

from collections import defaultdict, deque
from typing import Any, NamedTuple

from services.venue_sim.exchange.records import Fill, VenueOrder

STREET, FEES, FUNDING, INSURANCE, OUTSIDE = "street", "fees", "funding", "insurance", "outside"


class LedgerEntry(NamedTuple):
    """One thing that happened. `kind` is that of the order's event, FILL, MONEY or ACT.

    MONEY: `amount_e18` of `asset` came to `account` from `counterparty` (an account or one of street, fees,
    funding, insurance, outside).
    """

    n: int
    time_ms: int
    kind: str
    venue: str
    account: str
    order: VenueOrder | None = None
    fill: Fill | None = None
    asset: str = ""
    amount_e18: int = 0
    counterparty: str = ""
    note: str = ""


class Ledger:
    """The newest entries, and sums that are never forgotten.

    `totals[venue, party, asset]` is what each party besides the accounts holds by now, in 1e-18: the street
    (everybody who is no account), fees, funding, insurance, and the outside world of deposits. `filled_lots[
    venue, account, symbol]` is the signed sum of all fills.
    """

    def __init__(self, kept: int) -> None:
        self.entries: deque[LedgerEntry] = deque(maxlen=kept)
        self.totals: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        self.filled_lots: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        self.count = 0

    def note_order(self, kind: str, order: VenueOrder, time_ms: int) -> None:
        """Write a change of an order."""
        self._write(LedgerEntry(self.count, time_ms, kind, order.venue, order.account, order))

    def note_fill(self, fill: Fill, signed_lots: int) -> None:
        """Write a fill."""
        self.filled_lots[fill.venue, fill.account, fill.symbol] += signed_lots
        self._write(LedgerEntry(self.count, fill.time_ms, "FILL", fill.venue, fill.account, None, fill))

    def pay(
        self, venue: str, account: str, asset: str, amount_e18: int, party: str, time_ms: int, note: str = ""
    ) -> None:
        """Write that an account got money of a party that is no account; the account's books are its own."""
        if amount_e18 == 0:
            return
        self.totals[venue, party, asset] -= amount_e18
        entry = LedgerEntry(
            self.count,
            time_ms,
            "MONEY",
            venue,
            account,
            asset=asset,
            amount_e18=amount_e18,
            counterparty=party,
            note=note,
        )
        self._write(entry)

    def act(self, venue: str, account: str, note: str, time_ms: int) -> None:
        """Write what somebody did outside the API."""
        self._write(LedgerEntry(self.count, time_ms, "ACT", venue, account, note=note))

    def _write(self, entry: LedgerEntry) -> None:
        self.entries.append(entry)
        self.count += 1

    def fills(self, venue: str, account: str, symbol: str = "") -> list[Fill]:
        """Return the fills still kept of an account, oldest first."""
        return [
            entry.fill
            for entry in self.entries
            if entry.fill is not None
            and (entry.venue, entry.account) == (venue, account)
            and symbol in {"", entry.fill.symbol}
        ]

    def life_of(self, venue: str, order_id: int) -> list[LedgerEntry]:
        """Return the entries still kept of one order, oldest first."""
        return [
            entry
            for entry in self.entries
            if entry.venue == venue
            and order_id
            in {entry.order.order_id if entry.order else 0, entry.fill.order_id if entry.fill else 0}
        ]

    def dump(self) -> list[Any]:
        """Return the sums; the entries are of this life only."""
        return [
            self.count,
            [[*key, amount] for key, amount in self.totals.items()],
            [[*key, lots] for key, lots in self.filled_lots.items()],
        ]

    def load(self, dumped: list[Any]) -> None:
        """Take the sums of `dump`."""
        self.count, totals, filled = dumped
        for venue, party, asset, amount in totals:
            self.totals[venue, party, asset] = int(amount)
        for venue, account, symbol, lots in filled:
            self.filled_lots[venue, account, symbol] = lots
