"""Answers that break the documents of the venue: cut off, no JSON, a field missing, unknown or mistyped."""

from collections.abc import Iterator
from typing import Any

import msgspec

from shared.errors import UNDECODABLE

GARBAGE = b"<html><body><h1>Bad Gateway</h1></body></html>"
EXTRA = {"quotemeshUnknown": {"a": [1, None, "x"]}, "st": 1}
WRAPPERS = frozenset({"result", "event", "o", "a", "data"})

WRONG_VALUES: tuple[Any, ...] = (None, [], {"a": 1}, True, -1.5, "NaN")


def mangled(body: bytes, kind: str, field: str, turn: int) -> bytes:
    """Return `body` broken in the way of a MangleKind; `turn` picks the field when none is named.

    What is no JSON object or list of objects is returned cut in half.
    """
    if kind == "garbage":
        return GARBAGE
    if kind == "truncated":
        return body[: len(body) // 2]
    try:
        value = msgspec.json.decode(body)
    except UNDECODABLE:
        return body[: len(body) // 2]
    objects = list(_objects(value))
    if not objects:
        return body[: len(body) // 2]
    if kind == "extra_field":
        for found in objects:
            found.update(EXTRA)
        return msgspec.json.encode(value)
    places = [(item, name) for item in objects for name in item if field in {"", name} and name != "id"]
    if places:
        item, name = places[turn % len(places)]
        if kind == "missing_field":
            del item[name]
        else:
            item[name] = _wrong(item[name], turn)
    return msgspec.json.encode(value)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects whose fields a client reads, the innermost of an envelope only."""
    if isinstance(value, list):
        for item in value:
            yield from _objects(item)
    elif isinstance(value, dict):
        inner = [value[name] for name in WRAPPERS & value.keys() if isinstance(value[name], dict | list)]
        found = [item for part in inner for item in _objects(part)]
        if found:
            yield from found
        elif value:
            yield value


def _wrong(value: Any, turn: int) -> Any:
    """Return a value of a type that the field never has."""
    others = [other for other in WRONG_VALUES if not isinstance(other, type(value))]
    return others[turn % len(others)]
