"""What a message is: a frozen MessagePack array `[tag, field, ...]` with a topic family and an owner.

To add a message: a class in the file of its family, one entry in `shared/messages/__init__.py`, a
paragraph in docs/protocol.md (a test compares). To add a field: append it with a default that means
"as before"; anything else is a new tag.
"""

from typing import Any, ClassVar

import msgspec


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
        mark = "." if self.stored else "~"
        suffix = "." + str(getattr(self, self.key)) if self.key else ""
        return f"{mark}{self.family}{suffix}".encode()

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, for JSON output to people."""
        return {name: getattr(self, name) for name in self.__struct_fields__}


class Instruction(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Base of what a core asks its own shell to do; never on the bus, carried out only when live."""
