"""Our executions of a market, page by page until all are there (BR-11)."""

from services.broker.binance.account import Account
from services.broker.binance.answers import UNREADABLE, fill_of, trades_decoder
from services.broker.binance.calls import Lost, Out, Outcome
from services.broker.binance.markets import Market, OffGridError
from services.broker.binance.orders import fills_request
from services.broker.binance.refusals import doubt_of, failure_of
from services.broker.binance.signing import Param
from shared.execution.commands import AskFills
from shared.execution.reports import Doubtful, Fills, RulesDoubtful, VenueFill
from shared.units import NS_PER_MS, NS_PER_S

PAGE_COUNT = 1000
# The longest span of one question by time: a day on spot, a week on USD-M.
SPAN_NS = {True: 24 * 3600 * NS_PER_S, False: 7 * 24 * 3600 * NS_PER_S}
# A question further back than this is answered from here on: the venue keeps three months.
BACK_NS = 90 * 24 * 3600 * NS_PER_S


class FillsQuestion:
    """One `AskFills` on its way; answered once, when the last page is there or a page fails."""

    def __init__(self, account: Account, ask: AskFills, market: Market, now_ns: int) -> None:
        self._account = account
        self._ask = ask
        self._market = market
        self._asked_ns = now_ns
        self._fills: dict[int, VenueFill] = {}
        self._from_id = int(ask.after_trade_id) + 1 if ask.after_trade_id.isdigit() else -1
        self._since_ns = max(ask.since_ns, now_ns - BACK_NS) if ask.since_ns else 0

    def send(self, now_ns: int, out: Out) -> None:
        """Ask for the next page."""
        params: dict[str, Param] = {"limit": PAGE_COUNT}
        if self._from_id >= 0:
            params = {"fromId": self._from_id, **params}
        elif self._since_ns:
            venue_ns = self._since_ns + self._account.budget.offset_ns
            until_ns = venue_ns + SPAN_NS[self._account.is_spot] - NS_PER_S
            params = {"startTime": venue_ns // NS_PER_MS, "endTime": until_ns // NS_PER_MS, **params}
        request = fills_request(self._account.settings.venue, self._market.name, params)
        held = self._account.transport.ask(request, self._take, now_ns, out)
        if held is not None:
            out.append(failure_of(self._ask.request_id, held))

    def _take(self, outcome: Outcome, now_ns: int, out: Out) -> None:
        if isinstance(outcome, Lost) or not outcome.is_ok:
            out.append(doubt_of(self._ask.request_id, outcome))
            return
        try:
            trades = trades_decoder.decode(outcome.body)
            for trade in trades:
                if trade.symbol == self._market.name:
                    self._fills[trade.id] = fill_of(trade, self._market)
        except OffGridError as error:
            out.append(RulesDoubtful(self._market.symbol, error.filter_name))
            out.append(Doubtful(self._ask.request_id, str(error)))
            return
        except UNREADABLE as error:
            reason = f"executions cannot be read: {error}"[:200]
            out.append(Doubtful(self._ask.request_id, reason))
            return
        newest = max((trade.id for trade in trades), default=-1)
        if len(trades) >= PAGE_COUNT and newest >= self._from_id:
            self._from_id = newest + 1
            self.send(now_ns, out)
        elif self._from_id < 0 and self._since_ns:
            self._next_span(newest, now_ns, out)
        else:
            self._answer(out)

    def _next_span(self, newest: int, now_ns: int, out: Out) -> None:
        """Go on by id behind the first execution found, else by time until now."""
        if newest >= 0:
            self._from_id = newest + 1
            self.send(now_ns, out)
            return
        self._since_ns += SPAN_NS[self._account.is_spot] - NS_PER_S
        if self._since_ns < now_ns:
            self.send(now_ns, out)
        else:
            self._answer(out)

    def _answer(self, out: Out) -> None:
        fills = [self._fills[trade_id] for trade_id in sorted(self._fills)]
        out.append(Fills(self._ask.request_id, self._ask.symbol, fills, self._asked_ns))
