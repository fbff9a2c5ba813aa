"""One level of a grid: three independent fields, and a table of every transition that may happen (ST-18).

| what happened      | position            | order                              | lock                   |
|--------------------|---------------------|------------------------------------|------------------------|
| we ask for it      | -                   | NOT_PLACED                         | FREE -> PENDING        |
| it is sent         | -                   | NOT_PLACED -> PLACED               | PENDING                |
| the venue holds it | -                   | PLACED -> CONFIRMED                | PENDING -> LOCKED      |
| a part is filled   | by what is held     | -> PARTIALLY_FILLED                | -> LOCKED              |
| all is filled      | by what is held     | -> FILLED -> NOT_PLACED            | -> FREE                |
| we ask to cancel   | -                   | -> CANCEL_REQUESTED                | stays                  |
| it is cancelled    | by what is held     | -> CANCELED -> NOT_PLACED          | -> FREE                |
| it is refused      | by what is held     | -> NOT_PLACED                      | -> FREE                |
| it is in doubt     | -                   | -> PLACED                          | -> PENDING, never freed |

A slot in PENDING is freed by evidence alone, never by time (ST-20): the evidence is an event on the log.
"""

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class HeldState(StrEnum):
    """Whether the slot holds something, to be sold, or bought back where the grid is short."""

    EMPTY = "empty"
    FILLED = "filled"


class SlotOrder(StrEnum):
    """Where the order of the slot is."""

    NOT_PLACED = "not_placed"
    PLACED = "placed"
    CONFIRMED = "confirmed"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCEL_REQUESTED = "cancel_requested"
    CANCELED = "canceled"


class Lock(StrEnum):
    """Whether the slot may be given an order."""

    FREE = "free"
    PENDING = "pending"
    LOCKED = "locked"


class Happened(StrEnum):
    """What may happen to the order of a slot."""

    ASKED = "asked"
    SENT = "sent"
    ACCEPTED = "accepted"
    FILLED_PART = "filled_part"
    FILLED_ALL = "filled_all"
    CANCEL_ASKED = "cancel_asked"
    CANCEL_REFUSED = "cancel_refused"
    CANCELED = "canceled"
    REFUSED = "refused"
    IN_DOUBT = "in_doubt"


_NOT, _PLACED, _CONFIRMED = SlotOrder.NOT_PLACED, SlotOrder.PLACED, SlotOrder.CONFIRMED
_PART, _FILLED = SlotOrder.PARTIALLY_FILLED, SlotOrder.FILLED
_ASKED, _CANCELED = SlotOrder.CANCEL_REQUESTED, SlotOrder.CANCELED
H = Happened

ORDER_NEXT: Mapping[Happened, Mapping[SlotOrder, SlotOrder]] = {
    H.ASKED: {_NOT: _NOT, _FILLED: _NOT, _CANCELED: _NOT},
    H.SENT: {_NOT: _PLACED, _PLACED: _PLACED, _ASKED: _ASKED},
    H.ACCEPTED: {
        _PLACED: _CONFIRMED,
        _CONFIRMED: _CONFIRMED,
        # The acknowledgement after the first fill changes nothing (ST-27).
        _PART: _PART,
        _ASKED: _ASKED,
    },
    H.FILLED_PART: {_PLACED: _PART, _CONFIRMED: _PART, _PART: _PART, _ASKED: _ASKED},
    H.FILLED_ALL: {_PLACED: _FILLED, _CONFIRMED: _FILLED, _PART: _FILLED, _ASKED: _FILLED},
    H.CANCEL_ASKED: {_NOT: _ASKED, _PLACED: _ASKED, _CONFIRMED: _ASKED, _PART: _ASKED, _ASKED: _ASKED},
    H.CANCEL_REFUSED: {_ASKED: _PLACED, _PLACED: _PLACED, _CONFIRMED: _CONFIRMED, _PART: _PART},
    H.CANCELED: {_PLACED: _CANCELED, _CONFIRMED: _CANCELED, _PART: _CANCELED, _ASKED: _CANCELED},
    H.REFUSED: {_NOT: _NOT, _PLACED: _NOT, _ASKED: _NOT},
    # In doubt is as on its way: any outcome may follow.
    H.IN_DOUBT: {_NOT: _PLACED, _PLACED: _PLACED, _CONFIRMED: _PLACED, _PART: _PLACED, _ASKED: _ASKED},
}
"""The order field after each happening; a pair that is not here raises."""

LOCK_NEXT: Mapping[Happened, Mapping[Lock, Lock]] = {
    H.ASKED: {Lock.FREE: Lock.PENDING},
    H.SENT: {Lock.PENDING: Lock.PENDING},
    H.ACCEPTED: {Lock.PENDING: Lock.LOCKED, Lock.LOCKED: Lock.LOCKED},
    H.FILLED_PART: {Lock.PENDING: Lock.LOCKED, Lock.LOCKED: Lock.LOCKED},
    H.FILLED_ALL: {Lock.PENDING: Lock.FREE, Lock.LOCKED: Lock.FREE},
    H.CANCEL_ASKED: {Lock.PENDING: Lock.PENDING, Lock.LOCKED: Lock.LOCKED},
    H.CANCEL_REFUSED: {Lock.PENDING: Lock.PENDING, Lock.LOCKED: Lock.LOCKED},
    H.CANCELED: {Lock.PENDING: Lock.FREE, Lock.LOCKED: Lock.FREE},
    H.REFUSED: {Lock.PENDING: Lock.FREE},
    H.IN_DOUBT: {Lock.PENDING: Lock.PENDING, Lock.LOCKED: Lock.PENDING},
}
"""The lock field after each happening."""


STATES = frozenset(
    {
        (_NOT, Lock.FREE),
        (_FILLED, Lock.FREE),
        (_CANCELED, Lock.FREE),
        (_NOT, Lock.PENDING),
        (_PLACED, Lock.PENDING),
        (_PLACED, Lock.LOCKED),
        (_CONFIRMED, Lock.LOCKED),
        (_PART, Lock.LOCKED),
        (_ASKED, Lock.PENDING),
        (_ASKED, Lock.LOCKED),
    }
)
"""Every pair of order and lock that a slot can be in; from any other nothing may follow."""


class IllegalTransitionError(Exception):
    """Something happened to a slot that cannot happen in its state."""


class Slot(msgspec.Struct, array_like=True):
    """One level: what it holds with its real cost, and where its order is (ST-18, ST-32).

    `held_lots` were entered for `cost_atoms` and `fees_atoms`; in a short grid they were sold, and the cost
    is what came in. `order_id` is the order in the slot. `span` is how many levels lie between entry and
    exit, and `post_only_failures` how often the venue would not let its order rest (ST-28).
    """

    level: int
    price_ticks: int
    order: SlotOrder = SlotOrder.NOT_PLACED
    lock: Lock = Lock.FREE
    order_id: str = ""
    held_lots: int = 0
    cost_atoms: int = 0
    fees_atoms: int = 0
    post_only_failures: int = 0
    span: int = 1

    @property
    def held(self) -> HeldState:
        """Return FILLED while there is something to close."""
        return HeldState.FILLED if self.held_lots > 0 else HeldState.EMPTY

    @property
    def may_enter(self) -> bool:
        """Return whether an entry (a buy, unless short) may be placed: EMPTY, FREE, no id (ST-19)."""
        return self.held_lots <= 0 and self.lock is Lock.FREE and not self.order_id

    @property
    def may_exit(self) -> bool:
        """Return whether an exit (a sell, unless short) may be placed: FILLED, FREE, no id (ST-19)."""
        return self.held_lots > 0 and self.lock is Lock.FREE and not self.order_id

    @property
    def is_idle(self) -> bool:
        """Return whether nothing is lost when the slot is forgotten (ST-33)."""
        return self.held_lots <= 0 and self.lock is Lock.FREE and not self.order_id

    def take(self, happened: Happened, order_id: str) -> None:
        """Move order and lock; raise `IllegalTransitionError` when this cannot happen now.

        What is said of another order than the one in the slot is ignored: it is of an earlier life.
        """
        if happened is Happened.ASKED:
            if self.order_id:
                raise IllegalTransitionError(
                    f"level {self.level} is asked for {order_id} but has {self.order_id}"
                )
        elif order_id != self.order_id:
            return
        order, lock = ORDER_NEXT[happened].get(self.order), LOCK_NEXT[happened].get(self.lock)
        if order is None or lock is None or (self.order, self.lock) not in STATES:
            raise IllegalTransitionError(
                f"level {self.level}, order {order_id}: {happened} cannot happen to a slot that is "
                f"{self.held}, {self.order}, {self.lock}"
            )
        self.order, self.lock = order, lock
        self.order_id = "" if lock is Lock.FREE else order_id
