"""The listen keys that one stream connection of USD-M listens to, and what it heard."""

from collections.abc import Callable

from services.venue_sim.wire.payload import Json
from services.venue_sim.wire.user_streams import UserStreams

Wrap = Callable[[str, bytes], bytes]


class _Ear:
    """One listen key of a connection; `wanted` are the events it asked for, empty for all."""

    def __init__(self, key: str, wanted: frozenset[str], sink: "PrivateStreams") -> None:
        self._key = key
        self._wanted = wanted
        self._sink = sink

    def hear(self, event: Json, data: bytes) -> None:
        """Take one event of the account; that the key has expired is always told."""
        kind = str(event["e"])
        if not self._wanted or kind in self._wanted or kind == "listenKeyExpired":
            self._sink.put(self._key, data)


class PrivateStreams:
    """User data of one connection; `wrap` makes a frame of (stream name, payload)."""

    def __init__(self, streams: UserStreams, wrap: Wrap) -> None:
        self._streams = streams
        self._wrap = wrap
        self._ears: dict[str, _Ear] = {}
        self._heard: list[bytes] = []

    def listen(self, key: str, wanted: frozenset[str] = frozenset()) -> bool:
        """Listen to a listen key; False when there is no such key."""
        ear = _Ear(key, wanted, self)
        if not self._streams.listen_to_key(key, ear):
            return False
        self.leave(key)
        self._ears[key] = ear
        return True

    def leave(self, key: str) -> None:
        """Listen to it no more."""
        ear = self._ears.pop(key, None)
        if ear is not None:
            self._streams.leave_key(key, ear)

    def put(self, key: str, data: bytes) -> None:
        """Queue an event."""
        self._heard.append(self._wrap(key, data))

    def take(self) -> list[bytes]:
        """Return what was heard since the last call."""
        heard, self._heard = self._heard, []
        return heard

    def close(self) -> None:
        """Listen to nothing more."""
        for key in list(self._ears):
            self.leave(key)
