"""The venue's ledger as the control port tells it: the truth to hold against what a client believes."""

from decimal import Context, Decimal
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from services.venue_sim.exchange.ledger import Ledger, LedgerEntry
from services.venue_sim.exchange.records import Fill, VenueOrder

LIMIT_MAX = 10_000
EXACT = Context(prec=120)
NAMES = ("after", "account", "limit")


def ledger_page(ledger: Ledger, query: str) -> dict[str, Any]:
    """Return the entries with a number above `after`, at most `limit`, of `account` when it is named.

    `count` is the number of all entries ever written; older ones than the first kept are gone. Raises
    ValueError for a query that it cannot read.
    """
    asked = dict(parse_qsl(query))
    unknown = asked.keys() - set(NAMES)
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))} unknown; ask with {', '.join(NAMES)}")
    after, limit = _number(asked, "after", -1), min(_number(asked, "limit", 1_000), LIMIT_MAX)
    account = asked.get("account", "")
    entries = [
        _entry(entry) for entry in ledger.entries if entry.n > after and account in {"", entry.account}
    ]
    return {"count": ledger.count, "entries": entries[:limit]}


def _number(asked: dict[str, str], name: str, default: int) -> int:
    text = asked.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"{name} {text!r} is no whole number from 0")
    return int(text)


def _entry(entry: LedgerEntry) -> dict[str, Any]:
    told: dict[str, Any] = {
        "n": entry.n,
        "time_ms": entry.time_ms,
        "kind": entry.kind,
        "venue": entry.venue,
        "account": entry.account,
    }
    if entry.order is not None:
        told["order"] = _record(entry.order)
    if entry.fill is not None:
        told["fill"] = _record(entry.fill)
    if entry.asset:
        amount = format(Decimal(entry.amount_e18).scaleb(-18, EXACT), "f")
        told |= {"asset": entry.asset, "amount": amount, "counterparty": entry.counterparty}
    if entry.note:
        told["note"] = entry.note
    return told


def _record(record: VenueOrder | Fill) -> dict[str, Any]:
    """Return a record with decimals as plain texts: `0.00000000`, never `0E-8`."""
    return {
        name: format(value, "f") if isinstance(value, Decimal) else value
        for name, value in msgspec.structs.asdict(record).items()
    }
