"""Seeded damage: bytes, numbers in texts, and nodes of decoded JSON and MessagePack."""

import json
import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import msgspec

_INTEGERS = (0, 1, -1, 255, 2**31, 2**53 + 1, 2**62, 2**63 - 1, 2**63, 2**64 - 1, -(2**63), 10**18, 10**40)
_NUMBERS = (
    *(str(value).encode() for value in _INTEGERS),
    *(b"0.0", b"-0", b"1e999", b"1E-400", b"NaN", b"-Infinity", b"9" * 5000, b"0." + b"0" * 40 + b"1"),
)
_TEXTS = (
    *("", "0", "-1", "1e999", "NaN", "9" * 400, "0." + "0" * 30 + "1", "\x00", "\u0663\u0662", "²", "\ud800"),
    *(
        "a" * 70,
        "%s%n{}",
        "../../x",
        "<script>",
        "'; drop table events;--",
        "bus",
        "operator",
        "market_data.io",
    ),
)
_LEAVES: tuple[Any, ...] = (None, True, False, 0.5, float("nan"), float("inf"), *_INTEGERS, *_TEXTS)
_BYTES = (
    b"\x00",
    b"\xff",
    b"\x80",
    b"\xc0",
    b"\xc1",
    b"\xcf" + b"\xff" * 8,
    b"\xd3\x80" + bytes(7),
    b"\xdd\xff",
)
_NESTS = (b"[" * 3000, b'{"a":' * 3000, b"\x91" * 3000, b"\x81\xa1a" * 3000)
_DIGITS = re.compile(rb"-?\d+(?:\.\d+)?")

Edit = Callable[[bytearray], None]
Codec = tuple[Callable[[bytes], Any], Callable[[Any], bytes]]


def _pack_json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


JSON: Codec = (json.loads, _pack_json)
MSGPACK: Codec = (msgspec.msgpack.decode, msgspec.msgpack.encode)


class Mutator:
    """Draws damaged bytes; the same seed draws the same ones in the same order."""

    def __init__(self, seed: str) -> None:
        self.draw = Random(seed)
        self._edits: tuple[Edit, ...] = (
            self._flip,
            self._put,
            self._delete,
            self._double,
            self._cut,
            self._swap,
            self._number,
            self._number,
        )

    def chance(self, share: float) -> bool:
        """Return True in `share` of the calls."""
        return self.draw.random() < share

    def damaged(self, sample: bytes, codec: Codec) -> bytes:
        """Return `sample` after one or a few changes of bytes or of nodes of `codec`; rarely noise."""
        kind = self.draw.random()
        if kind < 0.03:
            return self.draw.randbytes(self.draw.randrange(200))
        if kind < 0.05:
            return self.draw.choice(_NESTS)
        if kind < 0.50:
            changed = self.restructured(sample, codec)
            if changed is not None:
                return changed
        return self.damaged_bytes(sample)

    def damaged_bytes(self, sample: bytes) -> bytes:
        """Return `sample` after one to four changes of bytes."""
        data = bytearray(sample)
        for _ in range(self.draw.choice((1, 1, 1, 2, 4))):
            self.draw.choice(self._edits)(data)
        return bytes(data)

    def restructured(self, sample: bytes, codec: Codec) -> bytes | None:
        """Return `sample` with one node changed, None when it cannot be decoded or the change not encoded."""
        decode, encode = codec
        try:
            root = [decode(sample)]
            self._change_node(root)
            return encode(root[0]) if root else b""
        except (ValueError, TypeError, RecursionError, OverflowError, msgspec.MsgspecError):
            return None

    def leaf(self) -> Any:
        """Return a value that breaks careless code."""
        return self.draw.choice(_LEAVES)

    def text(self) -> str:
        """Return a text that breaks careless code."""
        return self.draw.choice(_TEXTS)

    def picked(self, samples: Sequence[Any]) -> Any:
        """Return one of `samples`."""
        return samples[self.draw.randrange(len(samples))]

    def _change_node(self, root: list[Any]) -> None:
        holder: Any = root
        while True:
            if not holder:
                return
            key: Any = self.draw.randrange(len(holder))
            if isinstance(holder, dict):
                key = list(holder)[key]
            below = holder[key]
            if isinstance(below, list | dict) and below and self.chance(0.85):
                holder = below
                continue
            self._change(holder, key)
            return

    def _change(self, holder: Any, key: Any) -> None:
        value, kind = holder[key], self.draw.random()
        if kind < 0.35 and isinstance(value, int) and not isinstance(value, bool):
            holder[key] = value + self.draw.choice((-1, 1, 2, -1000, 1000, -value, value))
        elif kind < 0.5 and isinstance(value, str) and value:
            holder[key] = self.damaged_bytes(value.encode()).decode("utf-8", "replace")
        elif kind < 0.5 and isinstance(value, bytes):
            holder[key] = self.damaged_bytes(value)
        elif kind < 0.6:
            del holder[key]
        elif kind < 0.7 and isinstance(holder, list):
            holder[key:key] = [value] * self.draw.choice((1, 2, 50))
        elif kind < 0.75:
            holder[key] = [value]
        elif kind < 0.8:
            holder[key] = {"a": value}
        elif kind < 0.85 and isinstance(holder, dict):
            holder[str(self.leaf())] = value
        else:
            holder[key] = self.leaf()

    def _at(self, data: bytearray) -> int:
        return self.draw.randrange(len(data) + 1)

    def _flip(self, data: bytearray) -> None:
        if data:
            data[self.draw.randrange(len(data))] ^= 1 << self.draw.randrange(8)

    def _put(self, data: bytearray) -> None:
        at = self._at(data)
        data[at : at + self.draw.randrange(3)] = self.draw.choice(_BYTES)

    def _delete(self, data: bytearray) -> None:
        at = self._at(data)
        del data[at : at + self.draw.choice((1, 1, 2, 8, 40))]

    def _double(self, data: bytearray) -> None:
        at = self._at(data)
        data[at:at] = data[at : at + self.draw.choice((1, 4, 16, 64))]

    def _cut(self, data: bytearray) -> None:
        del data[self._at(data) :]

    def _swap(self, data: bytearray) -> None:
        at, other = self._at(data), self._at(data)
        size = self.draw.choice((1, 4, 12))
        data[at : at + size], data[other : other + size] = data[other : other + size], data[at : at + size]

    def _number(self, data: bytearray) -> None:
        """Replace one number written in digits."""
        at = self._at(data)
        found = _DIGITS.search(data, at) or _DIGITS.search(data)
        if found is not None:
            data[found.start() : found.end()] = self.draw.choice(_NUMBERS)
