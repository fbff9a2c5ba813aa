"""Compiled and uncompiled kernels give the same results on one long seeded stream, to the last bit."""

STREAM = """
import hashlib
import struct

from shared.kernels import is_compiled, signals
from shared.kernels.book import Book
from shared.kernels.hashing import draw, draw_below
from shared.kernels.levels import LevelParser
from shared.kernels.limits import Limits
from shared.kernels.position import Position

counter = 0
def pick(bound):
    global counter
    counter += 1
    return draw_below(20261121, counter, bound)

def level(centre, side):
    offset = (pick(12), pick(300), pick(9_000), pick(80_000))[pick(4)]
    price = max(1, centre + offset if side else centre - offset)
    return price, (0, pick(900), pick(900), pick(10**15))[pick(4)]

digest = hashlib.sha256()
def say(*values):
    digest.update(repr(values).encode())

def attempt(call, *arguments):
    try:
        return call(*arguments)
    except ValueError as error:
        return str(error)

book, flow, returns, position = Book(), signals.TradeFlow(50), signals.ReturnWindow(20), Position(1000)
names = "order_lots order_atoms position_lots position_atoms symbol_atoms portfolio_atoms open_orders"
most = {f"{name}_max": pick(10**12) for name in names.split()}
limits = Limits(**most, spread_e2_bps_max=9, band_e2_bps_max=10**5, tick_lot_atoms=10, is_derivative=True)
parser, centre, number = LevelParser("0.05", "0.003"), 700_000, 0
book.snapshot(b"", 0, 0)
for step in range(1_500):
    move = (0, pick(9) - 4, pick(9) - 4, pick(60_000) - 30_000)[pick(4) if step % 10 else 3]
    centre = max(1, centre + move)
    bids, asks = ([level(centre, side) for _ in range(pick(12))] for side in (0, 1))
    if step % 97 == 0:
        bids.append((-pick(5), 1))
    block = b"".join(struct.pack("<qq", *pair) for pair in bids + asks)
    if step % 211 == 0:
        attempt(book.snapshot, block, len(bids), number)
    say(attempt(book.update, block, len(bids), number + 1))
    number = book.update_n
    say(book.is_valid, book.is_trusted, book.bid_ticks, book.bid_lots, book.ask_ticks, book.ask_lots)
    say(book.levels(0, 7), book.levels(1, 7), book.depth_lots(0, 20), book.depth_lots(1, 70))
    say(signals.microprice_centiticks(book), signals.microprice_centiticks(book, 20))
    say(signals.imbalance_ppm(book), signals.weighted_imbalance_ppm(book))
    say(signals.mid_half_ticks(book), signals.spread_ticks(book))
    flow.add(pick(2), max(1, centre + pick(9)), (pick(90), pick(10**15))[pick(2)])
    returns.add(centre + pick(3))
    say(flow.vpin_ppm, flow.volatility_ema_e4, flow.count, returns.volatility, returns.momentum)
    say(position.apply_fill(pick(2), centre, 1 + pick(900), pick(50)), position.average_price_centiticks)
    say(position.unrealized_atoms(centre * 100 + pick(99)), position.dump(), draw(step, counter))
    text = "%d.%0*d" % (pick(10 ** (1 + pick(9))), 1 + pick(5), pick(10))
    say(attempt(parser.ticks, text), attempt(parser.lots, text), attempt(parser.lots_floored, text))
    say(attempt(parser.block, [[text, text]], [["0.05", text]]))
    limits.is_trusted, limits.bid_ticks, limits.ask_ticks = book.is_trusted, book.bid_ticks, book.ask_ticks
    limits.position_lots, limits.live_buy_lots = position.position_lots, (pick(900), pick(10**15))[pick(2)]
    limits.live_ticks_lots, limits.size_ppm = pick(10**15), (10**6, pick(10**6))[pick(2)]
    say(limits.judge(pick(2), centre, (pick(90), pick(10**15))[pick(2)], pick(2) == 1, pick(9) == 1))
    say(limits.code, limits.allowed_lots)
    if step % 100 == 0:
        say(book.dump(), flow.dump(), returns.dump())
print(is_compiled(), digest.hexdigest())
"""


def test_both_kinds_of_kernels_say_the_same(both_kinds):
    compiled, uncompiled = both_kinds(STREAM)

    assert len(compiled) == 1
    assert uncompiled == compiled
