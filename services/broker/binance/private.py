"""Frames of the private streams: to reports, with what the venue does not tell whole asked for.

An execution that only `TRADE_LITE` told is asked for by its id; funding, whose market a cross-margin event
does not name, is read from the income history. What cannot be read is never skipped in silence: the stream
counts as down, and the desk fetches what happened.
"""

from services.broker.binance import events_spot, events_usdm
from services.broker.binance.account import Account
from services.broker.binance.answers import UNREADABLE, Income, fill_of, income_decoder, trades_decoder
from services.broker.binance.calls import Lost, Out, Outcome
from services.broker.binance.events_usdm import FundingSeen, LiteSeen
from services.broker.binance.markets import OffGridError, decimal_of
from services.broker.binance.orders import fills_request, income_request
from shared.execution.reports import (
    AnyReport,
    BalancesChanged,
    Filled,
    FundingBooked,
    OrderChanged,
    RulesDoubtful,
)
from shared.units import NS_PER_MS, NS_PER_S

LITE_WAIT_NS = NS_PER_S
LITE_COUNT_MAX = 1000
INCOME_DELAY_NS = NS_PER_S
INCOME_TRIES = 5
BEFORE_NS = 60 * NS_PER_S


class PrivateEvents:
    """What the private stream said. `trouble` names why its word can no longer be taken whole."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.trouble = ""
        self._lite: dict[tuple[str, int], int] = {}
        self._told_trades: dict[tuple[str, str], None] = {}
        self._positions: dict[str, int] = {}
        self._funding_since_ns = 0
        self._funding_told: dict[tuple[str, int], None] = {}
        self._income_due_ns = 0
        self._income_tries = 0

    def take(self, event: bytes, now_ns: int, out: Out) -> str:
        """Take one event; return its type, empty when it has none."""
        try:
            kind = events_spot.kind_of(event)
            if self._account.is_spot:
                reports: list[events_usdm.Seen] = list(
                    events_spot.reports_of(kind, event, self._account.markets)
                )
            else:
                reports = events_usdm.seen_in(kind, event, self._account.markets)
        except OffGridError as error:
            self._account.info.again(error.symbol.partition(":")[2], now_ns)
            out.append(RulesDoubtful(error.symbol, error.filter_name))
            self.trouble = f"an event does not fit the rules: {error}"
            return ""
        except UNREADABLE as error:
            self.trouble = f"an event cannot be read: {error}"
            return ""
        for report in reports:
            self._take_one(report, now_ns, out)
        return kind

    def _take_one(self, report: AnyReport | FundingSeen | LiteSeen, now_ns: int, out: Out) -> None:
        if isinstance(report, FundingSeen):
            self._funding_since_ns = self._funding_since_ns or report.ts_ns - BEFORE_NS
            self._income_due_ns, self._income_tries = now_ns + INCOME_DELAY_NS, INCOME_TRIES
            return
        if isinstance(report, LiteSeen):
            key = (report.symbol, report.trade_id)
            if key not in self._lite and self._key_of(key) not in self._told_trades:
                self._lite[key] = now_ns + LITE_WAIT_NS
            return
        if isinstance(report, Filled):
            self._filled(report)
        elif isinstance(report, OrderChanged):
            self._account.saw(report.order)
            self._account.watch.told(report.order.client_order_id, is_over=not report.order.state.is_open)
        elif isinstance(report, BalancesChanged):
            self._positions.update({one.symbol: one.position_lots for one in report.positions})
        out.append(report)

    def _key_of(self, key: tuple[str, int]) -> tuple[str, str]:
        return self._account.markets[key[0]].symbol, str(key[1])

    def _filled(self, report: Filled) -> None:
        fill = report.fill
        self._account.watch.told(fill.client_order_id)
        if not self._account.is_spot:
            self._lite.pop((fill.symbol.partition(":")[2], int(fill.trade_id)), None)
            self._told_trades[fill.symbol, fill.trade_id] = None
            if len(self._told_trades) > LITE_COUNT_MAX:
                del self._told_trades[next(iter(self._told_trades))]

    # ---- what the stream did not tell whole

    def pass_time(self, now_ns: int, out: Out) -> None:
        """Ask for executions that only the short event told, and for funding."""
        for key in [key for key, due_ns in self._lite.items() if due_ns <= now_ns]:
            del self._lite[key]
            self._ask_trade(key[0], key[1], now_ns, out)
        if self._income_due_ns and now_ns >= self._income_due_ns:
            self._ask_income(now_ns, out)

    def _ask_trade(self, name: str, trade_id: int, now_ns: int, out: Out) -> None:
        market = self._account.markets.get(name)
        if market is None:
            return

        def take(outcome: Outcome, _: int, said: Out) -> None:
            try:
                if isinstance(outcome, Lost) or not outcome.is_ok:
                    raise ValueError("no answer")
                trades = trades_decoder.decode(outcome.body)
                found = [Filled(fill_of(trade, market)) for trade in trades if trade.symbol == name]
            except UNREADABLE as error:
                self.trouble = f"execution {trade_id} of {name} cannot be fetched: {error}"
                return
            for report in found:
                self._filled(report)
            said.extend(found)

        params: dict[str, str | int | bool] = {"fromId": trade_id, "limit": 100}
        request = fills_request(self._account.settings.venue, name, params)
        if self._account.transport.ask(request, take, now_ns, out) is not None:
            self._lite[name, trade_id] = now_ns + LITE_WAIT_NS

    def reconnected(self, now_ns: int) -> None:
        """Take that events were missed: funding since the last one told is asked for."""
        if not self._account.is_spot:
            since_ns = now_ns + self._account.budget.offset_ns - BEFORE_NS
            self._funding_since_ns = self._funding_since_ns or since_ns
            self._income_due_ns, self._income_tries = now_ns + INCOME_DELAY_NS, INCOME_TRIES

    def _ask_income(self, now_ns: int, out: Out) -> None:
        self._income_due_ns = 0
        held = self._account.transport.ask(
            income_request(self._funding_since_ns), self._took_income, now_ns, out
        )
        if held is not None:
            self._income_due_ns = held.retry_ns

    def _took_income(self, outcome: Outcome, now_ns: int, out: Out) -> None:
        self._income_tries -= 1
        try:
            if isinstance(outcome, Lost) or not outcome.is_ok:
                raise ValueError("no answer")
            records = income_decoder.decode(outcome.body)
            said = [self._booked(record) for record in records if record.symbol in self._account.markets]
        except UNREADABLE:
            if self._income_tries > 0:
                self._income_due_ns = now_ns + (INCOME_TRIES - self._income_tries) * 5 * NS_PER_S
            return
        for booked in said:
            key = (booked.symbol, booked.ts_venue_ns)
            if key not in self._funding_told:
                self._funding_told[key] = None
                out.append(booked)
            self._funding_since_ns = max(self._funding_since_ns, booked.ts_venue_ns)
        while len(self._funding_told) > LITE_COUNT_MAX:
            del self._funding_told[next(iter(self._funding_told))]

    def _booked(self, record: Income) -> FundingBooked:
        symbol = self._account.markets[record.symbol].symbol
        return FundingBooked(
            symbol,
            record.asset,
            decimal_of(record.income),
            record.time * NS_PER_MS,
            self._positions.get(symbol, 0),
        )


def is_end_of_stream(kind: str) -> bool:
    """Return whether an event says that no more will come."""
    return kind in {"listenKeyExpired", "eventStreamTerminated"}


def is_shutdown(kind: str) -> bool:
    """Return whether the venue is about to close the connection."""
    return kind == "serverShutdown"
