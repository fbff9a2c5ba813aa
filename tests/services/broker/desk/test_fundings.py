"""Funding of a whole position, told per strategy to the atom (BR-13)."""

from shared.execution import reports
from shared.messages import orders


def test_funding_is_split_among_strategies_to_the_atom_and_booked_once(counter):
    for strategy, lots in (("aa", 2), ("bb", 1)):
        order_id = counter.resting(strategy=strategy, lots=lots, slot="b0")
        counter.tell(reports.Filled(counter.fill(order_id, lots)))
    booked = reports.FundingBooked(counter.PERP, "USDT", "-0.00000100", 1_700_000_100_000_000_000, 3)

    counter.tell(booked, booked)

    paid = counter.said(orders.FundingPaid)
    assert [(one.strategy, one.amount_atoms) for one in paid] == [("aa", -67), ("bb", -33)]
