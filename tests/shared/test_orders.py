"""The life of an order: every legal step, and a refusal of every other one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.messages import orders
from shared.orders import NEXT, ImpossibleReportError, OrderState, next_state
from shared.units import Side

KEY = ("e-as-b0-1", "as", "binance_usdm:BTCUSDT")
S = OrderState

REPORTS = (
    orders.OrderApproved(*KEY, Side.BUY, 100, 5),
    orders.OrderAdjusted(*KEY, Side.BUY, 100, 4, 5, "position", "less fits"),
    orders.OrderRefused(*KEY, "price_band", "too far"),
    orders.OrderSent(*KEY, Side.BUY, 100, 5),
    orders.NotSent(*KEY, "too_old", "too old"),
    orders.OrderAccepted(*KEY, "v1", 0),
    orders.OrderTriggered(*KEY, 0),
    orders.OrderRejected(*KEY, "post_only", "would take"),
    orders.OrderCanceled(*KEY, 0),
    orders.OrderExpired(*KEY, 0),
    orders.OrderUnknown(*KEY, "timeout"),
    orders.CancelRejected(*KEY, "unknown_order", "gone"),
)


def a_fill(filled_lots: int = 2, leaves_lots: int = 3) -> orders.Fill:
    return orders.Fill(*KEY, "t1", Side.BUY, 100, 2, filled_lots, leaves_lots, 1, "USDT", True, 0)


@pytest.mark.req("BR-5", "ST-18")
@pytest.mark.parametrize("state", list(OrderState))
@pytest.mark.parametrize("report", REPORTS, ids=lambda report: type(report).__name__)
def test_a_report_leads_where_the_table_says_or_is_refused(
    state: OrderState, report: orders.OrderSent
) -> None:
    wanted = state if isinstance(report, orders.CancelRejected) else NEXT[state].get(type(report))

    if wanted is None:
        with pytest.raises(ImpossibleReportError, match=KEY[0]):
            next_state(KEY[0], state, report)
    else:
        assert next_state(KEY[0], state, report) is wanted


@pytest.mark.req("BR-5", "I-06")
@pytest.mark.parametrize("state", list(OrderState))
def test_a_fill_is_taken_wherever_the_venue_may_hold_the_order(state: OrderState) -> None:
    if state.is_live:
        assert next_state(KEY[0], state, a_fill()) is S.PARTIALLY_FILLED
        assert next_state(KEY[0], state, a_fill(5, 0)) is S.FILLED
    elif state.is_final and state is not S.REFUSED:
        assert next_state(KEY[0], state, a_fill()) is state
    else:
        with pytest.raises(ImpossibleReportError):
            next_state(KEY[0], state, a_fill())


@pytest.mark.req("ST-27")
def test_an_acknowledgement_after_a_fill_changes_nothing() -> None:
    acknowledged = orders.OrderAccepted(*KEY, "v1", 0)

    assert next_state(KEY[0], S.PARTIALLY_FILLED, acknowledged) is S.PARTIALLY_FILLED
    assert next_state(KEY[0], S.FILLED, acknowledged) is S.FILLED


@given(st.lists(st.sampled_from([*REPORTS, a_fill(), a_fill(5, 0)]), max_size=12))
def test_an_order_that_ended_never_lives_again(reports: list[orders.OrderSent]) -> None:
    state = S.INTENDED
    has_ended = False

    for report in reports:
        try:
            state = next_state(KEY[0], state, report)
        except ImpossibleReportError:
            continue
        has_ended = has_ended or state.is_final
        assert not (has_ended and state.is_live)
        assert not (state.is_final and state.is_live)
