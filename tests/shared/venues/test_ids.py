"""Client order ids in a venue's form and back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.venues.ids import IdForm, IdRule, from_venue, to_venue

RULES = {
    "plain": IdRule(IdForm.PLAIN),
    "prefixed": IdRule(IdForm.PLAIN, 30, "t-"),
    "alnum": IdRule(IdForm.ALNUM, 32),
    "uuid": IdRule(IdForm.UUID),
}
words = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=4)
ours = st.builds(lambda a, b, c, d: f"{a}-m{b}-{c}-{d}", words, words, words, words)


@pytest.mark.req("MD-26")
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@given(order_id=ours)
@settings(max_examples=100)
def test_an_id_comes_back_from_the_form_of_any_venue(rule, order_id) -> None:
    assert from_venue(rule, to_venue(rule, order_id)) == order_id


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_the_longest_id_fits_and_one_more_is_refused_with_what_to_do(rule) -> None:
    longest = "t0vj12-maker-b0-" + "z" * (rule.ours_max - 16)

    assert len(to_venue(rule, longest)) <= rule.length_max
    assert from_venue(rule, to_venue(rule, longest)) == longest
    if rule.ours_max < 36:
        with pytest.raises(ValueError, match="shorter name"):
            to_venue(rule, longest + "z")


def test_forms_hold_what_their_venues_demand() -> None:
    assert to_venue(RULES["alnum"], "t0v-maker-b0-1").isalnum()
    text = to_venue(RULES["uuid"], "t0v-maker-b0-1")
    assert (len(text), text.count("-"), text[14]) == (36, 4, "8")


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("alnum", "q1"),
        ("alnum", "manual-order"),
        ("alnum", "qÄ"),
        ("uuid", "7e1f2a34-0000-4000-8000-000000000000"),
        ("uuid", "7e1f2a34-0000-8000-8000-000000000000"),
        ("plain", "x-web_1"),
        ("prefixed", "apiv4"),
    ],
)
def test_a_foreign_id_is_left_as_it_is(rule, text) -> None:
    assert from_venue(RULES[rule], text) == text


def test_an_id_with_letters_that_cannot_be_carried_is_refused() -> None:
    with pytest.raises(ValueError, match="a-z, 0-9"):
        to_venue(RULES["uuid"], "T0V-maker-b0-1")
    with pytest.raises(ValueError, match="no client order ids"):
        to_venue(IdRule(IdForm.NONE), "t0v-maker-b0-1")
