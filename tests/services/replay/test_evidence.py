"""The evidence behind an order: complete, from the log alone, and the same when the cores run again."""

import random

import msgspec
import pytest

from services.replay.cores import log_cores
from services.replay.evidence import gather
from services.risk.checks import CHECKS
from shared.messages import Event, orders


def order_ids(log):
    return [event.message.client_order_id for event in log if type(event.message) is orders.OrderIntent]


def filled_ids(log):
    return {event.message.client_order_id for event in log if type(event.message) is orders.Fill}


@pytest.mark.req("ST-4", "JR-5")
def test_200_random_orders_are_complete_and_come_out_the_same(long_log):
    ids = random.Random(1).sample(order_ids(long_log), 200)

    found = gather(ids, lambda: iter(long_log), log_cores())

    assert set(found) == set(ids)
    assert len(found) == 200
    assert [(one.client_order_id, one.missing, one.differences) for one in found.values()] == [
        (order_id, [], []) for order_id in found
    ]
    cores_frames = sum(
        not event.header.source.endswith(".io") for one in found.values() for event in one.frames
    )
    assert sum(one.derived for one in found.values()) == cores_frames


def test_the_sight_is_the_book_that_the_decision_saw(default_log):
    order_id = order_ids(default_log)[0]

    one = gather([order_id], lambda: iter(default_log), log_cores())[order_id]

    intent = one.frames[0].message
    assert one.sight.rules.symbol == intent.symbol
    assert one.sight.is_trusted
    assert one.sight.bids[0][0] < one.sight.asks[0][0]
    assert one.sight.cause_seq == one.frames[0].header.cause_seq
    assert one.sight.version == intent.version


def test_every_check_is_told_with_value_and_limit(default_log):
    order_id = order_ids(default_log)[0]

    one = gather([order_id], lambda: iter(default_log), log_cores())[order_id]

    assert [measure.check for measure in one.checks] == [line.check.__name__ for line in CHECKS]
    verdict = next(
        e.message for e in one.frames if type(e.message) in (orders.OrderApproved, orders.OrderRefused)
    )
    binding = [measure for measure in one.checks if measure.is_met and not measure.is_within]
    assert bool(binding) == (type(verdict) is orders.OrderRefused)


def test_a_fill_comes_with_its_ledger_row(default_log):
    order_id = min(filled_ids(default_log))

    one = gather([order_id], lambda: iter(default_log), log_cores())[order_id]

    fills = [event for event in one.frames if type(event.message) is orders.Fill]
    rows = [event for event in one.effects if type(event.message) is orders.PositionChanged]
    assert {row.header.cause_seq for row in rows} == {fill.header.seq for fill in fills}


def test_an_order_that_was_changed_on_the_log_is_found_out(default_log):
    index = next(i for i, event in enumerate(default_log) if type(event.message) is orders.OrderIntent)
    forged = list(default_log)
    message = forged[index].message
    forged[index] = Event(
        forged[index].header, msgspec.structs.replace(message, qty_lots=message.qty_lots + 1)
    )

    one = gather([message.client_order_id], lambda: iter(forged), log_cores())[message.client_order_id]

    assert one.differences


def test_an_order_nobody_knows_has_no_evidence(default_log):
    assert gather(["nobody"], lambda: iter(default_log), log_cores()) == {}
