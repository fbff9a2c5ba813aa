"""One broker per account on this host, whatever its data directory (I-29)."""

import hashlib
import socket

from services.broker.keys import VenueKey
from services.broker.settings import VenueAccess
from shared.errors import ConfigError


class AccountLock:
    """Held as long as the process lives: an abstract socket, which no cleaner of files can take away."""

    def __init__(self, access: VenueAccess, key: VenueKey) -> None:
        """Take the lock; raises `ConfigError` when another process on this host has it."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            self._socket.bind(_name(access, key))
        except OSError as error:
            self._socket.close()
            raise ConfigError(
                f"another broker on this host trades on the account of key {access.key!r} "
                f"(fingerprint {key.fingerprint}) at {access.name}; two would cancel and count each other's "
                "orders. Nothing was sent. Stop the other one (`quotemesh down` with its --data), or give "
                "this mesh a key of another sub-account (I-29)"
            ) from error

    def close(self) -> None:
        """Give the lock back."""
        self._socket.close()


def _name(access: VenueAccess, key: VenueKey) -> str:
    """Return a name that tells accounts apart and opens nothing; a simulated venue is told by its address."""
    place = f"{key.api_key} {access.name} {access.network} {access.rest_url}"
    return f"\0quotemesh-account-{hashlib.sha256(place.encode()).hexdigest()[:32]}"
