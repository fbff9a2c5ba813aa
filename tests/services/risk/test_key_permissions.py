"""The rights of an API key, scored."""

import pytest

from services.risk.key_permissions import KeyRights, score_key


@pytest.mark.req("RK-17")
@pytest.mark.parametrize(
    ("withdraw", "transfer", "limited", "score", "level", "is_allowed"),
    [
        (False, False, True, 100, "low", True),
        (False, False, False, 80, "low", True),
        (False, True, True, 70, "medium", False),
        (False, True, False, 50, "medium", False),
        (True, False, True, 50, "medium", False),
        (True, False, False, 30, "insecure", False),
        (True, True, True, 20, "insecure", False),
        (True, True, False, 0, "insecure", False),
    ],
)
def test_each_right_takes_its_points_and_below_80_a_key_is_refused(
    withdraw, transfer, limited, score, level, is_allowed
):
    found = score_key(KeyRights(withdraw, transfer, limited))

    assert (found.score, found.level, found.is_allowed) == (score, level, is_allowed)
    assert len(found.reasons) == withdraw + transfer + (not limited)


@pytest.mark.req("RK-17")
def test_another_least_score_allows_more_or_less():
    assert score_key(KeyRights(True, False, True), score_min=50).is_allowed
    assert not score_key(KeyRights(False, False, False), score_min=100).is_allowed
