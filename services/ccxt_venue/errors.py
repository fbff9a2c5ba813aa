"""What an exception of ccxt means for a command: certainly refused, or in doubt.

ccxt's tree does not tell "not done" from "not known": `ExchangeError` itself is raised for any answer that it
cannot name, and for a body that broke off. So only named classes are certain, and the whole tree of
`OperationFailed` (timeouts, 5xx, rate limits, maintenance) is in doubt once a request has left (I-05).
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

import ccxt

from services.ccxt_venue.exchanges import TooLateError
from shared.execution.reports import RefusalKind

REASON_CHARS = 200
_QUERY = re.compile(r"\?\S*")

# Most special first: the first class that fits decides.
_REFUSALS: tuple[tuple[type[Exception], RefusalKind], ...] = (
    (ccxt.OrderImmediatelyFillable, RefusalKind.WOULD_TAKE),
    (ccxt.OrderNotFillable, RefusalKind.WOULD_TAKE),
    (ccxt.DuplicateOrderId, RefusalKind.DUPLICATE),
    (ccxt.OrderNotFound, RefusalKind.NOT_FOUND),
    (ccxt.OrderNotCached, RefusalKind.NOT_FOUND),
    (ccxt.ContractUnavailable, RefusalKind.HALTED),
    (ccxt.InvalidOrder, RefusalKind.FILTER),
    (ccxt.InsufficientFunds, RefusalKind.BALANCE),
    (ccxt.AuthenticationError, RefusalKind.KEY),
    (ccxt.MarketClosed, RefusalKind.HALTED),
    (ccxt.RestrictedLocation, RefusalKind.KEY),
    (ccxt.OperationRejected, RefusalKind.OTHER),
    (ccxt.BadSymbol, RefusalKind.INVALID),
    (ccxt.BadRequest, RefusalKind.INVALID),
    (ccxt.ArgumentsRequired, RefusalKind.INVALID),
    (ccxt.NotSupported, RefusalKind.INVALID),
)
_UNSENT: tuple[tuple[type[Exception], RefusalKind], ...] = (
    (TooLateError, RefusalKind.OVERLOADED),
    (ccxt.RateLimitExceeded, RefusalKind.RATE),
    (ccxt.OperationFailed, RefusalKind.OVERLOADED),
    (Exception, RefusalKind.INVALID),
)
_SAID = {
    RefusalKind.DUPLICATE: ("duplicate", "already exist"),
    RefusalKind.REDUCE_ONLY: ("reduceonly", "reduce-only", "reduce only", "reduce_only"),
    RefusalKind.WOULD_TAKE: (
        "post only",
        "post-only",
        "post_only",
        "postonly",
        "would match",
        "would take",
        "immediately match",
    ),
    RefusalKind.BALANCE: ("insufficient",),
    RefusalKind.FILTER: ("filter failure", "notional", "precision", "tick size", "minimum amount"),
}


def reason_of(error: Exception, secrets: Iterable[str] = ()) -> str:
    """Return what an exception says, without what may open an account.

    ccxt's texts hold whole addresses, and in their queries stand keys and signatures.
    """
    text = _QUERY.sub("", " ".join(str(error).split()))
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return f"{type(error).__name__}: {text}"[:REASON_CHARS]


class Verdict(NamedTuple):
    """`kind` is None when the outcome is in doubt."""

    kind: RefusalKind | None
    code: str
    reason: str


def verdict_of(error: Exception, *, is_sent: bool, is_create: bool, secrets: Iterable[str] = ()) -> Verdict:
    """Judge an exception; `is_sent` says that at least one request of the call had left."""
    code = type(error).__name__
    reason = reason_of(error, secrets)
    kind = next((kind for kind_of, kind in _REFUSALS if isinstance(error, kind_of)), None)
    if is_create and is_sent and kind is RefusalKind.NOT_FOUND:
        kind = None  # a create cannot miss an order: a second request of the same call did
    if kind is None and not is_sent:
        kind = next(kind for kind_of, kind in _UNSENT if isinstance(error, kind_of))
    if kind in {RefusalKind.FILTER, RefusalKind.OTHER, RefusalKind.INVALID}:
        kind = _kind_of_text(reason.lower(), kind)
    return Verdict(kind, code, reason)


def _kind_of_text(text: str, kind: RefusalKind) -> RefusalKind:
    """Return what some venues say in words alone."""
    return next((told for told, words in _SAID.items() if any(word in text for word in words)), kind)


def is_network(error: Exception) -> bool:
    """Return whether the venue could not be reached, or did not answer as a venue in service does."""
    return isinstance(error, ccxt.NetworkError) and not isinstance(error, ccxt.RateLimitExceeded)
