"""Outcomes that are no success, as the reports that the desk gets."""

from services.broker.binance.budget import Held
from services.broker.binance.calls import Answer, Lost, Outcome
from shared.execution.reports import Doubtful, RefusalKind, Refused


def failure_of(request_id: int, held: Held) -> Refused:
    """Return the refusal of what the budget did not let go: not a byte left."""
    return Refused(request_id, RefusalKind.RATE, "budget", held.reason[:200], False, held.retry_ns)


def unsent(request_id: int, kind: RefusalKind, code: str, reason: str, retry_ns: int = 0) -> Refused:
    """Return a refusal of our own."""
    return Refused(request_id, kind, code, reason[:300], False, retry_ns)


def doubt_of(request_id: int, outcome: Outcome) -> Refused | Doubtful:
    """Return what an outcome that is no success means to the command that asked."""
    if isinstance(outcome, Lost):
        if outcome.is_sent:
            return Doubtful(request_id, outcome.reason)
        return unsent(request_id, RefusalKind.OTHER, "not_sent", outcome.reason)
    return refusal_of(request_id, outcome)


def refusal_of(request_id: int, answer: Answer) -> Refused | Doubtful:
    """Return the refusal in an answer, or the doubt."""
    verdict = answer.verdict
    assert verdict is not None, "a success is no refusal"
    if verdict.kind is None:
        return Doubtful(request_id, f"the venue answered {answer.status} {answer.code} {answer.text}"[:200])
    code = str(answer.code) if answer.code else str(answer.status)
    return Refused(request_id, verdict.kind, code, answer.text[:300], True, answer.retry_ns)
