"""An exchange of ccxt without a network: what it would send is kept, and nothing answers.

Used to find out what a venue offers (`describe.py`) and by the conformance suite, so that both read the very
requests that ccxt builds.
"""

import base64
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

import ccxt.pro

from services.ccxt_venue.dialect import dialect_of
from shared.venues.registry import LINEAR, SPOT, Entry

SECRET = base64.b64encode(b"0" * 64).decode()
PLAIN_KEY = {
    "apiKey": "account-offline",
    "secret": SECRET,
    "password": "offline",
    "uid": "1",
    "token": "offline",
    "privateKey": "0x" + "11" * 32,
    "walletAddress": "0x" + "22" * 20,
}
# Some venues answer a question before the first order; offline the answer stands here.
_ANSWERED: dict[str, dict[str, Any]] = {
    "htx": {
        "/v1/account/accounts": {"status": "ok", "data": [{"id": 1, "type": "spot", "state": "working"}]}
    },
}


class NothingSentError(Exception):
    """The call ended without a request; the text says how."""


class _KeptError(Exception):
    """A request was built: the call need not go on."""


class Offline:
    """One exchange with one market of a kind; `symbol` is its name."""

    def __init__(self, entry: Entry, kind: str) -> None:
        self.entry = entry
        self.kind = kind
        self.exchange: Any = getattr(ccxt.pro, entry.ccxt_id)({"enableRateLimit": False})
        self.exchange.options.update(dialect_of(entry.name).options)
        for name, value in PLAIN_KEY.items():
            setattr(self.exchange, name, value)
        self.symbol = "BTC/USDT" if kind == SPOT else "BTC/USDT:USDT"
        currencies = {
            code: {"id": code, "code": code, "precision": 1e-8, "numericId": n}
            for n, code in enumerate(("BTC", "USDT"))
        }
        self.exchange.set_markets([market_of(self.exchange, kind)], currencies)
        self.exchange.fetch = self._fetch
        self.sent: list[str] = []

    async def _fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        for path, answer in _ANSWERED.get(self.entry.name, {}).items():
            if path in url:
                return answer
        payload = (headers or {}).get("X-GEMINI-PAYLOAD")
        hidden = base64.b64decode(payload).decode() if payload else ""
        self.sent.append(f"{method} {unquote(url)} {unquote(str(body or ''))} {hidden}")
        raise _KeptError

    async def request_of(self, call: Callable[[], Awaitable[Any]]) -> str:
        """Return the first request of a call as one readable text; raises `NothingSentError` without one."""
        self.sent.clear()
        try:
            await call()
        except _KeptError:
            return self.sent[0]
        except Exception as error:  # whatever ccxt raises: it is what the caller wants to read
            raise NothingSentError(f"{type(error).__name__}: {error}") from error
        raise NothingSentError("the call returned without a request")

    async def create(self, order_id: str, price: float, amount: float, **params: Any) -> str:
        """Return the request that would create a limit order to buy."""
        words = dialect_of(self.entry.name)
        return await self.request_of(
            lambda: self.exchange.create_order(
                self.symbol, "limit", "buy", amount, price, {words.create: order_id, **params}
            )
        )


def market_of(exchange: Any, kind: str) -> dict[str, Any]:
    """Return a market BTC/USDT of `kind` as ccxt keeps one; tick 0.5 and step 1 suit every venue."""
    is_spot = kind == SPOT
    is_steps = exchange.precisionMode == ccxt.TICK_SIZE
    made: dict[str, Any] = exchange.safe_market_structure(
        {
            "id": "BTC-USDT",
            "lowercaseId": "btc-usdt",
            "numericId": 1,
            "symbol": "BTC/USDT" if is_spot else "BTC/USDT:USDT",
            "base": "BTC",
            "quote": "USDT",
            "settle": None if is_spot else "USDT",
            "baseId": "BTC",
            "quoteId": "USDT",
            "settleId": None if is_spot else "USDT",
            "baseName": "BTC",
            "type": "spot" if is_spot else "swap",
            "spot": is_spot,
            "margin": False,
            "swap": not is_spot,
            "future": False,
            "option": False,
            "contract": not is_spot,
            "linear": None if is_spot else True,
            "inverse": None if is_spot else False,
            "contractSize": None if is_spot else 0.001,
            "active": True,
            "maker": 0.001,
            "taker": 0.001,
            "precision": {"price": 0.5 if is_steps else 5, "amount": 1.0 if is_steps else 0},
            "limits": {
                "amount": {"min": 1.0, "max": 1000.0},
                "price": {"min": None, "max": None},
                "cost": {"min": 1.0, "max": None},
                "leverage": {},
            },
            "info": {
                "symbol": "BTC-USDT",
                "productType": "USDT-FUTURES",
                "orderTypes": ["LIMIT", "MARKET", "LIMIT_MAKER"],
                "priceScale": "8",
                "ratioScale": "8",
                "valueScale": "8",
            },
        }
    )
    return made


def kinds_of(entry: Entry) -> tuple[str, ...]:
    """Return the kinds of market of a venue that this version of ccxt knows, spot and linear perpetuals."""
    has = getattr(ccxt.pro, entry.ccxt_id)().has
    return tuple(kind for kind, word in ((SPOT, "spot"), (LINEAR, "swap")) if has.get(word))
