"""Whatever orders do: money is neither made nor lost, and no order fills more than it asked for."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from services.venue_sim.exchange.orders import OrderState
from services.venue_sim.refusal import VenueRefusal

prices = st.integers(9_950, 10_050)
lots = st.integers(60, 3_000)
sides = st.sampled_from(("BUY", "SELL"))
accounts = st.sampled_from(("a", "b"))
venues = st.sampled_from(("binance", "binance_usdm"))
stps = st.sampled_from(("", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"))
spot_kinds = st.sampled_from(
    [
        ("LIMIT", "GTC"),
        ("LIMIT", "IOC"),
        ("LIMIT", "FOK"),
        ("LIMIT_MAKER", ""),
        ("MARKET", ""),
        ("STOP_LOSS", ""),
        ("STOP_LOSS_LIMIT", "GTC"),
        ("TAKE_PROFIT", ""),
        ("ICEBERG", "GTC"),
    ]
)
usdm_kinds = st.sampled_from(
    [
        ("LIMIT", "GTC"),
        ("LIMIT", "IOC"),
        ("LIMIT", "FOK"),
        ("LIMIT", "GTX"),
        ("MARKET", ""),
        ("REDUCE", "GTC"),
        ("STOP_MARKET", ""),
        ("TRAILING_STOP_MARKET", ""),
    ]
)
acts = st.one_of(
    st.tuples(st.just("street"), venues, sides, prices, lots, st.booleans()),
    st.tuples(st.just("spot"), accounts, spot_kinds, sides, prices, lots, stps),
    st.tuples(st.just("usdm"), accounts, usdm_kinds, sides, prices, lots, stps),
    st.tuples(st.just("cancel"), accounts, venues, st.integers(0, 5)),
    st.tuples(st.just("amend"), accounts, venues, st.integers(0, 5), prices, lots),
    st.tuples(st.just("late"), accounts, venues, st.integers(0, 20)),
    st.tuples(st.just("mark"), st.integers(9_000, 11_000)),
    st.tuples(st.just("fund"), st.integers(-100, 100)),
    st.tuples(st.just("leverage"), accounts, st.integers(1, 125)),
    st.tuples(st.just("advance")),
)


def price(ticks):
    return str(Decimal(ticks) / 100)


def quantity(count):
    return str(Decimal(count) / 1000)


def place_spot(floor, account, kind, side, ticks, count, stp):
    name, tif = kind
    more = {"stp": stp}
    if name == "ICEBERG":
        name = "LIMIT"
        more["iceberg_qty"] = quantity(max(1, count // 4))
    if name.startswith(("STOP", "TAKE")):
        more["stop_price"] = price(ticks)
    limit = price(ticks) if "LIMIT" in name else None
    floor.place("binance", side, quantity(count), limit, account, type=name, tif=tif, **more)


def place_usdm(floor, account, kind, side, ticks, count, stp):
    name, tif = kind
    if name == "STOP_MARKET":
        floor.algo(side, quantity(count), account, type=name, stop_price=price(ticks))
    elif name == "TRAILING_STOP_MARKET":
        floor.algo(side, quantity(count), account, type=name, callback_rate="0.1")
    else:
        limit = None if name == "MARKET" else price(ticks)
        kind = "MARKET" if name == "MARKET" else "LIMIT"
        reduces = name == "REDUCE"
        floor.place(
            "binance_usdm",
            side,
            quantity(count),
            limit,
            account,
            type=kind,
            tif=tif,
            stp=stp,
            reduce_only=reduces,
        )


def nth(found, n):
    return found[n % len(found)] if found else None


def amend(floor, account, venue, n, ticks, count):
    order = nth(floor.exchange.open_orders(account, venue), n)
    if order is None:
        return
    size, limit = Decimal(quantity(count)), Decimal(price(ticks))
    if venue == "binance":
        floor.exchange.amend(account, "BTCUSDT", order.order_id, "", size, floor.now)
    else:
        floor.exchange.modify(account, "BTCUSDT", order.order_id, "", order.side, size, limit, floor.now)


def cancel(floor, account, venue, n):
    order = nth(floor.exchange.open_orders(account, venue), n)
    if order is not None:
        floor.cancel(order)


def fill_late(floor, account, venue, n):
    order = nth(floor.exchange.all_orders(account, venue, "BTCUSDT"), n)
    if order is not None:
        floor.exchange.acts.fill(account, venue, "BTCUSDT", order.order_id, floor.now)


def enter_street(floor, venue, side, ticks, count, is_ioc):
    floor.street(venue, side, price(ticks), quantity(count), is_ioc=is_ioc)


def set_mark(floor, percent):
    floor.side("binance_usdm").mark_price_e18 = percent * 10**16


def fund(floor, rate):
    floor.exchange.acts.fund("BTCUSDT", Decimal(rate) / 100_000, floor.now)


def set_leverage(floor, account, leverage):
    floor.exchange.set_leverage(account, "BTCUSDT", leverage, floor.now)


ACTS = {
    "street": enter_street,
    "spot": place_spot,
    "usdm": place_usdm,
    "cancel": cancel,
    "amend": amend,
    "late": fill_late,
    "mark": set_mark,
    "fund": fund,
    "leverage": set_leverage,
    "advance": lambda floor: floor.advance(),
}


def do(floor, act):
    floor.now += 1
    ACTS[act[0]](floor, *act[1:])
    floor.advance(10)


def check(floor, totals):
    exchange = floor.exchange
    assert floor.totals() == totals
    for name, kept in exchange.floor.accounts.items():
        locked = {"USDT": 0, "BTC": 0}
        for desk in (exchange.spot, exchange.usdm):
            side = desk.sides["BTCUSDT"]
            for order in desk.store.of_account(name):
                check_order(order, side)
                asset = "USDT" if order.side == 0 else "BTC"
                locked[asset] += order.locked_e18
        for asset, (free, held) in kept.spot.items():
            assert free >= 0
            assert held == locked.get(asset, 0)
        positions = kept.symbols["BTCUSDT"].positions.values() if "BTCUSDT" in kept.symbols else ()
        booked = exchange.ledger.filled_lots["binance_usdm", name, "BTCUSDT"]
        assert sum(position.lots for position in positions) == booked
        for position in positions:
            assert position.lots or position.cost_e18 == 0
    for venue in ("binance", "binance_usdm"):
        bid, _, ask, _ = floor.side(venue).top()
        assert not bid or not ask or bid < ask


def check_order(order: OrderState, side):
    shown = side.visible_lots(order.book_id)
    assert 0 <= order.filled_lots < order.lots
    if not order.is_working:
        assert shown == 0
    elif order.iceberg_lots:
        assert 0 < shown <= order.iceberg_lots
    else:
        assert shown == order.left_lots


@settings(max_examples=60, deadline=None)
@given(st.lists(acts, min_size=10, max_size=60))
def test_money_is_neither_made_nor_lost_and_the_book_holds_what_the_orders_say(make_floor, script):
    floor = make_floor()
    totals = floor.totals()

    for act in script:
        try:
            do(floor, act)
        except (VenueRefusal, ValueError):
            floor.advance(10)
        check(floor, totals)

    fills = [e.fill for e in floor.exchange.ledger.entries if e.fill]
    by_trade = {}
    for fill in fills:
        other = by_trade.setdefault((fill.venue, fill.trade_id), fill)
        assert other is fill or other.account != fill.account
        assert other is fill or other.side != fill.side
