"""Events of a log, stored or virtual, folded into the tables of a run: orders, fills, funding, counts."""

from collections.abc import Callable, Mapping
from typing import Any

from services.backtest import tables
from services.backtest.record import Run, Strategy
from shared.messages import Event, Message, market, orders, shadow


class RunFold:
    """Fills a `Run` from events; markets and strategies are added as they are first heard of.

    `apply` looks at orders, fills and funding alone; everything else costs one look into a table. Orders of
    an unknown id (a log that begins later) leave fills without an order.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._markets = {rules.symbol: at for at, rules in enumerate(run.markets)}
        self._strategies = {each.name: at for at, each in enumerate(run.strategies)}
        self._rows: dict[str, int] = {}
        self._trades: set[tuple[str, str]] = set()

    def apply(self, event: Event) -> None:
        """Take the next event of the log."""
        take = _TAKE.get(type(event.message))
        if take is not None:
            take(self, event)

    def _market(self, symbol: str) -> int:
        at = self._markets.get(symbol)
        if at is None:
            raise KeyError(f"{symbol} is traded before its rules are known")
        return at

    def _strategy(self, name: str) -> int:
        at = self._strategies.get(name)
        if at is None:
            at = self._strategies[name] = len(self.run.strategies)
            self.run.strategies.append(Strategy(name, ""))
        return at

    def _take_rules(self, event: Event) -> None:
        rules = event.message
        at = self._markets.get(rules.symbol)
        if at is None:
            self._markets[rules.symbol] = len(self.run.markets)
            self.run.markets.append(rules)

    def _take_version(self, event: Event) -> None:
        said = event.message
        at = self._strategy(said.strategy)
        known = self.run.strategies[at]
        if not known.version:
            self.run.strategies[at] = Strategy(
                known.name, known.kind or said.kind, said.version, known.settings
            )

    def _take_intent(self, event: Event) -> None:
        intent = event.message
        row = self.run.orders.add(
            ts_ns=event.header.ts_ns,
            market=self._market(intent.symbol),
            strategy=self._strategy(intent.strategy),
            side=int(intent.side),
            state=tables.OPEN,
            price_ticks=intent.price_ticks,
            lots=intent.qty_lots,
        )
        self._rows[intent.client_order_id] = row
        self.run.counts.orders += 1

    def _take_adjusted(self, event: Event) -> None:
        row = self._rows.get(event.message.client_order_id)
        if row is not None:
            self.run.orders.lots[row] = event.message.qty_lots

    def _take_sent(self, event: Event) -> None:
        self.run.counts.sent_lots += event.message.qty_lots

    def _take_accepted(self, event: Event) -> None:
        row = self._rows.get(event.message.client_order_id)
        if row is not None:
            self.run.orders.accepted_ns[row] = event.header.ts_ns

    def _take_fill(self, event: Event) -> None:
        fill = event.message
        if (fill.symbol, fill.trade_id) in self._trades:
            return
        self._trades.add((fill.symbol, fill.trade_id))
        run, now_ns = self.run, event.header.ts_ns
        row = self._rows.get(fill.client_order_id, tables.NO_ORDER)
        run.fills.add(
            ts_ns=now_ns,
            seq=event.header.seq,
            market=self._market(fill.symbol),
            strategy=self._strategy(fill.strategy),
            order=row,
            side=int(fill.side),
            is_maker=int(fill.is_maker),
            price_ticks=fill.price_ticks,
            lots=fill.qty_lots,
            fee_atoms=fill.fee_atoms,
        )
        run.counts.filled_lots += fill.qty_lots
        if row == tables.NO_ORDER:
            return
        orders_ = run.orders
        orders_.filled_lots[row] += fill.qty_lots
        if not orders_.filled_ns[row]:
            orders_.filled_ns[row] = now_ns
        if fill.leaves_lots == 0:
            self._end(fill.client_order_id, tables.FILLED, now_ns)
            run.counts.orders_filled += 1

    def _take_refused(self, event: Event) -> None:
        self._end(event.message.client_order_id, tables.REFUSED, event.header.ts_ns)
        self.run.counts.orders_refused += 1

    def _take_rejected(self, event: Event) -> None:
        self._end(event.message.client_order_id, tables.REJECTED, event.header.ts_ns)
        self.run.counts.orders_rejected += 1

    def _take_canceled(self, event: Event) -> None:
        self._end(event.message.client_order_id, tables.CANCELED, event.header.ts_ns)
        self.run.counts.orders_canceled += 1

    def _take_expired(self, event: Event) -> None:
        self._end(event.message.client_order_id, tables.EXPIRED, event.header.ts_ns)
        self.run.counts.orders_expired += 1

    def _end(self, order_id: str, state: int, now_ns: int) -> None:
        row = self._rows.pop(order_id, None)
        if row is not None:
            self.run.orders.state[row] = state
            self.run.orders.ended_ns[row] = now_ns

    def _take_funding(self, event: Event) -> None:
        paid = event.message
        self.run.funding.add(
            ts_ns=event.header.ts_ns,
            market=self._market(paid.symbol),
            strategy=self._strategy(paid.strategy),
            rate_e8=paid.rate_e8,
            amount_atoms=paid.amount_atoms,
        )


_TAKE: Mapping[type[Message], Callable[[RunFold, Any], None]] = {
    market.InstrumentRules: RunFold._take_rules,
    shadow.VersionStarted: RunFold._take_version,
    orders.OrderIntent: RunFold._take_intent,
    orders.OrderAdjusted: RunFold._take_adjusted,
    orders.OrderRefused: RunFold._take_refused,
    orders.NotSent: RunFold._take_refused,
    orders.OrderSent: RunFold._take_sent,
    orders.OrderAccepted: RunFold._take_accepted,
    orders.OrderRejected: RunFold._take_rejected,
    orders.Fill: RunFold._take_fill,
    orders.OrderCanceled: RunFold._take_canceled,
    orders.OrderExpired: RunFold._take_expired,
    orders.FundingPaid: RunFold._take_funding,
}
