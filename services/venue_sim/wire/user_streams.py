"""User data of all accounts: events of the exchange become JSON once and go to everybody who listens.

One per exchange, shared by both venues. `collect` is called after everything that may have changed an
account; listeners keep what they get until their transport fetches it.
"""

from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import NamedTuple, Protocol

import msgspec

from services.venue_sim.exchange.records import AnyEvent, OrderEvent
from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.venue import SPOT, USDM
from services.venue_sim.wire import spot_events, usdm_events
from services.venue_sim.wire.payload import Json

LISTEN_KEY_MS = 3_600_000
NO_LISTEN_KEY = "This listenKey does not exist."


class EventSource(Protocol):
    """Where events come from: the exchange."""

    def events(self) -> list[tuple[str, AnyEvent]]:
        """Return (account, event) of everything that happened since the last call, in order."""


class Listener(Protocol):
    """A connection that listens to the user data of an account."""

    def hear(self, event: Json, data: bytes) -> None:
        """Take one event: the JSON object and its bytes."""


class _ListenKey(msgspec.Struct, array_like=True):
    account: str
    expires_ms: int


class _Kept(msgspec.Struct, array_like=True):
    """What a restart of the venue keeps."""

    made: int
    keys: dict[str, _ListenKey]


class Filled(NamedTuple):
    """The first fill of an order: spot gives back a part of the order count for it."""

    account: str
    venue: str
    is_maker: bool
    time_ms: int


class UserStreams:
    """Who listens to which account at which venue, and the listen keys of USD-M."""

    def __init__(self, source: EventSource) -> None:
        self._source = source
        self._listeners: dict[tuple[str, str], dict[Listener, None]] = {}
        self._of_key: dict[str, dict[Listener, None]] = {}
        self._keys: dict[str, _ListenKey] = {}
        self._made = 0
        self.on_first_fill: list[Callable[[Filled], None]] = []

    def listen(self, venue: str, account: str, listener: Listener) -> None:
        """Send the user data of an account to a listener from now on."""
        self._listeners.setdefault((venue, account), {})[listener] = None

    def leave(self, venue: str, account: str, listener: Listener) -> None:
        """Send it no more."""
        self._listeners.get((venue, account), {}).pop(listener, None)

    def collect(self, now_ms: int) -> None:
        """Hand out what happened, and end listen keys whose hour is over."""
        for account, event in self._source.events():
            payloads = spot_events.payloads if event.venue == SPOT else usdm_events.payloads
            if isinstance(event, OrderEvent):
                self._tell_first_fill(account, event)
            listeners = self._listeners.get((event.venue, account))
            if listeners:
                _hand_out(payloads(event), list(listeners))
        self._expire(now_ms)

    def _tell_first_fill(self, account: str, event: OrderEvent) -> None:
        if event.kind == "TRADE" and event.fill and event.fill.quantity == event.order.executed:
            filled = Filled(account, event.venue, event.fill.is_maker, event.time_ms)
            for told in self.on_first_fill:
                told(filled)

    # ---- listen keys (USD-M)

    def open_key(self, account: str, now_ms: int) -> str:
        """Return the listen key of an account, a new one or the live one, valid for an hour from now."""
        self._expire(now_ms)
        live = self._key_of(account)
        if live is None:
            self._made += 1
            live = sha256(f"{account} {self._made} {now_ms}".encode()).hexdigest()
        self._keys[live] = _ListenKey(account, now_ms + LISTEN_KEY_MS)
        return live

    def keep_key(self, account: str, now_ms: int) -> str:
        """Let the listen key of an account live for an hour from now (-1125 without one)."""
        self._expire(now_ms)
        live = self._key_of(account)
        if live is None:
            raise VenueRefusal(-1125, NO_LISTEN_KEY)
        self._keys[live].expires_ms = now_ms + LISTEN_KEY_MS
        return live

    def close_key(self, account: str, now_ms: int) -> None:
        """End the listen key of an account (-1125 without one); its connections hear nothing more."""
        self._expire(now_ms)
        live = self._key_of(account)
        if live is None:
            raise VenueRefusal(-1125, NO_LISTEN_KEY)
        self._end_key(live)

    def listen_to_key(self, key: str, listener: Listener) -> bool:
        """Send the user data behind a live listen key to a listener; False when there is no such key."""
        kept = self._keys.get(key)
        if kept is None:
            return False
        self._of_key.setdefault(key, {})[listener] = None
        self.listen(USDM, kept.account, listener)
        return True

    def leave_key(self, key: str, listener: Listener) -> None:
        """Send it no more."""
        kept = self._keys.get(key)
        self._of_key.get(key, {}).pop(listener, None)
        if kept is not None:
            self.leave(USDM, kept.account, listener)

    def _key_of(self, account: str) -> str | None:
        return next((key for key, kept in self._keys.items() if kept.account == account), None)

    def _end_key(self, key: str) -> list[Listener]:
        kept = self._keys.pop(key)
        listeners = list(self._of_key.pop(key, {}))
        for listener in listeners:
            self.leave(USDM, kept.account, listener)
        return listeners

    def expire_key(self, key: str, now_ms: int) -> None:
        """End a listen key as if its hour were over, and tell its connections."""
        if key in self._keys:
            listeners = self._end_key(key)
            _hand_out([{"e": "listenKeyExpired", "E": now_ms, "listenKey": key}], listeners)

    def expire_keys_of(self, account: str, now_ms: int) -> int:
        """End the listen key of an account as if its hour were over; returns how many there were."""
        live = self._key_of(account)
        if live is None:
            return 0
        self.expire_key(live, now_ms)
        return 1

    def _expire(self, now_ms: int) -> None:
        for key in [key for key, kept in self._keys.items() if kept.expires_ms <= now_ms]:
            self.expire_key(key, now_ms)

    def dump(self) -> bytes:
        """Return what a restart keeps: the listen keys."""
        return msgspec.msgpack.encode(_Kept(self._made, self._keys))

    def load(self, state: bytes) -> None:
        """Take what `dump` returned; raises msgspec.DecodeError."""
        kept = msgspec.msgpack.decode(state, type=_Kept)
        self._made, self._keys = kept.made, kept.keys


def _hand_out(payloads: Iterable[Json], listeners: list[Listener]) -> None:
    for payload in payloads:
        data = msgspec.json.encode(payload)
        for listener in listeners:
            listener.hear(payload, data)
