"""Conservation at the exit: what leaves is what was allowed, once each (I-13).

Kept apart from `Exposure`, so that one can be held against the other:

    each OrderSent   has one approval of its id, symbol, side and price, of at least its quantity, not used
    each approval    belongs to one intent, not used
    each second      approvals without an outcome = orders that the exposure holds as approved,
                     intents = approvals + refusals + waiting, approvals = outcomes + waiting

Anything else means that orders leave which nobody allowed: the market is held, and kill is asked for.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from services.risk.guard import HoldState
from services.risk.trips import Trip, TrippingGuard
from shared.messages import Event, Message
from shared.messages.control import KillRequested, ResumeRequested
from shared.messages.orders import (
    NotSent,
    OrderAdjusted,
    OrderApproved,
    OrderIntent,
    OrderRefused,
    OrderSent,
    OrderUnknown,
)
from shared.messages.system import Tick
from shared.orders import OrderState
from shared.units import NS_PER_S, Side

if TYPE_CHECKING:
    from services.risk.knowledge import RiskKnowledge

CODE = "conservation"
ANY_PRICE = -1
"""Price of an approval that was taken over from the exposure, which values market orders at the touch."""
USED_KEPT = 4096
"""Ids of used approvals remembered, the newest."""


class Allowed(msgspec.Struct, array_like=True, frozen=True):
    """An intent, or an approval without an outcome."""

    symbol: str
    side: Side
    price_ticks: int
    qty_lots: int

    def admits(self, order: Any) -> bool:
        """Return whether `order` is this one or less of it."""
        is_price = self.price_ticks in (ANY_PRICE, order.price_ticks)
        is_place = (order.symbol, order.side) == (self.symbol, self.side)
        return is_place and is_price and 0 < order.qty_lots <= self.qty_lots


class _State(msgspec.Struct, array_like=True):
    trips: list[Trip]
    intents: list[tuple[str, Allowed]]
    approvals: list[tuple[str, Allowed]]
    used: list[str]
    counts: tuple[int, int, int, int]
    is_begun: bool
    now_ns: int
    compared_ns: int


class Conservation(TrippingGuard):
    """Intents and approvals by id until they are used, and the totals of both and of their ends."""

    name = "conservation"
    watches = frozenset({Tick, OrderIntent, OrderSent, NotSent, OrderUnknown, ResumeRequested})
    folds = TrippingGuard.folds | {OrderApproved, OrderAdjusted, OrderRefused}
    CODES: ClassVar[Mapping[str, HoldState]] = {CODE: "reducing"}

    def __init__(self) -> None:
        super().__init__()
        self.begin_anew()

    def begin_anew(self) -> None:
        """Count from what is under way at the next event, as a new guard does: verdicts may be missed."""
        self.intents: dict[str, Allowed] = {}
        self.approvals: dict[str, Allowed] = {}
        self.used: dict[str, None] = {}
        self.intent_count = self.refused_count = 0
        self.approval_count = self.spent_count = 0
        self.is_begun = False
        self.compared_ns = 0
        self._wrong: list[tuple[str, str]] = []

    # ---- what happened

    def observe(self, event: Event, known: "RiskKnowledge") -> None:
        """Take an intent or an outcome."""
        super().observe(event, known)
        self._wrong = []
        message = event.message
        if not self.is_begun:
            self._begin(known, message)
            if type(message) is OrderSent and known.exposure.is_known(message.client_order_id):
                return
        kind = type(message)
        if kind is OrderIntent:
            pending = known.pending.get(message.client_order_id)
            if pending is not None and pending.intent is message:
                self.intent_count += 1
                self.intents[message.client_order_id] = _allowed(message)
        elif kind is OrderSent:
            self._take_sent(message)
        elif kind is NotSent or kind is OrderUnknown:
            # Unknown: it may have left, so its approval is spent.
            self._use(message.client_order_id)
        elif kind is Tick and self.now_ns - self.compared_ns >= NS_PER_S:
            self.compared_ns = self.now_ns
            self._compare(known)

    def _begin(self, known: "RiskKnowledge", message: Message) -> None:
        """Take over what was under way before `message`, the first one seen (an upgrade, a failure)."""
        self.is_begun = True
        for order_id, order in known.exposure.open.items():
            if order.state is OrderState.APPROVED:
                self.approvals[order_id] = Allowed(order.symbol, order.side, ANY_PRICE, order.qty_lots)
            else:
                self.used[order_id] = None
        for order_id, pending in known.pending.items():
            if pending.intent is not message:
                self.intents[order_id] = _allowed(pending.intent)
        self.approval_count = len(self.approvals)
        self.intent_count = self.approval_count + len(self.intents)

    def _take_sent(self, sent: OrderSent) -> None:
        order_id = sent.client_order_id
        approval = self._use(order_id)
        if approval is None:
            how = "a second time" if order_id in self.used else "without an approval"
            self._wrong.append((sent.symbol, f"order {order_id} left {how}"))
        elif not approval.admits(sent):
            self._wrong.append(
                (
                    sent.symbol,
                    f"order {order_id} left as {sent.side.name} {sent.qty_lots} lots at {sent.price_ticks} "
                    f"in {sent.symbol}, allowed was {approval.side.name} {approval.qty_lots} lots at "
                    f"{approval.price_ticks} in {approval.symbol}",
                )
            )

    def _use(self, order_id: str) -> Allowed | None:
        """Return the approval of an id that is not used yet; from now on it is."""
        approval = self.approvals.pop(order_id, None)
        if approval is not None:
            self.spent_count += 1
            self.used[order_id] = None
            if len(self.used) > USED_KEPT:
                del self.used[next(iter(self.used))]
        return approval

    def _compare(self, known: "RiskKnowledge") -> None:
        """Hold the approvals without an outcome against those of the exposure."""
        held = {i for i, order in known.exposure.open.items() if order.state is OrderState.APPROVED}
        if held != self.approvals.keys():
            order_id = min(held ^ self.approvals.keys())
            where = "the exposure" if order_id in held else "the count of approvals"
            self._wrong.append(("", f"order {order_id} waits to be sent in {where} only"))
        waiting = self.intent_count - self.approval_count - self.refused_count
        if waiting != len(self.intents) or self.intents.keys() != known.pending.keys():
            text = (
                f"{self.intent_count} intents, {self.approval_count} approved, {self.refused_count} refused: "
                f"{waiting} should wait for a verdict, {len(known.pending)} do"
            )
            self._wrong.append(("", text))
        if self.approval_count - self.spent_count != len(self.approvals):
            text = f"{self.approval_count} approvals, {self.spent_count} outcomes, {len(self.approvals)} open"
            self._wrong.append(("", text))

    # ---- what follows

    def decide(self, event: Event, known: "RiskKnowledge") -> Iterable[Message]:
        """Hold the market and ask for the kill."""
        if not self._wrong and type(event.message) is OrderIntent:
            return ()
        return self._decide(event, known)

    def _decide(self, event: Event, known: "RiskKnowledge") -> Iterable[Message]:
        yield from super().decide(event, known)
        for symbol, text in self._wrong:
            yield from self.raised(CODE, text, 0, 0, symbol=symbol)
            if not known.mood.is_killed:
                yield KillRequested(by="risk", reason=f"conservation at the exit (I-13): {text}")

    def fold(self, message: Message) -> None:
        """Take own verdicts: an intent becomes an approval, or ends."""
        if isinstance(message, (OrderApproved, OrderAdjusted)):
            self._fold_approval(message)
        elif isinstance(message, OrderRefused):
            if self.intents.pop(message.client_order_id, None) is not None:
                self.refused_count += 1
        else:
            super().fold(message)

    def _fold_approval(self, message: Any) -> None:
        """Turn an intent into an approval; what is approved is what was asked for, once."""
        self.approval_count += 1
        order_id = message.client_order_id
        intent = self.intents.pop(order_id, None)
        approval = _allowed(message)
        if intent is not None and not intent.admits(message):
            self._wrong.append((message.symbol, f"the approval of {order_id} is not its intent"))
        if order_id in self.approvals:
            self._wrong.append((message.symbol, f"order {order_id} was approved twice"))
        self.approvals[order_id] = approval

    # ---- state

    def dump(self) -> bytes:
        """Return the whole state."""
        state = _State(
            self.dump_trips(),
            list(self.intents.items()),
            list(self.approvals.items()),
            list(self.used),
            (self.intent_count, self.approval_count, self.refused_count, self.spent_count),
            self.is_begun,
            self.now_ns,
            self.compared_ns,
        )
        return msgspec.msgpack.encode(state)

    def load(self, data: bytes) -> None:
        """Replace everything by a dump."""
        state = msgspec.msgpack.decode(data, type=_State)
        self.load_trips(state.trips)
        self.intents, self.approvals = dict(state.intents), dict(state.approvals)
        self.used = dict.fromkeys(state.used)
        self.intent_count, self.approval_count, self.refused_count, self.spent_count = state.counts
        self.is_begun, self.now_ns, self.compared_ns = state.is_begun, state.now_ns, state.compared_ns
        self._wrong = []


def _allowed(order: Any) -> Allowed:
    return Allowed(order.symbol, order.side, order.price_ticks, order.qty_lots)
