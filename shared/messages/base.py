"""What a message is: a frozen MessagePack array `[tag, field, ...]` with a topic family and an owner.

To add a message: a class in the file of its family, one entry in `shared/messages/__init__.py`, a
paragraph in docs/protocol.md (a test compares). To add a field: append it with a default that means
"as before"; anything else is a new tag.
"""

from functools import lru_cache
from typing import Any, ClassVar

import msgspec

TOPIC_KEY_KEPT_MAX = 64
"""Topics of longer keys are built anew each time: what a stranger sends takes no memory."""


class Message(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Base of every message on the bus.

    `family` is the first word of the topic, `owners` the services that may say it, `key` the field that
    ends the topic (a symbol or a strategy), `stored` whether the log keeps it.
    """

    family: ClassVar[str] = ""
    owners: ClassVar[frozenset[str]] = frozenset()
    key: ClassVar[str] = ""
    stored: ClassVar[bool] = True

    @property
    def topic(self) -> bytes:
        """Return the topic: `.family[.key]` when stored, `~family[.key]` when not."""
        kind = type(self)
        key = str(getattr(self, kind.key)) if kind.key else ""
        if len(key) > TOPIC_KEY_KEPT_MAX:
            return _topic(kind, key)
        return _kept_topic(kind, key)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, for JSON output to people."""
        return {name: getattr(self, name) for name in self.__struct_fields__}


def _topic(kind: type[Message], key: str) -> bytes:
    suffix = f".{key}" if kind.key else ""
    return f"{'.' if kind.stored else '~'}{kind.family}{suffix}".encode()


_kept_topic = lru_cache(maxsize=512)(_topic)


class Instruction(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Base of what a core asks its own shell to do; never on the bus, carried out only when live."""
