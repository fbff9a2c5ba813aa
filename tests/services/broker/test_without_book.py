"""An order that meets no trusted book: rejected, or filled near the last trade when the setting says so."""

from dataclasses import replace

import pytest

from services.broker.core import BrokerCore
from services.broker.settings import BrokerSettings
from services.broker.without_book import simple_part
from shared.messages import market, orders
from shared.messages.orders import OrderType, TimeInForce
from shared.units import Side

SURE = BrokerSettings(latency_std_ms=0, latency_spike_ppm=0, without_book="simple", simple_fill_ppm=1_000_000)


def an_order(side=Side.BUY, lots=5, price_ticks=0, order_id="7-mm-s1-1", **kw):
    """Return what the model looks at, in the shape of a broker order."""
    kind = OrderType.LIMIT if price_ticks else OrderType.MARKET
    fields = {
        "side": side, "leaves_lots": lots, "price_ticks": price_ticks, "order_type": kind,
        "is_post_only": False, "client_order_id": order_id, **kw,
    }  # fmt: skip
    return type("Order", (), fields)()


@pytest.mark.req("BR-18")
def test_slippage_and_impact_are_against_us_and_rounded_so():
    buy = simple_part(an_order(Side.BUY, 5), 600_000, 100, SURE)
    sell = simple_part(an_order(Side.SELL, 5), 600_000, 100, SURE)

    # 5 bps and 0.1 bps for each of 5 %: 5.5 bps of 600,000 ticks are 330.
    assert (buy.price_ticks, buy.lots) == (600_330, 5)
    assert (sell.price_ticks, sell.lots) == (599_670, 5)


@pytest.mark.req("BR-18")
def test_impact_ends_at_the_whole_visible_volume():
    assert simple_part(an_order(lots=100), 600_000, 100, SURE) == simple_part(
        an_order(lots=100), 600_000, 99, SURE
    )


@pytest.mark.req("BR-18")
def test_the_chance_is_seeded_and_near_its_share():
    settings = replace(SURE, simple_fill_ppm=950_000)
    ids = [f"7-mm-s{i}-1" for i in range(4000)]

    def filled(seed):
        chosen = replace(settings, seed=seed)
        return [not isinstance(simple_part(an_order(order_id=i), 100, 10, chosen), str) for i in ids]

    assert filled(1) == filled(1)
    assert filled(1) != filled(2)
    assert 0.94 < sum(filled(1)) / len(ids) < 0.96


@pytest.mark.req("BR-18")
@pytest.mark.parametrize(
    ("order", "last_ticks", "why"),
    [
        (an_order(), 0, "no public trade"),
        (an_order(price_ticks=600_100), 600_000, "beyond the limit"),
        (an_order(price_ticks=700_000, is_post_only=True), 600_000, "post-only"),
    ],
)
def test_what_cannot_trade_at_once_is_not_filled(order, last_ticks, why):
    assert why in simple_part(order, last_ticks, 100, SURE)


def a_bench_without_a_book(make_bench, broker):
    bench = make_bench(broker=broker).start()
    bench.fill_position(Side.BUY, 8)
    bench.trade(Side.SELL, 600_000, 40)
    bench.say("market_data.io", market.BookInvalid(bench.PERP, "gap"))
    return bench


@pytest.mark.req("BR-18", "RK-1")
def test_a_position_can_be_left_while_the_book_is_broken(make_bench):
    bench = a_bench_without_a_book(make_bench, SURE)

    order_id = bench.intent(Side.SELL, 0, 8, order_type=OrderType.MARKET, is_reduce_only=True)
    bench.pass_ms(200, is_feed_alive=False)

    fill = bench.said(orders.Fill, order_id=order_id)[-1]
    assert (fill.qty_lots, fill.leaves_lots, fill.is_maker) == (8, 0, False)
    assert fill.price_ticks < 600_000
    assert bench.replayed(BrokerCore()).digest() == bench.broker.digest()


@pytest.mark.req("BR-18")
def test_by_default_nothing_is_filled_without_a_trusted_book(make_bench):
    bench = a_bench_without_a_book(make_bench, BrokerSettings(latency_std_ms=0, latency_spike_ppm=0))

    order_id = bench.intent(Side.SELL, 0, 8, order_type=OrderType.MARKET, is_reduce_only=True)
    bench.pass_ms(200, is_feed_alive=False)

    assert bench.said(orders.OrderRejected, order_id=order_id)[-1].code == "untrusted_book"


@pytest.mark.req("BR-18")
def test_an_order_that_would_open_a_position_never_comes_so_far(make_bench):
    bench = a_bench_without_a_book(make_bench, SURE)

    verdict = bench.verdict(Side.BUY, 600_000, 5, tif=TimeInForce.IOC)

    assert isinstance(verdict, orders.OrderRefused)


@pytest.mark.req("BR-18")
def test_a_snapshot_keeps_the_last_trade_and_the_recent_volume(make_bench):
    bench = a_bench_without_a_book(make_bench, SURE)

    restored = BrokerCore()
    restored.restore(bench.broker.snapshot())

    assert restored.known.place(bench.PERP).last_ticks == 600_000
    assert sum(restored.known.place(bench.PERP).recent_lots) == 40
    assert restored.digest() == bench.broker.digest()
