"""The risk core: a verdict for every intent, a ledger of its own, and what trading is allowed now.

It believes nobody: position and profit come from fills on the log, prices from its own books, and
exposure is freed by the broker's outcomes alone.
"""

import hashlib
from collections.abc import Callable, Mapping

import msgspec

from services.risk.checks import Ask, Caps, Flow, caps_of, judge, money
from services.risk.exposure import Exposure, OpenOrder
from services.risk.market import Market
from services.risk.settings import RiskSettings
from services.risk.state import MarketState, Mood, Pending, RiskState
from services.risk.windows import Windows
from shared.book_state import dump_book, load_book
from shared.core import Output
from shared.ledger import Ledger
from shared.messages import Event, Instruction, Message, control, market, orders, system
from shared.orders import OrderState
from shared.settings import unpack

SOURCE = "risk"
GUARDS = ("broker", "market_data")
"""Services whose silence makes the mesh reduce only."""
TRADERS = ("strategy", "risk", "broker")
"""Services whose divergence from the log does the same."""

_encoder = msgspec.msgpack.Encoder(order="sorted")
_decoder = msgspec.msgpack.Decoder(RiskState)

Say = Callable[[Message], None]


class RiskCore:
    """See `shared.core.Core`; the service `risk`."""

    service = SOURCE

    def __init__(self) -> None:
        self._raw_settings = b"\x80"
        self._now_ns = 0
        self.settings = RiskSettings()
        self.mood = Mood()
        self.markets: dict[str, Market] = {}
        self.ledger = Ledger()
        self.exposure = Exposure()
        self._caps: dict[str, Caps] = {}
        self._approvals = Windows()
        self._pending: dict[str, Pending] = {}

    # ---- the door

    def apply(self, event: Event) -> list[Output | Instruction]:
        """Take one event and return what risk says to it."""
        self._now_ns = event.header.ts_ns
        if event.header.source == SOURCE:
            return []
        said: list[Output | Instruction] = []

        def say(message: Message) -> None:
            self._fold(message)
            said.append(Output(SOURCE, message))

        problem, is_new_fill = self._observe(event)
        if problem:
            self.mood.quarantine[event.message.symbol] = problem
        decide = _DECIDE.get(type(event.message))
        if decide is not None:
            decide(self, event, say, is_new_fill)
        if type(event.message) not in _QUIET:
            self._say_state(say)
        return said

    def adopt(self, event: Event) -> None:
        """Take one event without deciding: own verdicts count as they stand on the log."""
        self._now_ns = event.header.ts_ns
        if event.header.source == SOURCE:
            self._fold(event.message)
            return
        problem, _ = self._observe(event)
        if problem:
            self.mood.quarantine[event.message.symbol] = problem

    # ---- observe: what the events say, without an answer

    def _observe(self, event: Event) -> tuple[str, bool]:
        """Return what is wrong with a report of an order (or nothing), and whether a fill was new."""
        message = event.message
        if isinstance(message, orders.Fill):
            return self._observe_fill(message)
        if isinstance(message, _REPORTS):
            return self.exposure.report(message), False
        if isinstance(message, orders.OrderIntent):
            return self._observe_intent(message, event.header.ts_ns), False
        observe = _OBSERVE.get(type(message))
        if observe is not None:
            observe(self, event)
        return "", False

    def _observe_book(self, event: Event) -> None:
        self._market(event.message.symbol).apply(event.message, event.header.origin_ns)

    def _observe_rules(self, event: Event) -> None:
        rules = event.message
        self._market(rules.symbol).rules = rules
        self.ledger.register(rules.symbol, rules.tick_lot_atoms)
        self._caps[rules.symbol] = caps_of(self.settings, rules)

    def _observe_intent(self, intent: orders.OrderIntent, now_ns: int) -> str:
        order_id = intent.client_order_id
        if order_id in self._pending or self.exposure.is_known(order_id):
            return f"order id {order_id} was used twice (I-03)"
        self._pending[order_id] = Pending(intent, now_ns, self._reference_ticks(intent))
        return ""

    def _observe_fill(self, fill: orders.Fill) -> tuple[str, bool]:
        if not self.ledger.is_registered(fill.symbol):
            return f"a fill of {fill.symbol}, whose rules are unknown", False
        if not self.ledger.apply(fill):
            return "", False
        return self.exposure.report(fill), True

    def _observe_service(self, event: Event) -> None:
        started = event.message
        mood = self.mood
        if started.service == SOURCE:
            self._raw_settings = started.settings
            self.settings = unpack(started.settings, RiskSettings)
            self._caps = {s: caps_of(self.settings, m.rules) for s, m in self.markets.items() if m.rules}
        elif started.service == "broker":
            mood.broker_run = started.run
        if started.service in mood.silent:
            mood.silent.remove(started.service)

    def _observe_reconciled(self, event: Event) -> None:
        if event.message.run == self.mood.broker_run and event.message.difference_count == 0:
            self.mood.reconciled_run = event.message.run

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

    def _observe_cleared(self, event: Event) -> None:
        """Trade again; the loss counts from here on, since a person has accepted the former one."""
        assert event.message.reason, "a kill is cleared with a reason"
        self.mood.is_killed = False
        self.mood.kill_reason = ""
        self.mood.is_loss_said = False
        self.mood.pnl_base_money = self.pnl_money()

    def _observe_diverged(self, event: Event) -> None:
        if event.message.service in TRADERS and event.message.service not in self.mood.diverged:
            self.mood.diverged.append(event.message.service)

    def _observe_resume(self, event: Event) -> None:
        """Let a person who resumes everything also end a quarantine and the doubt after a divergence."""
        if not event.message.strategy:
            self.mood.diverged.clear()
            self.mood.quarantine.clear()

    # ---- decide: what risk says

    def _decide_intent(self, event: Event, say: Say, _: bool) -> None:
        intent = event.message
        pending = self._pending.get(intent.client_order_id)
        if pending is None or pending.intent is not intent:
            return
        place = self.markets.get(intent.symbol)
        if place is None or place.rules is None:
            say(
                _refused(
                    intent, "unknown_symbol", f"no rules of {intent.symbol} are known; is it configured?"
                )
            )
            return
        ask = self._ask(intent, event, place, place.rules)
        qty_lots, objection = judge(ask, may_adjust=self.settings.adjust_orders)
        terms = (intent.order_type, intent.tif, intent.is_post_only, intent.is_reduce_only)
        order = (intent.client_order_id, intent.strategy, intent.symbol, intent.side, intent.price_ticks)
        if objection is None:
            say(orders.OrderApproved(*order, qty_lots, *terms))
        elif qty_lots > 0:
            asked_lots = intent.qty_lots
            say(orders.OrderAdjusted(*order, qty_lots, asked_lots, objection.code, objection.reason, *terms))
        else:
            say(_refused(intent, objection.code, objection.reason, objection.value, objection.limit))

    def _ask(
        self, intent: orders.OrderIntent, event: Event, place: Market, rules: market.InstrumentRules
    ) -> Ask:
        symbol, strategy, side = intent.symbol, intent.strategy, intent.side
        book, exposure, settings = place.book, self.exposure, self.settings
        position_lots = self.ledger.position_lots(symbol)
        now_ns = event.header.ts_ns
        limits = (settings.orders_per_s_max, settings.orders_per_min_max, settings.orders_per_hour_max)
        return Ask(
            side=side,
            price_ticks=self._pending[intent.client_order_id].price_ticks,
            qty_lots=intent.qty_lots,
            is_market=intent.order_type is orders.OrderType.MARKET,
            is_reduce_only=intent.is_reduce_only,
            age_ns=now_ns - event.header.origin_ns,
            rules=rules,
            caps=self._caps[symbol],
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
            loss_money=self.mood.pnl_base_money - self.pnl_money(),
            flows=tuple(
                Flow(f"{seconds} s", self._approvals.count(seconds, now_ns), limit)
                for seconds, limit in zip((1, 60, 3600), limits, strict=True)
            ),
        )

    def _decide_fill(self, event: Event, say: Say, is_new: bool) -> None:
        if not is_new:
            return
        fill = event.message
        position = self.ledger.by_strategy[fill.strategy, fill.symbol]
        rules = self.markets[fill.symbol].rules
        assert rules is not None, f"{fill.symbol} has fills but no rules"
        say(
            orders.PositionChanged(
                strategy=fill.strategy,
                symbol=fill.symbol,
                position_lots=position.position_lots,
                average_price_centiticks=position.average_price_centiticks,
                realized_atoms=position.realized_atoms,
                fees_atoms=position.fees_atoms,
                quote_asset=rules.quote_asset,
                volume_atoms=position.volume_atoms,
            )
        )
        self._decide_loss(event, say, is_new)

    def _decide_loss(self, _event: Event, say: Say, _: bool) -> None:
        """Ask for the kill once the loss limit is reached (RK-11)."""
        if self.mood.is_loss_said or self.mood.is_killed:
            return
        loss_money = self.mood.pnl_base_money - self.pnl_money()
        limit_money = int(self.settings.loss_max.scaleb(18))
        if loss_money >= limit_money:
            text = f"loss of {loss_money // 10**16 / 100:.2f} {self.settings.currency} reached the limit"
            say(control.KillRequested(by="risk", reason=f"{text} of {self.settings.loss_max}"))

    def _decide_service(self, event: Event, say: Say, _: bool) -> None:
        """Refuse, when risk itself starts, what a former build left without a verdict."""
        if event.message.service == SOURCE:
            for pending in list(self._pending.values()):
                say(_refused(pending.intent, "restart", "risk was restarted before it could decide"))

    def _decide_diverged(self, event: Event, say: Say, _: bool) -> None:
        diverged = event.message
        if diverged.service in TRADERS and diverged.is_same_build and not self.mood.is_killed:
            reason = f"{diverged.service} diverged from the log at seq {diverged.at_seq} with the same build"
            say(control.KillRequested(by="risk", reason=reason))

    def _say_state(self, say: Say) -> None:
        state, reasons = self.mood.trading_state()
        if (state, reasons) != (self.mood.said_state, self.mood.said_reasons):
            say(control.TradingState(state=state, reasons=reasons))

    # ---- fold: what own words change

    def _fold(self, message: Message) -> None:
        if isinstance(message, orders.OrderApproved | orders.OrderAdjusted):
            pending = self._pending.pop(message.client_order_id)
            self._approvals.add(pending.ts_ns)
            self.exposure.reserve(
                OpenOrder(
                    client_order_id=message.client_order_id,
                    strategy=message.strategy,
                    symbol=message.symbol,
                    side=message.side,
                    price_ticks=pending.price_ticks,
                    qty_lots=message.qty_lots,
                    filled_lots=0,
                    state=OrderState.APPROVED,
                )
            )
        elif isinstance(message, orders.OrderRefused):
            self._pending.pop(message.client_order_id)
        elif isinstance(message, control.KillRequested):
            self.mood.is_killed = True
            self.mood.kill_reason = f"{message.reason} (by risk)"
            self.mood.is_loss_said = True
        elif isinstance(message, control.TradingState):
            self.mood.said_state = message.state
            self.mood.said_reasons = list(message.reasons)

    # ---- sums

    def pnl_money(self) -> int:
        """Return realized - fees + unrealized over all markets in 10^-18 of the currency."""
        total = 0
        for symbol in self.ledger.by_symbol:
            place = self.markets[symbol]
            if place.rules is not None:
                total += money(self.ledger.profit_atoms(symbol, place.mark_centiticks), place.rules)
        return total

    def portfolio_money(self) -> int:
        """Return the value of all positions and open orders in 10^-18 of the currency."""
        total = 0
        for symbol, place in self.markets.items():
            if place.rules is not None:
                live = self.exposure.live_ticks_lots(symbol) * place.rules.tick_lot_atoms
                total += money(live + place.value_atoms(self.ledger.position_lots(symbol)), place.rules)
        return total

    def _market(self, symbol: str) -> Market:
        place = self.markets.get(symbol)
        if place is None:
            place = self.markets[symbol] = Market(symbol)
        return place

    def _reference_ticks(self, intent: orders.OrderIntent) -> int:
        if intent.order_type is not orders.OrderType.MARKET:
            return intent.price_ticks
        place = self.markets.get(intent.symbol)
        if place is None:
            return 0
        return int(place.book.ask_ticks if intent.side == 0 else place.book.bid_ticks)

    # ---- state

    def snapshot(self) -> bytes:
        """Return the whole state."""
        opened, closed = self.exposure.dump()
        state = RiskState(
            now_ns=self._now_ns,
            settings=self._raw_settings,
            mood=self.mood,
            markets=[
                MarketState(s, dump_book(m.book), m.rules, m.fresh_ns, m.mark_half_ticks)
                for s, m in sorted(self.markets.items())
            ],
            ledger=self.ledger.dump(),
            open_orders=opened,
            closed_orders=closed,
            approvals=self._approvals.dump(self._now_ns),
            pending=list(self._pending.values()),
        )
        return _encoder.encode(state)

    def restore(self, data: bytes) -> None:
        """Take the state of `snapshot`; raises `ValueError` on anything else."""
        state = _decoder.decode(data)
        self._now_ns = state.now_ns
        self._raw_settings = state.settings
        self.settings = unpack(state.settings, RiskSettings)
        self.mood = state.mood
        self.markets = {}
        self._caps = {}
        for saved in state.markets:
            place = self._market(saved.symbol)
            place.book = load_book(saved.book)
            place.rules, place.fresh_ns = saved.rules, saved.fresh_ns
            place.mark_half_ticks = saved.mark_half_ticks
            if saved.rules is not None:
                self._caps[saved.symbol] = caps_of(self.settings, saved.rules)
        self.ledger.load(state.ledger)
        self.exposure.load(state.open_orders, state.closed_orders)
        self._approvals.load(state.approvals)
        self._pending = {p.intent.client_order_id: p for p in state.pending}

    def digest(self) -> bytes:
        """Return 16 bytes over the state."""
        return hashlib.blake2b(self.snapshot(), digest_size=16).digest()


def _refused(
    intent: orders.OrderIntent, code: str, reason: str, value: int = 0, limit: int = 0
) -> orders.OrderRefused:
    return orders.OrderRefused(
        intent.client_order_id, intent.strategy, intent.symbol, code, reason, value, limit
    )


_REPORTS = (
    orders.OrderSent,
    orders.NotSent,
    orders.OrderAccepted,
    orders.OrderRejected,
    orders.OrderCanceled,
    orders.OrderExpired,
    orders.OrderUnknown,
)
_QUIET = frozenset({market.BookUpdate, market.BookSnapshot, market.Trade, market.PriceUpdate})
_OBSERVE: Mapping[type[Message], Callable[[RiskCore, Event], None]] = {
    market.BookUpdate: RiskCore._observe_book,
    market.BookSnapshot: RiskCore._observe_book,
    market.BookInvalid: RiskCore._observe_book,
    market.InstrumentRules: RiskCore._observe_rules,
    system.ServiceStarted: RiskCore._observe_service,
    system.Reconciled: RiskCore._observe_reconciled,
    system.SourceSilent: RiskCore._observe_silent,
    system.SourceBack: RiskCore._observe_back,
    system.CoreDiverged: RiskCore._observe_diverged,
    control.KillRequested: RiskCore._observe_kill,
    control.KillLatched: RiskCore._observe_kill,
    control.KillCleared: RiskCore._observe_cleared,
    control.ResumeRequested: RiskCore._observe_resume,
}
_DECIDE: Mapping[type[Message], Callable[[RiskCore, Event, Say, bool], None]] = {
    orders.OrderIntent: RiskCore._decide_intent,
    orders.Fill: RiskCore._decide_fill,
    system.Tick: RiskCore._decide_loss,
    system.ServiceStarted: RiskCore._decide_service,
    system.CoreDiverged: RiskCore._decide_diverged,
}
