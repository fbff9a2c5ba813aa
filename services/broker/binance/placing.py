"""New orders and cancels: checked, sent once, answered once."""

import re
from collections.abc import Sequence

from services.broker.binance.account import Account
from services.broker.binance.answers import (
    UNREADABLE,
    batch_decoder,
    entry_decoder,
    fills_in,
    order_decoder,
    order_of,
)
from services.broker.binance.calls import Answer, Out, Outcome
from services.broker.binance.errors import verdict_of
from services.broker.binance.markets import Market, OffGridError
from services.broker.binance.orders import (
    BATCH_CANCEL_MAX,
    BATCH_PLACE_MAX,
    NotOffered,
    batch_cancel_request,
    batch_place_request,
    cancel_request,
    place_params,
    place_request,
)
from services.broker.binance.refusals import doubt_of, failure_of, unsent
from services.broker.binance.signing import Param
from shared.execution.commands import Cancel, Place
from shared.execution.reports import (
    Acted,
    Doubtful,
    Filled,
    OrderChanged,
    RefusalKind,
    Refused,
    RulesDoubtful,
)

CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
# The filters that are checked here in full: the venue's refusal by one of them means that it has changed.
CHECKED = frozenset(
    {"PRICE_FILTER", "LOT_SIZE", "MARKET_LOT_SIZE", "NOTIONAL", "MIN_NOTIONAL", "PRECISION", "FILTER"}
)
# While the WebSocket API stands, so many cancels of one market are worth one request over REST instead.
BATCH_CANCELS_FROM = 5

Params = dict[str, Param]


class Orders:
    """Places and cancels of one account."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._venue = account.settings.venue

    # ---- new orders

    def place_all(self, places: Sequence[Place], now_ns: int, out: Out) -> None:
        """Send new orders, or refuse them: one by one, or five in one request where that is the way (BR-9).

        A batch needs REST, so it pays only while the WebSocket API does not stand.
        """
        ready: list[tuple[Place, Market, Params]] = []
        for place in places:
            checked = self._check(place, len(ready), now_ns)
            if isinstance(checked, Refused):
                out.append(checked)
            else:
                ready.append((place, *checked))
        is_batch = not self._account.is_spot and not self._account.transport.api_socket and len(ready) > 1
        step = BATCH_PLACE_MAX if is_batch else 1
        for first in range(0, len(ready), step):
            group = ready[first : first + step]
            if len(group) == 1:
                self._place(*group[0], now_ns, out)
            else:
                self._place_batch(group, now_ns, out)

    def _check(self, place: Place, ahead_count: int, now_ns: int) -> tuple[Market, Params] | Refused:
        account = self._account
        request_id = place.request_id
        if account.unreachable:
            until_ns = account.unreachable_until_ns
            kind = RefusalKind.RATE if until_ns else RefusalKind.OTHER
            return unsent(request_id, kind, "unreachable", account.unreachable, until_ns)
        market = account.market_of(place.symbol)
        if market is None:
            reason = f"no rules of {place.symbol} on the log"
            return unsent(request_id, RefusalKind.INVALID, "rules", reason)
        if CLIENT_ID.fullmatch(place.client_order_id) is None:
            reason = f"{place.client_order_id[:40]!r} is no id of 1 to 36 letters, digits, _ and -"
            return unsent(request_id, RefusalKind.INVALID, "client_order_id", reason)
        code, reason = account.info.why_not(market)
        if code:
            return unsent(request_id, RefusalKind.FILTER, code, reason)
        filters = account.info.filters[market.name]
        venue_ns = now_ns + account.budget.offset_ns
        params = place_params(place, market, account.settings, filters.stp_modes, venue_ns)
        if isinstance(params, NotOffered):
            return unsent(request_id, RefusalKind.INVALID, params.code, params.reason)
        open_count = account.open_count(place.symbol) + ahead_count
        breach = filters.breach(place, market, account.info.reference(market.name, now_ns), open_count)
        if breach is not None:
            kind = RefusalKind.HALTED if breach.filter == "STATUS" else RefusalKind.FILTER
            return unsent(request_id, kind, breach.filter, breach.reason)
        return market, params

    def _place(self, place: Place, market: Market, params: Params, now_ns: int, out: Out) -> None:
        def take(outcome: Outcome, at_ns: int, said: Out) -> None:
            self._placed(place, market, outcome, at_ns, said)

        def late(outcome: Outcome, _: int, said: Out) -> None:
            self._placed_late(place, market, outcome, said)

        request = place_request(self._venue, params)
        held = self._account.transport.ask(request, take, now_ns, out, late=late)
        if held is not None:
            out.append(failure_of(place.request_id, held))
        else:
            self._account.watch.await_order(place.client_order_id)

    def _placed(self, place: Place, market: Market, outcome: Outcome, now_ns: int, out: Out) -> None:
        if not isinstance(outcome, Answer) or not outcome.is_ok:
            self._not_placed(place, market, outcome, now_ns, out)
            return
        try:
            self._accepted(place, market, outcome.body, now_ns, out)
        except OffGridError as error:
            self._account.info.again(market.name, now_ns)
            out.append(Doubtful(place.request_id, str(error)[:200]))
            out.append(RulesDoubtful(market.symbol, error.filter_name))
        except UNREADABLE as error:
            out.append(Doubtful(place.request_id, f"the answer cannot be read: {error}"[:200]))

    def _accepted(self, place: Place, market: Market, body: bytes, now_ns: int, out: Out) -> None:
        order = order_decoder.decode(body)
        if order.symbol != market.name or order.clientOrderId != place.client_order_id:
            raise ValueError(f"it is about {order.clientOrderId[:40]!r} of {order.symbol[:20]!r}")
        told = order_of(order, market)
        fills = fills_in(order, market)
        self._account.saw(told)
        if told.state.is_open:
            self._account.watch.accepted(place.client_order_id, now_ns)
        else:
            self._account.watch.told(place.client_order_id)
        out.append(Acted(place.request_id, told))
        out.extend(Filled(fill) for fill in fills)

    def _not_placed(self, place: Place, market: Market, outcome: Outcome, now_ns: int, out: Out) -> None:
        answer = doubt_of(place.request_id, outcome)
        out.append(answer)
        self._account.watch.told(place.client_order_id)  # it owes nothing: the order may not exist
        if not isinstance(answer, Refused):
            return
        verdict = outcome.verdict if isinstance(outcome, Answer) else None
        if verdict is None:
            return
        if answer.kind in {RefusalKind.FILTER, RefusalKind.HALTED}:
            self._account.info.again(market.name, now_ns)
        if answer.kind is RefusalKind.FILTER and verdict.filter in CHECKED:
            out.append(RulesDoubtful(market.symbol, verdict.filter))

    def _placed_late(self, place: Place, market: Market, outcome: Outcome, out: Out) -> None:
        """Take the answer to an order that is in doubt already: evidence that it exists, and nothing else."""
        if not isinstance(outcome, Answer) or not outcome.is_ok:
            return
        try:
            order = order_decoder.decode(outcome.body)
            if order.symbol == market.name and order.clientOrderId == place.client_order_id:
                told, fills = order_of(order, market), fills_in(order, market)
                out.extend(Filled(fill) for fill in fills)
                out.append(OrderChanged(told))
        except UNREADABLE:
            return

    # ---- batches

    def _place_batch(self, group: list[tuple[Place, Market, Params]], now_ns: int, out: Out) -> None:
        def take(outcome: Outcome, at_ns: int, said: Out) -> None:
            answers = self._answers_of(outcome, [place.client_order_id for place, _, _ in group])
            for (place, market, _), each in zip(group, answers, strict=True):
                self._placed(place, market, each, at_ns, said)

        def late(outcome: Outcome, _: int, said: Out) -> None:
            answers = self._answers_of(outcome, [place.client_order_id for place, *_params in group])
            for (place, market, _params), each in zip(group, answers, strict=True):
                self._placed_late(place, market, each, said)

        request = batch_place_request(self._venue, [params for _, _, params in group])
        held = self._account.transport.ask(request, take, now_ns, out, late=late)
        for place, _, _ in group:
            if held is not None:
                out.append(failure_of(place.request_id, held))
            else:
                self._account.watch.await_order(place.client_order_id)

    def _answers_of(self, outcome: Outcome, ids: Sequence[str]) -> list[Outcome]:
        """Return the outcome of each order in a batch: in the order asked, or by id where entries miss."""
        if not isinstance(outcome, Answer) or not outcome.is_ok:
            return [outcome] * len(ids)
        try:
            entries = [bytes(raw) for raw in batch_decoder.decode(outcome.body)]
            if len(entries) != len(ids):
                by_id = {order_decoder.decode(raw).clientOrderId: raw for raw in entries if _is_order(raw)}
                entries = [by_id.get(each, b"null") for each in ids]
        except UNREADABLE:
            entries = [b"null"] * len(ids)
        return [self._entry_of(outcome, raw) for raw in entries]

    def _entry_of(self, outcome: Answer, raw: bytes) -> Answer:
        try:
            entry = entry_decoder.decode(raw)
        except UNREADABLE:
            return outcome._replace(body=raw)
        if entry.code == 0:
            return outcome._replace(body=raw)
        verdict = verdict_of(400, entry.code, entry.msg)
        return Answer(400, raw, verdict, entry.code, entry.msg[:300], outcome.sent_ns)

    # ---- cancels

    def cancel_all_of(self, cancels: Sequence[Cancel], now_ns: int, out: Out) -> None:
        """Send cancels: ten of one market in one request where that saves weight (BR-9)."""
        by_symbol: dict[str, list[Cancel]] = {}
        for cancel in cancels:
            by_symbol.setdefault(cancel.symbol, []).append(cancel)
        least = BATCH_CANCELS_FROM if self._account.transport.api_socket else 2
        for symbol, group in by_symbol.items():
            market = self._account.market_of(symbol)
            if market is None:
                for cancel in group:
                    reason = f"no rules of {symbol} on the log"
                    out.append(unsent(cancel.request_id, RefusalKind.INVALID, "rules", reason))
                continue
            joint = [c for c in group if c.client_order_id] if not self._account.is_spot else []
            if len(joint) < least:
                joint = []
            for first in range(0, len(joint), BATCH_CANCEL_MAX):
                self._cancel_batch(joint[first : first + BATCH_CANCEL_MAX], market, now_ns, out)
            for cancel in group:
                if cancel not in joint:
                    self._cancel(cancel, market, now_ns, out)

    def _cancel(self, cancel: Cancel, market: Market, now_ns: int, out: Out) -> None:
        def take(outcome: Outcome, at_ns: int, said: Out) -> None:
            self._canceled(cancel, market, outcome, at_ns, said)

        request = cancel_request(self._venue, cancel, market)
        held = self._account.transport.ask(request, take, now_ns, out)
        if held is not None:
            out.append(failure_of(cancel.request_id, held))
        else:
            self._account.watch.await_cancel(cancel.client_order_id)

    def _cancel_batch(self, group: Sequence[Cancel], market: Market, now_ns: int, out: Out) -> None:
        def take(outcome: Outcome, at_ns: int, said: Out) -> None:
            answers = self._answers_of(outcome, [cancel.client_order_id for cancel in group])
            for cancel, each in zip(group, answers, strict=True):
                self._canceled(cancel, market, each, at_ns, said)

        request = batch_cancel_request(self._venue, group, market)
        held = self._account.transport.ask(request, take, now_ns, out)
        for cancel in group:
            if held is not None:
                out.append(failure_of(cancel.request_id, held))
            else:
                self._account.watch.await_cancel(cancel.client_order_id)

    def _canceled(self, cancel: Cancel, market: Market, outcome: Outcome, now_ns: int, out: Out) -> None:
        if not isinstance(outcome, Answer) or not outcome.is_ok:
            self._account.watch.not_canceled(cancel.client_order_id)
            out.append(doubt_of(cancel.request_id, outcome))
            return
        try:
            order = order_decoder.decode(outcome.body)
            told = order_of(order, market)
            if order.symbol != market.name or (
                cancel.client_order_id and told.client_order_id != cancel.client_order_id
            ):
                raise ValueError(f"it is about {told.client_order_id[:40]!r} of {order.symbol[:20]!r}")
        except UNREADABLE as error:
            out.append(Doubtful(cancel.request_id, f"the answer cannot be read: {error}"[:200]))
            return
        self._account.saw(told)
        self._account.watch.canceled(cancel.client_order_id, now_ns)
        out.append(Acted(cancel.request_id, told))


def _is_order(raw: bytes) -> bool:
    try:
        order_decoder.decode(raw)
    except UNREADABLE:
        return False
    return True
