"""What calls cost by their parameters, and how they name an order."""

import pytest

from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.wire.calls import bracket, order_key, weighs
from services.venue_sim.wire.params import Params


@pytest.mark.parametrize(
    ("limit", "weight"), [(None, 5), ("1", 2), ("50", 2), ("51", 5), ("9999", 20), ("x", 5), ("9" * 40, 5)]
)
def test_a_weight_depends_on_the_limit(limit, weight):
    of = bracket(100, ((50, 2), (100, 5), (1000, 20)))

    assert of({} if limit is None else {"limit": limit}) == weight


def test_a_weight_depends_on_whether_a_parameter_is_sent():
    of = weighs("symbol", 80, 6)

    assert (of({}), of({"symbol": ""}), of({"symbol": "BTCUSDT"})) == (80, 80, 6)


def test_an_order_is_named_by_either_id_or_both():
    assert order_key(Params({"orderId": "5"})) == (5, "")
    assert order_key(Params({"origClientOrderId": "a"})) == (0, "a")
    assert order_key(Params({"orderId": "5", "origClientOrderId": "a"})) == (5, "a")
    with pytest.raises(VenueRefusal, match="-1102"):
        order_key(Params({}))
