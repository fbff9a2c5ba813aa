"""How a settings model is written: a frozen dataclass whose fields carry bounds and a manual sentence.

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Limits:
        order_lots_max: Annotated[int, Gt(0), Doc("largest single order, in lots")]

The launcher validates the whole file once with pydantic's TypeAdapter (which reads the bounds of
`annotated_types`); workers decode their section with msgspec and import no pydantic.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from annotated_types import Ge, Gt, Le, Len, Lt, MinLen, Predicate

__all__ = ["Doc", "Ge", "Gt", "Le", "Len", "Lt", "MinLen", "Predicate", "pack", "unpack"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Doc:
    """The manual sentence of a settings field: shown by `config show`, in errors and in the manual."""

    text: str


def pack(settings: object) -> bytes:
    """Return the MessagePack of a settings dataclass, as `ServiceStarted` carries it."""
    return msgspec.msgpack.encode(settings, order="sorted")


def unpack(data: bytes, model: type[T]) -> T:
    """Return the `model` in `data`; raises `msgspec.ValidationError` when it is none."""
    value: Any = msgspec.msgpack.decode(data, type=model)
    return value  # type: ignore[no-any-return]
