"""Every word between a parent and its child survives the wire, and nothing else is one."""

import msgspec
import pytest

from shared.execution.commands import AskFills, Place
from shared.execution.reports import Doubtful, Reachable
from shared.units import Side
from shared.venues.remote_words import (
    Broken,
    Carry,
    CloseFeed,
    FeedDown,
    FeedFrame,
    FeedUp,
    Get,
    Got,
    OpenFeed,
    Ready,
    Setup,
    Told,
    decode_from_child,
    decode_to_child,
    encode,
)

TO_CHILD = [
    Setup("okx", "live", key={"secret": "s"}, symbols=("A/B",)),
    OpenFeed("c", "A/B"),
    CloseFeed("c"),
    Get(1, "rules/A/B"),
    Carry(Place(1, "id", "okx:A/B", Side.SELL, 1, 2, is_post_only=True)),
    Carry(AskFills(2, "okx:A/B", "7")),
]
FROM_CHILD = [
    Ready("4.5"),
    Broken("no", True),
    FeedUp("c"),
    FeedDown("c", "gone"),
    FeedFrame("c", b"{}"),
    Got(1, 200, b"[]"),
    Told(Reachable()),
    Told(Doubtful(1, "lost")),
]


@pytest.mark.parametrize("word", TO_CHILD, ids=repr)
def test_words_to_a_child_survive(word) -> None:
    assert decode_to_child(encode(word)) == word


@pytest.mark.parametrize("word", FROM_CHILD, ids=repr)
def test_words_of_a_child_survive(word) -> None:
    assert decode_from_child(encode(word)) == word


@pytest.mark.parametrize(
    "data", [b"", b"\x90", encode(["nothing"]), encode(["got", "1", 200, b""]), encode(7)]
)
def test_anything_else_is_refused(data) -> None:
    for decode in (decode_to_child, decode_from_child):
        with pytest.raises(msgspec.DecodeError):
            decode(data)
