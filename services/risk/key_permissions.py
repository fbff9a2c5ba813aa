"""What the rights of an API key are worth: a score out of 100, and whether it may be used (RK-17).

    score = 100 - 50 (may withdraw) - 30 (may transfer) - 20 (from any address)

80 and above is low risk; 50 and above medium; below that the key is insecure. A key below `score_min` is
refused, or warned of when the settings say so.
"""

from typing import NamedTuple

WITHDRAW_POINTS = 50
TRANSFER_POINTS = 30
ANY_ADDRESS_POINTS = 20
SCORE_MIN = 80
MEDIUM_MIN = 50


class KeyRights(NamedTuple):
    """What the venue says that a key may do."""

    can_withdraw: bool
    can_transfer: bool
    is_address_limited: bool


class KeyScore(NamedTuple):
    """The score, its level (low, medium or insecure), each point that was taken off, and the verdict."""

    score: int
    level: str
    reasons: tuple[str, ...]
    is_allowed: bool


def score_key(rights: KeyRights, score_min: int = SCORE_MIN) -> KeyScore:
    """Return the score of a key; it is allowed from `score_min` on."""
    findings = (
        (rights.can_withdraw, WITHDRAW_POINTS, "it may withdraw: forbid that at the venue"),
        (rights.can_transfer, TRANSFER_POINTS, "it may transfer to other accounts: forbid that at the venue"),
        (not rights.is_address_limited, ANY_ADDRESS_POINTS, "it works from any address: limit it to yours"),
    )
    found = [(points, text) for is_found, points, text in findings if is_found]
    score = 100 - sum(points for points, _ in found)
    level = "low" if score >= SCORE_MIN else "medium" if score >= MEDIUM_MIN else "insecure"
    return KeyScore(score, level, tuple(f"-{points}: {text}" for points, text in found), score >= score_min)
