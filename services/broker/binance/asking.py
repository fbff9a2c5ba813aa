"""Questions and calls for a whole market: one order, open orders, account, rights, countdown, cancel-all."""

from collections.abc import Callable

from services.broker.binance.account import Account
from services.broker.binance.answers import (
    UNREADABLE,
    order_decoder,
    order_of,
    orders_decoder,
    spot_account,
    usdm_account,
)
from services.broker.binance.calls import Answer, Out, Outcome, Request
from services.broker.binance.fills import FillsQuestion
from services.broker.binance.markets import OffGridError
from services.broker.binance.orders import (
    account_request,
    cancel_all_request,
    countdown_request,
    open_orders_request,
    order_request,
    rights_request,
)
from services.broker.binance.refusals import doubt_of, failure_of, unsent
from services.broker.binance.startup import Startup, read_rights
from shared.execution.commands import (
    AskAccount,
    AskFills,
    AskKeyRights,
    AskOpenOrders,
    AskOrder,
    CancelAll,
    Countdown,
)
from shared.execution.reports import (
    Done,
    Doubtful,
    OpenOrders,
    OrderChanged,
    OrderFound,
    RefusalKind,
    RulesDoubtful,
)

Question = AskOrder | AskOpenOrders | AskFills | AskAccount | AskKeyRights | CancelAll | Countdown
Read = Callable[[Answer, int, Out], None]


class Questions:
    """Everything but new orders and single cancels."""

    def __init__(self, account: Account, startup: Startup) -> None:
        self._account = account
        self._startup = startup
        self._venue = account.settings.venue

    def ask(self, command: Question, now_ns: int, out: Out) -> None:
        """Send one question."""
        symbol = getattr(command, "symbol", "")
        market = self._account.market_of(symbol)
        if symbol and market is None:
            reason = f"no rules of {symbol} on the log"
            out.append(unsent(command.request_id, RefusalKind.INVALID, "rules", reason))
            return
        name = market.name if market is not None else ""
        match command:
            case AskOrder():
                assert market is not None, "an order is asked for in its market"
                self._send(command, order_request(self._venue, command, market), self._found, now_ns, out)
            case AskOpenOrders():
                self._send(command, open_orders_request(self._venue, name), self._open, now_ns, out)
            case AskFills():
                assert market is not None, "executions are asked for by market"
                FillsQuestion(self._account, command, market, now_ns).send(now_ns, out)
            case AskAccount():
                self._send(command, account_request(self._venue), self._held, now_ns, out)
            case AskKeyRights():
                self._send(command, rights_request(self._account.settings), self._rights, now_ns, out)
            case CancelAll():
                self._send(command, cancel_all_request(self._venue, name), self._all_canceled, now_ns, out)
            case Countdown():
                self._countdown(command, name, now_ns, out)

    def _send(
        self,
        command: Question,
        request: Request,
        read: Callable[[Question, Answer, Out], None],
        now_ns: int,
        out: Out,
    ) -> None:
        def take(outcome: Outcome, at_ns: int, said: Out) -> None:
            is_nothing = isinstance(command, CancelAll) and _is_nothing_open(outcome)
            if not isinstance(outcome, Answer) or (not outcome.is_ok and not is_nothing):
                said.append(doubt_of(command.request_id, outcome))
                return
            self._read(command, outcome, read, at_ns, said)

        held = self._account.transport.ask(request, take, now_ns, out)
        if held is not None:
            out.append(failure_of(command.request_id, held))

    def _read(
        self,
        command: Question,
        answer: Answer,
        read: Callable[[Question, Answer, Out], None],
        now_ns: int,
        out: Out,
    ) -> None:
        said: Out = []
        try:
            read(command, answer, said)
        except OffGridError as error:
            said = [
                Doubtful(command.request_id, str(error)[:200]),
                RulesDoubtful(error.symbol, error.filter_name),
            ]
            self._account.info.again(error.symbol.partition(":")[2], now_ns)
        except UNREADABLE as error:
            said = [Doubtful(command.request_id, f"the answer cannot be read: {error}"[:200])]
        out.extend(said)

    # ---- answers

    def _found(self, command: Question, answer: Answer, out: Out) -> None:
        assert isinstance(command, AskOrder)
        order = order_decoder.decode(answer.body)
        market = self._account.markets[command.symbol.partition(":")[2]]
        told = order_of(order, market)
        is_same = (
            told.venue_order_id == command.venue_order_id
            if command.venue_order_id.isdigit()
            else told.client_order_id == command.client_order_id
        )
        if order.symbol != market.name or not is_same:
            raise ValueError(f"it is about {told.client_order_id[:40]!r} of {order.symbol[:20]!r}")
        self._account.saw(told)
        out.append(OrderFound(command.request_id, told))

    def _open(self, command: Question, answer: Answer, out: Out) -> None:
        assert isinstance(command, AskOpenOrders)
        found = []
        for order in orders_decoder.decode(answer.body):
            market = self._account.markets.get(order.symbol)
            if market is not None:  # orders in markets that are not followed have no units here
                found.append(order_of(order, market))
        self._account.saw_all(command.symbol, found)
        out.append(OpenOrders(command.request_id, command.symbol, found, answer.sent_ns))

    def _held(self, command: Question, answer: Answer, out: Out) -> None:
        if self._account.is_spot:
            out.append(spot_account(answer.body, command.request_id, answer.sent_ns))
        else:
            markets = self._account.markets
            out.append(usdm_account(answer.body, command.request_id, answer.sent_ns, markets))

    def _rights(self, command: Question, answer: Answer, out: Out) -> None:
        told = read_rights(self._account, answer, command.request_id)
        self._startup.judge(told)
        out.append(told)

    def _all_canceled(self, command: Question, answer: Answer, out: Out) -> None:
        assert isinstance(command, CancelAll)
        if self._account.is_spot and answer.is_ok:
            market = self._account.markets[command.symbol.partition(":")[2]]
            for order in orders_decoder.decode(answer.body):
                if order.symbol == market.name:
                    out.append(OrderChanged(order_of(order, market)))
        self._account.saw_all(command.symbol, ())
        out.append(Done(command.request_id))

    def _countdown(self, command: Countdown, name: str, now_ns: int, out: Out) -> None:
        if self._account.is_spot:
            reason = "spot has no countdown: the broker's own watchdog cancels"
            out.append(unsent(command.request_id, RefusalKind.INVALID, "countdown", reason))
            return
        request = countdown_request(name, command.countdown_ms)
        self._send(command, request, _done, now_ns, out)


def _done(command: Question, _: Answer, out: Out) -> None:
    out.append(Done(command.request_id))


def _is_nothing_open(outcome: Outcome) -> bool:
    """Return whether a cancel-all was refused because nothing is open: spot answers -2011 then."""
    verdict = outcome.verdict if isinstance(outcome, Answer) else None
    return verdict is not None and verdict.kind is RefusalKind.NOT_FOUND
