"""Every error code of binance.md 5 and what it means; the text decides where one code has many meanings."""

import pytest

from services.broker.binance.errors import DOUBT, verdict_of
from shared.execution.reports import RefusalKind as Kind

TABLE = [
    # code, text, kind (None: in doubt), filter
    (-1000, "An unknown error occurred while processing the request.", None, ""),
    (-1001, "Internal error; unable to process your request.", None, ""),
    (-1002, "You are not authorized to execute this request.", Kind.KEY, ""),
    (-1003, "Too much request weight used.", Kind.RATE, ""),
    (-1006, "An unexpected response was received. Execution status unknown.", None, ""),
    (-1007, "Timeout waiting for response from backend server. Status unknown.", None, ""),
    (-1008, "Server is currently overloaded with other requests.", Kind.OVERLOADED, ""),
    (-1013, "Filter failure: PRICE_FILTER", Kind.FILTER, "PRICE_FILTER"),
    (-1013, "Filter failure: NOTIONAL", Kind.FILTER, "NOTIONAL"),
    (-1013, "Invalid quantity.", Kind.FILTER, "FILTER"),
    (-1015, "Too many new orders.", Kind.RATE, ""),
    (-1016, "This service is no longer available.", Kind.HALTED, ""),
    (-1020, "This operation is not supported.", Kind.INVALID, ""),
    (-1021, "Timestamp for this request is outside of the recvWindow.", Kind.CLOCK, ""),
    (-1022, "Signature for this request is not valid.", Kind.KEY, ""),
    (-1100, "Illegal characters found in a parameter.", Kind.INVALID, ""),
    (-1102, "Mandatory parameter was not sent.", Kind.INVALID, ""),
    (-1111, "Precision is over the maximum defined for this asset.", Kind.FILTER, "PRECISION"),
    (-1121, "Invalid symbol.", Kind.HALTED, ""),
    (-1125, "This listenKey does not exist.", Kind.INVALID, ""),
    (-1130, "Data sent for a parameter is not valid.", Kind.INVALID, ""),
    (-2010, "Duplicate order sent.", Kind.DUPLICATE, ""),
    (-2010, "Account has insufficient balance for requested action.", Kind.BALANCE, ""),
    (-2010, "Order would immediately match and take.", Kind.WOULD_TAKE, ""),
    (-2010, "Market is closed.", Kind.HALTED, ""),
    (-2010, "Filter failure: MAX_NUM_ORDERS", Kind.FILTER, "MAX_NUM_ORDERS"),
    (-2010, "This action is disabled on this account.", Kind.KEY, ""),
    (-2010, "This symbol is not permitted for this account.", Kind.KEY, ""),
    (-2010, "Something that stands in no document.", Kind.OTHER, ""),
    (-2011, "Unknown order sent.", Kind.NOT_FOUND, ""),
    (-2011, "Order was not canceled due to cancel restrictions.", Kind.OTHER, ""),
    (-2013, "Order does not exist.", Kind.NOT_FOUND, ""),
    (-2014, "API-key format invalid.", Kind.KEY, ""),
    (-2015, "Invalid API-key, IP, or permissions for action.", Kind.KEY, ""),
    (-2018, "Balance is insufficient.", Kind.BALANCE, ""),
    (-2019, "Margin is insufficient.", Kind.BALANCE, ""),
    (-2020, "Unable to fill.", Kind.OTHER, ""),
    (-2021, "Order would immediately trigger.", Kind.OTHER, ""),
    (-2022, "ReduceOnly Order is rejected.", Kind.REDUCE_ONLY, ""),
    (-2025, "Reach max open order limit.", Kind.FILTER, "MAX_NUM_ORDERS"),
    (-2026, "Order was canceled or expired with no executed qty over 90 days ago.", Kind.NOT_FOUND, ""),
    (-2027, "Exceeded the maximum allowable position at current leverage.", Kind.BALANCE, ""),
    (-2028, "Leverage is smaller than permitted: insufficient margin balance.", Kind.BALANCE, ""),
    (-2038, "Order amend is not supported.", Kind.OTHER, ""),
    (-2039, "Client order ID is not correct for this order ID.", Kind.NOT_FOUND, ""),
    (-4003, "Quantity less than or equal to zero.", Kind.FILTER, "LOT_SIZE"),
    (-4004, "Quantity less than min quantity.", Kind.FILTER, "LOT_SIZE"),
    (-4005, "Quantity greater than max quantity.", Kind.FILTER, "LOT_SIZE"),
    (-4013, "Price less than min price.", Kind.FILTER, "PRICE_FILTER"),
    (-4014, "Price not increased by tick size.", Kind.FILTER, "PRICE_FILTER"),
    (-4015, "Client order id is not valid.", Kind.INVALID, ""),
    (-4016, "Price is higher than mark price multiplier cap.", Kind.FILTER, "PERCENT_PRICE"),
    (-4023, "Qty not increased by step size.", Kind.FILTER, "LOT_SIZE"),
    (-4024, "Price is lower than mark price multiplier floor.", Kind.FILTER, "PERCENT_PRICE"),
    (-4028, "Leverage is not valid.", Kind.INVALID, ""),
    (-4047, "Margin type cannot be changed if there exists open orders.", Kind.OTHER, ""),
    (-4048, "Margin type cannot be changed if there exists position.", Kind.OTHER, ""),
    (-4067, "Position side cannot be changed if there exists open orders.", Kind.OTHER, ""),
    (-4068, "Position side cannot be changed if there exists position.", Kind.OTHER, ""),
    (-4088, "User can not place order currently.", Kind.HALTED, ""),
    (-4105, "Reduce only.", Kind.HALTED, ""),
    (-4106, "Reduce only.", Kind.HALTED, ""),
    (-4107, "Reduce only.", Kind.HALTED, ""),
    (-4116, "ClientOrderId is duplicated.", Kind.DUPLICATE, ""),
    (-4120, "Order type not supported for this endpoint.", Kind.INVALID, ""),
    (-4131, "The counterparty's best price does not meet the PERCENT_PRICE filter limit.", Kind.FILTER,
     "PERCENT_PRICE"),
    (-4164, "Order's notional must be no smaller than 5.", Kind.FILTER, "MIN_NOTIONAL"),
    (-4189, "Trading is suspended.", Kind.HALTED, ""),
    (-4192, "Cooling-off period.", Kind.HALTED, ""),
    (-4400, "Trading quantitative rule.", Kind.HALTED, ""),
    (-4401, "Trading quantitative rule.", Kind.HALTED, ""),
    (-5021, "The FOK order has been rejected.", Kind.OTHER, ""),
    (-5022, "Due to the order could not be executed as maker, the Post Only order will be rejected.",
     Kind.WOULD_TAKE, ""),
    (-5028, "Timestamp for this request is outside of the ME recvWindow.", Kind.CLOCK, ""),
    (-5999, "A code from the future.", Kind.OTHER, ""),
]  # fmt: skip


@pytest.mark.req("BR-7")
@pytest.mark.parametrize(("code", "text", "kind", "name"), TABLE)
def test_a_code_has_one_meaning(code, text, kind, name):
    verdict = verdict_of(400, code, text)
    assert (verdict.kind, verdict.filter) == (kind, name)


@pytest.mark.parametrize("code", [-4061, -4531])
def test_the_wrong_position_mode_is_for_a_person(code):
    assert verdict_of(400, code, "").is_final


@pytest.mark.parametrize("status", [500, 502, 504, 408, 503, 0, 302, 600])
@pytest.mark.parametrize(
    "text", ["", "Unknown error, please check your request or try again later.", "<html>"]
)
def test_a_status_that_is_no_refusal_is_a_doubt(status, text):
    assert verdict_of(status, 0, text) == DOUBT


def test_only_one_text_of_503_is_a_certain_failure():
    assert verdict_of(503, 0, "Service Unavailable.").kind is Kind.OVERLOADED
    assert verdict_of(503, -1008, "Request throttled by system-level protection.").kind is Kind.OVERLOADED


@pytest.mark.parametrize(
    ("status", "kind"), [(429, Kind.RATE), (418, Kind.RATE), (403, Kind.RATE), (401, Kind.KEY), (404, None)]
)
def test_without_a_code_the_status_decides(status, kind):
    assert verdict_of(status, 0, "<html>").kind is kind


def test_5xx_with_a_code_that_is_in_no_document_stays_in_doubt():
    assert verdict_of(500, -9999, "") == DOUBT
