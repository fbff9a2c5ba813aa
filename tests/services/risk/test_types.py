"""States of risk that cannot be are refused where they would be made (RK-22)."""

from itertools import product

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.risk.exposure import OpenOrder
from services.risk.guard import Hold
from services.risk.state import Mood, scoped_states
from shared.messages import orders
from shared.orders import NEXT, ImpossibleReportError, OrderState, next_state
from shared.units import Side

REPORTS = (
    orders.OrderSent("i", "s", "m", Side.BUY, 1, 1),
    orders.NotSent("i", "s", "m", "c", "r"),
    orders.OrderAccepted("i", "s", "m", "v", 0),
    orders.OrderRejected("i", "s", "m", "c", "r"),
    orders.OrderCanceled("i", "s", "m", 0),
    orders.OrderExpired("i", "s", "m", 0),
    orders.OrderUnknown("i", "s", "m", "r"),
)
HOLDS = st.lists(
    st.builds(
        Hold,
        st.sampled_from(["", "a"]),
        st.sampled_from(["", "m"]),
        st.sampled_from(["reducing", "halted"]),
        st.just("c"),
        st.text(),
    )
)


@pytest.mark.req("RK-22")
@given(state=st.text(), code=st.text())
@settings(max_examples=100, deadline=None)
def test_a_hold_is_reducing_or_halted_and_has_a_code(state, code):
    if state in {"reducing", "halted"} and code:
        assert Hold("", "", state, code, "why").state == state
    else:
        with pytest.raises(ValueError, match="the state is one of reducing, halted"):
            Hold("", "", state, code, "why")


@pytest.mark.req("RK-22")
def test_a_hold_cannot_be_changed_nor_read_from_nonsense():
    hold = Hold("", "", "halted", "calendar", "a pause")

    with pytest.raises(AttributeError):
        hold.state = "active"
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(["", "", "active", "c", "r"], Hold)


@pytest.mark.req("RK-22")
@pytest.mark.parametrize(
    "wrong",
    [{"qty_lots": 0}, {"qty_lots": -1}, {"price_ticks": -1}, {"filled_lots": -1}]
    + [{"state": state} for state in OrderState if state.is_final],
)
def test_an_open_order_has_lots_a_price_and_no_end(wrong):
    fields = {"qty_lots": 1, "price_ticks": 1, "filled_lots": 0, "state": OrderState.APPROVED, **wrong}

    with pytest.raises(ValueError, match="an open order has lots, a price and no end"):
        OpenOrder(client_order_id="i", strategy="s", symbol="m", side=Side.BUY, **fields)


@pytest.mark.req("RK-22")
@pytest.mark.parametrize(("state", "report"), list(product(OrderState, REPORTS)))
def test_an_order_goes_only_where_the_table_leads(state, report):
    following = NEXT[state].get(type(report))
    if following is None:
        with pytest.raises(ImpossibleReportError, match="cannot follow"):
            next_state("i", state, report)
    else:
        assert next_state("i", state, report) is following


@pytest.mark.req("RK-22", "RK-10")
@given(holds=HOLDS, is_killed=st.booleans(), is_reconciled=st.booleans())
@settings(max_examples=100, deadline=None)
def test_the_strictest_hold_decides_the_state_of_everything_and_of_each_part(holds, is_killed, is_reconciled):
    mood = Mood(broker_run=1, reconciled_run=int(is_reconciled), is_killed=is_killed)
    for_all = [hold for hold in holds if not hold.strategy and not hold.symbol]

    state, reasons = mood.trading_state(for_all)
    scopes = scoped_states(holds)

    kinds = {hold.state for hold in for_all}
    if is_killed or "halted" in kinds:
        assert state == "halted"
    else:
        assert state == ("reducing" if kinds or not is_reconciled else "active")
    assert (state == "active") == (not reasons)
    for (strategy, symbol), (part, _) in scopes.items():
        own = {hold.state for hold in holds if (hold.strategy, hold.symbol) == (strategy, symbol)}
        assert part == ("halted" if "halted" in own else "reducing")
        assert strategy or symbol
