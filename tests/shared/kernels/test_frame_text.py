"""The readers of a frame's bytes, one token at a time; compiled they are seen by `capture_lines` only."""

import importlib.util
from decimal import Decimal
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

SOURCE = Path(__file__).resolve().parents[3] / "shared" / "kernels" / "frame_text.py"


def reader(text):
    """Return the uncompiled reader of a line."""
    spec = importlib.util.spec_from_file_location("frame_text_uncompiled", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = module.FrameText()
    made._data = bytearray(text + b"\n")
    return made


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**8), st.integers(1, 250), st.integers(0, 4), st.integers(0, 6))
def test_a_decimal_text_is_read_as_whole_steps_with_any_zeros_behind(count, step, decimals, zeros):
    text = format(Decimal(count * step).scaleb(-decimals), "f")
    text += ("" if "." in text else ".") + "0" * zeros if zeros else ""
    made = reader(b'"%s",' % text.encode())

    assert made._steps(0, step, decimals) == len(text) + 2
    assert made._value == count


@pytest.mark.parametrize(
    "text",
    [
        b'"1.005"',
        b'"0.03"',
        b'"-1"',
        b'"1."',
        b'".5"',
        b'""',
        b"1.0",
        b'"1e3"',
        b'"1.0',
        b'"12345678901234567"',
        b'"1 "',
        b'"1.0.0"',
        b"",
    ],
)
def test_what_is_no_whole_number_of_steps_is_left_to_the_caller(text):
    assert reader(text)._steps(0, 2, 2) == -1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"0,", 0),
        (b"17}", 17),
        (b"999999999999999999,", 10**18 - 1),
        (b"007,", None),
        (b"-1,", None),
        (b",", None),
        (b"1234567890123456789,", None),
    ],
)
def test_numbers_are_read_as_json_writes_them(text, value):
    made = reader(text)
    at = made._number(0)

    assert (at < 0) == (value is None)
    if value is not None:
        assert (made._value, made._data[at : at + 1]) == (value, text[-1:])


def test_each_key_is_taken_once_and_pu_is_a_letter_of_its_own():
    made = reader(b'"p":"pu":"u":"p":')

    assert (made._key(0), chr(made._value)) == (4, "p")
    assert (made._key(4), chr(made._value)) == (9, "P")
    assert (made._key(9), chr(made._value)) == (13, "u")
    assert made._key(13) == -1
    assert reader(b'"pq":1')._key(0) == -1
    assert reader(b'"1":1')._key(0) == -1
    assert reader(b'"a"')._key(0) == -1
    assert reader(b'"')._key(0) == -1


def test_words_texts_and_ends():
    made = reader(b'true false "a b" "a\\n" "\xc3" }}')

    assert made._boolean(0) == 4
    assert made._boolean(5) == 10
    assert made._boolean(1) == -1
    assert made._text(11) == 16
    assert made._text(17) == -1
    assert made._text(23) == -1
    assert made._is_end(len(made._data) - 3)
    assert not made._is_end(0)
    assert made._pass(0) == len(made._data)
