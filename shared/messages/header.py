"""The header of a frame `[topic, header, body]`, and an event: a header with its decoded message."""

from typing import Any, NamedTuple

import msgspec

from shared.errors import ProtocolError

SCHEMA = 1
"""Version of frames and messages; a bus refuses another one at hello."""


class Header(msgspec.Struct, frozen=True, array_like=True):
    """Place, time and origin of one event on the log.

    `seq` is global and has no hole. `ts_ns` is the mesh time at the append, `origin_ns` the mesh time when
    the outside fact behind it was received (an output inherits its cause's): age = now - origin_ns.
    `n` counts the source's events, `run` is one life of its process, `cause_seq` is 0 for facts.
    """

    seq: int
    ts_ns: int
    origin_ns: int
    epoch: int
    source: str
    run: int
    n: int
    cause_seq: int


class Event(NamedTuple):
    """One event of the log as a core sees it."""

    header: Header
    message: Any


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Header)


def encode_header(header: Header) -> bytes:
    """Return the MessagePack array of `header`."""
    return _encode(header)


def decode_header(data: bytes) -> Header:
    """Return the header in `data`; raise `ProtocolError` when it is none."""
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ProtocolError(f"not a header ({error}): {data[:40]!r}") from error
