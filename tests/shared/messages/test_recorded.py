"""Bodies recorded with earlier builds are read as they were meant: messages change only by appended fields.

`recorded_1.jsonl` holds one body of each message of schema 1. A changed message gets another file beside
it; no recorded line is ever edited.
"""

import json
from enum import Enum
from pathlib import Path

import pytest
from msgspec import NODEFAULT
from msgspec.structs import fields

from shared.messages import MESSAGES, message_of

LINES = [
    json.loads(line)
    for path in sorted(Path(__file__).parent.glob("recorded_*.jsonl"))
    for line in path.read_text().splitlines()
]


def plain(value):
    if isinstance(value, Enum):
        return value.value
    return value.hex() if isinstance(value, bytes) else value


@pytest.mark.req("JR-16")
@pytest.mark.parametrize("line", LINES, ids=lambda line: line["tag"])
def test_a_recorded_body_is_read_as_it_was_meant(line):
    message = message_of(bytes.fromhex(line["body"]))

    assert type(message).__struct_config__.tag == line["tag"]
    read = {name: plain(value) for name, value in message.as_dict().items()}
    assert {name: read[name] for name in line["fields"]} == line["fields"]
    assert list(read)[: len(line["fields"])] == list(line["fields"])


@pytest.mark.parametrize("line", LINES, ids=lambda line: line["tag"])
def test_a_field_that_came_later_has_a_default(line):
    kind = type(message_of(bytes.fromhex(line["body"])))

    later = [field for field in fields(kind) if field.name not in line["fields"]]

    assert all(field.default is not NODEFAULT for field in later)


def test_every_message_is_recorded():
    assert {kind.__struct_config__.tag for kind in MESSAGES} <= {line["tag"] for line in LINES}
