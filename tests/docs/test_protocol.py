"""docs/protocol.md says what the code does, and the reference MessagePack package reads every message."""

import re
from enum import Enum
from pathlib import Path

import msgpack
import msgspec
import pytest
from msgspec.structs import fields

from services.bus import sequencer
from shared.messages import MESSAGES, Header, body_of
from shared.messages.market import BookSnapshot
from shared.messages.wire import REFUSED_AGAIN, AppendHeader, Hello, Refused, Welcome

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "protocol.md").read_text()
WIRE = (AppendHeader, Hello, Welcome, Refused)


def type_text(kind):
    return kind.__name__ if isinstance(kind, type) and not getattr(kind, "__args__", ()) else str(kind)


def field_line(kind):
    """Return the fields as the page writes them."""
    words = []
    for field in fields(kind):
        default = field.default.value if isinstance(field.default, Enum) else field.default
        ending = "" if default is msgspec.NODEFAULT else f" = {default!r}"
        words.append(f"`{field.name}` {type_text(field.type)}{ending}")
    return ", ".join(words)


def paragraph(kind):
    """Return the two lines that the page must hold under the heading of a message."""
    topic = ("." if kind.stored else "~") + kind.family + (f".<{kind.key}>" if kind.key else "")
    return f"- topic `{topic}`, said by {', '.join(sorted(kind.owners))}\n- {field_line(kind)}\n"


def section(tag):
    found = re.search(rf"#### `{tag}`\n\n(.+?)\n\n((?:- .+\n)+)", PAGE)
    assert found, f"docs/protocol.md has no paragraph `#### `{tag}``"
    return found


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_each_message_has_its_paragraph(kind):
    found = section(kind.__struct_config__.tag)

    assert len(found[1]) > 20
    assert found[2] == paragraph(kind)


def test_the_page_names_no_message_that_does_not_exist():
    tags = re.findall(r"#### `(\w+)`", PAGE)

    assert sorted(tags) == sorted(kind.__struct_config__.tag for kind in MESSAGES)


@pytest.mark.parametrize("kind", WIRE, ids=lambda kind: kind.__name__)
def test_the_frames_around_the_messages_are_as_written(kind):
    assert f"- `{kind.__name__}`: {field_line(kind)}\n" in PAGE


def test_the_header_is_as_written():
    names = list(Header.__struct_fields__)

    assert f"`[{', '.join(names)}]`" in PAGE
    assert all(f"| `{name}` |" in PAGE for name in names)


def test_every_reason_of_a_refusal_is_explained():
    source = Path(sequencer.__file__).read_text()
    said = set(re.findall(r'_refuse\(\s*\w+,\s*"(\w+)"', source)) | set(
        re.findall(r'return "(\w+)", f', source)
    )

    table = PAGE[PAGE.index("| reason |") : PAGE.index("`Hello`, `Welcome` and")]

    assert said == {
        "schema",
        "impossible",
        "owner",
        "ahead",
        "run",
        "oversized",
        "undecodable",
        "n",
        "cause",
        "epoch",
        "hello",
        "topic",
    }
    assert all(f"`{reason}`" in table for reason in said | REFUSED_AGAIN)


def example(kind):
    """Return a value for a field of this type."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind))
    if getattr(kind, "__args__", ()):
        return []
    return {int: 7, str: "x", bytes: b"\x00\xff", bool: True}[kind]


@pytest.mark.req("JR-16")
@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_the_reference_package_reads_every_message(kind):
    values = {field.name: example(field.type) for field in fields(kind)}

    plain = msgpack.unpackb(body_of(kind(**values)))

    assert plain[0] == kind.__struct_config__.tag
    assert plain[1:] == [value.value if isinstance(value, Enum) else value for value in values.values()]


def test_a_levels_block_is_bytes_to_the_reference_package():
    book = BookSnapshot("binance:BTCUSDT", 1, 2, 0, b"\x01" * 32, "start", 3, 4)

    assert msgpack.unpackb(body_of(book))[5] == b"\x01" * 32
