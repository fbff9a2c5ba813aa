"""What a WebSocket API connection knows of its client: who is logged on and what it listens to."""

import msgspec

from services.venue_sim.access.signature import ED25519
from services.venue_sim.exchange.keys import AccountKey
from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.wire.payload import Json, in_microseconds
from services.venue_sim.wire.user_streams import UserStreams

SUBSCRIPTIONS_MAX, SUBSCRIPTIONS_PER_LIFE = 1_000, 65_535


class Subscription:
    """One subscription of a connection to the user data of an account."""

    def __init__(self, number: int, account: str, state: "SessionState") -> None:
        self.number = number
        self.account = account
        self._state = state

    def hear(self, event: Json, data: bytes) -> None:
        """Take one event of the account."""
        self._state.put(self.number, event, data)


class SessionState:
    """Logon and subscriptions of one connection; `heard` collects the frames of its subscriptions."""

    def __init__(self, venue: str, streams: UserStreams, connected_ms: int, *, is_micro: bool) -> None:
        self.key: AccountKey | None = None
        self.heard: list[bytes] = []
        self.tells_limits = True
        self.is_micro = is_micro
        self._venue = venue
        self._streams = streams
        self._connected_ms = connected_ms
        self._authorized_ms = 0
        self._subscriptions: dict[int, Subscription] = {}
        self._own: int | None = None
        self._made = 0

    def log_on(self, key: AccountKey, now_ms: int) -> None:
        """Let a key stand for all later requests; only Ed25519 keys may."""
        if key.key_type != ED25519:
            raise VenueRefusal(-4056, f"{key.key_type.upper()} API key is not supported.")
        self.key = key
        self._authorized_ms = now_ms

    def log_out(self, now_ms: int) -> None:
        """Forget the key, and end the subscription that the logon made."""
        self.key = None
        self._authorized_ms = 0
        if self._own is not None:
            self.unsubscribe(self._own, now_ms)

    def status(self, now_ms: int) -> Json:
        """Return what `session.status` tells."""
        told: Json = {
            "apiKey": self.key.api_key if self.key else None,
            "authorizedSince": self._authorized_ms if self.key else None,
            "connectedSince": self._connected_ms,
            "returnRateLimits": self.tells_limits,
            "serverTime": now_ms,
        }
        if self._venue == "binance":
            told["userDataStream"] = self._own is not None
        return told

    def subscribe(self, account: str, *, is_own: bool) -> int:
        """Listen to an account and return the number of the subscription; one per account."""
        if any(kept.account == account for kept in self._subscriptions.values()):
            raise VenueRefusal(-2035, "User Data Stream subscription already active.")
        if len(self._subscriptions) >= SUBSCRIPTIONS_MAX or self._made >= SUBSCRIPTIONS_PER_LIFE:
            raise VenueRefusal(-1101, "Too many User Data Stream subscriptions on this connection.")
        subscription = Subscription(self._made, account, self)
        self._made += 1
        self._subscriptions[subscription.number] = subscription
        self._streams.listen(self._venue, account, subscription)
        if is_own:
            self._own = subscription.number
        return subscription.number

    def unsubscribe(self, number: int | None, now_ms: int) -> None:
        """End one subscription, or all of them, and say so on each (-2036 when there is none)."""
        ended = list(self._subscriptions) if number is None else [number]
        if not ended or any(each not in self._subscriptions for each in ended):
            raise VenueRefusal(-2036, "User Data Stream subscription not active.")
        for each in ended:
            subscription = self._subscriptions.pop(each)
            self._streams.leave(self._venue, subscription.account, subscription)
            self._own = None if self._own == each else self._own
            last: Json = {"e": "eventStreamTerminated", "E": now_ms}
            self.put(each, last, msgspec.json.encode(last))

    def subscriptions(self) -> list[Json]:
        """Return what `session.subscriptions` tells."""
        return [{"subscriptionId": number} for number in self._subscriptions]

    def put(self, number: int, event: Json, data: bytes) -> None:
        """Queue an event of a subscription."""
        if self.is_micro:
            data = msgspec.json.encode(in_microseconds(event))
        self.heard.append(b'{"subscriptionId":%d,"event":%s}' % (number, data))

    def close(self) -> None:
        """End everything without a word."""
        for subscription in self._subscriptions.values():
            self._streams.leave(self._venue, subscription.account, subscription)
        self._subscriptions.clear()
        self.key = None
