"""What risk knows from the log, and how events change it before anything is decided."""

from collections.abc import Callable, Mapping
from typing import Any

from services.risk.ask import NO_LIMIT, Ask, Caps, Flow, caps_of
from services.risk.exposure import Exposure, OpenOrder
from services.risk.guards import Guards
from services.risk.limits import quick_limits
from services.risk.market import Market
from services.risk.money import RiskMoney
from services.risk.settings import RiskSettings
from services.risk.state import MarketState, Mood, Pending, RiskState
from services.risk.windows import Windows
from shared.book_state import dump_book, load_book
from shared.double_entry import has_same_units
from shared.kernels.limits import Limits
from shared.ledger import Ledger
from shared.messages import Event, Message, control, market, orders, system, venue
from shared.orders import OrderState
from shared.settings import unpack
from shared.units import Side

GUARDS = ("broker", "market_data")
"""Services whose silence makes the mesh reduce only."""
TRADERS = ("strategy", "risk", "broker")
"""Services whose divergence from the log does the same."""
LINK = "the venue "
"""What a venue is called among those that are silent."""
BOOKED = (orders.Fill, orders.FundingPaid)
"""What the ledger books once; a repeat reaches no guard."""


class RiskKnowledge(RiskMoney):
    """Markets, ledger, exposure, rates and the mood of the mesh, as far as the log tells."""

    def __init__(self) -> None:
        self.raw_settings = b"\x80"
        self.now_ns = 0
        self.settings = RiskSettings()
        self.mood = Mood()
        self.markets: dict[str, Market] = {}
        self.ledger = Ledger()
        self.exposure = Exposure()
        self.approvals = Windows()
        self.pending: dict[str, Pending] = {}
        self.guards = Guards()
        self.is_changed = False
        self.caps: dict[str, Caps] = {}
        self.limits: dict[str, Limits] = {}

    def observe(self, event: Event) -> bool:
        """Take in what an event says; return whether it is a fill that was not booked before.

        A report that cannot be true puts its market into quarantine (I-07, I-08). `is_changed` is set by all
        that may change what trading is allowed. What cannot be taken in holds new risk and ends nothing: the
        kill must go on working (I-25).
        """
        try:
            problem, is_new_fill = self._observe(event)
        except Exception as error:  # noqa: BLE001  whatever a metric raises, kill has to go on working
            self.guards.fail("ledger" if type(event.message) in BOOKED else "exposure", error)
            self.is_changed = True
            problem, is_new_fill = "", False
        if problem:
            self.mood.quarantine[event.message.symbol] = problem
            self.is_changed = True
        elif type(event.message) not in UNCHANGING:
            self.is_changed = True
        if is_new_fill or type(event.message) not in BOOKED:
            self.guards.observe(event, self)
        return is_new_fill

    def _observe(self, event: Event) -> tuple[str, bool]:
        message = event.message
        kind = type(message)
        if kind is orders.Fill:
            return self._observe_fill(message)
        if kind is orders.FundingPaid:
            return "", self.ledger.apply_funding(message)
        if kind in _REPORTS:
            return self.exposure.report(message), False
        if kind is orders.OrderIntent:
            return self._observe_intent(message, event.header.ts_ns), False
        observe = _OBSERVE.get(kind)
        if observe is not None:
            observe(self, event)
        return "", False

    def _observe_book(self, event: Event) -> None:
        self.place(event.message.symbol).apply(event.message, event.header.origin_ns)

    def _observe_rules(self, event: Event) -> None:
        self._take_rules(event.message)

    def _take_rules(self, rules: market.InstrumentRules) -> None:
        """Use rules from now on, unless fills or open orders are counted in other ticks or lots."""
        place = self.place(rules.symbol)
        has_orders = place.rules is not None and self.exposure.count(rules.symbol) > 0
        is_other = place.rules is not None and not has_same_units(place.rules, rules)
        if (has_orders and is_other) or not self.ledger.register_rules(rules):
            place.other_rules = rules
            return
        place.rules, place.other_rules = rules, None
        self._limit(rules)

    def _limit(self, *markets: market.InstrumentRules) -> None:
        """Count the limits of these markets in their units."""
        for rules in markets:
            self.caps[rules.symbol] = caps_of(self.settings, rules)
            limits = quick_limits(self.settings, rules)
            if limits is None:
                self.limits.pop(rules.symbol, None)
            else:
                self.limits[rules.symbol] = limits

    def _observe_intent(self, intent: orders.OrderIntent, now_ns: int) -> str:
        order_id = intent.client_order_id
        if order_id in self.pending or self.exposure.is_known(order_id):
            return f"order id {order_id} was used twice (I-03)"
        self.pending[order_id] = Pending(intent, now_ns, self._reference_ticks(intent))
        return ""

    def _observe_fill(self, fill: orders.Fill) -> tuple[str, bool]:
        if not self.ledger.is_registered(fill.symbol):
            return f"a fill of {fill.symbol}, whose rules are unknown", False
        if not self.ledger.apply(fill, self.fee_mark(fill)):
            return "", False
        return self.exposure.report(fill), True

    def _observe_service(self, event: Event) -> None:
        started = event.message
        mood = self.mood
        if started.service == "risk":
            self.raw_settings = started.settings
            self.settings = unpack(started.settings, RiskSettings)
            self._limit(*(place.rules for place in self.markets.values() if place.rules))
        elif started.service == "broker":
            mood.broker_run = started.run
            mood.silent = [name for name in mood.silent if not name.startswith(LINK)]
        if started.service in mood.silent:
            mood.silent.remove(started.service)

    def _observe_reconciled(self, event: Event) -> None:
        if event.message.run == self.mood.broker_run and event.message.difference_count == 0:
            self.mood.reconciled_run = event.message.run

    def _observe_adopted(self, event: Event) -> None:
        """Count an order of the account that risk never approved at its worst case."""
        adopted: venue.OrderAdopted = event.message
        is_market = adopted.order_type is orders.OrderType.MARKET
        self.exposure.adopt(
            OpenOrder(
                adopted.client_order_id,
                adopted.strategy,
                adopted.symbol,
                adopted.side,
                adopted.price_ticks,
                adopted.qty_lots,
                adopted.filled_lots,
                OrderState.PARTIALLY_FILLED if adopted.filled_lots else OrderState.ACCEPTED,
                is_market,
            )
        )

    def _observe_difference(self, event: Event) -> None:
        """Hold new risk where the broker's view of a market was wrong, or another trades on the account."""
        difference: venue.VenueDifference = event.message
        if difference.is_halted:
            self.mood.quarantine[difference.symbol] = f"{difference.kind}: {difference.theirs}"

    def _observe_link(self, event: Event) -> None:
        """Hold new risk while a venue takes no orders, or tells nothing of ours (I-27)."""
        link: venue.VenueLink = event.message
        name = f"{LINK}{link.venue}"
        is_up = link.is_reachable and link.is_user_stream_up
        if is_up and name in self.mood.silent:
            self.mood.silent.remove(name)
        elif not is_up and name not in self.mood.silent:
            self.mood.silent.append(name)

    def _observe_silent(self, event: Event) -> None:
        service = event.message.service
        if service in GUARDS and service not in self.mood.silent:
            self.mood.silent.append(service)

    def _observe_back(self, event: Event) -> None:
        if event.message.service in self.mood.silent:
            self.mood.silent.remove(event.message.service)

    def _observe_kill(self, event: Event) -> None:
        if not self.mood.is_killed:
            self.mood.kill_reason = f"{event.message.reason} (by {event.message.by})"
        self.mood.is_killed = True

    def _observe_cleared(self, _event: Event) -> None:
        """Trade again; the loss counts from here on, since a person has accepted the former one."""
        if not self.mood.is_killed:
            return
        self.mood.is_killed = False
        self.mood.kill_reason = ""
        self.mood.is_loss_said = False
        try:
            self.mood.pnl_base_money, self.mood.pnl_base_e8 = 0, self.pnl_e8()
        except Exception as error:  # noqa: BLE001  whatever a metric raises, a person decides on the kill (I-25)
            self.guards.fail("loss", error)

    def _observe_diverged(self, event: Event) -> None:
        if event.message.service in TRADERS and event.message.service not in self.mood.diverged:
            self.mood.diverged.append(event.message.service)

    def _observe_resume(self, event: Event) -> None:
        """Let a resume of all with a reason also end a quarantine and the doubt after a divergence."""
        if not event.message.strategy and event.message.reason.strip():
            self.mood.diverged.clear()
            self.mood.quarantine.clear()
            for place in list(self.markets.values()):
                if place.other_rules is not None:
                    self._take_rules(place.other_rules)

    # ---- for the checks

    def ask(
        self, intent: orders.OrderIntent, event: Event, place: Market, rules: market.InstrumentRules
    ) -> Ask:
        """Return all that the checks may know about an intent."""
        symbol, strategy, side = intent.symbol, intent.strategy, intent.side
        is_market = intent.order_type is orders.OrderType.MARKET and not intent.stop_ticks
        pending = self.pending.get(intent.client_order_id)
        price_ticks = self._reference_ticks(intent) if pending is None else pending.price_ticks
        reach_ticks = place.reach_ticks(side, intent.qty_lots) if is_market else price_ticks
        book, exposure, settings = place.book, self.exposure, self.settings
        position_lots = self.ledger.position_lots(symbol)
        now_ns = event.header.ts_ns
        halts, holds = self.guards.objections(intent, self)
        count = self.approvals.count
        return Ask(
            side=side,
            price_ticks=price_ticks,
            qty_lots=intent.qty_lots,
            is_market=is_market,
            is_reduce_only=intent.is_reduce_only,
            age_ns=now_ns - event.header.origin_ns,
            rules=rules,
            caps=self.caps[symbol],
            is_killed=self.mood.is_killed,
            reducing_reasons=self.mood.reducing_reasons(),
            is_book_trusted=bool(book.is_trusted),
            book_age_ns=now_ns - place.fresh_ns,
            bid_ticks=int(book.bid_ticks),
            ask_ticks=int(book.ask_ticks),
            position_lots=position_lots,
            strategy_position_lots=self.ledger.strategy_position_lots(strategy, symbol),
            live_lots=exposure.live_lots(symbol, side),
            strategy_live_lots=exposure.live_lots(symbol, side, strategy),
            live_atoms=exposure.live_ticks_lots(symbol) * rules.tick_lot_atoms,
            position_atoms=place.value_atoms(position_lots),
            open_order_count=exposure.count(symbol),
            portfolio_money=self.portfolio_money(),
            loss_money=self.loss_money(),
            flows=(
                Flow("1 s", count(1, now_ns), settings.orders_per_s_max),
                Flow("60 s", count(60, now_ns), settings.orders_per_min_max),
                Flow("3600 s", count(3600, now_ns), settings.orders_per_hour_max),
            ),
            halts=halts,
            holds=holds,
            size_ppm=self.guards.size_ppm(strategy, symbol, self),
            crossed_id="" if intent.stop_ticks else exposure.crossed_id(symbol, side, reach_ticks),
            stop_ticks=intent.stop_ticks,
            free_cash_atoms=self.free_cash_atoms(rules) if side is Side.BUY else NO_LIMIT,
        )

    def place(self, symbol: str) -> Market:
        """Return the market of a symbol, new when it was not seen before."""
        place = self.markets.get(symbol)
        if place is None:
            place = self.markets[symbol] = Market(symbol)
        return place

    def _reference_ticks(self, intent: orders.OrderIntent) -> int:
        if intent.order_type is not orders.OrderType.MARKET:
            return intent.price_ticks
        if intent.stop_ticks:
            return intent.stop_ticks
        place = self.markets.get(intent.symbol)
        if place is None:
            return 0
        return int(place.book.ask_ticks if intent.side == 0 else place.book.bid_ticks)

    # ---- state

    def dump(self) -> RiskState:
        """Return the whole state."""
        opened, closed = self.exposure.dump()
        states, held, failed, said = self.guards.dump()
        return RiskState(
            now_ns=self.now_ns,
            settings=self.raw_settings,
            mood=self.mood,
            markets=[
                MarketState(s, dump_book(m.book), m.rules, m.fresh_ns, m.mark_half_ticks, m.other_rules)
                for s, m in sorted(self.markets.items())
            ],
            ledger=self.ledger.dump(),
            open_orders=opened,
            closed_orders=closed,
            approvals=self.approvals.dump(self.now_ns),
            pending=list(self.pending.values()),
            guards=states,
            held=held,
            failed=failed,
            said_failed=said,
        )

    def load(self, state: RiskState) -> None:
        """Replace everything by a dump."""
        self.now_ns = state.now_ns
        self.raw_settings = state.settings
        self.settings = unpack(state.settings, RiskSettings)
        self.mood = state.mood
        self.markets = {}
        self.caps, self.limits = {}, {}
        for saved in state.markets:
            place = self.place(saved.symbol)
            place.book = load_book(saved.book)
            place.rules, place.fresh_ns = saved.rules, saved.fresh_ns
            place.mark_half_ticks, place.other_rules = saved.mark_half_ticks, saved.other_rules
            if saved.rules is not None:
                self._limit(saved.rules)
        self.ledger.load(state.ledger)
        for place in self.markets.values():
            if place.rules is not None:
                self.ledger.register_rules(place.rules)
        self.exposure.load(state.open_orders, state.closed_orders)
        self.approvals.load(state.approvals)
        self.pending = {p.intent.client_order_id: p for p in state.pending}
        self.guards.load(state.guards, state.held, state.failed, state.said_failed)


_REPORTS = frozenset(
    {
        orders.OrderSent,
        orders.NotSent,
        orders.OrderAccepted,
        orders.OrderTriggered,
        orders.OrderRejected,
        orders.OrderCanceled,
        orders.OrderExpired,
        orders.OrderUnknown,
    }
)
UNCHANGING = _REPORTS | {
    market.BookUpdate,
    market.BookSnapshot,
    market.Trade,
    market.PriceUpdate,
    orders.OrderIntent,
    orders.Fill,
    orders.CancelIntent,
    orders.CancelRejected,
}
"""What changes by itself nothing of what trading is allowed; a guard that it trips says so."""
_OBSERVE: Mapping[type[Message], Callable[[RiskKnowledge, Any], None]] = {
    market.BookUpdate: RiskKnowledge._observe_book,
    market.BookSnapshot: RiskKnowledge._observe_book,
    market.BookInvalid: RiskKnowledge._observe_book,
    market.InstrumentRules: RiskKnowledge._observe_rules,
    system.ServiceStarted: RiskKnowledge._observe_service,
    system.Reconciled: RiskKnowledge._observe_reconciled,
    system.SourceSilent: RiskKnowledge._observe_silent,
    system.SourceBack: RiskKnowledge._observe_back,
    system.CoreDiverged: RiskKnowledge._observe_diverged,
    control.KillRequested: RiskKnowledge._observe_kill,
    control.KillLatched: RiskKnowledge._observe_kill,
    control.KillCleared: RiskKnowledge._observe_cleared,
    control.ResumeRequested: RiskKnowledge._observe_resume,
    venue.OrderAdopted: RiskKnowledge._observe_adopted,
    venue.VenueDifference: RiskKnowledge._observe_difference,
    venue.VenueLink: RiskKnowledge._observe_link,
}
