"""The slot is read from an id as strategies write it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.strategy.own_orders import client_order_id
from shared.order_ids import slot_of


@given(
    epoch=st.integers(0, 2**40),
    strategy=st.from_regex(r"\A[a-z][a-z0-9_]{0,11}\Z"),
    slot=st.from_regex(r"\A[a-z0-9]{1,9}\Z"),
    generation=st.integers(0, 2**30),
)
def test_it_is_the_one_that_the_strategy_wrote(epoch, strategy, slot, generation):
    assert slot_of(client_order_id(epoch, strategy, slot, generation)) == slot


@pytest.mark.parametrize("order_id", ["", "x", "a-b-c", "a-b-c-d-e", "web_0123456789"])
def test_an_id_of_others_has_none(order_id):
    assert slot_of(order_id) == ""
