"""What a venue says beside what our log says: orders, positions and balances, row by row. Pure.

`same` is empty where both agree; else it tells who of the two has what.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from services.broker.live_account import Wallets, units_text
from services.cli.prestart_live import AccountTruth
from shared.instrument import venue_of
from shared.messages import Event
from shared.messages.market import InstrumentRules
from shared.messages.orders import Fill, FundingPaid
from shared.messages.venue import AccountAdjusted
from shared.units import decimal_text

Row = dict[str, Any]
ROUNDING = Decimal("0.00001")
"""Venues round the wallets of derivatives at each fill (broker.live.balance_tolerance_e8)."""
ONLY_LOG, ONLY_VENUE, DIFFERS = "only on our log", "only at the venue", "differs"

ORDER_COLUMNS: tuple[str, ...] = (
    "client_order_id",
    "symbol",
    "side",
    "price",
    "qty",
    "filled_qty",
    "venue_filled_qty",
    "note",
)
POSITION_COLUMNS: tuple[str, ...] = ("symbol", "qty", "venue_qty", "venue_entry_price", "note")
BALANCE_COLUMNS: tuple[str, ...] = (
    "venue",
    "asset",
    "ours",
    "venue_total",
    "venue_free",
    "venue_locked",
    "note",
)


def order_rows(ours: Iterable[Row], accounts: Iterable[AccountTruth]) -> list[Row]:
    """Return every open order of either side; `ours` are lines of the report's export."""
    told = [account for account in accounts if account.truth is not None]
    venues = {account.access.name for account in told}
    mine = {row["client_order_id"]: row for row in ours if venue_of(row["symbol"]) in venues}
    found: list[Row] = []
    for account in told:
        assert account.truth is not None, "only those that answered are here"
        for order in account.truth.orders:
            own = mine.pop(order.client_order_id, None)
            rules = account.rules.get(order.symbol)
            filled = _qty(order.filled_lots, rules)
            note = ONLY_VENUE if own is None else ""
            if own is not None and not _equal(own["filled_qty"], filled):
                note = DIFFERS
            found.append(
                {
                    "client_order_id": order.client_order_id,
                    "symbol": order.symbol,
                    "side": order.side.name.lower(),
                    "price": _price(order.price_ticks, rules),
                    "qty": _qty(order.qty_lots, rules),
                    "filled_qty": None if own is None else own["filled_qty"],
                    "venue_filled_qty": filled,
                    "note": note,
                }
            )
    for row in mine.values():
        kept = {
            name: row[name] for name in ("client_order_id", "symbol", "side", "price", "qty", "filled_qty")
        }
        found.append({**kept, "venue_filled_qty": None, "note": f"{ONLY_LOG} ({row['state']})"})
    return found


def position_rows(ours: Iterable[Row], accounts: Iterable[AccountTruth]) -> list[Row]:
    """Return the position of each derivative on either side; `ours` are lines of `Holdings`."""
    sums: dict[str, Decimal] = {}
    for row in ours:
        sums[row["symbol"]] = sums.get(row["symbol"], Decimal(0)) + Decimal(row["qty"])
    found: list[Row] = []
    for account in accounts:
        if account.truth is None or not any(rules.is_derivative for rules in account.rules.values()):
            continue
        theirs = {one.symbol: one for one in account.truth.positions if one.position_lots}
        mine = {symbol for symbol, qty in sums.items() if qty and venue_of(symbol) == account.access.name}
        for symbol in sorted(theirs.keys() | mine):
            one = theirs.get(symbol)
            qty = "0" if one is None else _qty(one.position_lots, account.rules.get(symbol))
            own = format(sums.get(symbol, Decimal(0)), "f")
            found.append(
                {
                    "symbol": symbol,
                    "qty": own,
                    "venue_qty": qty,
                    "venue_entry_price": None if one is None else one.entry_price,
                    "note": "" if _equal(own, qty) else DIFFERS,
                }
            )
    return found


def balance_rows(events: Iterable[Event], accounts: Iterable[AccountTruth]) -> list[Row]:
    """Return each asset of each account: what our log makes of it and what the venue says."""
    wallets = _wallets(events)
    found: list[Row] = []
    for account in accounts:
        if account.truth is None:
            continue
        name = account.access.name
        ours = wallets.expected(name)
        costs = _costs(account)
        theirs = {one.asset: one for one in account.truth.balances}
        for asset in sorted(theirs.keys() | ours.keys()):
            one = theirs.get(asset)
            free, locked = (
                (Decimal(one.free), Decimal(one.locked)) if one is not None else (Decimal(0), Decimal(0))
            )
            own = None
            if asset in ours:
                own = format(Decimal(units_text(ours[asset])) + costs.get(asset, Decimal(0)), "f")
            found.append(
                {
                    "venue": name,
                    "asset": asset,
                    "ours": own,
                    "venue_total": format(free + locked, "f"),
                    "venue_free": format(free, "f"),
                    "venue_locked": format(locked, "f"),
                    "note": "" if own is None or abs(Decimal(own) - free - locked) <= ROUNDING else DIFFERS,
                }
            )
    return found


def _costs(account: AccountTruth) -> dict[str, Decimal]:
    """Return what open positions of derivatives cost, by quote asset: our log has paid it, no wallet has."""
    assert account.truth is not None, "only those that answered are here"
    found: dict[str, Decimal] = {}
    for one in account.truth.positions:
        rules = account.rules.get(one.symbol)
        if rules is not None and rules.is_derivative:
            cost = one.position_lots * Decimal(rules.lot_size) * Decimal(one.entry_price)
            found[rules.quote_asset] = found.get(rules.quote_asset, Decimal(0)) + cost
    return found


def _wallets(events: Iterable[Event]) -> Wallets:
    """Return what the log says every asset should stand at."""
    wallets, rules = Wallets(), dict[str, InstrumentRules]()
    for event in events:
        message = event.message
        if isinstance(message, InstrumentRules):
            rules[message.symbol] = message
        elif isinstance(message, AccountAdjusted):
            wallets.adjust(message)
        elif isinstance(message, Fill) and message.symbol in rules:
            wallets.book(message, rules[message.symbol])
        elif isinstance(message, FundingPaid) and message.symbol in rules:
            wallets.book_funding(message, rules[message.symbol])
    return wallets


def problems(accounts: Iterable[AccountTruth]) -> Mapping[str, str]:
    """Return why a venue did not tell, by venue."""
    return {account.access.name: account.error for account in accounts if account.truth is None}


def _qty(lots: int, rules: InstrumentRules | None) -> str:
    return str(lots) if rules is None else decimal_text(lots, rules.lot_size)


def _price(ticks: int, rules: InstrumentRules | None) -> str:
    return str(ticks) if rules is None else decimal_text(ticks, rules.tick_size)


def _equal(left: str, right: str) -> bool:
    return Decimal(left) == Decimal(right)
