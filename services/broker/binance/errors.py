"""What an error of the venue means: certainly refused, and what for, or in doubt.

Sources: `errors.md` of the spot documents, "Error Code" of the USD-M documents, and what robust clients do
with them. A code that stands nowhere here is a certain refusal when the venue answers 4xx, else a doubt.
"""

import re
from typing import NamedTuple

from shared.execution.reports import RefusalKind as Kind

HEDGE_MODE = -4061
BAD_SYMBOL = -1121
LISTEN_KEY_GONE = -1125
TOO_MANY_ORDERS = -1015
TOO_MANY_REQUESTS = -1003
NOTHING_TO_CHANGE = frozenset({-4046, -4059, -4171})
FINAL = frozenset({HEDGE_MODE, -4531})
"""Only a person can mend these: the position mode of the account is not ours."""

DOUBTFUL = frozenset({-1000, -1001, -1006, -1007, -1010})
"""The venue itself does not know whether it acted."""

_FILTER_OF_CODE = {
    -1111: "PRECISION",
    -2025: "MAX_NUM_ORDERS",
    -4001: "PRICE_FILTER",
    -4002: "PRICE_FILTER",
    -4003: "LOT_SIZE",
    -4004: "LOT_SIZE",
    -4005: "LOT_SIZE",
    -4013: "PRICE_FILTER",
    -4014: "PRICE_FILTER",
    -4016: "PERCENT_PRICE",
    -4023: "LOT_SIZE",
    -4024: "PERCENT_PRICE",
    -4131: "PERCENT_PRICE",
    -4164: "MIN_NOTIONAL",
}
_KIND_OF_CODE = {
    -1002: Kind.KEY,
    -1003: Kind.RATE,
    -1004: Kind.OVERLOADED,
    -1008: Kind.OVERLOADED,
    -1013: Kind.FILTER,
    -1014: Kind.INVALID,
    -1015: Kind.RATE,
    -1016: Kind.HALTED,
    -1020: Kind.INVALID,
    -1021: Kind.CLOCK,
    -1022: Kind.KEY,
    -1034: Kind.RATE,
    -1099: Kind.KEY,
    -1121: Kind.HALTED,
    -2011: Kind.NOT_FOUND,
    -2013: Kind.NOT_FOUND,
    -2014: Kind.KEY,
    -2015: Kind.KEY,
    -2016: Kind.HALTED,
    -2017: Kind.KEY,
    -2018: Kind.BALANCE,
    -2019: Kind.BALANCE,
    -2020: Kind.OTHER,
    -2021: Kind.OTHER,
    -2022: Kind.REDUCE_ONLY,
    -2023: Kind.HALTED,
    -2024: Kind.REDUCE_ONLY,
    -2026: Kind.NOT_FOUND,
    -2027: Kind.BALANCE,
    -2028: Kind.BALANCE,
    -2038: Kind.OTHER,
    -2039: Kind.NOT_FOUND,
    -4015: Kind.INVALID,
    -4028: Kind.INVALID,
    -4047: Kind.OTHER,
    -4048: Kind.OTHER,
    -4050: Kind.BALANCE,
    -4051: Kind.BALANCE,
    -4061: Kind.INVALID,
    -4067: Kind.OTHER,
    -4068: Kind.OTHER,
    -4088: Kind.HALTED,
    -4105: Kind.HALTED,
    -4106: Kind.HALTED,
    -4107: Kind.HALTED,
    -4108: Kind.HALTED,
    -4116: Kind.DUPLICATE,
    -4118: Kind.REDUCE_ONLY,
    -4120: Kind.INVALID,
    -4140: Kind.HALTED,
    -4141: Kind.HALTED,
    -4189: Kind.HALTED,
    -4192: Kind.HALTED,
    -4400: Kind.HALTED,
    -4401: Kind.HALTED,
    -4531: Kind.INVALID,
    -5021: Kind.OTHER,
    -5022: Kind.WOULD_TAKE,
    -5028: Kind.CLOCK,
}
# Texts of -2010 and of others that carry many meanings, lower case; the first that is found decides.
_KIND_OF_TEXT = (
    ("filter failure", Kind.FILTER),
    ("duplicate order", Kind.DUPLICATE),
    ("immediately match and take", Kind.WOULD_TAKE),
    ("insufficient balance", Kind.BALANCE),
    ("margin is insufficient", Kind.BALANCE),
    ("market is closed", Kind.HALTED),
    ("symbol is not trading", Kind.HALTED),
    ("too many new orders", Kind.RATE),
    ("trading is not enabled", Kind.KEY),
    ("not permitted", Kind.KEY),
    ("action is disabled", Kind.KEY),
    ("does not have permission", Kind.KEY),
    ("unknown order", Kind.NOT_FOUND),
    ("order does not exist", Kind.NOT_FOUND),
)
# Codes whose text decides; the kind is for a text that is not known.
_BY_TEXT = {-2010: Kind.OTHER, -2011: Kind.OTHER, -1013: Kind.FILTER}
_FILTER_NAME = re.compile(r"[Ff]ilter failure: ?([A-Z_]{3,40})")
# A failure for certain, unlike every other 503.
CERTAIN_503 = "service unavailable"
SECURITY_STATUS = 403


class Verdict(NamedTuple):
    """What an answer that is no success means: `kind` None is a doubt. `filter` names the one that failed."""

    kind: Kind | None
    filter: str = ""
    is_final: bool = False


DOUBT = Verdict(None)


def verdict_of(status: int, code: int, text: str) -> Verdict:
    """Return what an error answer means; `code` is 0 where the body told none.

    The code says more than the status where both speak, except that 5xx with an unlisted code is a doubt.
    """
    lower = text.lower()
    if code in DOUBTFUL:
        return DOUBT
    if code in _FILTER_OF_CODE:
        return Verdict(Kind.FILTER, _FILTER_OF_CODE[code])
    if code in _BY_TEXT:
        return _by_text(code, text, lower)
    if code in _KIND_OF_CODE:
        return Verdict(_KIND_OF_CODE[code], is_final=code in FINAL)
    if status in {418, 429}:
        return Verdict(Kind.RATE)
    if status == 503 and CERTAIN_503 in lower:
        return Verdict(Kind.OVERLOADED)
    if status >= 500 or status == 408 or not 400 <= status < 500:
        return DOUBT
    if status == 401:
        return Verdict(Kind.KEY)
    if status == SECURITY_STATUS and not code:
        return Verdict(Kind.RATE)  # the venue's firewall: slow down
    if code == 0:
        return DOUBT  # 4xx of something in between, not in the venue's words
    if -1199 <= code <= -1100:
        return Verdict(Kind.INVALID)
    return Verdict(Kind.OTHER)


def _by_text(code: int, text: str, lower: str) -> Verdict:
    kind = next((kind for words, kind in _KIND_OF_TEXT if words in lower), _BY_TEXT[code])
    match = _FILTER_NAME.search(text) if kind is Kind.FILTER else None
    return Verdict(kind, match.group(1) if match else "FILTER" if kind is Kind.FILTER else "")
