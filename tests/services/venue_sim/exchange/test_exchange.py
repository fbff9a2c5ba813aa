"""Orders in the generated market itself: same queues, same streams, and a restart that keeps all of it."""

import json
from decimal import Decimal

import pytest

from services.venue_sim.build import make_venue
from services.venue_sim.exchange.records import NewOrder
from services.venue_sim.generated import GeneratedVenue
from services.venue_sim.settings import AccountSettings, VenueSimSettings

MS = 1_000_000
pytestmark = pytest.mark.req("BT-7")
VENUES = ("binance", "binance_usdm")


def place(venue, at, side, qty, offset=None, now_ms=None, **more):
    """Place at the best price of its side moved by `offset` ticks to the outside; MARKET without."""
    exchange = venue.exchange
    desk = exchange.desk(at)
    own = 0 if side == "BUY" else 1
    price = None
    if offset is not None:
        ticks = desk.sides["BTCUSDT"].best(own) + (-offset if own == 0 else offset)
        price = desk.rules["BTCUSDT"].units.price(ticks)
    new = NewOrder(
        venue=at,
        symbol="BTCUSDT",
        side=side,
        type="MARKET" if price is None else "LIMIT",
        time_in_force="" if price is None else "GTC",
        quantity=Decimal(qty),
        price=price,
        **more,
    )
    return exchange.place("sim", new, now_ms or venue.origin_ns // MS + 1_010)


@pytest.fixture
def venue():
    venue = make_venue(VenueSimSettings())
    venue.advance(venue.origin_ns + 1_000 * MS)
    return venue


def later(venue, ms):
    return venue.advance(venue.origin_ns + ms * MS)


def payloads(frames, at, channel):
    return [json.loads(f.data) for f in frames if (f.venue, f.stream) == (at, f"btcusdt@{channel}")]


@pytest.mark.parametrize("at", VENUES)
def test_a_trade_of_ours_is_on_the_public_stream_with_the_next_id(venue, at):
    before = payloads(later(venue, 1_005), at, "trade")
    fills = place(venue, at, "BUY", "0.01").fills

    assert venue.due_ns() <= venue.origin_ns + 1_010 * MS
    frames = later(venue, 1_010)

    told = payloads(frames, at, "trade")
    assert before == []
    assert [(t["t"], Decimal(t["p"]), Decimal(t["q"])) for t in told] == [
        (fill.trade_id, fill.price, fill.quantity) for fill in fills
    ]
    assert payloads(frames, at, "bookTicker")
    after = payloads(later(venue, 8_000), at, "trade")
    assert [t["t"] for t in after] == list(range(fills[-1].trade_id + 1, fills[-1].trade_id + 1 + len(after)))


@pytest.mark.parametrize("at", VENUES)
def test_resting_orders_are_in_book_ticker_diff_and_snapshot(venue, at):
    order = place(venue, at, "BUY", "0.05", -1).order

    frames = later(venue, 1_100)

    ticker = payloads(frames, at, "bookTicker")[0]
    assert (Decimal(ticker["b"]), Decimal(ticker["B"])) == (order.price, order.quantity)
    levels = {Decimal(p) for diff in payloads(frames, at, "depth") for p, _ in diff["b"]}
    assert order.price in levels


@pytest.mark.parametrize("at", VENUES)
def test_the_flow_fills_what_rests_at_the_touch(venue, at):
    orders = [place(venue, at, side, "0.01", 0).order for side in ("BUY", "SELL")]

    later(venue, 15_000)

    done = [venue.exchange.order("sim", at, "BTCUSDT", order.order_id) for order in orders]
    assert "FILLED" in {order.status for order in done}
    assert all(fill.is_maker for fill in venue.exchange.trades("sim", at, "BTCUSDT"))


@pytest.mark.parametrize("at", VENUES)
def test_the_flow_leaves_orders_of_accounts_in_their_place_whatever_it_withdraws(at):
    """A bid far above what makers want is taken by the flow, never cancelled by it."""
    venue = make_venue(VenueSimSettings(regime="adverse"))
    later(venue, 1_000)
    orders = [place(venue, at, "BUY", "0.001", offset).order for offset in range(-1, 40)]

    for ms in range(1_050, 15_000, 50):
        later(venue, ms)

    for order in orders:
        now = venue.exchange.order("sim", at, "BTCUSDT", order.order_id)
        assert now.status in {"NEW", "PARTIALLY_FILLED", "FILLED"}
        filled = now.executed
        assert filled == now.quantity or venue.exchange.desk(at).sides["BTCUSDT"].visible_lots(
            -order.order_id
        )


def test_without_orders_the_streams_do_not_know_of_accounts():
    plain = GeneratedVenue(VenueSimSettings(seed=4))
    other = GeneratedVenue(VenueSimSettings(seed=4, accounts=(AccountSettings(name="x"),)))

    for ms in range(0, 5_000, 50):
        now_ns = plain.origin_ns + ms * MS
        other.exchange.advance(now_ns // MS)
        assert other.advance(now_ns) == plain.advance(now_ns)


def test_an_order_meets_the_market_of_its_own_time_though_the_frames_come_later(venue):
    plain = make_venue(VenueSimSettings())
    later(plain, 1_000)
    now_ms = venue.origin_ns // MS + 1_510
    venue.exchange.advance(now_ms)

    order = place(venue, "binance", "BUY", "0.01", now_ms=now_ms).order
    frames = later(venue, 1_500)

    assert order.status == "FILLED"
    assert [f for f in later(plain, 1_500) if f not in frames] == []
    times = [t["T"] for t in payloads(frames, "binance", "trade")]
    assert times == sorted(times)
    assert times[-1] == now_ms


def test_in_a_halt_nothing_trades_and_nothing_is_quoted(venue):
    order = place(venue, "binance", "BUY", "0.01", 0).order
    later(venue, 1_100)
    venue.exchange.set_status("binance", "BTCUSDT", "HALT", 1)
    later(venue, 1_200)  # the last diff of the time before

    frames = later(venue, 8_000)

    assert [f for f in frames if f.venue == "binance" and "kline" not in f.stream] == []
    assert [f for f in frames if f.stream == "btcusdt@trade"] != []
    assert venue.exchange.order("sim", "binance", "BTCUSDT", order.order_id).status == "NEW"
    again = make_venue(VenueSimSettings(), venue.state(is_clean=True))
    assert again.exchange.rules("binance", "BTCUSDT").status == "HALT"
    again.exchange.set_status("binance", "BTCUSDT", "TRADING", 1)
    assert any(f.venue == "binance" and f.stream.endswith("@depth") for f in later(again, 9_000))


def test_a_restart_keeps_orders_money_ids_and_the_place_in_the_queue(venue):
    for at in VENUES:
        for offset in (0, 3, 30):
            place(venue, at, "BUY", "0.01", offset, client_order_id=f"id-{offset}")
        place(venue, at, "SELL", "0.02")
    first = venue.exchange
    first.countdown("sim", "BTCUSDT", 60_000, 1)
    first.set_leverage("sim", "ETHUSDT", 7, 1)
    first.algos.place(
        "sim",
        NewOrder(
            venue="binance_usdm",
            symbol="BTCUSDT",
            side="SELL",
            type="STOP_MARKET",
            quantity=Decimal("0.01"),
            stop_price=Decimal("50000.0"),
        ),
        1,
    )
    later(venue, 1_040)

    again = make_venue(VenueSimSettings(), venue.state(is_clean=True))

    second = again.exchange
    assert second.dump() == first.dump()
    for at in VENUES:
        assert second.open_orders("sim", at) == first.open_orders("sim", at)
        assert second.trades("sim", at, "BTCUSDT") == first.trades("sim", at, "BTCUSDT")
    assert second.balances("sim") == first.balances("sim")
    assert second.positions("sim") == first.positions("sim")
    assert second.income("sim") == first.income("sim") != []
    for ms in range(1_050, 6_000, 50):
        assert later(again, ms) == later(venue, ms)
    assert second.dump() == first.dump()
    new_id = place(again, "binance", "BUY", "0.01", 5).order.order_id
    assert new_id > max(order.order_id for order in first.all_orders("sim", "binance", "BTCUSDT"))


def test_the_state_of_one_life_is_written_quickly_enough_each_second(venue):
    for n in range(300):
        order = place(venue, "binance", "BUY", "0.01", 5 + n % 7).order
        venue.exchange.cancel("sim", "binance", "BTCUSDT", order.order_id, "", 1)

    state = venue.exchange.dump()

    assert len(state) < 300 * 600


def test_closed_orders_and_trades_are_forgotten_beyond_what_is_kept():
    venue = make_venue(VenueSimSettings(closed_orders_kept=50, trades_kept=100, ledger_entries_kept=10))
    later(venue, 1_000)
    for n in range(200):
        order = place(venue, "binance", "BUY", "0.001", 5, client_order_id=f"c{n}").order
        venue.exchange.cancel("sim", "binance", "BTCUSDT", order.order_id, "", 1)
        venue.exchange.events()

    orders = venue.exchange.all_orders("sim", "binance", "BTCUSDT", limit=1000)
    assert [order.client_order_id for order in orders] == [f"c{n}" for n in range(150, 200)]
    assert len(venue.exchange.ledger.entries) == 10
    kept = venue.exchange.spot.store
    assert len(kept._closed_clients) == len(kept._closed_json) == 50
