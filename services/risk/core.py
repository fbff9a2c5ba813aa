"""The risk core: a verdict for every intent, a ledger of its own, and what trading is allowed now.

It believes nobody: position and profit come from fills on the log, prices from its own books, and
exposure is freed by the broker's outcomes alone.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from services.risk.ask import MONEY_EXPONENT
from services.risk.beyond_doubt import is_beyond_doubt
from services.risk.checks import KILLED, judge
from services.risk.exposure import OpenOrder
from services.risk.guards import FAILED, Hold
from services.risk.knowledge import BOOKED, TRADERS, RiskKnowledge
from services.risk.most_order import most_order
from services.risk.state import Allowance, RiskState, scope_key, scoped_states
from services.risk.trips import NEEDS_REASON, needs_reason_text
from shared.core import Output
from shared.double_entry import in_64_bits
from shared.messages import Event, Instruction, Message, control, guards, orders, system
from shared.orders import OrderState
from shared.units import atoms_text

SOURCE = "risk"

_encoder = msgspec.msgpack.Encoder(order="sorted")
_decoder = msgspec.msgpack.Decoder(RiskState)

Say = Callable[[Message], None]


class RiskCore:
    """See `shared.core.Core`; the service `risk`."""

    service = SOURCE

    def __init__(self) -> None:
        self.known = RiskKnowledge()

    # ---- the door

    def apply(self, event: Event) -> list[Output | Instruction]:
        """Take one event and return what risk says to it."""
        self.known.now_ns = event.header.ts_ns
        if event.header.source == SOURCE:
            return []
        said: list[Output | Instruction] = []

        def say(message: Message) -> None:
            self._fold(message, event.header.origin_ns)
            said.append(Output(SOURCE, message))

        is_new_fill = self.known.observe(event)
        decide = _DECIDE.get(type(event.message))
        if decide is not None:
            try:
                decide(self, event, say, is_new_fill)
            except Exception as error:  # noqa: BLE001  whatever a metric raises, kill has to go on working (I-25)
                self.known.guards.fail("decisions", error)
                self.known.is_changed = True
        if is_new_fill or type(event.message) not in BOOKED or self.known.guards.is_failure_unsaid:
            for message in self.known.guards.decide(event, self.known):
                say(message)
        if self.known.is_changed:
            self._say_state(say)
        return said

    def adopt(self, event: Event) -> None:
        """Take one event without deciding: own verdicts count as they stand on the log."""
        self.known.now_ns = event.header.ts_ns
        if event.header.source == SOURCE:
            self._fold(event.message, event.header.origin_ns)
        else:
            self.known.observe(event)
        if self.known.is_changed:
            self.known.guards.holds(self.known)
            self.known.is_changed = False

    # ---- decide: what risk says

    def _decide_intent(self, event: Event, say: Say, _: bool) -> None:
        intent = event.message
        pending = self.known.pending.get(intent.client_order_id)
        if pending is None or pending.intent is not intent:
            return
        try:
            say(self._verdict(intent, event))
        except Exception as error:  # noqa: BLE001  whatever a metric raises, kill has to go on working (I-25)
            self.known.guards.fail("checks", error)
            say(_refused(intent, "check_failed", f"a check raised {type(error).__name__}: {error}"))

    def _verdict(self, intent: orders.OrderIntent, event: Event) -> Message:
        if self.known.mood.is_killed:
            # Before anything is computed: what can raise must not stand before the kill (I-25).
            return _refused(intent, KILLED.code, KILLED.reason)
        place = self.known.markets.get(intent.symbol)
        if place is None or place.rules is None:
            return _refused(
                intent, "unknown_symbol", f"no rules of {intent.symbol} are known; is it configured?"
            )
        terms = (intent.order_type, intent.tif, intent.is_post_only, intent.is_reduce_only)
        ends = (intent.expire_ns, intent.stop_ticks)
        order = (intent.client_order_id, intent.strategy, intent.symbol, intent.side, intent.price_ticks)
        if is_beyond_doubt(self.known, intent, event, place, place.rules):
            return orders.OrderApproved(*order, intent.qty_lots, *terms, *ends)
        ask = self.known.ask(intent, event, place, place.rules)
        qty_lots, objection = judge(ask, may_adjust=self.known.settings.adjust_orders)
        if objection is None:
            return orders.OrderApproved(*order, qty_lots, *terms, *ends)
        if qty_lots > 0:
            code, reason = objection.code, objection.reason
            return orders.OrderAdjusted(*order, qty_lots, intent.qty_lots, code, reason, *terms, *ends)
        return _refused(intent, objection.code, objection.reason, objection.value, objection.limit)

    def _decide_fill(self, event: Event, say: Say, is_new: bool) -> None:
        fill = event.message
        position = self.known.ledger.by_strategy.get((fill.strategy, fill.symbol))
        if not is_new or position is None:
            return
        funding = self.known.ledger.strategy_funding(fill.strategy, fill.symbol)
        rules = self.known.markets[fill.symbol].rules
        assert rules is not None, f"{fill.symbol} has fills but no rules"
        say(
            orders.PositionChanged(
                strategy=fill.strategy,
                symbol=fill.symbol,
                position_lots=position.position_lots,
                average_price_centiticks=position.average_price_centiticks,
                realized_atoms=in_64_bits(position.realized_atoms),
                fees_atoms=in_64_bits(position.fees_atoms),
                quote_asset=rules.quote_asset,
                volume_atoms=in_64_bits(position.volume_atoms),
                cost_atoms=in_64_bits(position.cost_atoms),
                funding_atoms=in_64_bits(funding.atoms),
                funding_count=funding.count,
            )
        )
        self._decide_loss(event, say, is_new)

    def _decide_loss(self, _event: Event, say: Say, _: bool) -> None:
        """Ask for the kill once the loss limit is reached (RK-11)."""
        if self.known.mood.is_loss_said or self.known.mood.is_killed:
            return
        settings = self.known.settings
        try:
            loss_money = self.known.loss_money()
        except Exception as error:  # noqa: BLE001  as above
            self.known.guards.fail("loss", error)
            return
        if loss_money >= int(settings.loss_max.scaleb(MONEY_EXPONENT)):
            loss_text = f"{atoms_text(loss_money, MONEY_EXPONENT)} {settings.currency}"
            reason = f"the loss of {loss_text} reached the limit of {settings.loss_max}"
            say(control.KillRequested(by="risk", reason=reason))

    def _decide_service(self, event: Event, say: Say, _: bool) -> None:
        """Refuse, when risk itself starts, what a former build left without a verdict."""
        if event.message.service == SOURCE:
            for pending in list(self.known.pending.values()):
                say(_refused(pending.intent, "restart", "risk was restarted before it could decide"))

    def _decide_diverged(self, event: Event, say: Say, _: bool) -> None:
        diverged = event.message
        if diverged.service in TRADERS and diverged.is_same_build and not self.known.mood.is_killed:
            reason = f"{diverged.service} diverged from the log at seq {diverged.at_seq} with the same build"
            say(control.KillRequested(by="risk", reason=reason))

    def _decide_resume(self, event: Event, say: Say, _: bool) -> None:
        """Tell a person that what risk itself holds needs a reason; guards say it of theirs."""
        if event.message.strategy or event.message.reason.strip():
            return
        mood, failed = self.known.mood, self.known.guards.failed
        held = [f"{FAILED} {name}" for name in sorted(failed)]
        held += [f"quarantine {symbol}" for symbol in sorted(mood.quarantine)]
        held += [f"{service} diverged" for service in mood.diverged]
        if held:
            say(guards.GuardRaised(NEEDS_REASON, "", "", needs_reason_text(held)))

    def _decide_most(self, event: Event, say: Say, _: bool) -> None:
        say(most_order(self.known, event))

    def _say_state(self, say: Say) -> None:
        self.known.is_changed = False
        mood, holds = self.known.mood, self.known.guards.holds(self.known)
        state, reasons = self._trading_state([hold for hold in holds if hold.strategy == hold.symbol == ""])
        if (state, reasons) != (mood.said_state, mood.said_reasons):
            say(control.TradingState(state=state, reasons=reasons))
        scopes = scoped_states(holds)
        for (strategy, symbol), (state, reasons) in scopes.items():
            if mood.said_scopes.get(scope_key(strategy, symbol)) != [state, *reasons]:
                say(guards.ScopedState(strategy, symbol, state, reasons))
        for key in sorted(mood.said_scopes.keys() - {scope_key(*scope) for scope in scopes}):
            strategy, _, symbol = key.partition(" ")
            say(guards.ScopedState(strategy, symbol, "active", []))

    def _trading_state(self, holds: Sequence[Hold]) -> tuple[Allowance, list[str]]:
        mood = self.known.mood
        try:
            return mood.trading_state(holds)
        except Exception as error:  # noqa: BLE001  as above
            self.known.guards.fail("mood", error)
            reasons = [
                f"{hold.code}: {hold.reason}" for hold in self.known.guards.held if hold.code == FAILED
            ]
            if mood.is_killed:
                return "halted", [f"kill: {mood.kill_reason}", *reasons]
            return "reducing", reasons

    # ---- fold: what own words change

    def _fold(self, message: Message, said_ns: int) -> None:
        kind = type(message)
        if kind not in _PLAIN:
            self.known.is_changed = True
        if kind is orders.OrderApproved or kind is orders.OrderAdjusted:
            self._fold_approval(message)
        elif isinstance(message, orders.OrderRefused):
            self.known.pending.pop(message.client_order_id, None)
        elif isinstance(message, control.KillRequested):
            self.known.mood.is_killed = True
            self.known.mood.kill_reason = f"{message.reason} (by risk)"
            self.known.mood.is_loss_said = True
        elif isinstance(message, control.TradingState):
            self.known.mood.said_state = message.state
            self.known.mood.said_reasons = list(message.reasons)
        elif isinstance(message, guards.ScopedState):
            key = scope_key(message.strategy, message.symbol)
            if message.state == "active":
                self.known.mood.said_scopes.pop(key, None)
            else:
                self.known.mood.said_scopes[key] = [message.state, *message.reasons]
        self.known.guards.fold(message, said_ns)

    def _fold_approval(self, approval: Any) -> None:
        pending = self.known.pending.pop(approval.client_order_id)
        self.known.approvals.add(pending.ts_ns)
        self.known.exposure.reserve(
            OpenOrder(
                approval.client_order_id,
                approval.strategy,
                approval.symbol,
                approval.side,
                pending.price_ticks,
                approval.qty_lots,
                0,
                OrderState.APPROVED,
                approval.order_type is orders.OrderType.MARKET,
                approval.stop_ticks > 0,
            )
        )

    # ---- state

    def snapshot(self) -> bytes:
        """Return the whole state."""
        return _encoder.encode(self.known.dump())

    def restore(self, data: bytes) -> None:
        """Take the state of `snapshot`; raises `ValueError` on anything else."""
        state = _decoder.decode(data)
        self.known = RiskKnowledge()
        self.known.load(state)

    def digest(self) -> bytes:
        """Return 16 bytes over the state."""
        return hashlib.blake2b(self.snapshot(), digest_size=16).digest()


def _refused(
    intent: orders.OrderIntent, code: str, reason: str, value: int = 0, limit: int = 0
) -> orders.OrderRefused:
    return orders.OrderRefused(
        intent.client_order_id, intent.strategy, intent.symbol, code, reason, value, limit
    )


_APPROVALS = (orders.OrderApproved, orders.OrderAdjusted)
_PLAIN = frozenset(
    {
        *_APPROVALS,
        orders.OrderRefused,
        orders.PositionChanged,
        guards.RoundTrip,
        guards.ProfitParts,
        guards.MostOrderTold,
        guards.ScopedState,
        control.TradingState,
    }
)
"""Own words that change nothing of what is held back."""
_DECIDE: Mapping[type[Message], Callable[[RiskCore, Event, Say, bool], None]] = {
    orders.OrderIntent: RiskCore._decide_intent,
    orders.Fill: RiskCore._decide_fill,
    orders.FundingPaid: RiskCore._decide_fill,
    system.Tick: RiskCore._decide_loss,
    system.ServiceStarted: RiskCore._decide_service,
    system.CoreDiverged: RiskCore._decide_diverged,
    guards.MostOrderAsked: RiskCore._decide_most,
    control.ResumeRequested: RiskCore._decide_resume,
}
