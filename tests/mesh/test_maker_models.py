"""Every model of the market maker on both shared captures, through the real feed, risk, broker and venue."""

import dataclasses
from collections import defaultdict

import pytest

from services.cli import config
from services.fused.assemble import assemble
from services.replay.invariants import check_log
from services.strategy.core import StrategyCore
from services.strategy.settings import InstanceSettings
from shared.hosting import CoreHost
from shared.messages import orders
from shared.messages.control import InstanceFailed, StrategyNote, StrategyStatus
from shared.messages.market import InstrumentRules
from shared.units import NS_PER_S, Side

USDM, SPOT = "binance_usdm:BTCUSDT", "binance:BTCUSDT"
PLAYED = {
    USDM: (["usdm_btcusdt_20240808.raw.gz"], 50),
    SPOT: (["spot_btcusdt_20240808.raw.gz", "spot_btcusdt_20240809.raw.gz"], 75),
}
MODELS = ["fixed", "avellaneda_stoikov", "glft"]
NAMES = {"fixed": "fixed", "avellaneda_stoikov": "avst", "glft": "glft"}
QUICK = {"calibration_s": "15", "calibration_orders": "15"}


@pytest.fixture(scope="module", params=[USDM, SPOT])
def played(request, captures):
    """Return the log of a capture on which one instance of each model traded, and its market."""
    symbol = request.param
    names, seconds = PLAYED[symbol]
    instances = {
        NAMES[model]: InstanceSettings(
            kind="avellaneda_stoikov", symbol=symbol, params={"model": model, **QUICK}
        )
        for model in MODELS
    }
    loaded = config.load("deploy/paper.yaml", {})
    loaded = dataclasses.replace(loaded, strategy=dataclasses.replace(loaded.strategy, instances=instances))
    files = [str(captures / "binance_hft" / name) for name in names]
    fitted, _ = config.for_replay(loaded, [symbol], files)
    events = []
    run = assemble(config.sections(fitted), build="test", store=lambda stored: events.append(stored.event))
    run.run(run.now_ns + seconds * NS_PER_S)
    return symbol, events


def of(events, kind, model):
    return [e.message for e in events if type(e.message) is kind and e.message.strategy == NAMES[model]]


@pytest.mark.req("ST-7", "ST-9", "ST-16")
@pytest.mark.parametrize("model", MODELS)
def test_a_model_quotes_both_sides_and_is_filled(played, model) -> None:
    _, events = played

    assert of(events, InstanceFailed, model) == []
    assert {intent.side for intent in of(events, orders.OrderIntent, model)} == {Side.BUY, Side.SELL}
    assert len(of(events, orders.Fill, model)) > 0
    assert all(intent.is_post_only for intent in of(events, orders.OrderIntent, model))


ENDS = (orders.OrderCanceled, orders.OrderRefused, orders.OrderRejected, orders.OrderExpired, orders.NotSent)


@pytest.mark.req("ST-14", "ST-16")
@pytest.mark.parametrize("model", MODELS)
def test_no_model_passes_its_limits(played, model) -> None:
    symbol, events = played
    rules = next(e.message for e in events if type(e.message) is InstrumentRules)
    most_atoms = 1000 * 10**rules.quote_exponent
    position_lots, live = 0, {}
    for message in (e.message for e in events if getattr(e.message, "strategy", "") == NAMES[model]):
        if type(message) is orders.OrderIntent:
            live[message.client_order_id] = (message.side, message.qty_lots)
            worst_lots = message.side.sign * position_lots
            worst_lots += sum(lots for side, lots in live.values() if side is message.side)
            assert worst_lots <= 0 or symbol == USDM or message.side is Side.BUY
            # The limit is money at the price of the moment: a position does not shrink as the price rises.
            assert worst_lots * message.price_ticks * rules.tick_lot_atoms <= most_atoms * 1.002
        elif type(message) is orders.Fill:
            position_lots += message.side.sign * message.qty_lots
            live[message.client_order_id] = (message.side, message.leaves_lots)
        elif isinstance(message, ENDS):
            live.pop(message.client_order_id, None)
    assert sum(lots > 0 for _, lots in live.values()) <= 4


@pytest.mark.req("ST-16")
@pytest.mark.parametrize("model", MODELS[1:])
def test_a_full_model_quotes_nothing_before_it_has_learnt_enough_and_says_so(played, model) -> None:
    _, events = played
    mine = [e for e in events if getattr(e.message, "strategy", "") == NAMES[model]]
    first = next(e for e in mine if type(e.message) is orders.OrderIntent)
    began = next(e for e in mine if type(e.message) is StrategyStatus and e.message.state == "warming_up")
    notes = [e.message.code for e in mine if type(e.message) is StrategyNote]

    assert first.header.ts_ns - began.header.ts_ns >= 15 * NS_PER_S
    assert "calibrating" in notes
    assert "κ" in of(events, StrategyStatus, model)[-1].text


@pytest.mark.req("ST-16", "ST-2", "I-39")
def test_a_core_restored_in_the_middle_says_and_ends_the_same(played) -> None:
    _, events = played
    whole, first, second = (CoreHost(StrategyCore()) for _ in range(3))
    cut = len(events) // 3
    for event in events:
        whole.apply(event)
    for event in events[:cut]:
        first.apply(event)

    second.restore(first.snapshot())
    for event in events[cut:]:
        second.apply(event)

    assert second.core.digest() == whole.core.digest()
    assert check_log(events).problems == []


def test_the_models_quote_differently(played) -> None:
    _, events = played
    distances = defaultdict(set)
    for event in events:
        if type(event.message) is orders.OrderIntent:
            distances[event.message.strategy].add(event.message.price_ticks)

    assert distances["fixed"] != distances["avst"] != distances["glft"]
