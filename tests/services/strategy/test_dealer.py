"""What people ask for themselves: manual orders, routes and flatten, through the cores of the whole mesh."""

from dataclasses import replace
from decimal import Decimal

import pytest

from services.broker.core import BrokerCore
from services.broker.settings import BrokerSettings
from services.fused.mesh import FusedMesh
from services.risk.breaker_settings import RampSettings
from services.risk.core import RiskCore
from services.risk.settings import RiskSettings
from services.strategy.core import StrategyCore
from services.strategy.desk import levels_block, make_rules
from services.strategy.settings import InstanceSettings, StrategySettings
from shared.messages import control, market, orders, system
from shared.messages.orders import OrderType, TimeInForce
from shared.settings import pack
from shared.units import NS_PER_MS, Side

PERP, OTHER = "binance_usdm:BTCUSDT", "bybit:BTC/USDT"
BIDS, ASKS = [(600_000, 40), (599_990, 60)], [(600_010, 40), (600_020, 60)]


class Hall:
    """Strategy, risk and broker over one log, two markets of one pair, and a person who asks."""

    def __init__(self, instances=None):
        self.log = []
        settings = StrategySettings(instances=instances or {}, warmup_s=0, warmup_points=0)
        risk = replace(RiskSettings(), ramp=RampSettings(duration_s=0), currency="USDT")
        broker = BrokerSettings(latency_ms=5, latency_std_ms=0, latency_min_ms=1, latency_spike_ppm=0)
        self.strategy = StrategyCore()
        self.mesh = FusedMesh(
            [self.strategy, RiskCore(), BrokerCore()],
            {"strategy": pack(settings), "risk": pack(risk), "broker": pack(broker)},
            build="test",
            epoch=3,
            store=lambda stored: self.log.append(stored.event),
        )
        self.mesh.start(1_700_000_000 * 10**9, others=("market_data",))
        self.mesh.say("broker.io", system.Reconciled(run=1))
        self.update_n = {}
        for symbol in (PERP, OTHER):
            fees = {"maker_fee_ppm": 0, "taker_fee_ppm": 0, "is_derivative": True}
            self.mesh.say("market_data.io", make_rules(symbol, **fees))
            self.book(symbol)

    def book(self, symbol, bids=BIDS, asks=ASKS):
        n = self.update_n[symbol] = self.update_n.get(symbol, 0) + 1
        levels = levels_block(bids, asks)
        self.mesh.say("market_data.io", market.BookSnapshot(symbol, n, n, len(bids), levels, "start", 0, 0))

    def pass_ms(self, ms):
        for _ in range(ms // 100):
            self.mesh.tick(self.mesh.now_ns + 100 * NS_PER_MS)
            for symbol in (PERP, OTHER):
                self.book(symbol)

    def ask(self, message):
        self.mesh.say("operator", message)
        return self

    def said(self, kind):
        return [event.message for event in self.log if type(event.message) is kind]

    def last(self):
        return self.said(control.RouteProgress)[-1]


def order(**changes):
    terms = {
        "symbol": PERP,
        "side": Side.BUY,
        "price_ticks": 600_010,
        "qty_lots": 5,
        "by": "me",
        "reason": "test",
    }
    return control.OrderRequested(**(terms | changes))


def route(**changes):
    terms = {
        "symbols": [PERP, OTHER],
        "side": Side.BUY,
        "quantity": "0.01",
        "style": "best_venue",
        "by": "me",
        "reason": "test",
    }
    return control.RouteRequested(**(terms | changes))


@pytest.mark.req("BR-27", "BR-21")
def test_a_manual_order_passes_risk_and_is_told_with_its_parent():
    hall = Hall().ask(order())
    hall.pass_ms(200)

    (intent,) = hall.said(orders.OrderIntent)
    assert (intent.strategy, intent.parent) == ("manual", hall.last().parent)
    assert len(hall.said(orders.OrderApproved)) == 1
    told = hall.last()
    assert (told.state, told.filled, told.unfilled, told.average_price) == ("done", "0.005", "0", "60001")


@pytest.mark.req("BR-27")
def test_risk_refuses_a_manual_order_as_any_other():
    hall = Hall().ask(order(price_ticks=1_200_000))

    (refused,) = hall.said(orders.OrderRefused)
    assert refused.code == "price_band"
    assert (hall.last().state, hall.last().unfilled) == ("refused", "0.005")
    assert "too far" in hall.last().reason


@pytest.mark.req("BR-27")
def test_a_manual_order_rests_until_it_is_canceled_by_its_id_or_its_parent():
    hall = Hall().ask(order(price_ticks=599_900)).ask(order(price_ticks=599_800))
    hall.pass_ms(200)
    first, second = hall.said(orders.OrderIntent)

    hall.ask(control.OrderCancelRequested(first.client_order_id, "me", "")).pass_ms(200)
    hall.ask(control.OrderCancelRequested(second.parent, "me", "")).pass_ms(200)

    ended = [message.client_order_id for message in hall.said(orders.OrderCanceled)]
    assert ended == [first.client_order_id, second.client_order_id]
    assert hall.last().state == "canceled"


@pytest.mark.req("BR-20", "BR-21")
def test_a_sweep_sends_linked_children_that_add_up_to_what_was_asked():
    hall = Hall().ask(route(style="sweep", quantity="0.06"))
    hall.pass_ms(200)

    children = hall.said(orders.OrderIntent)
    assert {child.parent for child in children} == {hall.last().parent}
    assert sum(child.qty_lots for child in children) == 60
    assert {child.symbol for child in children} == {PERP, OTHER}
    assert (hall.last().state, hall.last().filled) == ("done", "0.06")


@pytest.mark.req("BR-20")
def test_slices_are_really_spaced_in_time_and_carry_what_earlier_ones_left():
    hall = Hall()
    hall.book(PERP, asks=[(610_000, 40)])
    hall.book(OTHER, asks=[(610_000, 40)])
    hall.ask(route(style="twap", quantity="0.009", slices=3, interval_ms=500, limit="60001"))
    assert hall.last().slices_done == 1
    assert hall.said(orders.OrderIntent) == []

    hall.pass_ms(1_500)

    intents = [event for event in hall.log if type(event.message) is orders.OrderIntent]
    assert [event.message.qty_lots for event in intents] == [6, 3]
    gap_ns = intents[1].header.ts_ns - intents[0].header.ts_ns
    assert gap_ns == 500 * NS_PER_MS
    assert (hall.last().state, hall.last().filled, hall.last().slices_done) == ("done", "0.009", 3)


@pytest.mark.req("BR-20")
def test_an_unfilled_rest_is_reported():
    hall = Hall().ask(route(style="sweep", quantity="0.5", limit="60001"))
    hall.pass_ms(200)

    told = hall.last()
    assert (told.state, told.filled, told.open, told.unfilled) == ("done", "0.08", "0", "0.42")
    assert sum(map(Decimal, (told.filled, told.open, told.unfilled))) == Decimal(told.asked)


@pytest.mark.req("BR-20")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"style": "magic"}, "write one of best_venue"),
        ({"quantity": "NaN"}, "plain decimals above 0"),
        ({"quantity": "-1"}, "plain decimals above 0"),
        ({"quantity": "1e99"}, "plain decimals above 0"),
        ({"limit": "x"}, "plain decimals above 0"),
        ({"slices": 0}, "1 to 10000"),
        ({"symbols": ["okx:DOGE/USDT"]}, "okx:DOGE/USDT is not followed"),
        ({"symbols": []}, "no market is not followed"),
    ],
)
def test_a_route_that_cannot_be_is_refused_with_the_reason(changes, reason):
    hall = Hall().ask(route(**changes))

    assert hall.last().state == "refused"
    assert reason in hall.last().reason
    assert hall.said(orders.OrderIntent) == []


@pytest.mark.req("BR-20")
def test_kill_and_cancel_all_end_a_route_between_its_slices():
    for request in (control.KillRequested("me", "stop"), control.CancelAllRequested("", "me", "stop")):
        hall = Hall().ask(route(style="twap", quantity="0.01", slices=10, interval_ms=300))
        hall.pass_ms(400)
        sent = len(hall.said(orders.OrderIntent))

        hall.ask(request).pass_ms(3_000)

        assert len(hall.said(orders.OrderIntent)) == sent
        assert hall.last().state == "canceled"


@pytest.mark.req("BR-28")
@pytest.mark.parametrize("style", ["market", "limit"])
def test_flatten_closes_strategies_and_manual_positions_and_says_so(style):
    kind = "avellaneda_stoikov"
    hall = Hall({"mm": InstanceSettings(kind=kind, symbol=PERP, params={})})
    hall.ask(order(qty_lots=7))
    fill = orders.Fill("1-mm-b-1", "mm", PERP, "t1", Side.BUY, 600_000, 9, 9, 0, 0, "USDT", True, 0)
    hall.mesh.say("broker.io", fill)
    hall.pass_ms(300)

    hall.ask(control.FlattenRequested("", style, "me", "done for today", patience_ms=500)).pass_ms(4_000)

    positions = {(p.strategy, p.symbol): p.position_lots for p in hall.said(orders.PositionChanged)}
    assert positions == {("mm", PERP): 0, ("manual", PERP): 0}
    notes = [note for note in hall.said(control.StrategyNote) if note.code == "flattened"]
    assert [note.strategy for note in notes] == ["mm"]
    flat = [i for i in hall.said(orders.OrderIntent) if i.slot == "flat"]
    assert flat[0].order_type is (OrderType.MARKET if style == "market" else OrderType.LIMIT)
    assert (flat[-1].order_type, flat[-1].tif) == (OrderType.MARKET, TimeInForce.IOC)
    assert hall.strategy.instance("mm").is_paused


@pytest.mark.req("BR-20", "BR-28")
def test_the_dealer_survives_a_snapshot_and_an_adopted_log():
    hall = Hall({"mm": InstanceSettings(kind="avellaneda_stoikov", symbol=PERP, params={})})
    hall.ask(route(style="twap", quantity="0.01", slices=4, interval_ms=300)).ask(order(price_ticks=599_000))
    hall.pass_ms(500)
    restored = StrategyCore()
    restored.restore(hall.strategy.snapshot())
    seen = len(hall.log)
    hall.ask(control.FlattenRequested(PERP, "limit", "me", "test")).pass_ms(1_500)
    adopted = StrategyCore()

    for event in hall.log:
        adopted.adopt(event)
    for event in hall.log[seen:]:
        restored.apply(event)

    assert restored.digest() == hall.strategy.digest()
    assert adopted.dealer.dump() == hall.strategy.dealer.dump()
