"""A header is a plain MessagePack array of eight fields, and nothing else is taken for one."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ProtocolError
from shared.messages.header import Header, decode_header, encode_header

COUNTS = st.integers(0, 2**63 - 1)


@pytest.mark.req("JR-1", "MD-11")
@given(st.tuples(COUNTS, COUNTS, COUNTS, COUNTS, st.text(max_size=20), COUNTS, COUNTS, COUNTS))
def test_a_header_comes_back_and_any_reader_sees_its_fields_in_order(fields) -> None:
    header = Header(*fields)

    data = encode_header(header)

    assert decode_header(data) == header
    assert msgpack.unpackb(data) == list(fields)


@given(st.binary(max_size=60))
def test_any_other_bytes_are_a_protocol_error_or_a_header(data: bytes) -> None:
    try:
        header = decode_header(data)
    except ProtocolError:
        return
    assert isinstance(header, Header)


@pytest.mark.parametrize("fields", [[1, 2, 3], ["1", 2, 3, 4, "bus", 6, 7, 8], {"seq": 1}])
def test_wrong_fields_are_refused(fields) -> None:
    with pytest.raises(ProtocolError, match="not a header"):
        decode_header(msgpack.packb(fields))
