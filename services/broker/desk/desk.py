"""The order desk of one venue: commands out, reports in, facts for the log (issue 6, order truth).

Pure: every call takes the mesh time and appends to `state.out`, in order, what is said and what the shell has
to do. A create is asked of the venue once, ever; what happened to it is learnt, never assumed (I-05).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from services.broker.desk.adopting import Adopting
from services.broker.desk.cancels import Cancels
from services.broker.desk.countdowns import Countdowns
from services.broker.desk.doubts import Doubts
from services.broker.desk.fundings import Fundings
from services.broker.desk.order import DeskOrder, of_live, place_of, sent_of
from services.broker.desk.rounds import Rounds
from services.broker.desk.state import DeskState, Out, Request, Work, ms
from services.broker.desk.telling import Teller
from services.broker.live_knowledge import LiveKnowledge
from services.broker.live_settings import LiveSettings
from shared.execution import reports
from shared.execution.commands import AnyCommand
from shared.execution.outside import Said, VenueAdapter
from shared.instrument import venue_of
from shared.messages.market import InstrumentRules
from shared.messages.orders import NotSent, OrderAdjusted, OrderApproved
from shared.messages.venue import VenueLink
from shared.orders import OrderState

Approval = OrderApproved | OrderAdjusted


class Desk:
    """Everything about the orders of one account at one venue."""

    def __init__(self, adapter: VenueAdapter, settings: LiveSettings) -> None:
        self.adapter = adapter
        self.venue = adapter.venue
        self.state = DeskState(adapter.venue, settings)
        self.teller = Teller(self.state)
        self.doubts = Doubts(self.state, self.teller)
        self.cancels = Cancels(self.state, self.teller, self.doubts)
        self.adopting = Adopting(self.state, self.teller, self.cancels, self.doubts)
        self.countdowns = Countdowns(self.state)
        self.fundings = Fundings(self.state)
        self.rounds = Rounds(self.state, self.adopting, self.doubts)
        self.no_create_before_ns = 0
        self._why_unreachable = "not connected yet"
        self._why_stream_down = "not connected yet"
        self.stream_down_ns = 0
        self._start_ns = 0
        self._is_begun = False
        self._until_ns = 0
        self._told_link: VenueLink | None = None

    # ---- life

    def start(self, known: LiveKnowledge, now_ns: int) -> None:
        """Take over the orders and executions that the log knows, and connect."""
        state = self.state
        for order in known.open_orders():
            if venue_of(order.symbol) == self.venue and order.state.is_live:
                mine = of_live(order)
                mine.heard_ns = now_ns
                state.orders.enter(mine)
                if order.state is OrderState.UNKNOWN:
                    self.teller.unknown(mine, "", now_ns)
        for done in known.closed.values():
            if venue_of(done.symbol) == self.venue:
                state.orders.remember(msgspec.structs.replace(done))
        for symbol, memory in known.trades.items():
            if venue_of(symbol) == self.venue:
                state.trades[symbol] = memory.copy()
        for symbol, place in known.markets.items():
            if venue_of(symbol) == self.venue and place.rules is not None:
                self.on_rules(place.rules, now_ns)
        state.halted.update({s: why for s, why in known.halted.items() if venue_of(s) == self.venue})
        self.rounds.start(known)
        self.fundings.start(known)
        self._start_ns = known.banned_until_ns.get(self.venue, 0)
        self._begin_if_due(now_ns)

    def _begin_if_due(self, now_ns: int) -> None:
        """Connect, but not inside a ban that the log knows: nothing at all is asked before its end (I-10)."""
        if self._is_begun or now_ns < self._start_ns:
            self._why_unreachable = self._why_unreachable if self._is_begun else "banned by the venue"
            self._tell_link()
            return
        self._is_begun = True
        self._take(self.adapter.start(now_ns), now_ns)
        self._pump(now_ns)

    def stop(self, now_ns: int) -> None:
        """Disarm the dead-man's switch and close every connection."""
        self.countdowns.disarm(now_ns)
        self._pump(now_ns)
        self._take(self.adapter.stop(now_ns), now_ns)

    def on_rules(self, rules: InstrumentRules, now_ns: int) -> None:
        """Take the rules of a market from the log."""
        self.state.rules[rules.symbol] = rules
        self._take(self.adapter.on_rules(rules, now_ns), now_ns)
        self._pump(now_ns)

    def outcome(self) -> Out:
        """Return what was said and is to be done since the last call, in order."""
        out, self.state.out = self.state.out, []
        return out

    @property
    def why_closed(self) -> tuple[str, str] | None:
        """Return why no order may leave now as (code, reason), None when one may (BR-3, I-27, I-30)."""
        state = self.state
        if not state.is_reachable:
            return "unreachable", f"{self.venue}: {self._why_unreachable}"
        if not state.is_stream_up:
            return "user_stream", f"the private stream of {self.venue} is down: {self._why_stream_down}"
        if self.rounds.is_key_refused:
            return "key", f"{self.venue}: {self.rounds.is_key_refused}"
        if not self.rounds.is_reconciled:
            return "unreconciled", f"{self.venue} is not reconciled yet"
        return None

    # ---- orders

    def send(self, sends: Sequence[tuple[DeskOrder, int, int]], now_ns: int) -> None:
        """Create orders, each with the seq of its approval and the receipt of the data behind it."""
        commands = []
        for order, _, _ in sends:
            number = self.state.request("place", order.client_order_id, now_ns)
            order.place_request, order.heard_ns, order.changed_ns = number, now_ns, now_ns
            commands.append(place_of(number, order))
        said = self.adapter.carry_out(commands, now_ns)
        held = {r.request_id: r for r in said if isinstance(r, reports.Refused) and not r.is_sent}
        for order, cause_seq, origin_ns in sends:
            refused = held.get(order.place_request)
            if refused is not None:
                del self.state.requests[order.place_request]
                code = f"venue_{refused.kind.value}"
                reason = f"{refused.code}: {refused.reason}"
                self.state.say(NotSent(*order.name, code, reason), cause_seq, origin_ns)
                self.no_create_before_ns = max(self.no_create_before_ns, refused.retry_ns)
                continue
            order.state = OrderState.SENT
            self.state.orders.enter(order)
            self.state.say(sent_of(order), cause_seq, origin_ns)
            self.countdowns.watch(order.symbol, now_ns)
        self._take([one for one in said if getattr(one, "request_id", None) not in held], now_ns)
        self._pump(now_ns)

    def cancel(self, client_order_id: str, reason: str, now_ns: int) -> None:
        """Cancel one order until it is certainly gone."""
        order = self.state.orders.live.get(client_order_id)
        if order is not None:
            self.cancels.want(order, reason, now_ns)
            self._pump(now_ns)

    def cancel_market(self, symbol: str, reason: str, now_ns: int) -> None:
        """Cancel all orders of a market with the venue's own call, those of every market when it is empty."""
        if symbol:
            self.cancels.want_market(symbol, reason, now_ns)
        else:
            self.cancels.want_everything(reason, now_ns)
        self._pump(now_ns)

    def withdraw(self, reason: str, now_ns: int) -> None:
        """Cancel everything but stops that wait: they protect, and are no quotes that silence makes old."""
        self.cancels.want_everything(reason, now_ns, quotes_only=True)
        self._pump(now_ns)

    def on_time(self, now_ns: int) -> None:
        """Let time pass."""
        if not self._is_begun:
            self._begin_if_due(now_ns)
            self._pump(now_ns)
            return
        self._take(self.adapter.on_time(now_ns), now_ns)
        self._time_out(now_ns)
        self.teller.let_ends_come(now_ns)
        self.doubts.on_time(now_ns)
        self.cancels.on_time(now_ns)
        self.countdowns.on_time(now_ns)
        self.rounds.on_time(now_ns)
        self._pump(now_ns)

    def take(self, said: Said, now_ns: int) -> None:
        """Take what the adapter said, and carry out what follows."""
        self._take(said, now_ns)
        self._pump(now_ns)

    # ---- the adapter

    def _pump(self, now_ns: int) -> None:
        self.rounds.fetch_wanted(now_ns)
        while self.state.commands:
            commands, self.state.commands = self.state.commands, []
            self._take(self._asked_of_adapter(commands, now_ns), now_ns)
            self.rounds.fetch_wanted(now_ns)
        self._tell_link()

    def _asked_of_adapter(self, commands: Sequence[AnyCommand], now_ns: int) -> Said:
        if self._is_begun:
            return self.adapter.carry_out(commands, now_ns)
        why = (reports.RefusalKind.RATE, "banned", self._why_unreachable)
        return [reports.Refused(c.request_id, *why, is_sent=False, retry_ns=self._start_ns) for c in commands]

    def _take(self, said: Said, now_ns: int) -> None:
        for one in said:
            if isinstance(one, reports.Report):
                self._report(one, now_ns)
            else:
                self.state.out.append(Work(self.venue, one))

    def _time_out(self, now_ns: int) -> None:
        """Hold a request that nobody ever answered for doubtful."""
        oldest_ns = now_ns - ms(self.state.settings.request_timeout_ms)
        for number, request in list(self.state.requests.items()):
            if request.asked_ns >= oldest_ns:
                break
            self.state.counts["unanswered"] += 1
            self._report(reports.Doubtful(number, "nothing answered"), now_ns)

    def _report(self, report: Any, now_ns: int) -> None:
        take = _STREAM.get(type(report))
        if take is not None:
            take(self, report, now_ns)
            return
        number = getattr(report, "request_id", 0)
        request = self.state.requests.pop(number, None)
        if request is None:
            self.state.counts["answer_without_request"] += 1
            return
        answered = _ANSWERS.get(request.kind)
        if answered is not None:
            answered(self, report, number, request, now_ns)

    # ---- answers

    def _placed(self, report: Any, number: int, request: Request, now_ns: int) -> None:
        order = self.state.orders.live.get(request.subject)
        if order is None or order.place_request != number:
            return
        order.place_request = 0
        if isinstance(report, reports.Acted):
            self.adopting.take(report.order, now_ns)
        elif isinstance(report, reports.Refused) and report.kind is not reports.RefusalKind.DUPLICATE:
            self.no_create_before_ns = max(self.no_create_before_ns, report.retry_ns)
            if order.state in (OrderState.SENT, OrderState.UNKNOWN):
                self.teller.rejected(order, report.code or report.kind.value, report.reason, now_ns)
        elif order.state is OrderState.SENT:
            self.teller.unknown(order, report.reason, now_ns)

    def _canceled(self, report: Any, number: int, request: Request, now_ns: int) -> None:
        order = self.state.orders.live.get(request.subject)
        if order is not None and order.cancel_request == number:
            order.cancel_request = 0
        if isinstance(report, reports.Acted):
            self.adopting.take(report.order, now_ns)
        elif order is None:
            return
        elif isinstance(report, reports.Refused):
            self.cancels.refused(order, report, request.asked_ns, now_ns)
        elif order.cancel_reason and order.end is None:
            self.teller.unknown(order, f"cancel in doubt: {report.reason}", now_ns)

    def _asked(self, report: Any, number: int, request: Request, now_ns: int) -> None:
        order = self.state.orders.live.get(request.subject)
        if order is not None and order.ask_request == number:
            order.ask_request = 0
        if isinstance(report, reports.OrderFound):
            self.adopting.take(report.order, now_ns, request.asked_ns)
        elif order is not None and isinstance(report, reports.Refused):
            if report.kind is reports.RefusalKind.NOT_FOUND:
                self._not_found(order, request.asked_ns, now_ns)
            elif order.doubt is not None:
                order.doubt.next_ask_ns = max(order.doubt.next_ask_ns, report.retry_ns)

    def _not_found(self, order: DeskOrder, asked_ns: int, now_ns: int) -> None:
        if order.place_request or asked_ns <= order.changed_ns:
            return
        if order.state is not OrderState.UNKNOWN and order.end is None:
            self.teller.unknown(order, "the venue does not know it", now_ns)
        self.doubts.not_found(order, asked_ns, now_ns)

    def _told_whose(self, report: Any, number: int, _request: Request, now_ns: int) -> None:
        self.adopting.told_whose(report, number, now_ns)

    def _market_canceled(self, report: Any, _number: int, request: Request, now_ns: int) -> None:
        nothing_there = isinstance(report, reports.Refused) and report.kind is reports.RefusalKind.NOT_FOUND
        if isinstance(report, reports.Done) or nothing_there:
            self.cancels.all_done(request.subject, now_ns)
        else:
            self.cancels.all_failed(request.subject, now_ns)

    def _counted_down(self, report: Any, _number: int, request: Request, now_ns: int) -> None:
        self.countdowns.answered(report, request.subject, now_ns)

    def _in_round(self, report: Any, number: int, request: Request, now_ns: int) -> None:
        self.rounds.answered(report, number, request, now_ns)

    # ---- what the venue says of itself

    def _changed(self, report: reports.OrderChanged, now_ns: int) -> None:
        self.adopting.take(report.order, now_ns)

    def _filled(self, report: reports.Filled, now_ns: int) -> None:
        self.adopting.take_fill(report.fill, now_ns)

    def _balances(self, report: reports.BalancesChanged, now_ns: int) -> None:
        self.rounds.balances_changed(report.reason, now_ns)

    def _funding(self, report: reports.FundingBooked, now_ns: int) -> None:
        self.fundings.take(report)
        self.rounds.balances_changed(report.symbol, now_ns)

    def _stream_up(self, _report: Any, now_ns: int) -> None:
        self.state.is_stream_up, self.state.stream_up_ns = True, now_ns
        self._why_stream_down = ""
        self.rounds.begin_anew(now_ns)

    def _stream_down(self, report: reports.UserStreamDown, now_ns: int) -> None:
        if self.state.is_stream_up:
            self.stream_down_ns = now_ns
        self.state.is_stream_up = False
        self._why_stream_down = report.reason
        self.rounds.lose(now_ns)

    def _reachable(self, _report: Any, now_ns: int) -> None:
        self.state.is_reachable = True
        self._why_unreachable, self._until_ns = "", 0
        self.rounds.on_time(now_ns)

    def _unreachable(self, report: reports.Unreachable, _now_ns: int) -> None:
        self.state.is_reachable = False
        self._why_unreachable, self._until_ns = report.reason, report.until_ns

    def _rules_doubtful(self, report: reports.RulesDoubtful, _now_ns: int) -> None:
        self.state.counts[f"rules_doubtful {report.symbol} {report.filter}"] += 1

    def _tell_link(self) -> None:
        """Say how the venue can be traded on, when that has changed; up means compared too."""
        state, closed = self.state, self.why_closed
        is_up = state.is_stream_up and self.rounds.is_reconciled and not self.rounds.is_key_refused
        reason = "" if closed is None else closed[1].removeprefix(f"{self.venue}: ")
        link = VenueLink(self.venue, state.is_reachable, is_up, reason, self._until_ns)
        if link != self._told_link:
            self._told_link = link
            state.say(link)


_Answer = Callable[[Desk, Any, int, Request, int], None]
_ANSWERS: Mapping[str, _Answer] = {
    "place": Desk._placed,
    "cancel": Desk._canceled,
    "ask_order": Desk._asked,
    "ask_whose": Desk._told_whose,
    "cancel_all": Desk._market_canceled,
    "countdown": Desk._counted_down,
    "ask_open_orders": Desk._in_round,
    "ask_fills": Desk._in_round,
    "ask_account": Desk._in_round,
    "ask_key_rights": Desk._in_round,
}
_STREAM: Mapping[type[reports.Report], Callable[[Desk, Any, int], None]] = {
    reports.OrderChanged: Desk._changed,
    reports.Filled: Desk._filled,
    reports.BalancesChanged: Desk._balances,
    reports.FundingBooked: Desk._funding,
    reports.UserStreamUp: Desk._stream_up,
    reports.UserStreamDown: Desk._stream_down,
    reports.Reachable: Desk._reachable,
    reports.Unreachable: Desk._unreachable,
    reports.RulesDoubtful: Desk._rules_doubtful,
}
