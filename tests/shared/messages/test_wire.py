"""The frames around the messages survive the wire, and nothing else does."""

import contextlib

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import ProtocolError
from shared.messages.wire import AppendHeader, Hello, Refused, Welcome, pack_wire, unpack_wire

ONES = [
    AppendHeader(5, "risk", 2, 7, 11, 13),
    Hello("risk", 0, 99, "build", b"\x80", ["risk", "risk.io"]),
    Welcome("risk", 99, 5, 2, {"risk": 7}, 100, 100),
    Refused("risk", 2, 8, "n", "go back"),
]


@pytest.mark.parametrize("one", ONES)
def test_each_frame_comes_back_as_it_was(one):
    assert unpack_wire(pack_wire(one), type(one)) == one


def test_an_append_header_is_a_plain_array_in_the_order_of_the_protocol():
    assert msgpack.unpackb(pack_wire(ONES[0])) == [5, "risk", 2, 7, 11, 13]


def test_a_hello_is_a_plain_map_with_the_schema():
    packed = msgpack.unpackb(pack_wire(ONES[1]))

    assert packed["schema"] == 1
    assert packed["sources"] == ["risk", "risk.io"]


@given(st.binary(max_size=100))
@settings(deadline=None)
def test_garbage_is_a_protocol_error_and_nothing_else(data):
    for kind in (AppendHeader, Hello, Welcome, Refused):
        with contextlib.suppress(ProtocolError):
            assert isinstance(unpack_wire(data, kind), kind)
