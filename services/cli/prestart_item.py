"""One line of the pre-start check."""

from typing import NamedTuple


class Item(NamedTuple):
    """What was looked at, the state (pass, fail, warning or info), and why; numbers as plain texts.

    A hard one that fails keeps the mesh from starting.
    """

    name: str
    state: str
    text: str
    is_hard: bool = False
    value: str = ""
    limit: str = ""


def passed(name: str, text: str, value: str = "", limit: str = "") -> Item:
    """Return an item that holds."""
    return Item(name, "pass", text, value=value, limit=limit)


def failed(name: str, text: str, value: str = "", limit: str = "", *, is_hard: bool = True) -> Item:
    """Return an item that does not hold; the text says what to do."""
    return Item(name, "fail", text, is_hard, value, limit)
