"""What the broker knows from the log when orders stand at venues (modes testnet and live)."""

from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec

from services.broker.equality import Comparison
from services.broker.instructions import CancelOrder
from services.broker.knowledge import _OBSERVE as PAPER_OBSERVE
from services.broker.knowledge import BrokerKnowledge, BrokerState
from services.broker.live_account import Wallets, fee_for_profit
from services.broker.live_order import (
    CLOSED_KEPT,
    ClosedOrder,
    LiveOrder,
    TradeMemory,
    closed,
    of_adopted,
    of_intent,
)
from services.broker.order import BrokerOrder
from shared.double_entry import Wide
from shared.messages import Event, Instruction, Message, control, market, orders, venue
from shared.orders import OrderState

FUNDINGS_KEPT = 2000


def funding_key(symbol: str, funding_ns: int, strategy: str) -> str:
    """Return what makes a funding payment one that was booked before."""
    return f"{symbol} {funding_ns} {strategy}"


def takes_all(reason: str) -> bool:
    """Return whether a wish to cancel is a person's for everything, the orders of others included."""
    return reason == "kill" or reason.startswith("cancel_all")


class LiveState(msgspec.Struct, array_like=True, frozen=True):
    """A dump of the whole core; `base` has no orders."""

    base: BrokerState
    orders: list[LiveOrder]
    closed: list[ClosedOrder]
    trades: list[tuple[str, TradeMemory]]
    wallets: list[tuple[str, str, Wide]]
    opened: list[str]
    halted: list[tuple[str, str]]
    unpriced: list[tuple[str, str]]
    started_ns: int = 0
    adopted_count: int = 0
    fundings: list[str] = []
    banned_until_ns: list[tuple[str, int]] = []


class LiveKnowledge(BrokerKnowledge):
    """Everything of `BrokerKnowledge` that is not paper, and what a desk needs to go on after a restart.

    `wishes` are the instructions that observing an event led to; the core hands them on. `halted` markets
    get no order until a person resumes them: our view of them was wrong (I-07, I-08).
    """

    def __init__(self) -> None:
        super().__init__()
        self.closed: dict[str, ClosedOrder] = {}
        self.trades: dict[str, TradeMemory] = {}
        self.wallets = Wallets()
        self.halted: dict[str, str] = {}
        self.unpriced: set[tuple[str, str]] = set()
        self.wishes: list[Instruction] = []
        self.started_ns = 0
        self.adopted_count = 0
        self.fundings: dict[str, None] = {}
        self.banned_until_ns: dict[str, int] = {}

    def observe(self, event: Event) -> None:
        """Take in what an event says; nothing is said here."""
        change = _OBSERVE.get(type(event.message))
        if change is not None:
            change(self, event)

    def order(self, client_order_id: str) -> LiveOrder | None:
        """Return the unfinished order of this id."""
        return cast(LiveOrder | None, self.orders.get(client_order_id))

    def open_orders(self) -> list[LiveOrder]:
        """Return every unfinished order."""
        return cast(list[LiveOrder], list(self.orders.values()))

    def trades_of(self, symbol: str) -> TradeMemory:
        """Return the memory of executions in a market."""
        memory = self.trades.get(symbol)
        if memory is None:
            memory = self.trades[symbol] = TradeMemory()
        return memory

    def compare(self) -> Comparison:
        """Compare risk's ledger with what was booked here (RK-29).

        A fee in a third asset is worth what the market says: risk's price of it is its own, and not compared.
        """
        found = self.equality.compare(self.account)
        unpriced = tuple(
            f"{what} of {strategy} in {symbol}:"
            for strategy, symbol in self.unpriced
            for what in ("fees", "cash")
        )
        return Comparison(
            [one for one in found.differences if not one.startswith(unpriced)], found.awaited_count
        )

    # ---- cancels

    def want_gone(self, order: BrokerOrder, reason: str, now_ns: int) -> None:
        """Wish an order gone, once: its desk does not rest before it is.

        Another's order on the account goes only when a person wants everything gone.
        """
        del now_ns
        if order.cancel_reason or (order.strategy == venue.EXTERNAL and not takes_all(reason)):
            return
        order.cancel_reason = reason
        if order.state.is_live or order.state is OrderState.APPROVED:
            self.wishes.append(CancelOrder(order.client_order_id, order.symbol, reason))

    # ---- what reports change

    def book(self, fill: orders.Fill) -> None:
        """Book one fill, once."""
        memory = self.trades_of(fill.symbol)
        rules = self.place(fill.symbol).rules
        if rules is None or memory.is_seen(fill.trade_id):
            return
        memory.add(fill.trade_id)
        self.fill_count += 1
        self.wallets.book(fill, rules)
        fee_atoms = fee_for_profit(fill, rules)
        if fee_atoms is None:
            self.unpriced.add((fill.strategy, fill.symbol))
        booked = msgspec.structs.replace(fill, fee_atoms=fee_atoms or 0)
        self.account.book(booked, rules)

    def finish(self, order: LiveOrder, closed_ns: int) -> None:
        """Keep the little that a late fill needs."""
        del self.orders[order.client_order_id]
        self.closed[order.client_order_id] = closed(order, closed_ns)
        if len(self.closed) > CLOSED_KEPT:
            del self.closed[next(iter(self.closed))]

    def halt(self, symbol: str, why: str, now_ns: int) -> None:
        """Send no order of a market any more, and withdraw what rests there."""
        self.halted.setdefault(symbol, why)
        self.withdraw("halted", now_ns, symbol=symbol)

    # ---- what events change

    def _observe_intent_live(self, event: Event) -> None:
        intent = event.message
        order_id = intent.client_order_id
        if order_id not in self.orders and order_id not in self.closed:
            self.handle_count += 1
            self.orders[order_id] = of_intent(intent, self.handle_count)

    def _observe_approval_live(self, event: Event) -> None:
        self._observe_approval(event)
        order = self.order(event.message.client_order_id)
        if order is not None and not order.approved_seq:
            order.approved_seq, order.origin_ns = event.header.seq, event.header.origin_ns

    def _observe_stop_live(self, event: Event) -> None:
        self._observe_stop(event)
        if self.settings.live.cancel_on_exit:
            self.withdraw("stop", event.header.ts_ns)

    def _observe_resume(self, event: Event) -> None:
        """Let a person who resumes everything with a reason also end the halt of markets."""
        if not event.message.strategy and event.message.reason.strip():
            self.halted.clear()

    def _observe_adopted(self, event: Event) -> None:
        adopted: venue.OrderAdopted = event.message
        if adopted.client_order_id in self.orders:
            return
        self.closed.pop(adopted.client_order_id, None)
        self.adopted_count += 1
        self.handle_count += 1
        self.orders[adopted.client_order_id] = of_adopted(adopted, self.handle_count)

    def _observe_difference(self, event: Event) -> None:
        difference: venue.VenueDifference = event.message
        if difference.is_halted:
            self.halt(difference.symbol, f"{difference.kind}: {difference.theirs}", event.header.ts_ns)

    def _observe_link(self, event: Event) -> None:
        """Remember the end of a ban: the next life asks nothing before it either (I-10)."""
        link: venue.VenueLink = event.message
        if link.until_ns:
            self.banned_until_ns[link.venue] = link.until_ns
        elif link.is_reachable:
            self.banned_until_ns.pop(link.venue, None)

    def _observe_adjusted(self, event: Event) -> None:
        self.wallets.adjust(event.message)

    def _observe_funding_paid(self, event: Event) -> None:
        paid: orders.FundingPaid = event.message
        rules = self.place(paid.symbol).rules
        key = funding_key(paid.symbol, paid.funding_ns, paid.strategy)
        if rules is not None and key not in self.fundings:
            self.fundings[key] = None
            if len(self.fundings) > FUNDINGS_KEPT:
                del self.fundings[next(iter(self.fundings))]
            self.account.book_funding(paid)
            self.wallets.book_funding(paid, rules)

    # ---- state

    def dump_live(self) -> LiveState:
        """Return the whole state."""
        rows, opened = self.wallets.dump()
        return LiveState(
            base=msgspec.structs.replace(self.dump(), orders=[]),
            orders=self.open_orders(),
            closed=list(self.closed.values()),
            trades=sorted(self.trades.items()),
            wallets=rows,
            opened=opened,
            halted=sorted(self.halted.items()),
            unpriced=sorted(self.unpriced),
            started_ns=self.started_ns,
            adopted_count=self.adopted_count,
            fundings=list(self.fundings),
            banned_until_ns=sorted(self.banned_until_ns.items()),
        )

    def load_live(self, state: LiveState) -> None:
        """Replace everything by a dump."""
        self.load(state.base)
        self.orders = {order.client_order_id: order for order in state.orders}
        self.closed = {order.client_order_id: order for order in state.closed}
        self.trades = dict(state.trades)
        self.wallets.load(state.wallets, state.opened)
        self.halted = dict(state.halted)
        self.unpriced = set(state.unpriced)
        self.started_ns, self.adopted_count = state.started_ns, state.adopted_count
        self.fundings = dict.fromkeys(state.fundings)
        self.banned_until_ns = dict(state.banned_until_ns)

    @classmethod
    def from_paper(cls, known: BrokerKnowledge) -> "LiveKnowledge":
        """Return the same knowledge at the first start of a mesh that trades at venues."""
        live = cls()
        live.load(msgspec.structs.replace(known.dump(), orders=[]))
        for order in known.orders.values():
            fields = msgspec.structs.asdict(order)
            live.orders[order.client_order_id] = LiveOrder(**fields)
        return live


_PAPER_ONLY = (market.FundingRate, market.Trade)
_OBSERVE: Mapping[type[Message], Callable[[LiveKnowledge, Any], None]] = {
    **{kind: change for kind, change in PAPER_OBSERVE.items() if kind not in _PAPER_ONLY},
    orders.OrderIntent: LiveKnowledge._observe_intent_live,
    orders.OrderApproved: LiveKnowledge._observe_approval_live,
    orders.OrderAdjusted: LiveKnowledge._observe_approval_live,
    orders.FundingPaid: LiveKnowledge._observe_funding_paid,
    control.StopRequested: LiveKnowledge._observe_stop_live,
    control.ResumeRequested: LiveKnowledge._observe_resume,
    venue.OrderAdopted: LiveKnowledge._observe_adopted,
    venue.VenueDifference: LiveKnowledge._observe_difference,
    venue.AccountAdjusted: LiveKnowledge._observe_adjusted,
    venue.VenueLink: LiveKnowledge._observe_link,
}
