"""A re-run finds what differs: an output, a cause, an order of events, a digest."""

import msgspec
import pytest

from services.replay.cores import log_cores
from services.replay.verify import verify
from shared.messages import Event, orders
from shared.messages.system import CoreDigest


def differences(events):
    return {
        verdict.service: verdict.difference for verdict in verify(events, log_cores()) if verdict.difference
    }


def first(events, kind):
    return next(i for i, event in enumerate(events) if type(event.message) is kind)


def changed(events, index, **fields):
    event = events[index]
    message = msgspec.structs.replace(event.message, **fields)
    return [*events[:index], Event(event.header, message), *events[index + 1 :]]


@pytest.mark.req("JR-5", "JR-11", "I-39")
def test_an_untouched_log_is_equal(default_log):
    verdicts = verify(default_log, log_cores())

    assert [verdict.difference for verdict in verdicts] == [""] * 4
    assert all(verdict.outputs for verdict in verdicts if verdict.service != "gateway")


def test_another_price_in_an_intent_is_found(default_log):
    index = first(default_log, orders.OrderIntent)

    found = differences(changed(default_log, index, price_ticks=1))

    assert "but the core says" in found["strategy"]


def test_an_approval_nobody_gave_is_found(default_log):
    index = first(default_log, orders.OrderApproved)

    found = differences(changed(default_log, index, qty_lots=999_999))

    assert "OrderApproved" in found["risk"]


def test_an_input_that_was_another_one_is_found(default_log):
    index = first(default_log, orders.Fill)

    found = differences(changed(default_log, index, qty_lots=1, price_ticks=1))

    assert "broker" in found


def test_another_digest_is_found(default_log):
    index = next(
        i for i, e in enumerate(default_log) if type(e.message) is CoreDigest and e.message.service == "risk"
    )

    found = differences(changed(default_log, index, digest=bytes(16)))

    assert "digest" in found["risk"]


def test_an_output_said_under_another_cause_is_found(default_log):
    index = first(default_log, orders.OrderApproved)
    event = default_log[index]
    header = msgspec.structs.replace(event.header, cause_seq=event.header.cause_seq - 1)

    found = differences([*default_log[:index], Event(header, event.message), *default_log[index + 1 :]])

    assert "caused by" in found["risk"]


def test_an_output_the_log_does_not_hold_yet_is_counted_not_blamed(default_log):
    index = first(default_log, orders.OrderApproved)

    verdicts = {verdict.service: verdict for verdict in verify(default_log[:index], log_cores())}

    assert verdicts["risk"].difference == ""
    assert verdicts["risk"].unsaid >= 1
