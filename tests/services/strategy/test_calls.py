"""A callback that does not return: told on the log, and never made again by who runs the log."""

# ruff: noqa: ARG002  callbacks take what the interface gives

import sys
import types
from dataclasses import dataclass

import pytest

from services.strategy.base import NOTHING, Quote, Strategy, TargetQuotes
from services.strategy.calls import BlockedError, Calls, interruptions
from services.strategy.core import StrategyCore
from services.strategy.desk import Desk, make_rules
from services.strategy.settings import InstanceSettings, StrategySettings
from shared.hosting import CoreHost
from shared.messages import control, orders
from shared.messages.control import InstanceFailed, StrategyStatus
from shared.units import Side

SYMBOL = "binance_usdm:BTCUSDT"
MADE = []


@dataclass(frozen=True)
class NoSettings:
    """Nothing to set."""


class Bidder(Strategy):
    Settings = NoSettings

    def on_book(self, ctx):
        return [TargetQuotes((Quote("bid", Side.BUY, ctx.book.bid_ticks - 5000, 1),))]


class Blocks(Bidder):
    """Does not return from its third trade: the watchdog's error is raised here."""

    def __init__(self, settings):
        super().__init__(settings)
        self.trades = 0

    def on_trade(self, ctx, trade):
        self.trades += 1
        if self.trades == 3:
            MADE.append(self)
            self.trades = 77  # half done
            raise BlockedError("the callback did not return within 3 s")
        return NOTHING

    def snapshot(self):
        return bytes([self.trades])

    def restore(self, data):
        self.trades = data[0]


class BlocksInStatus(Bidder):
    def format_status(self, ctx):
        MADE.append(self)
        raise BlockedError("the callback did not return within 3 s")


@pytest.fixture(autouse=True)
def _importable():
    module = types.ModuleType("blocking_strategies")
    module.__file__ = __file__
    for one in (Bidder, Blocks, BlocksInStatus):
        setattr(module, one.__name__, one)
        one.__module__ = "blocking_strategies"
    sys.modules["blocking_strategies"] = module
    MADE.clear()
    yield
    del sys.modules["blocking_strategies"]


def desk_of(kind, core=None):
    instances = {
        name: InstanceSettings(kind=f"blocking_strategies:{one}", symbol=SYMBOL)
        for name, one in (("before", "Bidder"), ("bad", kind), ("then", "Bidder"))
    }
    desk = Desk(
        StrategySettings(instances=instances, warmup_s=0, warmup_points=0), make_rules(SYMBOL), core=core
    )
    desk.start()
    for _ in range(30):
        desk.step()
    return desk


@pytest.mark.req("I-44", "ST-1")
@pytest.mark.parametrize("kind", ["Blocks", "BlocksInStatus"])
def test_an_interrupted_instance_stops_alone_with_its_call_on_the_log(kind, of) -> None:
    desk = desk_of(kind)
    for _ in range(20):
        desk.report()

    failed = of(InstanceFailed, desk.said)
    assert [(message.strategy, message.call_n > 0) for message in failed] == [("bad", True)]
    assert "did not return within 3 s (at test_calls.py:" in failed[0].error
    assert len(desk.core.instance("bad").orders) == 0
    assert len(desk.core.instance("before").orders) == len(desk.core.instance("then").orders) == 1
    assert {m.state for m in of(StrategyStatus, desk.said) if m.strategy == "then"} >= {"quoting"}


@pytest.mark.req("I-44", "I-39", "ST-2")
@pytest.mark.parametrize("kind", ["Blocks", "BlocksInStatus"])
def test_a_rerun_that_knows_the_log_stops_at_the_same_call_without_making_it(kind, of) -> None:
    desk = desk_of(kind)
    assert len(MADE) == 1

    calls = Calls()
    calls.known = interruptions(desk.log)
    host = CoreHost(StrategyCore(calls))
    for event in desk.log:
        host.apply(event)

    assert len(MADE) == 1
    assert host.core.digest() == desk.core.digest()


@pytest.mark.req("I-44", "I-39")
def test_a_log_that_is_adopted_stops_there_too(of) -> None:
    desk = desk_of("Blocks")
    calls = Calls()
    calls.known = interruptions(desk.log)

    core = StrategyCore(calls)
    for event in desk.log:
        core.adopt(event)

    assert len(MADE) == 1
    assert core.instance("bad").failure == desk.core.instance("bad").failure
    assert core.instance("bad").strategy is None


@pytest.mark.req("I-44")
def test_a_restored_core_leaves_the_blocked_instance_as_it_is() -> None:
    desk = desk_of("Blocks")
    after = CoreHost(StrategyCore())

    after.restore(desk.host.snapshot())

    assert after.core.digest() == desk.core.digest()
    assert after.core.instance("bad").strategy is None


@pytest.mark.req("I-44")
def test_another_version_of_a_blocked_instance_begins_clean(of) -> None:
    desk = desk_of("Blocks")
    instances = dict(desk.settings.instances)
    instances["bad"] = InstanceSettings(kind="blocking_strategies:Bidder", symbol=SYMBOL)

    said = desk.configure(StrategySettings(instances=instances, warmup_s=0, warmup_points=0))
    said += desk.move(desk.mid_ticks)

    instance = desk.core.instance("bad")
    assert (instance.failure, instance.blocked_n) == ("", 0)
    assert {intent.strategy for intent in of(orders.OrderIntent, said)} >= {"bad"}


@pytest.mark.req("ST-5")
def test_a_reset_lets_a_blocked_instance_begin_anew(of) -> None:
    desk = desk_of("Blocks")

    desk.say(control.ResetRequested("bad", "test", "fixed its input"))
    said = desk.move(desk.mid_ticks)

    assert {intent.strategy for intent in of(orders.OrderIntent, said)} >= {"bad"}
