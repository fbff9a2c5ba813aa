from decimal import Decimal

import pytest

from services.strategy.desk import make_rules
from services.strategy.sizes import is_allowed_size, lots_of

RULES = make_rules("binance_usdm:BTCUSDT")


@pytest.mark.req("ST-21")
def test_a_value_is_rounded_down_to_whole_lots() -> None:
    # a lot of 0.001 at 60,000 is worth 60
    assert lots_of(Decimal("119.99"), RULES, 600_000) == 1
    assert lots_of(Decimal(120), RULES, 600_000) == 2
    assert lots_of(Decimal("59.99"), RULES, 600_000) == 0


@pytest.mark.req("ST-21")
def test_an_order_needs_the_least_quantity_and_the_least_value() -> None:
    assert not is_allowed_size(RULES, 600_000, 0)
    assert is_allowed_size(RULES, 600_000, 1)
    assert not is_allowed_size(make_rules("x:y", min_qty_lots=2), 600_000, 1)
    assert not is_allowed_size(make_rules("x:y", min_notional_atoms=61 * 10**8), 600_000, 1)
