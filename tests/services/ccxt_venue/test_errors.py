"""What each exception of ccxt means: certainly refused, or in doubt."""

import ccxt
import pytest

from services.ccxt_venue.errors import is_network, reason_of, verdict_of
from shared.execution.reports import RefusalKind

REFUSED = {
    ccxt.AuthenticationError: RefusalKind.KEY,
    ccxt.PermissionDenied: RefusalKind.KEY,
    ccxt.AccountSuspended: RefusalKind.KEY,
    ccxt.AccountNotEnabled: RefusalKind.KEY,
    ccxt.ArgumentsRequired: RefusalKind.INVALID,
    ccxt.BadRequest: RefusalKind.INVALID,
    ccxt.BadSymbol: RefusalKind.INVALID,
    ccxt.OperationRejected: RefusalKind.OTHER,
    ccxt.NoChange: RefusalKind.OTHER,
    ccxt.MarginModeAlreadySet: RefusalKind.OTHER,
    ccxt.MarketClosed: RefusalKind.HALTED,
    ccxt.ManualInteractionNeeded: RefusalKind.OTHER,
    ccxt.RestrictedLocation: RefusalKind.KEY,
    ccxt.InsufficientFunds: RefusalKind.BALANCE,
    ccxt.InvalidOrder: RefusalKind.FILTER,
    ccxt.OrderImmediatelyFillable: RefusalKind.WOULD_TAKE,
    ccxt.OrderNotFillable: RefusalKind.WOULD_TAKE,
    ccxt.DuplicateOrderId: RefusalKind.DUPLICATE,
    ccxt.ContractUnavailable: RefusalKind.HALTED,
    ccxt.NotSupported: RefusalKind.INVALID,
}
MISSED = {ccxt.OrderNotFound: RefusalKind.NOT_FOUND, ccxt.OrderNotCached: RefusalKind.NOT_FOUND}
DOUBTFUL = {
    ccxt.BaseError,
    ccxt.ExchangeError,
    ccxt.InvalidAddress,
    ccxt.AddressPending,
    ccxt.InvalidProxySettings,
    ccxt.ExchangeClosedByUser,
    ccxt.UnsubscribeError,
    ValueError,
    KeyError,
}


def tree(kind):
    return {kind}.union(*(tree(one) for one in kind.__subclasses__()))


def judge(kind, **fields):
    return verdict_of(kind("the venue says no"), **{"is_sent": True, "is_create": True, **fields}).kind


@pytest.mark.req("MD-26", "I-05")
def test_every_class_of_ccxt_has_one_meaning_for_a_create_that_was_sent() -> None:
    for kind in tree(ccxt.BaseError) | DOUBTFUL:
        if kind.__module__.startswith("ccxt") or kind in DOUBTFUL:
            assert judge(kind) is REFUSED.get(kind), kind


@pytest.mark.req("MD-26", "I-05")
def test_no_failed_operation_is_ever_read_as_not_placed() -> None:
    kinds = tree(ccxt.OperationFailed)

    assert {ccxt.RequestTimeout, ccxt.RateLimitExceeded, ccxt.ExchangeNotAvailable, ccxt.BadResponse} <= kinds
    assert {judge(kind) for kind in kinds} == {None}


@pytest.mark.req("I-06")
def test_a_missing_order_is_an_answer_to_a_question_and_a_doubt_to_a_create() -> None:
    for kind, meaning in MISSED.items():
        assert judge(kind, is_create=False) is meaning
        assert judge(kind) is None


def test_what_never_left_is_refused() -> None:
    assert judge(ccxt.RequestTimeout, is_sent=False) is RefusalKind.OVERLOADED
    assert judge(ccxt.RateLimitExceeded, is_sent=False) is RefusalKind.RATE
    assert judge(TypeError, is_sent=False) is RefusalKind.INVALID


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('binance {"code":-2010,"msg":"Duplicate order sent."}', RefusalKind.DUPLICATE),
        ("post only order would match", RefusalKind.WOULD_TAKE),
        ("ReduceOnly Order is rejected.", RefusalKind.REDUCE_ONLY),
        ("Filter failure: NOTIONAL", RefusalKind.FILTER),
        ("account has insufficient balance", RefusalKind.BALANCE),
    ],
)
def test_some_refusals_are_told_in_words_alone(text, kind) -> None:
    assert verdict_of(ccxt.BadRequest(text), is_sent=True, is_create=True).kind is kind


@pytest.mark.parametrize("secret", ["sesame"])
def test_no_key_and_no_signature_stands_in_a_reason(secret) -> None:
    error = ccxt.NetworkError(f"htx GET https://venue/v1?AccessKeyId={secret}&Signature=abc header {secret}")

    reason = reason_of(error, [secret, ""])

    assert secret not in reason
    assert "Signature" not in reason
    assert reason.startswith("NetworkError: htx GET https://venue/v1")


def test_a_rate_limit_is_an_answer_and_no_lost_network() -> None:
    assert is_network(ccxt.RequestTimeout("x"))
    assert not is_network(ccxt.RateLimitExceeded("x"))
    assert not is_network(ccxt.BadRequest("x"))
