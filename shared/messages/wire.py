"""What is spoken on the bus sockets around the messages: docs/protocol.md shows the frames."""

from typing import Any, TypeVar

import msgspec

from shared.errors import ProtocolError
from shared.messages.header import SCHEMA

SYNCED = b"~synced"
"""Topic of a `Durable` said at once after a sync, for those who wait; all others hear `~durable`."""

REFUSED_AGAIN = frozenset({"n", "epoch", "hello"})
"""Reasons after which a producer says hello or goes back to `expected_n`; all others end it."""


class AppendHeader(msgspec.Struct, frozen=True, array_like=True):
    """What a producer says of one event: `header'` of docs/protocol.md. `n` is 0 for ephemeral ones."""

    epoch: int
    source: str
    run: int
    n: int
    origin_ns: int
    cause_seq: int


class Hello(msgspec.Struct, frozen=True):
    """First word of a service to each life of the bus.

    `run` is 0 for a new life of the process, else the run to confirm. `token` names this life, so that a
    repeated hello does not begin another run.
    """

    service: str
    run: int
    token: int
    build: str
    settings: bytes
    sources: list[str]
    schema: int = SCHEMA


class Welcome(msgspec.Struct, frozen=True):
    """Answer to `Hello`: the run, and the last n stored of each source of the service in it.

    `started_seq` is the seq of the `ServiceStarted` that this hello appended.
    """

    service: str
    token: int
    epoch: int
    run: int
    last_n: dict[str, int]
    head_seq: int
    started_seq: int


class Refused(msgspec.Struct, frozen=True):
    """A frame was not taken. `reason` is the word, `detail` what to do; `expected_n` is the next to come."""

    source: str
    run: int
    expected_n: int
    reason: str
    detail: str = ""


T = TypeVar("T")
_encode = msgspec.msgpack.Encoder().encode


def pack_wire(value: Any) -> bytes:
    """Return the MessagePack of one of the structs of this file."""
    return _encode(value)


def unpack_wire(data: bytes, kind: type[T]) -> T:
    """Return the `kind` in `data`; raise `ProtocolError` when it is none."""
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ProtocolError(f"not a {kind.__name__} ({error}): {data[:40]!r}") from error
