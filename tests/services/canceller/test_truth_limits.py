"""A question that only the request limit stood before is told apart from one left unanswered."""

import asyncio

import pytest

from services.canceller.direct import VenueSilentError
from services.canceller.truth import RequestLimitError, expect
from shared.execution import commands, reports
from shared.execution.reports import RefusalKind


class Answering:
    """A venue that answers every question alike."""

    def __init__(self, answer):
        self.answer = answer

    async def ask(self, _make, _limit_s):
        return self.answer


def asked(answer):
    return asyncio.run(expect(Answering(answer), commands.AskAccount, reports.AccountTold, 1.0))


@pytest.mark.req("BR-6")
def test_a_used_up_request_limit_is_an_error_of_its_own():
    refused = reports.Refused(1, RefusalKind.RATE, "budget", "REQUEST_WEIGHT is at 80 %", is_sent=False)

    with pytest.raises(RequestLimitError, match="AskAccount was not answered: budget REQUEST_WEIGHT"):
        asked(refused)


def test_any_other_refusal_and_silence_are_told_with_their_reason():
    for answer, text in (
        (reports.Refused(1, RefusalKind.KEY, "-2015", "Invalid API-key"), "-2015 Invalid API-key"),
        (reports.Doubtful(1, "no answer in 8 s"), "no answer in 8 s"),
    ):
        with pytest.raises(VenueSilentError, match=text) as raised:
            asked(answer)
        assert not isinstance(raised.value, RequestLimitError)


def test_an_answer_is_returned_as_it_is():
    told = reports.AccountTold(1, [], [])

    assert asked(told) is told
