"""Settings of the bus."""

from dataclasses import dataclass
from typing import Annotated

from shared.settings import Doc, Ge, Gt, Le


@dataclass(frozen=True, slots=True, kw_only=True)
class BusSettings:
    """How the log is kept and how long a service may be silent."""

    max_frame_bytes: Annotated[
        int, Ge(65_536), Le(16_777_216), Doc("largest message on the bus, in bytes")
    ] = 1_048_576
    silence_ms: Annotated[
        int, Ge(300), Doc("a service that sends no Alive for so long is reported silent, in milliseconds")
    ] = 1000
    start_grace_ms: Annotated[
        int, Ge(1000), Doc("silence allowed to a service that is starting, in milliseconds")
    ] = 15_000
    sync_ms: Annotated[
        int, Gt(0), Doc("longest time until what need not wait is synced to disk, in milliseconds")
    ] = 20
    sync_orders: Annotated[
        bool,
        Doc(
            "sync at once when an order or a fill waits; on paper nothing leaves the host, so sync_ms will do"
        ),
    ] = False
    sync_stall_ms: Annotated[
        int,
        Ge(1000),
        Doc("a disk that does not answer a sync for so long has failed: kill is latched, in milliseconds"),
    ] = 10_000
    segment_bytes: Annotated[int, Ge(1_000_000), Doc("size at which a new segment of the log begins")] = (
        100_000_000
    )
    segment_seconds: Annotated[
        int, Ge(1), Doc("age at which a new segment of the log begins, in seconds")
    ] = 3600
    keep_bytes: Annotated[
        int,
        Ge(10_000_000),
        Doc("older segments are pruned above this size of the log; orders, fills and control stay for ever"),
    ] = 20_000_000_000
    keep_hours: Annotated[int, Ge(1), Doc("older segments are pruned after so many hours")] = 24 * 14
    subscriber_frames_max: Annotated[
        int, Ge(1000), Doc("events held for a slow subscriber before it must read them from the store")
    ] = 20_000
