"""Venues that are reached through ccxt: what we decided about each, beside what ccxt tells of it.

`Entry` is written by hand, `Facts` (registry.json) come out of ccxt's own description and requests, by
`./quotemesh venues --write`. Nothing here needs ccxt. To add a venue: one line in `ENTRIES`, its words in
services/ccxt_venue/dialect.py, then that command.
"""

from typing import NamedTuple

from shared.venues.ids import IdForm, IdRule
from shared.venues.registry_facts import FACTS, Facts

SPOT = "spot"
LINEAR = "linear"
_PLAIN = IdRule(IdForm.PLAIN)
_NO_IDS = IdRule(IdForm.NONE)


class Entry(NamedTuple):
    """One venue by hand. `orders` are the kinds of market that orders may be sent to, empty for data only."""

    name: str
    title: str
    ccxt_id: str
    orders: tuple[str, ...]
    ids: IdRule
    limits: str = ""
    is_simulated: bool = False  # `url: sim` leads to the simulated venue

    @property
    def facts(self) -> Facts:
        """Return what ccxt says of it."""
        return FACTS[self.name]


_LONG_LOOK = "an order is looked up among the open and the closed ones"
_NO_WALLET = "ccxt does not tell the wallet without the profit of open positions: data only"
_BOTH = (SPOT, LINEAR)
_LIST = (
    Entry("okx", "OKX", "okx", _BOTH, IdRule(IdForm.ALNUM, 32)),
    Entry("bybit", "Bybit", "bybit", _BOTH, _PLAIN, _LONG_LOOK),
    Entry("bitget", "Bitget", "bitget", (SPOT,), IdRule(IdForm.PLAIN, 32)),
    Entry("kucoin", "KuCoin", "kucoin", (SPOT,), _PLAIN, "orders in the high-frequency account"),
    Entry("coinbase", "Coinbase Advanced", "coinbase", (SPOT,), IdRule(IdForm.UUID), _LONG_LOOK),
    Entry("coinbaseexchange", "Coinbase Exchange", "coinbaseexchange", (SPOT,), IdRule(IdForm.UUID)),
    Entry("kraken", "Kraken", "kraken", (SPOT,), IdRule(IdForm.UUID), _LONG_LOOK),
    Entry("krakenfutures", "Kraken Futures", "krakenfutures", (), _PLAIN, _NO_WALLET),
    Entry(
        "gate",
        "Gate",
        "gate",
        (SPOT,),
        IdRule(IdForm.PLAIN, 30, "t-"),
        "the venue forgets client ids an hour after the end of an order",
    ),
    Entry("deribit", "Deribit", "deribit", (), _PLAIN, _NO_WALLET),
    Entry("gemini", "Gemini", "gemini", (SPOT,), _PLAIN, f"no closed orders: fills decide; {_LONG_LOOK}"),
    Entry("bitstamp", "Bitstamp", "bitstamp", (SPOT,), _PLAIN, "cancels by the venue's id"),
    Entry(
        "bitfinex",
        "Bitfinex",
        "bitfinex",
        (),
        _NO_IDS,
        "prices have five significant digits and no fixed tick: cannot be followed",
    ),
    Entry("htx", "HTX", "htx", (SPOT,), IdRule(IdForm.PLAIN, 64)),
    Entry("mexc", "MEXC", "mexc", (SPOT,), IdRule(IdForm.PLAIN, 32)),
    Entry("bingx", "BingX", "bingx", (SPOT,), _PLAIN, _LONG_LOOK),
    Entry("cryptocom", "Crypto.com", "cryptocom", (SPOT,), _PLAIN, _LONG_LOOK),
    Entry("phemex", "Phemex", "phemex", (), _PLAIN, _NO_WALLET),
    Entry("upbit", "Upbit", "upbit", (), _PLAIN, "ticks depend on the price: ccxt tells too fine a one"),
    Entry("whitebit", "WhiteBIT", "whitebit", (SPOT,), IdRule(IdForm.PLAIN, 32), _LONG_LOOK),
    Entry("hyperliquid", "Hyperliquid", "hyperliquid", (), _NO_IDS, "needs a wallet's signature: data only"),
    Entry("woo", "WOO X", "woo", (), _NO_IDS, "ids are numbers: data only"),
    Entry("hashkey", "HashKey Global", "hashkey", (SPOT,), _PLAIN),
    Entry("poloniex", "Poloniex", "poloniex", (SPOT,), _PLAIN, "orders are named cid:ID"),
    Entry("bitvavo", "Bitvavo", "bitvavo", (SPOT,), IdRule(IdForm.UUID)),
    Entry("xt", "XT.com", "xt", (SPOT,), IdRule(IdForm.ALNUM, 32), _LONG_LOOK),
    Entry("binanceus", "Binance US", "binanceus", (SPOT,), _PLAIN),
    Entry(
        "ccxt_binance",
        "Binance through ccxt",
        "binance",
        (SPOT,),
        _PLAIN,
        "to rehearse this path on the simulated venue; the native `binance` is faster",
        is_simulated=True,
    ),
    Entry(
        "ccxt_binanceusdm",
        "Binance USD-M through ccxt",
        "binanceusdm",
        (LINEAR,),
        _PLAIN,
        "to rehearse this path on the simulated venue; the native `binance_usdm` is faster",
        is_simulated=True,
    ),
)
ENTRIES: dict[str, Entry] = {entry.name: entry for entry in _LIST}
"""Every venue through ccxt, by the name that configuration uses."""

SIMULATED_AS = {"ccxt_binance": "binance", "ccxt_binanceusdm": "binance_usdm"}
"""Which simulated venue stands behind `url: sim`."""


def simulated_symbol(symbol: str) -> str:
    """Return `binance:BTCUSDT` of `ccxt_binance:BTC/USDT`; other names as they are."""
    venue, _, market = symbol.partition(":")
    if venue not in SIMULATED_AS:
        return symbol
    return f"{SIMULATED_AS[venue]}:{market.partition(':')[0].replace('/', '')}"


def kind_of(symbol: str) -> str:
    """Return `spot` of `BTC/USDT`, `linear` of `BTC/USDT:USDT`, empty of anything else."""
    pair, _, settle = symbol.partition(":")
    base, slash, quote = pair.partition("/")
    if not base or not slash or not quote:
        return ""
    if not settle:
        return SPOT if ":" not in symbol else ""
    return LINEAR if settle == quote else ""
