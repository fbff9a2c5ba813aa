"""When a run may say that venues, log and risk agree, and who asked for it (I-30, RK-29)."""

import pytest

from shared.execution import reports
from shared.messages import control, system


@pytest.mark.req("BR-10")
def test_a_person_who_asks_is_answered(counter):
    counter.pass_ms(1000)

    counter.say("operator", control.ReconcileRequested("me"))
    counter.pass_ms(500)

    assert [one.difference_count for one in counter.said(system.Reconciled)] == [0, 0]


def test_a_person_is_answered_too_when_the_venue_is_not_there(counter):
    counter.tell(reports.UserStreamDown("cut"))

    counter.say("operator", control.ReconcileRequested("me"))
    counter.pass_ms(21_000, 500)

    answer = counter.said(system.Reconciled)[-1]
    assert (answer.difference_count, answer.details) == (1, "binance_usdm: not compared in time")


def test_a_fill_that_risk_does_not_answer_is_said_as_a_difference_after_a_while(counter):
    known = counter.broker.live.known
    row = known.account._row("mm", counter.PERP)
    row.lots, row.volume_atoms = 5, 10**12

    counter.restart()
    counter.pass_ms(6000)

    said = counter.said(system.Reconciled)[-1]
    assert (said.run, said.difference_count) == (2, 1)
    assert said.details == "risk has not answered 1 positions yet"
