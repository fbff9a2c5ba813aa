"""Settings of the gateway (section `gateway`)."""

from dataclasses import dataclass
from typing import Annotated

from shared.settings import Doc, Ge, Le, MinLen

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """Where the gateway listens, whom it lets in, and how much it remembers."""

    host: Annotated[
        str, MinLen(1), Doc("address to listen on; any but loopback also needs exposed: true")
    ] = "127.0.0.1"
    port: Annotated[int, Ge(1), Le(65_535), Doc("TCP port of REST and WebSocket")] = 8686
    exposed: Annotated[
        bool, Doc("the address may be reached from other machines: a TLS front must stand before it")
    ] = False
    allowed_hosts: Annotated[
        tuple[str, ...],
        Doc(
            "Host names that requests may carry besides loopback, without port (guards against DNS rebinding)"
        ),
    ] = ()
    fills_kept: Annotated[int, Ge(10), Le(100_000), Doc("newest fills kept in memory")] = 1000
    orders_kept: Annotated[int, Ge(10), Le(100_000), Doc("newest finished orders kept in memory")] = 2000
    events_kept: Annotated[int, Ge(10), Le(10_000), Doc("newest events kept in memory")] = 500
    data_stale_ms: Annotated[
        int, Ge(100), Le(600_000), Doc("a book older than this makes /readyz answer 503, in ms of mesh time")
    ] = 5000
    clients_max: Annotated[int, Ge(1), Le(1000), Doc("WebSocket clients at one time")] = 64
    client_queue_max: Annotated[
        int, Ge(10), Le(100_000), Doc("messages waiting for one WebSocket client before it is dropped")
    ] = 1000

    def __post_init__(self) -> None:
        """Refuse an address that others can reach unless it is meant."""
        if self.host not in LOOPBACK and not self.exposed:
            raise ValueError(
                f"host {self.host!r} can be reached from other machines; use 127.0.0.1, or set "
                "gateway.exposed: true and put a TLS front before it"
            )
