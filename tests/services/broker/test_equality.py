"""Risk's ledger and the paper account are compared where both stand at the same fills."""

import msgspec
import pytest

from services.broker.core import BrokerCore
from shared.messages import orders
from shared.messages.market import FundingRate
from shared.units import NS_PER_MS, Side


def compare(core):
    return core.known.equality.compare(core.known.account)


def without(bench, kind, last=1):
    """Return a broker that heard all but the last words of a kind."""
    core = BrokerCore()
    heard = [event for event in bench.log if isinstance(event.message, kind)][-last:]
    for event in bench.log:
        if event not in heard:
            core.apply(event)
    return core


@pytest.mark.req("RK-29")
def test_risk_and_the_account_agree_after_fills_and_funding(bench):
    bench.fill_position(Side.BUY, 5)
    at_ns = bench.mesh.now_ns + 500 * NS_PER_MS
    bench.say("market_data.io", FundingRate(bench.PERP, 10_000, at_ns, 60_000_500, 0, 0, 0))
    bench.pass_ms(1_000)
    bench.fill_position(Side.SELL, 8)
    bench.fill_position(Side.BUY, 1, strategy="grid", symbol=bench.SPOT)

    assert bench.said(orders.FundingPaid)
    assert compare(bench.broker) == ([], 0)
    copy = BrokerCore()
    copy.restore(bench.broker.snapshot())
    assert compare(copy) == ([], 0)


@pytest.mark.req("RK-29")
def test_what_risk_has_not_answered_is_awaited(bench):
    bench.fill_position(Side.BUY, 5)
    assert compare(without(bench, orders.PositionChanged)) == ([], 1)

    at_ns = bench.mesh.now_ns + 100 * NS_PER_MS
    bench.say("market_data.io", FundingRate(bench.PERP, 10_000, at_ns, 60_000_500, 0, 0, 0))
    bench.pass_ms(200)
    assert compare(without(bench, orders.PositionChanged)) == ([], 1)


@pytest.mark.req("RK-29")
@pytest.mark.parametrize(
    ("field", "word"),
    [
        ("position_lots", "position"),
        ("fees_atoms", "fees"),
        ("cost_atoms", "cash"),
        ("realized_atoms", "cash"),
        ("funding_atoms", "funding"),
        ("volume_atoms", "volume"),
    ],
)
def test_an_atom_of_difference_is_found(bench, field, word):
    bench.fill_position(Side.BUY, 5)
    core = bench.replayed(BrokerCore())
    said = bench.said(orders.PositionChanged)[-1]

    core.known.equality.hear(msgspec.structs.replace(said, **{field: getattr(said, field) + 1}))

    found = compare(core)
    assert found.differences
    assert all(bench.PERP in text for text in found.differences)
    assert any(text.startswith(f"{word} of mm") for text in found.differences)


def test_a_word_of_before_costs_were_said_is_compared_without_them(bench):
    bench.fill_position(Side.BUY, 5)
    core = bench.replayed(BrokerCore())
    said = bench.said(orders.PositionChanged)[-1]

    core.known.equality.hear(msgspec.structs.replace(said, cost_atoms=None, realized_atoms=99))

    assert compare(core) == ([], 0)


def test_a_market_with_fills_of_before_rows_is_left_out(bench):
    bench.fill_position(Side.BUY, 5)
    core = BrokerCore()
    state = msgspec.msgpack.decode(bench.broker.snapshot())
    core.restore(msgspec.msgpack.encode(state[:13]))
    assert core.known.account.unsplit == {bench.PERP}

    seen = len(bench.log)
    bench.fill_position(Side.SELL, 2)
    for event in bench.log[seen:]:
        core.apply(event)

    assert compare(core) == ([], 0)
