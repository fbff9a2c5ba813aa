"""Symbols, ids and spans of time as calls take them."""

import pytest

from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.wire.checks import check_client_id, check_span, spot_symbol, usdm_symbol
from services.venue_sim.wire.params import Params

DAY_MS = 86_400_000


def test_spot_is_strict_about_case_and_usdm_is_not():
    sent = Params({"symbol": "btcUSDT"})

    assert (spot_symbol(sent), usdm_symbol(sent)) == ("btcUSDT", "BTCUSDT")


def test_a_client_id_is_matched_as_a_whole():
    legal = "^[a-z]{1,3}$"

    assert check_client_id(Params({"id": "abc"}), "id", legal) == "abc"
    assert check_client_id(Params({}), "id", legal) == ""
    for wrong in ("abcd", "a\n", "A", "ä"):
        with pytest.raises(VenueRefusal, match="-1100"):
            check_client_id(Params({"id": wrong}), "id", legal)


def test_a_span_may_be_open_but_not_too_long():
    assert check_span(Params({}), DAY_MS) == (0, 2**62)
    assert check_span(Params({"startTime": "5"}), DAY_MS) == (5, 2**62)
    assert check_span(Params({"startTime": "5", "endTime": str(5 + DAY_MS)}), DAY_MS) == (5, 5 + DAY_MS)
    with pytest.raises(VenueRefusal, match="More than 24 hours"):
        check_span(Params({"startTime": "5", "endTime": str(6 + DAY_MS)}), DAY_MS)
