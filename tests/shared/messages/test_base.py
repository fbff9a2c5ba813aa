"""Every message has an owner and a topic, and is plain MessagePack that leads back to it."""

import msgpack
import pytest

from shared.errors import ProtocolError
from shared.messages import MESSAGES, body_of, message_of, owners_of_family, source_service
from shared.messages.base import Message
from shared.messages.system import Durable, ServiceStarted, Tick


def an_example(kind: type[Message]) -> Message:
    """Return a message of `kind` with a value of the right type in each field."""
    made = {int: 7, str: "x", bytes: b"y", bool: True}
    values = {}
    for field in msgspec_fields(kind):
        if field.required:
            hint = field.type
            origin = getattr(hint, "__origin__", hint)
            values[field.name] = made[hint] if hint in made else ([] if origin in (list, tuple) else hint(0))
    return kind(**values)


def msgspec_fields(kind: type[Message]):
    import msgspec

    return msgspec.structs.fields(kind)


@pytest.mark.req("JR-1")
@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_a_message_is_owned_and_read_by_any_messagepack_reader(kind: type[Message]) -> None:
    message = an_example(kind)
    body = body_of(message)

    plain = msgpack.unpackb(body)

    assert message_of(body) == message
    assert plain[0] == kind.__struct_config__.tag
    assert len(plain) == 1 + len(kind.__struct_fields__)
    assert kind.family
    assert kind.owners
    assert kind.owners <= owners_of_family(kind.family)
    assert message.topic.startswith((b"." if kind.stored else b"~") + kind.family.encode())


def test_tags_are_unique() -> None:
    tags = [kind.__struct_config__.tag for kind in MESSAGES]

    assert len(set(tags)) == len(tags)


def test_the_topic_ends_with_the_key() -> None:
    assert ServiceStarted("risk", 1, "b", b"", []).topic == b".service.risk"
    assert Tick(1).topic == b".tick"
    assert Durable(1, 2).topic == b"~durable"


@pytest.mark.parametrize(
    "body", [b"", b"\xc1", b"\x91\xa4what", b"\x92\xa4tick\xa1x", b"\x91" * 5000, b"\x91\xa4tick"]
)
def test_anything_else_is_a_protocol_error(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="not a message"):
        message_of(body)


def test_a_field_appended_later_is_no_error_for_a_reader_of_today() -> None:
    body = msgpack.packb(["tick", 3, "a field of a later version"])

    assert message_of(body) == Tick(3)


@pytest.mark.parametrize(
    ("source", "service"),
    [
        ("risk", "risk"),
        ("strategy/as_btc", "strategy"),
        ("broker.io", "broker"),
        ("market_data.io", "market_data"),
    ],
)
def test_a_source_belongs_to_a_service(source: str, service: str) -> None:
    assert source_service(source) == service


def test_an_unknown_family_has_no_owner() -> None:
    assert owners_of_family("nothing") == frozenset()
