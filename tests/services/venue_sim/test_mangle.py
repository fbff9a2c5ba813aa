"""Answers broken on purpose: each kind breaks what it says and nothing else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.venue_sim.mangle import GARBAGE, mangled
from services.venue_sim.trading_faults import MANGLE_KINDS

ORDER = {"symbol": "BTCUSDT", "orderId": 7, "price": "1.0", "fills": []}
BODY = json.dumps(ORDER).encode()


def test_garbage_and_a_cut_answer_are_no_json() -> None:
    assert mangled(BODY, "garbage", "", 0) == GARBAGE
    assert mangled(BODY, "truncated", "", 0) == BODY[: len(BODY) // 2]


def test_each_turn_drops_another_field_and_a_named_field_is_the_one() -> None:
    missing = [set(ORDER) - set(json.loads(mangled(BODY, "missing_field", "", turn))) for turn in range(4)]
    assert missing == [{"symbol"}, {"orderId"}, {"price"}, {"fills"}]
    assert "price" not in json.loads(mangled(BODY, "missing_field", "price", 9))
    assert json.loads(mangled(BODY, "missing_field", "unknown", 9)) == ORDER


@pytest.mark.parametrize("turn", range(12))
def test_a_wrong_type_is_never_the_right_one(turn: int) -> None:
    broken = json.loads(mangled(BODY, "wrong_type", "", turn))
    changed = [name for name in ORDER if broken[name] != ORDER[name]]
    assert len(changed) == 1
    assert type(broken[changed[0]]) is not type(ORDER[changed[0]])


def test_unknown_fields_are_added_to_every_object_of_a_list() -> None:
    both = json.loads(mangled(json.dumps([ORDER, ORDER]).encode(), "extra_field", "", 0))
    assert all(item.items() >= ORDER.items() and len(item) == len(ORDER) + 2 for item in both)


def test_inside_an_envelope_the_result_is_broken_and_the_id_stays() -> None:
    envelope = {"id": "x", "status": 200, "result": ORDER, "rateLimits": []}
    broken = json.loads(mangled(json.dumps(envelope).encode(), "missing_field", "orderId", 0))
    assert broken == envelope | {"result": {k: v for k, v in ORDER.items() if k != "orderId"}}

    event = {"e": "ORDER_TRADE_UPDATE", "T": 1, "o": {"s": "BTCUSDT", "i": 7}}
    broken = json.loads(mangled(json.dumps(event).encode(), "wrong_type", "i", 2))
    assert broken["o"]["i"] != 7
    assert broken["e"] == "ORDER_TRADE_UPDATE"


@pytest.mark.parametrize("body", [b"[]", b"{}", b"no json", b"[1,2]"])
def test_what_has_no_fields_is_cut(body: bytes) -> None:
    assert mangled(body, "missing_field", "", 0) == body[: len(body) // 2]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(
    value=json_values,
    kind=st.sampled_from(sorted(MANGLE_KINDS)),
    field=st.sampled_from(["", "price", "a"]),
    turn=st.integers(0, 50),
)
def test_any_answer_can_be_broken(value: Any, kind: str, field: str, turn: int) -> None:
    body = json.dumps(value).encode()
    broken = mangled(body, kind, field, turn)
    assert isinstance(broken, bytes)
    if kind == "missing_field" and isinstance(value, dict) and broken.startswith(b"{") and body != b"{}":
        assert len(json.loads(broken)) <= len(value)
