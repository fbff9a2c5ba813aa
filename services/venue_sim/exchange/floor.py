"""What the desks of both venues share: accounts, ledger, events, counters."""

from collections import deque
from typing import Any

import msgspec

from services.venue_sim.exchange.accounts import Account
from services.venue_sim.exchange.ledger import Ledger
from services.venue_sim.exchange.records import AnyEvent
from services.venue_sim.refusal import VenueRefusal

# Events that nobody takes are kept up to here; a venue without user streams does not grow.
EVENTS_MAX = 100_000
ID_TIMES = 1_000


class Counters(msgspec.Struct, array_like=True):
    """Ids given last. They start at the time, so that they rise over a state that was lost."""

    order: int = 0
    execution: int = 0
    prevented: int = 0
    income: int = 0
    algo: int = 0


class Floor:
    """The state beside the orders."""

    def __init__(self, ledger: Ledger, start_ms: int) -> None:
        self.accounts: dict[str, Account] = {}
        self.ledger = ledger
        first = start_ms * ID_TIMES
        self.ids = Counters(first, first, first, first, first)
        self._events: deque[tuple[str, AnyEvent]] = deque(maxlen=EVENTS_MAX)

    def account(self, name: str) -> Account:
        """Return an account; refuses an unknown one as the venue refuses an unknown key."""
        account = self.accounts.get(name)
        if account is None:
            raise VenueRefusal(-2015, "Invalid API-key, IP, or permissions for action.", 401)
        return account

    def say(self, account: str, event: AnyEvent) -> None:
        """Queue an event for the user streams of an account."""
        self._events.append((account, event))

    def events(self) -> list[tuple[str, AnyEvent]]:
        """Return and forget what was said, in order."""
        if not self._events:
            return []
        said = list(self._events)
        self._events.clear()
        return said

    def next_order_id(self) -> int:
        """Return a new order id."""
        self.ids.order += 1
        return self.ids.order

    def next_execution_id(self) -> int:
        """Return a new execution id."""
        self.ids.execution += 1
        return self.ids.execution

    def next_prevented_id(self) -> int:
        """Return a new id of a prevented match."""
        self.ids.prevented += 1
        return self.ids.prevented

    def dump(self) -> list[Any]:
        """Return the state."""
        return [list(self.accounts.values()), self.ids, self.ledger.dump()]

    def load(self, dumped: list[Any]) -> None:
        """Take the state of `dump`; accounts opened before keep theirs only when the state has none."""
        accounts, ids, ledger = dumped
        for account in msgspec.convert(accounts, list[Account]):
            self.accounts[account.name] = account
        kept = msgspec.convert(ids, Counters)
        for name in Counters.__struct_fields__:
            setattr(self.ids, name, max(getattr(self.ids, name), getattr(kept, name)))
        self.ledger.load(ledger)
