"""What ccxt leaves to its caller: the words of a venue for our order id, and options that spare requests.

Found by building every request offline (`probe.py`) and reading it: an id under a wrong name is passed on by
ccxt without a word, and the venue ignores it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Dialect(NamedTuple):
    """`create`, `cancel`, `ask`: the parameter that carries our id; empty where the venue knows no such call.

    `id_prefix`, where set, lets our id stand where the venue's would, with this in front.
    """

    create: str = "clientOrderId"
    cancel: str = "clientOrderId"
    ask: str = "clientOrderId"
    id_prefix: str | None = None
    options: Mapping[str, Any] = _NOTHING
    post_only: Mapping[str, Any] = MappingProxyType({"postOnly": True})
    book_levels: int = 0  # 0: ccxt's default of the venue


_BY_VENUE_ID = Dialect(cancel="", ask="")
DIALECTS: Mapping[str, Dialect] = {
    "bybit": Dialect(
        book_levels=200,
        cancel="orderLinkId",
        ask="",
        options={"enableUnifiedMargin": False, "enableUnifiedAccount": True, "unifiedMarginStatus": 6},
    ),
    "bitget": Dialect(options={"uta": False}),
    "kucoin": Dialect(options={"uta": False, "hf": True}),
    "coinbase": Dialect(create="client_order_id", cancel="", ask=""),
    "kraken": Dialect(ask="", book_levels=100),
    "krakenfutures": _BY_VENUE_ID,
    "gate": Dialect(id_prefix="", options={"unifiedAccount": False}),
    "deribit": Dialect(create="label", cancel="", ask=""),
    "gemini": _BY_VENUE_ID,
    "bitstamp": Dialect(cancel=""),
    "bingx": Dialect(ask=""),
    "cryptocom": Dialect(create="client_oid", cancel="", ask=""),
    "upbit": _BY_VENUE_ID,
    "whitebit": _BY_VENUE_ID,
    "poloniex": Dialect(id_prefix="cid:"),
    "bitvavo": Dialect(options={"operatorId": 1}),
    "xt": _BY_VENUE_ID,
}


def dialect_of(name: str) -> Dialect:
    """Return the words of a venue of the registry."""
    return DIALECTS.get(name, Dialect())
