"""Funding and liquidation of USD-M positions."""

from decimal import Decimal
from itertools import pairwise

from services.venue_sim.exchange.positions import BRACKETS, liquidation_e18, maintenance_e18
from services.venue_sim.exchange.records import AccountUpdate, MarginCall, OrderEvent
from services.venue_sim.settings import BalanceSettings

USDM = "binance_usdm"
E18 = 10**18


def small(make_floor, make_account, amount="10", leverage=20, is_isolated=False):
    """Return a floor on which `a` is long 1 at 100.00 with this wallet, and the book is empty above 90."""
    money = (BalanceSettings(asset="USDT", amount=amount),)
    floor = make_floor(make_account("a", usdm=money, usdm_taker_ppm=0), make_account("b"))
    floor.exchange.set_leverage("a", "BTCUSDT", leverage, floor.now)
    if is_isolated:
        floor.exchange.set_margin_type("a", "BTCUSDT", True, floor.now)
    floor.street(USDM, "SELL", "100.00", "1")
    floor.place(USDM, "BUY", "1")
    floor.events()
    return floor


def mark(floor, price):
    floor.side(USDM).mark_price_e18 = int(Decimal(price) * E18)
    floor.advance()


def test_longs_pay_shorts_at_the_end_of_the_interval_and_it_is_told(floor):
    side = floor.side(USDM)
    side.mark_price_e18 = 100 * E18
    side.funding_rate_e8, side.next_funding_ms = 10_000, floor.now + 1_000
    floor.place(USDM, "BUY", "2")
    floor.place(USDM, "SELL", "1", account="b")
    before = floor.wallet("a"), floor.wallet("b")
    floor.advance(500)
    floor.events()

    side.next_funding_ms += 28_800_000
    floor.advance(1_000)
    floor.advance(1_000)

    assert floor.wallet("a") == before[0] - Decimal("0.02")
    assert floor.wallet("b") == before[1] + Decimal("0.01")


def test_funding_of_a_crossed_position_tells_the_balance_alone(floor):
    floor.place(USDM, "BUY", "2")
    floor.side(USDM).mark_price_e18 = 100 * E18
    floor.events()

    floor.exchange.acts.fund("BTCUSDT", Decimal("0.0001"), floor.now)

    [update] = floor.events()
    assert isinstance(update, AccountUpdate)
    assert (update.reason, update.positions) == ("FUNDING_FEE", ())
    assert update.balances[0].change == Decimal("-0.02")
    assert [line.kind for line in floor.exchange.income("a", kind="FUNDING_FEE")] == ["FUNDING_FEE"]


def test_a_position_opened_after_an_interval_pays_only_at_the_next(floor):
    side = floor.side(USDM)
    side.funding_rate_e8, side.next_funding_ms = 10_000, floor.now + 1_000
    floor.advance(500)
    floor.advance(1_000)
    side.next_funding_ms += 28_800_000
    floor.place(USDM, "BUY", "2")
    before = floor.wallet()

    floor.advance(1_000)

    assert floor.wallet() == before


def test_a_wallet_below_the_maintenance_margin_is_liquidated(make_floor, make_account):
    floor = small(make_floor, make_account)
    floor.street(USDM, "BUY", "90.30", "5")
    rests = floor.place(USDM, "BUY", "0.1", "60.00").order
    floor.events()

    mark(floor, "90.37")
    assert floor.position().quantity == 1
    mark(floor, "90.36")

    assert floor.position().quantity == 0
    assert floor.order(rests).expiry_reason == "LIQUIDATION"
    liquidation = [
        e for e in floor.events() if isinstance(e, OrderEvent) and e.client_order_id.startswith("autoclose-")
    ]
    assert [e.kind for e in liquidation] == ["NEW", "CALCULATED"]
    assert floor.wallet() == Decimal("0.3")


def test_the_insurance_fund_covers_a_wallet_below_zero(make_floor, make_account):
    floor = small(make_floor, make_account)
    floor.street(USDM, "BUY", "88.00", "5")
    totals = floor.totals()

    mark(floor, "90.00")

    assert floor.wallet() == 0
    assert floor.totals() == totals
    assert floor.exchange.income("a", kind="INSURANCE_CLEAR")[0].amount == 2


def test_a_margin_call_comes_once_before_that(make_floor, make_account):
    floor = small(make_floor, make_account)
    floor.events()

    for price in ("90.45", "90.44", "95.00", "90.45"):
        mark(floor, price)

    assert [type(event) for event in floor.events()] == [MarginCall, MarginCall]


def test_an_isolated_position_falls_alone(make_floor, make_account):
    floor = small(make_floor, make_account, amount="1000", leverage=10, is_isolated=True)
    floor.street(USDM, "BUY", "90.30", "5")
    [position] = floor.exchange.positions("a", "BTCUSDT")
    assert (position.isolated_wallet, floor.exchange.wallets("a")[0].cross_wallet) == (10, 990)

    mark(floor, "90.36")

    assert floor.position().quantity == 0
    assert floor.wallet() == Decimal("990.3")


def test_margin_may_be_added_to_an_isolated_position(make_floor, make_account):
    floor = small(make_floor, make_account, amount="1000", leverage=10, is_isolated=True)
    change = floor.exchange.settings.change_isolated_margin

    change("a", "BTCUSDT", "BOTH", Decimal(5), floor.now)
    mark(floor, "90.00")

    assert floor.position().isolated_wallet == 15
    assert floor.position().quantity == 1
    refused = floor.refused(change, "a", "BTCUSDT", "BOTH", Decimal(-14), floor.now)
    assert refused[0] == -4051


def test_the_told_liquidation_price_is_where_it_happens(make_floor, make_account):
    floor = small(make_floor, make_account)
    floor.street(USDM, "BUY", "90.00", "5")
    price = floor.position().liquidation_price

    mark(floor, price + Decimal("0.01"))
    assert floor.position().quantity == 1
    mark(floor, price - Decimal("0.01"))

    assert floor.position().quantity == 0


def test_maintenance_grows_without_jumps():
    for bracket, above in pairwise(BRACKETS):
        assert above.leverage < bracket.leverage
        step = maintenance_e18(bracket.cap_e18 + 10**12) - maintenance_e18(bracket.cap_e18)
        assert 0 < step < 10**12


def test_no_position_has_no_liquidation_price(floor):
    assert floor.position().liquidation_price == 0
    position = floor.exchange.account("a").position("BTCUSDT", "BOTH")
    assert liquidation_e18(position, E18, E18) == 0
