"""Order entry against a reference that knows nothing but price, time and FIFO."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

script = st.lists(
    st.tuples(
        st.sampled_from(("a", "b", "street")),
        st.sampled_from(("BUY", "SELL")),
        st.integers(9_997, 10_003),
        st.integers(60, 500),
        st.booleans(),
    ),
    min_size=5,
    max_size=80,
)


class Reference:
    """Price-time priority written down as plainly as possible."""

    def __init__(self):
        self.resting = []  # [name, side, ticks, lots], oldest first
        self.trades = []

    def take(self, name, side, ticks, lots, is_ioc):
        sign = 1 if side == "BUY" else -1
        while lots:
            others = [o for o in self.resting if o[1] != side and sign * (ticks - o[2]) >= 0]
            if not others:
                break
            best = min(others, key=lambda o: (sign * o[2], self.resting.index(o)))
            filled = min(lots, best[3])
            self.trades.append((best[0], name, best[2], filled))
            best[3] -= filled
            lots -= filled
            if best[3] == 0:
                self.resting.remove(best)
        if lots and not is_ioc:
            self.resting.append([name, side, ticks, lots])


@settings(max_examples=60, deadline=None)
@given(script)
def test_trades_are_those_of_price_time_priority(make_floor, script):
    floor = make_floor()
    reference = Reference()
    for name, side, ticks, lots, is_ioc in script:
        reference.take(name, side, ticks, lots, is_ioc)
        price, qty = str(Decimal(ticks) / 100), str(Decimal(lots) / 1000)
        if name == "street":
            floor.street("binance", side, price, qty, is_ioc=is_ioc)
        else:
            floor.place("binance", side, qty, price, name, tif="IOC" if is_ioc else "GTC", stp="NONE")

    for account in ("a", "b"):
        made = floor.exchange.trades(account, "binance", "BTCUSDT")
        told = [(fill.is_maker, int(fill.price * 100), int(fill.quantity * 1000)) for fill in made]
        expected = []
        for maker, taker, ticks, lots in reference.trades:
            for name, is_maker in ((maker, True), (taker, False)):
                expected += [(is_maker, ticks, lots)] * (name == account)
        assert told == expected
    bids = [o for o in reference.resting if o[1] == "BUY"]
    shown = dict(floor.side("binance").book.levels(0, 100))
    assert shown == {t: sum(o[3] for o in bids if o[2] == t) for t in {o[2] for o in bids}}


def test_a_test_order_is_checked_and_leaves_nothing(floor):
    before = floor.state()

    told = floor.place("binance", "BUY", "1", "99.00", is_test=True)

    assert told.order.status == "NEW"
    assert floor.state() == before
    assert floor.events() == []
    assert floor.refused(floor.place, "binance", "BUY", "1", "99.001", is_test=True)[0] == -1013
