"""The story of an order: its causes first, each told once."""

import pytest

from services.replay.explain import explain
from shared.messages import market, orders


@pytest.mark.req("ST-4")
def test_the_story_leads_from_the_market_to_the_fill(default_log):
    filled = next(e.message.client_order_id for e in default_log if type(e.message) is orders.Fill)

    story = explain(filled, iter(default_log), lambda seq: default_log[seq - 1])

    kinds = [type(step.event.message) for step in story]
    intent = kinds.index(orders.OrderIntent)
    assert story[0].depth > 0
    assert any(issubclass(kind, market.Message) for kind in kinds[:intent])
    assert kinds.index(orders.OrderApproved) > intent
    assert orders.Fill in kinds
    seqs = [step.event.header.seq for step in story]
    assert len(seqs) == len(set(seqs))


def test_an_order_nobody_knows_has_no_story(default_log):
    assert explain("nobody", iter(default_log), lambda _: None) == []


def test_a_cause_that_is_no_longer_kept_ends_the_chain(default_log):
    order = next(e.message.client_order_id for e in default_log if type(e.message) is orders.OrderIntent)

    story = explain(order, iter(default_log), lambda _: None)

    assert all(step.depth == 0 for step in story)
