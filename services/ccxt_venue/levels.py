"""The states of a book that ccxt keeps, as counted changes of levels and trades as counted prints."""

from collections import deque
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from services.ccxt_venue.markets import exact, text_of
from shared.units import Side

_encoder = msgspec.json.Encoder()
Changes = list[tuple[str, str]]
TRADES_KEPT = 2000
OLD_TRADE_MS = 60_000


class BookTexts:
    """One book: takes ccxt's levels, says what changed since the last state.

    Amounts are multiplied by the contract size. Where a price stands several times (venues that list single
    orders) the amounts are added.
    """

    def __init__(self, symbol: str, contract: Decimal) -> None:
        self.symbol = symbol
        self.n = 0
        self._contract = contract
        self._sides: tuple[dict[Any, Any], dict[Any, Any]] = ({}, {})
        self._ts_ms = 0
        self._nonce = 0

    @property
    def is_crossed(self) -> bool:
        """Return whether the best bid is at or beyond the best ask."""
        bids, asks = self._sides
        return bool(bids and asks) and max(bids) >= min(asks)

    def take(self, book: Any) -> bytes | None:
        """Return the payload that turns the last state into this one; None when nothing changed."""
        new = (_side(book["bids"]), _side(book["asks"]))
        changes = [self._changes(old, now) for old, now in zip(self._sides, new, strict=True)]
        self._sides = new
        self._ts_ms = int(book.get("timestamp") or 0)
        nonce = book.get("nonce")
        self._nonce = nonce if type(nonce) is int and nonce >= 0 else 0
        if self.n and not changes[Side.BUY] and not changes[Side.SELL]:
            return None
        self.n += 1
        return self._payload(changes[Side.BUY], changes[Side.SELL])

    def alive(self) -> bytes:
        """Return a state without a change: the venue spoke of this book, and what it said is what we have."""
        self.n += 1
        return _encoder.encode({"s": self.symbol, "n": self.n, "t": 0, "b": (), "a": ()})

    def whole(self) -> bytes:
        """Return the payload of the whole book as it is now."""
        bids, asks = (list(map(self._level, side.items())) for side in self._sides)
        return self._payload(bids, asks)

    def _payload(self, bids: Changes, asks: Changes) -> bytes:
        payload = {"s": self.symbol, "n": self.n, "t": self._ts_ms, "u": self._nonce, "b": bids, "a": asks}
        return _encoder.encode(payload)

    def _changes(self, old: dict[Any, Any], new: dict[Any, Any]) -> Changes:
        changed = [self._level(level) for level in new.items() if old.get(level[0]) != level[1]]
        return changed + [(text_of(exact(price)), "0") for price in old if price not in new]

    def _level(self, level: tuple[Any, Any]) -> tuple[str, str]:
        return text_of(exact(level[0])), text_of(exact(level[1]) * self._contract)


def _side(levels: Iterable[Sequence[Any]]) -> dict[Any, Any]:
    side: dict[Any, Any] = {}
    for price, amount, *_ in levels:
        side[price] = amount if price not in side else exact(side[price]) + exact(amount)
    return side


class TradeTexts:
    """Trades of one market: each once, counted from a number that grows over restarts of the child.

    Many venues begin with some trades of the past: those of the very first answer are not said, and later
    ones only when they were not seen (a reconnection), so a resting paper order is not filled by history.
    """

    def __init__(self, symbol: str, contract: Decimal, first_n: int) -> None:
        self.symbol = symbol
        self.refused_count = 0
        self._contract = contract
        self._n = first_n
        self._seen: dict[str, None] = {}
        self._order: deque[str] = deque()
        self._newest_ms = 0

    def take(self, trades: Sequence[dict[str, Any]]) -> list[bytes]:
        """Return the payload of each trade that is new."""
        is_history = not self._seen and len(trades) > 1
        said = []
        for trade in trades:
            ts_ms = int(trade.get("timestamp") or 0)
            is_old = 0 < ts_ms < self._newest_ms - OLD_TRADE_MS
            if not self._remember(trade, ts_ms) or is_history or is_old:
                continue
            try:
                said.append(self._payload(trade, ts_ms))
            except (ValueError, TypeError, ArithmeticError):
                self.refused_count += 1
        return said

    def _remember(self, trade: dict[str, Any], ts_ms: int) -> bool:
        self._newest_ms = max(self._newest_ms, ts_ms)
        name = str(trade.get("id") or (ts_ms, trade.get("price"), trade.get("amount"), trade.get("side")))
        if name in self._seen and trade.get("id") is not None:
            return False
        self._seen[name] = None
        self._order.append(name)
        if len(self._order) > TRADES_KEPT:
            self._seen.pop(self._order.popleft(), None)
        return True

    def _payload(self, trade: dict[str, Any], ts_ms: int) -> bytes:
        side = trade.get("side")
        if side not in {"buy", "sell"}:
            raise ValueError(f"a trade without a side: {trade.get('id')}")
        price, amount = exact(trade["price"]), exact(trade["amount"]) * self._contract
        self._n += 1
        return _encoder.encode(
            {
                "s": self.symbol,
                "n": self._n,
                "t": ts_ms,
                "p": text_of(price),
                "q": text_of(amount),
                "m": side == "sell",
            }
        )


def frame_of(stream: str, payload: bytes) -> bytes:
    """Return a frame as the feed reads it."""
    return b'{"stream":%s,"data":%s}' % (_encoder.encode(stream), payload)
