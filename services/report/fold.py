"""Fold a log into a report: totals and each strategy, with memory that does not grow with the log (JR-4).

Profit is worked out here from fills and books alone, not taken from risk's ledger: the two must agree.
`realized_pnl` is before fees; net = realized - fees + funding + unrealized, and the same sum is split
into spread capture, adverse selection, inventory, fees and funding (`shared.profit_parts`).
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from services.report.account import COMMON_EXPONENT, Account
from services.report.marks import Marks
from services.report.profits import Profits
from shared.double_entry import has_same_units
from shared.errors import JournalError
from shared.kernels.position import Position
from shared.messages import Event, Message, control, market, orders, system
from shared.units import NS_PER_S, decimal_text

PARTS = (
    "spread_capture",
    "adverse_100ms",
    "adverse_1s",
    "adverse_10s",
    "adverse_60s",
    "inventory",
)
"""Rows of a report, as the first of `shared.profit_parts.Parts`."""

Report = dict[str, Any]


def report(events: Iterable[Event]) -> Report:
    """Return `{"totals": {...}, "strategies": {name: {...}}}` of a log.

    Counts are ints, money decimal texts of the quote asset.
    """
    fold = ReportFold()
    for event in events:
        fold.apply(event)
    return fold.result()


class ReportFold:
    """The report of what was applied so far."""

    def __init__(self) -> None:
        self.marks = Marks()
        self._accounts: dict[str, Account] = {}
        self._total = Account()
        self.profits = Profits(self.marks)
        self.unrealized: dict[tuple[str, str], int] = {}
        self._traders: dict[str, list[str]] = {}
        self._versions: dict[str, str] = {}
        self._first: tuple[int, int] | None = None
        self._last = (0, 0)
        self._event_count = 0

    @property
    def positions(self) -> dict[tuple[str, str], Position]:
        """Return the position of each strategy in each market that it traded."""
        return self.profits.ledger.by_strategy

    def apply(self, event: Event) -> None:
        """Take the next event of the log."""
        header, message = event
        self._event_count += 1
        self._last = (header.seq, header.ts_ns)
        if self._first is None:
            self._first = self._last
        count = _COUNTS.get(type(message))
        if count is not None:
            for account in self._accounts_of(message.strategy):
                setattr(account.counts, count, getattr(account.counts, count) + 1)
            if type(message) is orders.OrderIntent:
                self._versions[message.strategy] = message.version
        elif type(message) is orders.Fill:
            self._take_fill(event)
        elif type(message) is orders.FundingPaid:
            self._take_funding(event)
        elif type(message) is system.Tick:
            self.profits.pass_time(header.ts_ns)
        elif type(message) is control.StrategyStatus:
            # Shown with zeros even when it never sends an order.
            self._accounts_of(message.strategy)
        else:
            self._take_market(event)

    def _take_market(self, event: Event) -> None:
        message = event.message
        if type(message) is market.InstrumentRules:
            self._check_scale(message)
        symbol = self.marks.apply(event)
        if symbol:
            self.profits.take_mid(symbol, event.header.ts_ns)
        for strategy in self._traders.get(symbol, ()):
            self._mark(strategy, symbol, event.header.ts_ns)

    def _check_scale(self, rules: market.InstrumentRules) -> None:
        former = self.marks.rules.get(rules.symbol)
        is_other = former is not None and not has_same_units(former, rules)
        if is_other and self._traders.get(rules.symbol):
            raise JournalError(
                f"{rules.symbol} got another tick or lot after its first fill: positions in old lots cannot "
                "be folded with new ones; report each part of the log (--after, --until)"
            )

    def _take_fill(self, event: Event) -> None:
        header, fill = event.header, event.message
        accounts = self._accounts_of(fill.strategy)
        rules = self.marks.rules_of(fill.symbol, header.seq)
        booked = self.profits.take_fill(fill, rules, header.ts_ns)
        if booked is None:
            for account in accounts:
                account.counts.fills_repeated += 1
            return
        if (fill.strategy, fill.symbol) not in self.unrealized:
            self._traders.setdefault(fill.symbol, []).append(fill.strategy)
            self.unrealized[fill.strategy, fill.symbol] = 0
        scale = 10 ** (COMMON_EXPONENT - rules.quote_exponent)
        for account in accounts:
            if booked.trip is not None:
                account.trips.take(booked.trip.net_atoms * scale, booked.trip.holding_ns)
            account.counts.fills += 1
            account.counts.fills_maker += fill.is_maker
            account.counts.orders_filled += fill.leaves_lots == 0
            account.volume += booked.volume_atoms * scale
            account.fees += booked.fee_atoms * scale
            account.realized += booked.realized_atoms * scale
            account.quote_assets.add(rules.quote_asset)
            account.equity.move((booked.realized_atoms - booked.fee_atoms) * scale, header.ts_ns)
        self._mark(fill.strategy, fill.symbol, header.ts_ns)

    def _take_funding(self, event: Event) -> None:
        header, paid = event.header, event.message
        rules = self.marks.rules_of(paid.symbol, header.seq)
        if self.profits.take_funding(paid):
            money = paid.amount_atoms * 10 ** (COMMON_EXPONENT - rules.quote_exponent)
            for account in self._accounts_of(paid.strategy):
                account.funding += money
                account.equity.move(money, header.ts_ns)

    def _mark(self, strategy: str, symbol: str, ts_ns: int) -> None:
        """Move the equity by what the open position gained since it was last marked."""
        key = (strategy, symbol)
        position = self.positions[key]
        if symbol not in self.marks.mids_half_ticks or not (position.position_lots or self.unrealized[key]):
            return
        scale = 10 ** (COMMON_EXPONENT - self.marks.rules[symbol].quote_exponent)
        value = self.profits.unrealized_atoms(key) * scale
        change = value - self.unrealized[key]
        if change:
            self.unrealized[key] = value
            self._accounts[strategy].equity.move(change, ts_ns)
            self._total.equity.move(change, ts_ns)

    def _accounts_of(self, strategy: str) -> tuple[Account, Account]:
        account = self._accounts.get(strategy)
        if account is None:
            account = self._accounts[strategy] = Account()
        return account, self._total

    def result(self) -> Report:
        """Return the report as plain values, ready for JSON."""
        first_seq, first_ts_ns = self._first or (0, 0)
        totals = self._lines(self._total, lambda _: True)
        totals |= {
            "fees_by_asset": {a: money_text(v) for a, v in self.profits.fees_by_asset().items()},
            "events": self._event_count,
            "first_seq": first_seq,
            "last_seq": self._last[0],
            "first_ts_ns": first_ts_ns,
            "last_ts_ns": self._last[1],
        }
        strategies: dict[str, Report] = {}
        for name in sorted(self._accounts):
            lines = self._lines(self._accounts[name], lambda strategy, name=name: strategy == name)  # type: ignore[misc]
            strategies[name] = lines | {
                "version": self._versions.get(name, ""),
                "fees_by_asset": {a: money_text(v) for a, v in self.profits.fees_by_asset(name).items()},
                "positions": self._position_texts(name),
            }
        return {"totals": totals, "strategies": strategies}

    def _lines(self, account: Account, is_own: Callable[[str], bool]) -> Report:
        # Money of different assets cannot be added up: the strategies show it, each in its own.
        text = money_text if len(account.quote_assets) <= 1 else _no_text
        unrealized = sum(value for (strategy, _), value in self.unrealized.items() if is_own(strategy))
        trips = account.trips
        counts = {name: getattr(account.counts, name) for name in account.counts.__slots__}
        parts = self._parts(is_own)
        return (
            counts
            | {
                "quote_asset": ",".join(sorted(account.quote_assets)),
                "volume": text(account.volume),
                "fees": text(account.fees),
                "realized_pnl": text(account.realized),
                "unrealized_pnl": text(unrealized),
                "funding": text(account.funding),
                "net_pnl": text(account.realized - account.fees + account.funding + unrealized),
                "max_drawdown": text(account.equity.drawdown_max),
                "max_drawdown_from_ts_ns": account.equity.drawdown_from_ts_ns,
                "max_drawdown_at_ts_ns": account.equity.drawdown_at_ts_ns,
                "round_trips": trips.count,
                "win_rate": ratio_text(trips.win_count, trips.count),
                "average_trade": text((trips.won - trips.lost) // trips.count) if trips.count else None,
                "profit_factor": ratio_text(trips.won, trips.lost),
                "average_holding_s": ratio_text(trips.held_ns, trips.count * NS_PER_S),
            }
            | {name: text(value) for name, value in parts.items()}
        )

    def _parts(self, is_own: Callable[[str], bool]) -> dict[str, int]:
        """Return where the profit came from; with fees and funding these sum to it."""
        sums = dict.fromkeys(PARTS, 0)
        for key in self.unrealized:
            if is_own(key[0]):
                scale = 10 ** (COMMON_EXPONENT - self.marks.rules[key[1]].quote_exponent)
                for name, atoms in zip(PARTS, self.profits.parts(key), strict=False):
                    sums[name] += atoms * scale
        return sums

    def _position_texts(self, name: str) -> dict[str, str]:
        return {
            symbol: decimal_text(position.position_lots, self.marks.rules[symbol].lot_size)
            for (strategy, symbol), position in sorted(self.positions.items())
            if strategy == name
        }


def money_text(value: int) -> str:
    """Return money in 10^-30 as a plain decimal text with at least two and at most eight decimals."""
    # Eight decimals show every atom of the usual assets; what is finer is rounded half to even.
    text = format(round(Decimal(value).scaleb(-COMMON_EXPONENT), 8), "f")
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def _no_text(_: int) -> None:
    return None


def ratio_text(part: int, whole: int) -> str | None:
    """Return `part` / `whole` with four decimals, None when there is nothing to divide by."""
    return format(round(Decimal(part) / Decimal(whole), 4), "f") if whole else None


_COUNTS: dict[type[Message], str] = {
    orders.OrderIntent: "orders",
    orders.OrderSent: "orders_sent",
    orders.OrderCanceled: "orders_canceled",
    orders.OrderExpired: "orders_expired",
    orders.OrderRefused: "orders_refused",
    orders.NotSent: "orders_not_sent",
    orders.OrderRejected: "orders_rejected",
    orders.OrderUnknown: "orders_unknown",
}
