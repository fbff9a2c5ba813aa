"""A venue whose queue is known: orders of many, some of them ours, in the simulated venue's FIFO matching.

Cancels of others choose any waiting order with `ahead_share`, else the youngest of the level: so the share of
the pro-rata model that is true is known. Our orders join the touch, wait, and are cancelled after a while;
the log of it is what a live mesh would have: books with our own lots in them, public trades, reports.
"""

import random
import struct
from collections import defaultdict
from heapq import heappop, heappush

from services.venue_sim.matching import BUY, SELL, MatchingBook, UpdateIds
from shared.messages import Event, Header, market, orders
from shared.units import NS_PER_MS, NS_PER_S, Side

SYMBOL = "binance_usdm:BTCUSDT"
START_NS = 1_700_000_000_000_000_000
FIRST_PROBE = 1 << 40
WAIT_NS = 30 * NS_PER_S
PROBE_LOTS = 12

RULES = market.InstrumentRules(
    symbol=SYMBOL,
    base_asset="BTC",
    quote_asset="USDT",
    tick_size="0.1",
    lot_size="0.001",
    quote_exponent=8,
    tick_lot_atoms=10_000,
    min_qty_lots=1,
    max_qty_lots=1_000_000,
    min_notional_atoms=0,
    min_price_ticks=1,
    max_price_ticks=0,
    maker_fee_ppm=200,
    taker_fee_ppm=500,
    is_derivative=True,
)


class FifoTruth:
    """Makes the log of one run; `events` may be called once."""

    def __init__(self, seed, ahead_share, latency_ms=40.0, latency_std_ms=8.0):
        self.dice = random.Random(seed)
        self.ahead_share = ahead_share
        self.latency = (latency_ms, latency_std_ms)
        self.book = MatchingBook(UpdateIds(0))
        self.log = []
        self.now_ns = START_NS
        self.update_n = 0
        self.last_id = 0
        self.probes = {}
        self.due = []
        self.sent = 0

    def say(self, source, message, ts_ns=None):
        ts_ns = self.now_ns if ts_ns is None else ts_ns
        seq = len(self.log) + 1
        self.log.append(Event(Header(seq, ts_ns, ts_ns, 1, source, 1, seq, 0), message))

    def events(self, probes):
        """Return the log of a run with so many orders of ours."""
        self.say("market_data.io", RULES)
        for offset in range(10):
            for _ in range(6):
                self.add(BUY, 9_999 - offset)
                self.add(SELL, 10_001 + offset)
        self.snapshot()
        next_probe_ns = self.now_ns
        while self.sent < probes or self.probes:
            self.now_ns += int(self.dice.expovariate(1 / (4 * NS_PER_MS))) + 1
            while self.due and self.due[0][0] <= self.now_ns:
                self.arrive(*heappop(self.due))
            self.flow()
            if self.sent < probes and self.now_ns >= next_probe_ns:
                next_probe_ns = self.now_ns + NS_PER_S // 2
                self.send_probe()
        return self.log

    # ---- the others

    def add(self, side, price):
        self.last_id += 1
        return self.take(self.book.submit(self.last_id, side, price, self.dice.randint(1, 20)))

    def flow(self):
        kind = self.dice.random()
        side = self.dice.randint(0, 1)
        if kind < 0.22:
            self.last_id += 1
            lots = self.dice.randint(1, 30)
            best = self.book.best(1 - side)
            if best:
                self.take(self.book.submit(self.last_id, side, best, lots, is_ioc=True))
        elif kind < 0.60:
            # Near its own touch, never through the other.
            offset = min(int(self.dice.expovariate(0.5)), 9)
            touch = self.book.best(side) or (self.book.best(1 - side) + (-2 if side == BUY else 2))
            price = touch - offset if side == BUY else touch + offset
            spread = self.book.best(SELL) - self.book.best(BUY)
            if spread > 2 and self.dice.random() < 0.5:
                price = touch + 1 if side == BUY else touch - 1
            self.add(side, price)
        else:
            self.cancel(side)
        self.update()

    def cancel(self, side):
        levels = self.book.levels(side, 10)
        if not levels:
            return
        price = self.dice.choice(levels)[0]
        others = [name for name, _ in self.book.queue(side, price) if name < FIRST_PROBE]
        if len(others) > 2:
            is_any = self.dice.random() < self.ahead_share
            self.book.cancel(self.dice.choice(others) if is_any else others[-1])

    # ---- ours

    def delay_ns(self):
        mean, deviation = self.latency
        return int(max(1.0, self.dice.gauss(mean, deviation)) * NS_PER_MS)

    def send_probe(self):
        side = self.dice.randint(0, 1)
        self.sent += 1
        name = FIRST_PROBE + self.sent
        # Also behind the touch: who waits longer sees more cancels.
        offset = self.dice.randint(0, 2)
        price = self.book.best(side) - offset if side == BUY else self.book.best(side) + offset
        self.probes[name] = [side, price, PROBE_LOTS, False]
        self.say(
            "broker",
            orders.OrderSent(f"o{name}", "maker", SYMBOL, Side(side), price, PROBE_LOTS, is_post_only=True),
        )
        heappush(self.due, (self.now_ns + self.delay_ns(), name, "order"))
        heappush(self.due, (self.now_ns + WAIT_NS, name, "wish"))

    def arrive(self, at_ns, name, kind):
        probe = self.probes.get(name)
        if probe is None:
            return
        side, price, lots, _ = probe
        say_name = (f"o{name}", "maker", SYMBOL)
        if kind == "wish":
            self.say("strategy/maker", orders.CancelIntent(*say_name), at_ns)
            heappush(self.due, (at_ns + self.delay_ns(), name, "cancel"))
        elif kind == "cancel":
            self.book.cancel(name)
            self.say("broker", orders.OrderCanceled(*say_name, PROBE_LOTS - lots), at_ns)
            del self.probes[name]
            self.update(at_ns)
        else:
            other = self.book.best(1 - side)
            if other and (price >= other if side == BUY else price <= other):
                self.say("broker", orders.OrderRejected(*say_name, "post_only_would_take", ""), at_ns)
                del self.probes[name]
                return
            self.book.submit(name, side, price, lots)
            probe[3] = True
            self.say("broker", orders.OrderAccepted(*say_name, str(name), at_ns), at_ns)
            self.update(at_ns)

    # ---- what is told

    def take(self, matches):
        by_price = defaultdict(int)
        for match in matches:
            by_price[match.price_ticks, match.taker_side] += match.lots
        for (price, side), lots in by_price.items():
            ts = self.now_ns
            self.say("market_data.io", market.Trade(SYMBOL, len(self.log), price, lots, Side(side), ts, ts))
            for match in matches:
                if match.price_ticks == price and match.maker_id in self.probes:
                    self.fill(match)
        return matches

    def fill(self, match):
        probe = self.probes[match.maker_id]
        probe[2] -= match.lots
        self.say(
            "broker",
            orders.Fill(
                f"o{match.maker_id}",
                "maker",
                SYMBOL,
                str(len(self.log)),
                Side(probe[0]),
                match.price_ticks,
                match.lots,
                PROBE_LOTS - probe[2],
                probe[2],
                0,
                "USDT",
                is_maker=True,
                ts_venue_ns=self.now_ns,
            ),
        )
        if probe[2] == 0:
            del self.probes[match.maker_id]

    def update(self, ts_ns=None):
        bids, asks = self.book.drain()
        if not bids and not asks:
            return
        self.update_n += 1
        block = b"".join(struct.pack("<qq", *level) for level in [*reversed(bids), *asks])
        ts = self.now_ns
        self.say(
            "market_data.io", market.BookUpdate(SYMBOL, self.update_n, 1, 1, len(bids), block, ts, ts), ts_ns
        )

    def snapshot(self):
        self.book.drain()
        bids, asks = self.book.levels(BUY, 100), self.book.levels(SELL, 100)
        block = b"".join(struct.pack("<qq", *level) for level in [*bids, *asks])
        self.update_n = 1
        self.say(
            "market_data.io",
            market.BookSnapshot(SYMBOL, 1, 1, len(bids), block, "start", self.now_ns, self.now_ns),
        )
