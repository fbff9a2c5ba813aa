"""A small log, written message by message: what the tests of reports and exports fold."""

import struct

import pytest

from services.backtest.record import Counts, DataFile, Meta, Run, Strategy
from services.backtest.tables import FILLED, MID_COLUMNS
from shared.messages import Event, Header, market, orders
from shared.units import NS_PER_S, Side

RUN_START_NS = 1_700_000_000 * NS_PER_S
SYMBOL = "binance_usdm:BTCUSDT"


def rules(symbol=SYMBOL, tick="0.10", lot="0.001", exponent=8, atoms=10_000, quote="USDT"):
    return market.InstrumentRules(
        symbol=symbol,
        base_asset="BTC",
        quote_asset=quote,
        tick_size=tick,
        lot_size=lot,
        quote_exponent=exponent,
        tick_lot_atoms=atoms,
        min_qty_lots=1,
        max_qty_lots=0,
        min_notional_atoms=0,
        min_price_ticks=0,
        max_price_ticks=0,
        maker_fee_ppm=200,
        taker_fee_ppm=500,
        is_derivative=True,
    )


def block(bids, asks):
    return b"".join(struct.pack("<qq", *level) for level in [*bids, *asks])


class Log:
    """A list of events that numbers and stamps itself: one second per event."""

    def __init__(self):
        self.events = []
        self.update_n = {}
        self.update_id = 100

    def say(self, message, source="market_data.io"):
        seq = len(self.events) + 1
        ts_ns = 1_700_000_000_000_000_000 + seq * 1_000_000_000
        header = Header(
            seq=seq, ts_ns=ts_ns, origin_ns=ts_ns, epoch=1, source=source, run=1, n=seq, cause_seq=0
        )
        self.events.append(Event(header, message))
        return seq

    def snapshot(self, bids, asks, symbol=SYMBOL, reason="start", update_id=None):
        self.update_n[symbol] = 1
        self.update_id = update_id or self.update_id + 1
        levels = block(bids, asks)
        return self.say(
            market.BookSnapshot(
                symbol, 1, self.update_id, len(bids), levels, reason, ts_venue_ns=1, ts_recv_ns=2
            )
        )

    def update(self, bids, asks, symbol=SYMBOL, skip=0):
        self.update_n[symbol] += 1 + skip
        self.update_id += 1
        number, identity = self.update_n[symbol], self.update_id
        levels = block(bids, asks)
        return self.say(
            market.BookUpdate(
                symbol, number, identity, identity, len(bids), levels, ts_venue_ns=1, ts_recv_ns=2
            )
        )

    def touch(self, bid, ask, symbol=SYMBOL):
        """Replace the book by one with this touch."""
        return self.snapshot([(bid, 5)], [(ask, 5)], symbol, reason="period")

    def intent(self, order_id, strategy="as_btc", side=Side.BUY, price=1000, qty=10, symbol=SYMBOL):
        return self.say(
            orders.OrderIntent(order_id, strategy, symbol, side, price, qty), source=f"strategy/{strategy}"
        )

    def accept(self, order_id, strategy="as_btc", side=Side.BUY, price=1000, qty=10, symbol=SYMBOL):
        """Say an order up to its acknowledgement."""
        self.intent(order_id, strategy, side, price, qty, symbol)
        self.say(orders.OrderApproved(order_id, strategy, symbol, side, price, qty), source="risk")
        self.say(orders.OrderSent(order_id, strategy, symbol, side, price, qty), source="broker")
        self.say(orders.OrderAccepted(order_id, strategy, symbol, "v" + order_id, 1), source="broker")

    def fill(self, order_id, trade_id, strategy="as_btc", side=Side.BUY, price=1000, qty=10, **more):
        symbol = more.pop("symbol", SYMBOL)
        common = {"filled_lots": qty, "leaves_lots": 0, "is_maker": True}
        values = common | {"fee_atoms": 0, "fee_asset": "USDT"} | more
        return self.say(
            orders.Fill(
                order_id,
                strategy,
                symbol,
                trade_id=trade_id,
                side=side,
                price_ticks=price,
                qty_lots=qty,
                ts_venue_ns=1,
                **values,
            ),
            source="broker",
        )


@pytest.fixture
def log():
    return Log()


@pytest.fixture(scope="session")
def new_log():
    """Return what makes an empty log: for tests that need one per example."""
    return Log


@pytest.fixture(scope="session")
def market_rules():
    return rules


@pytest.fixture
def traded_run():
    """Return a small losing backtest of one market: 40 fills in ten minutes, a book of marks, orders."""
    run = Run(
        Meta(
            source="backtest",
            path="array",
            commit="abc1234",
            settings_hash="5e77",
            data_hash="da7a",
            digest="d16e57",
            machine="a machine",
            python="3.11",
            seconds=0.5,
            from_ns=RUN_START_NS,
            until_ns=RUN_START_NS + 600 * NS_PER_S,
            mark_step_ns=NS_PER_S,
        ),
        [rules()],
        [Strategy("as_btc", "avellaneda_stoikov", "0123456789abcdef")],
        [DataFile("btc.columns", "ab" * 32, 1000, RUN_START_NS, RUN_START_NS + 600 * NS_PER_S)],
        Counts(events=1000, orders=40, orders_filled=40),
    )
    for at in range(40):
        ts_ns, side = RUN_START_NS + (at * 15 + 5) * NS_PER_S, at % 2
        price = 600_000 + (at // 4) * 10 * (-1 if side else 1)
        mids = dict.fromkeys(MID_COLUMNS, 2 * price + (4 if side else -4))
        order = run.orders.add(
            ts_ns=ts_ns - NS_PER_S, side=side, state=FILLED, price_ticks=price, lots=5, filled_lots=5,
            accepted_ns=ts_ns - NS_PER_S // 2, filled_ns=ts_ns, ended_ns=ts_ns,
        )  # fmt: skip
        run.fills.add(
            ts_ns=ts_ns, seq=at * 10, order=order, side=side, is_maker=1, price_ticks=price, lots=5,
            fee_atoms=price * 5, **mids,
        )  # fmt: skip
        run.marks.add(ts_ns=ts_ns + NS_PER_S, mid_half_ticks=2 * price - 30)
    return run
