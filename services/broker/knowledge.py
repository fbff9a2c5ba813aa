"""What the broker knows from the log, and how events change it before anything is decided."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from services.broker.account import Account, AccountState
from services.broker.equality import LedgerEquality
from services.broker.funding import FundingClock, FundingState
from services.broker.order import BrokerOrder, from_intent
from services.broker.settings import BrokerSettings
from shared.core import Deadlines
from shared.double_entry import Wide, has_same_units
from shared.messages import Event, Message, control, market, orders, system
from shared.messages.orders import PositionChanged
from shared.orders import OrderState
from shared.paper.arrival import is_reached
from shared.paper.latency import latency_ns
from shared.paper.market import PaperMarket, PaperMarketState, queue_place
from shared.settings import unpack
from shared.units import NS_PER_MS, PPM, Side

MONEY_EXPONENT = 18
SILENCES = ("strategy", "risk", "market_data")


class BrokerState(msgspec.Struct, array_like=True, frozen=True):
    """A dump of the whole core."""

    settings: bytes
    is_killed: bool
    kill_by: str
    kill_reason: str
    epoch_ns: int
    is_stopping: bool
    handle_count: int
    accept_count: int
    fill_count: int
    orders: list[BrokerOrder]
    markets: list[PaperMarketState]
    account: list[tuple[str, Wide, int]]
    deadlines: list[tuple[int, str]]
    account_rows: AccountState | None = None
    funding: FundingState = FundingState()
    risk_said: list[PositionChanged] = []
    run: int = 0
    reconciled_run: int = 0


class BrokerKnowledge:
    """Orders that are not finished, markets, the paper account, kill, and what is due when.

    Deadlines: `a:ID` an order arrives at the venue, `c:ID` its cancel does, `g:ID` it is over (GTD),
    `s:SERVICE` quotes leave because the service is silent. `stops` holds the ids that wait for one by market.
    """

    def __init__(self) -> None:
        self.raw_settings = b"\x80"
        self.settings = BrokerSettings()
        self.is_killed = False
        self.kill_by = ""
        self.kill_reason = ""
        self.epoch_ns = 0
        self.is_stopping = False
        self.handle_count = 0
        self.accept_count = 0
        self.fill_count = 0
        self.orders: dict[str, BrokerOrder] = {}
        self.stops: dict[str, set[str]] = {}
        self.markets: dict[str, PaperMarket] = {}
        self.account = Account()
        self.funding = FundingClock()
        self.equality = LedgerEquality()
        self.run = self.reconciled_run = 0
        self.deadlines = Deadlines()

    def observe(self, event: Event) -> None:
        """Take in what an event says; nothing is said here."""
        change = _OBSERVE.get(type(event.message))
        if change is not None:
            change(self, event)

    def place(self, symbol: str) -> PaperMarket:
        """Return the market of a symbol, new when it was not seen before."""
        place = self.markets.get(symbol)
        if place is None:
            place = self.markets[symbol] = PaperMarket(symbol, self.settings)
        return place

    @property
    def grace_until_ns(self) -> int:
        """Return until when services and books may be missing after a start of the bus."""
        return self.epoch_ns + self.settings.start_grace_ms * NS_PER_MS

    # ---- cancels

    def want_gone(self, order: BrokerOrder, reason: str, now_ns: int) -> None:
        """Send a cancel on its way, once; an order not sent yet will be held back by the gate.

        A cancel travels behind its order on one connection, so it never overtakes it.
        """
        if order.cancel_reason:
            return
        order.cancel_reason = reason
        if order.state.is_live:
            arrive_ns = now_ns + latency_ns(self.settings, f"cancel:{order.client_order_id}")
            self.deadlines.set(f"c:{order.client_order_id}", max(arrive_ns, order.arrive_ns))

    def withdraw(
        self, reason: str, now_ns: int, *, symbol: str = "", strategy: str = "", quotes_only: bool = False
    ) -> None:
        """Cancel all orders, or those of a market or a strategy; with `quotes_only` stops stay.

        A stop protects: it is not a quote that silence makes old.
        """
        for order in self.orders.values():
            if quotes_only and order.is_stop:
                continue
            if symbol in {"", order.symbol} and strategy in {"", order.strategy}:
                self.want_gone(order, reason, now_ns)

    def waits_for_stop(self, order: BrokerOrder, *, is_waiting: bool) -> None:
        """Note that an accepted order waits for its stop, or does not any more."""
        waiting = self.stops.setdefault(order.symbol, set())
        if is_waiting:
            waiting.add(order.client_order_id)
        else:
            waiting.discard(order.client_order_id)

    def reached_stops(self, trade: market.Trade) -> list[BrokerOrder]:
        """Return the orders whose stop a trade has reached, oldest first."""
        waiting = [self.orders[name] for name in self.stops.get(trade.symbol, ())]
        reached = [each for each in waiting if is_reached(each.side, each.stop_ticks, trade.price_ticks)]
        return sorted(reached, key=lambda each: each.handle)

    # ---- money

    def free_funds(self, order: BrokerOrder, place: PaperMarket) -> tuple[int, int]:
        """Return the cash in atoms and the lots that a spot order may use, zeros for derivatives."""
        if place.rules is None or place.rules.is_derivative:
            return 0, 0
        held = self.account.holdings_lots.get(order.symbol, 0)
        lots = held - self.reserved_lots(order.symbol, order.side, but=order)
        return self.free_cash_atoms(order, place.rules), lots

    def reserved_lots(self, symbol: str, side: Side, but: BrokerOrder) -> int:
        """Return the open quantity at the venue of one side, `but` one order."""
        return sum(
            o.leaves_lots
            for o in self.orders.values()
            if o is not but and o.symbol == symbol and o.side is side and o.state in _RESTING
        )

    def free_cash_atoms(self, order: BrokerOrder, rules: market.InstrumentRules) -> int:
        """Return what the spot wallet can still pay, in atoms of this market: cash less open buys.

        A wallet is one per venue and quote asset and begins with `initial_balance`.
        """
        total = int(self.settings.initial_balance.scaleb(MONEY_EXPONENT))
        for symbol, place in self.markets.items():
            other = place.rules
            if other is None or not _same_wallet(rules, other):
                continue
            scale = 10 ** (MONEY_EXPONENT - other.quote_exponent)
            total += self.account.cash_atoms.get(symbol, 0) * scale
            cost_ppm = PPM + max(0, other.maker_fee_ppm)
            for each in self.orders.values():
                is_open_buy = each.side is Side.BUY and each.state in _RESTING and each.symbol == symbol
                if is_open_buy and each is not order:
                    value = each.value_ticks * each.leaves_lots * other.tick_lot_atoms
                    total -= -(-value * cost_ppm // PPM) * scale
        atom_money: int = 10 ** (MONEY_EXPONENT - rules.quote_exponent)
        return total // atom_money

    def accrue_funding(self, now_ns: int) -> None:
        """Let the funding times up to `now_ns` pass: what positions owe is said by the core."""
        if self.funding.due_ns <= now_ns:
            self.funding.accrue(now_ns, self.account.positions, self._rules_of)

    def _rules_of(self, symbol: str) -> market.InstrumentRules | None:
        """Return the rules that rates of funding count in, None where marks are in other ticks."""
        place = self.place(symbol)
        return None if place.is_frozen else place.rules

    # ---- what events change

    def _observe_funding(self, event: Event) -> None:
        self.funding.hear(event.message, event.header.ts_ns)

    def _observe_position(self, event: Event) -> None:
        self.equality.hear(event.message)

    def _observe_book(self, event: Event) -> None:
        self.place(event.message.symbol).apply(event.message, event.header.origin_ns)

    def _observe_rules(self, event: Event) -> None:
        """Use rules from now on; a market whose fills or orders are in other units is frozen instead."""
        rules = event.message
        symbol, place = rules.symbol, self.place(rules.symbol)
        is_used = symbol in self.account.holdings_lots or any(
            o.symbol == symbol for o in self.orders.values()
        )
        if is_used and place.rules is not None and not has_same_units(place.rules, rules):
            place.freeze()
            self.withdraw("rules_changed", event.header.ts_ns, symbol=symbol)
            return
        place.rules, place.is_frozen = rules, False

    def _observe_intent(self, event: Event) -> None:
        if event.message.client_order_id not in self.orders:
            self.handle_count += 1
            self.orders[event.message.client_order_id] = from_intent(event.message, self.handle_count)

    def _observe_approval(self, event: Event) -> None:
        approval = event.message
        order = self.orders.get(approval.client_order_id)
        if order is not None and order.state is OrderState.INTENDED:
            order.state = OrderState.APPROVED
            order.qty_lots = approval.qty_lots
            order.approved_ns = event.header.ts_ns

    def _observe_refusal(self, event: Event) -> None:
        order = self.orders.get(event.message.client_order_id)
        if order is not None and order.state is OrderState.INTENDED:
            del self.orders[event.message.client_order_id]

    def _observe_cancel(self, event: Event) -> None:
        order = self.orders.get(event.message.client_order_id)
        if order is not None:
            self.want_gone(order, event.message.reason or "strategy", event.header.ts_ns)

    def _observe_cancel_all(self, event: Event) -> None:
        self.withdraw(f"cancel_all by {event.message.by}", event.header.ts_ns, symbol=event.message.symbol)

    def _observe_kill(self, event: Event) -> None:
        if not self.is_killed:
            self.kill_by, self.kill_reason = event.message.by, event.message.reason
        self.is_killed = True
        self.withdraw("kill", event.header.ts_ns)

    def _observe_cleared(self, _event: Event) -> None:
        self.is_killed = False
        self.kill_by = self.kill_reason = ""

    def _observe_failed(self, event: Event) -> None:
        self.withdraw("strategy failed", event.header.ts_ns, strategy=event.message.strategy)

    def _observe_service(self, event: Event) -> None:
        started = event.message
        self.deadlines.drop(f"s:{started.service}")
        if started.service != "broker":
            return
        self.run = started.run
        self.raw_settings = started.settings
        self.configure(unpack(started.settings, BrokerSettings))

    def _observe_reconciled(self, event: Event) -> None:
        if event.message.run == self.run:
            self.reconciled_run = 0 if event.message.difference_count else self.run

    @property
    def is_reconciled(self) -> bool:
        """Return whether this run of the broker has said that it agrees with risk's ledger."""
        return self.run != 0 and self.reconciled_run == self.run

    def configure(self, settings: BrokerSettings) -> None:
        """Go on with other settings."""
        if queue_place(settings) != queue_place(self.settings):
            for place in self.markets.values():
                place.model(settings)
        self.settings = settings

    def _observe_epoch(self, event: Event) -> None:
        """Give services and books time to come back: resting paper orders live through `down` and `up`."""
        self.epoch_ns = event.header.ts_ns
        self.is_stopping = False
        for service in SILENCES:
            self.deadlines.drop(f"s:{service}")

    def _observe_stop(self, _event: Event) -> None:
        """Keep resting paper orders while the mesh is stopped on purpose, until the next epoch."""
        self.is_stopping = True
        for service in SILENCES:
            self.deadlines.drop(f"s:{service}")

    def _observe_silent(self, event: Event) -> None:
        service = event.message.service
        if service in SILENCES and not self.is_stopping:
            limit_ms = getattr(self.settings, f"{service}_silent_ms")
            left_ns = max(0, limit_ms - event.message.silent_ms) * NS_PER_MS
            self.deadlines.set(f"s:{service}", max(event.header.ts_ns + left_ns, self.grace_until_ns))

    def _observe_back(self, event: Event) -> None:
        self.deadlines.drop(f"s:{event.message.service}")

    def _observe_tick(self, event: Event) -> None:
        """Withdraw from markets without a good book for too long: invalid, silent or frozen (I-28)."""
        now_ns = event.header.ts_ns
        if self.is_stopping or now_ns < self.grace_until_ns:
            return
        oldest_ns = now_ns - self.settings.book_stale_ms * NS_PER_MS
        for order in self.orders.values():
            if order.is_stop:
                continue
            if not order.cancel_reason and self.place(order.symbol).fresh_ns < oldest_ns:
                self.want_gone(order, "stale_book", now_ns)

    # ---- state

    def dump(self) -> BrokerState:
        """Return the whole state."""
        return BrokerState(
            settings=self.raw_settings,
            is_killed=self.is_killed,
            kill_by=self.kill_by,
            kill_reason=self.kill_reason,
            epoch_ns=self.epoch_ns,
            is_stopping=self.is_stopping,
            handle_count=self.handle_count,
            accept_count=self.accept_count,
            fill_count=self.fill_count,
            orders=list(self.orders.values()),
            markets=[self.markets[symbol].dump() for symbol in sorted(self.markets)],
            account=self.account.dump(),
            deadlines=self.deadlines.dump(),
            account_rows=self.account.dump_rows(),
            funding=self.funding.dump(),
            risk_said=self.equality.dump(),
            run=self.run,
            reconciled_run=self.reconciled_run,
        )

    def load(self, state: BrokerState) -> None:
        """Replace everything by a dump."""
        self.raw_settings = state.settings
        self.settings = unpack(state.settings, BrokerSettings)
        self.is_killed, self.kill_by, self.kill_reason = state.is_killed, state.kill_by, state.kill_reason
        self.epoch_ns, self.is_stopping = state.epoch_ns, state.is_stopping
        self.handle_count = state.handle_count
        self.accept_count, self.fill_count = state.accept_count, state.fill_count
        self.orders = {order.client_order_id: order for order in state.orders}
        self.stops = {}
        for order in self.orders.values():
            if order.is_stop and order.state in _RESTING:
                self.waits_for_stop(order, is_waiting=True)
        self.markets = {}
        for saved in state.markets:
            self.place(saved.symbol).load(saved)
        self.account.load(state.account, state.account_rows)
        self.funding.load(state.funding)
        self.equality.load(state.risk_said)
        self.run, self.reconciled_run = state.run, state.reconciled_run
        self.deadlines.load(state.deadlines)


def _same_wallet(one: market.InstrumentRules, other: market.InstrumentRules) -> bool:
    venues = {rules.symbol.partition(":")[0] for rules in (one, other)}
    return len(venues) == 1 and one.quote_asset == other.quote_asset and not other.is_derivative


_RESTING = frozenset({OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED})
_OBSERVE: Mapping[type[Message], Callable[[BrokerKnowledge, Any], None]] = {
    market.BookUpdate: BrokerKnowledge._observe_book,
    market.BookSnapshot: BrokerKnowledge._observe_book,
    market.BookInvalid: BrokerKnowledge._observe_book,
    market.InstrumentRules: BrokerKnowledge._observe_rules,
    market.FundingRate: BrokerKnowledge._observe_funding,
    orders.PositionChanged: BrokerKnowledge._observe_position,
    orders.OrderIntent: BrokerKnowledge._observe_intent,
    orders.OrderApproved: BrokerKnowledge._observe_approval,
    orders.OrderAdjusted: BrokerKnowledge._observe_approval,
    orders.OrderRefused: BrokerKnowledge._observe_refusal,
    orders.CancelIntent: BrokerKnowledge._observe_cancel,
    control.CancelAllRequested: BrokerKnowledge._observe_cancel_all,
    control.KillRequested: BrokerKnowledge._observe_kill,
    control.KillLatched: BrokerKnowledge._observe_kill,
    control.KillCleared: BrokerKnowledge._observe_cleared,
    control.StopRequested: BrokerKnowledge._observe_stop,
    control.InstanceFailed: BrokerKnowledge._observe_failed,
    system.ServiceStarted: BrokerKnowledge._observe_service,
    system.Reconciled: BrokerKnowledge._observe_reconciled,
    system.EpochStarted: BrokerKnowledge._observe_epoch,
    system.SourceSilent: BrokerKnowledge._observe_silent,
    system.SourceBack: BrokerKnowledge._observe_back,
    system.Tick: BrokerKnowledge._observe_tick,
}
