"""Print what ccxt says of every venue of the registry, as JSON: `python -m services.ccxt_venue.describe`.

Flags of WebSocket and of calls are ccxt's own `has`; what an order can carry is read from the request that
ccxt builds for it offline.
"""

import asyncio
import json
import logging
import sys
from decimal import Decimal
from typing import Any

import ccxt

from services.ccxt_venue.dialect import dialect_of
from services.ccxt_venue.offline import NothingSentError, Offline, kinds_of
from shared.venues.ids import IdForm, to_venue
from shared.venues.registry import ENTRIES, LINEAR, Entry

OUR_ID = "t0v-maker-b0-1"
PRICE, AMOUNT = 12345.5, 17.0
_MODES = {
    ccxt.DECIMAL_PLACES: "decimals",
    ccxt.SIGNIFICANT_DIGITS: "significant digits",
    ccxt.TICK_SIZE: "steps",
}
FIELDS = (
    "has_spot",
    "has_linear",
    "has_book",
    "has_trades",
    "has_orders",
    "has_fills",
    "has_dead_man",
    "has_cancel_all",
    "has_open_list",
    "has_closed_list",
    "has_fill_list",
    "sandbox",
    "precision",
    "maker_ppm",
    "taker_ppm",
    "key_parts",
    "sends_id",
    "cancels_by_id",
    "asks_by_id",
    "post_only",
    "reduce_only",
)
_CALLS = {
    "has_book": "watchOrderBook",
    "has_trades": "watchTrades",
    "has_orders": "watchOrders",
    "has_fills": "watchMyTrades",
    "has_dead_man": "cancelAllOrdersAfter",
    "has_cancel_all": "cancelAllOrders",
    "has_open_list": "fetchOpenOrders",
    "has_closed_list": "fetchClosedOrders",
    "has_fill_list": "fetchMyTrades",
}


async def describe(entry: Entry) -> dict[str, Any]:
    """Return the facts of one venue."""
    kinds = kinds_of(entry)
    found: dict[str, Any] = {"has_spot": "spot" in kinds, "has_linear": LINEAR in kinds}
    offers: dict[str, dict[str, bool]] = {}
    for kind in kinds:
        offline = Offline(entry, kind)
        offers[kind] = await offers_of(offline)
        has = offline.exchange.has
        found |= {name: has.get(call) in (True, "emulated") for name, call in _CALLS.items()}
        found["sandbox"] = offline.exchange.implode_hostname(_sandbox(offline.exchange.urls.get("test")))
        found["precision"] = _MODES[offline.exchange.precisionMode]
        trading = offline.exchange.fees.get("trading") or {}
        found["maker_ppm"] = _ppm(trading.get("maker"))
        found["taker_ppm"] = _ppm(trading.get("taker"))
        found["key_parts"] = [name for name, is_due in offline.exchange.requiredCredentials.items() if is_due]
    for name in ("sends_id", "cancels_by_id", "asks_by_id", "post_only", "reduce_only"):
        found[name] = [kind for kind in kinds if offers[kind][name]]
    return {field: found[field] for field in FIELDS}


async def offers_of(offline: Offline) -> dict[str, bool]:
    """Return what the requests of one market can carry."""
    entry, words, symbol = offline.entry, dialect_of(offline.entry.name), offline.symbol
    order_id = "1234567890" if entry.ids.form is IdForm.NONE else to_venue(entry.ids, OUR_ID)
    plain = await _text(offline, order_id)
    post_only = await _text(offline, order_id, **words.post_only)
    reduce_only = await _text(offline, order_id, reduceOnly=True)
    exchange = offline.exchange
    cancel = ask = ""
    if words.id_prefix is not None:
        own = words.id_prefix + order_id
        cancel = await _or_nothing(offline, lambda: exchange.cancel_order(own, symbol))
        ask = await _or_nothing(offline, lambda: exchange.fetch_order(own, symbol))
    else:
        if words.cancel:
            cancel = await _or_nothing(
                offline, lambda: exchange.cancel_order(None, symbol, {words.cancel: order_id})
            )
        if words.ask:
            ask = await _or_nothing(
                offline, lambda: exchange.fetch_order(None, symbol, {words.ask: order_id})
            )
    return {
        "sends_id": order_id in plain,
        "post_only": bool(post_only) and unlike(plain, post_only, "post", "maker", "gtx", "poc"),
        "reduce_only": offline.kind == LINEAR
        and bool(reduce_only)
        and unlike(plain, reduce_only, "reduce", "close"),
        "cancels_by_id": is_named(cancel, order_id),
        "asks_by_id": is_named(ask, order_id),
    }


def unlike(plain: str, other: str, *words: str) -> bool:
    """Return whether `other` says one of `words` oftener than `plain`."""
    return any(other.lower().count(word) > plain.lower().count(word) for word in words) or (
        "post_only=true" in other.lower() or '"post_only":true' in other.lower()
    )


def is_named(request: str, order_id: str) -> bool:
    """Return whether a request names the order by our id, and by no empty id of the venue's."""
    return order_id in request and not any(empty in request for empty in ("None", "null"))


async def _text(offline: Offline, order_id: str, **params: Any) -> str:
    return await _or_nothing(
        offline,
        lambda: offline.exchange.create_order(
            offline.symbol,
            "limit",
            "buy",
            AMOUNT,
            PRICE,
            {dialect_of(offline.entry.name).create: order_id, **params},
        ),
    )


async def _or_nothing(offline: Offline, call: Any) -> str:
    try:
        return await offline.request_of(call)
    except NothingSentError:
        return ""


def _sandbox(urls: Any) -> str:
    """Return a host of the venue's test network, empty where ccxt knows none."""
    while isinstance(urls, dict):
        urls = next(iter(urls.values()), None)
    return str(urls or "").partition("//")[2].partition("/")[0] if urls else ""


def _ppm(fee: Any) -> int:
    return int(Decimal(str(fee)) * 1_000_000) if fee is not None else -1


async def _all() -> dict[str, dict[str, Any]]:
    return {name: await describe(entry) for name, entry in ENTRIES.items()}


def main() -> int:
    """Print the facts of all venues."""
    logging.disable()  # exchanges that are thrown away remind us of their sockets; offline there are none
    json.dump({"ccxt": ccxt.__version__, "venues": asyncio.run(_all())}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
