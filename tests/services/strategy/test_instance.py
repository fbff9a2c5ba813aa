"""Strategies that raise, lie or lose track: each harms itself alone."""

# ruff: noqa: ARG002  callbacks take what the interface gives

import sys
import types
from dataclasses import dataclass
from typing import ClassVar

import pytest

from services.strategy.base import Quote, Strategy, TargetQuotes
from services.strategy.conformance import NAME, Candidate
from services.strategy.core import StrategyCore
from services.strategy.instance import SEEN_TRADES_MAX
from services.strategy.settings import StrategySettings
from shared.messages import control, orders
from shared.messages.market import BookInvalid
from shared.messages.orders import Fill
from shared.units import Side

SYMBOL = "binance_usdm:BTCUSDT"


@dataclass(frozen=True)
class NoSettings:
    """Nothing to set."""


class Bidder(Strategy):
    """A bid far below, and whatever a subclass breaks."""

    Settings = NoSettings

    def on_book(self, ctx):
        return [TargetQuotes((Quote("bid", Side.BUY, ctx.book.bid_ticks - 5000, 1),))]


class RaisesOnTrade(Bidder):
    def on_trade(self, ctx, trade):
        raise ZeroDivisionError("for the test")


class RaisesOnOwnIntent(Bidder):
    def on_order_event(self, ctx, order, event):
        raise RuntimeError("for the test")


class RaisesInStatus(Bidder):
    def format_status(self, ctx):
        raise KeyError("for the test")


class RaisesInSnapshot(Bidder):
    def snapshot(self):
        raise OSError("for the test")


class RaisesAtStart(Bidder):
    def on_start(self, ctx):
        raise ValueError("cannot work here")


class ReturnsNonsense(Bidder):
    def on_trade(self, ctx, trade):
        return ["buy"]


class ReturnsNone(Bidder):
    def on_trade(self, ctx, trade):
        return None


class PricesNan(Bidder):
    def on_trade(self, ctx, trade):
        return [TargetQuotes((Quote("bid", Side.BUY, float("nan"), 1),))]


class Exits(Bidder):
    def on_trade(self, ctx, trade):
        sys.exit("for the test")


class SaysWhatCannotBeEncoded(Bidder):
    def on_trade(self, ctx, trade):
        raise ValueError("\ud800" + "x" * 10_000)


class SnapshotOfText(Bidder):
    def snapshot(self):
        return "state"


class CannotRestore(Bidder):
    def snapshot(self):
        return b"\x01"

    def restore(self, data):
        raise ValueError("not mine")


@pytest.fixture(autouse=True)
def _importable():
    module = types.ModuleType("broken_strategies")
    module.__file__ = __file__
    for name, value in list(globals().items()):
        if isinstance(value, type) and issubclass(value, Strategy):
            setattr(module, name, value)
            value.__module__ = "broken_strategies"
    sys.modules["broken_strategies"] = module
    yield
    del sys.modules["broken_strategies"]


def desk_of(kind, steps=10):
    desk = Candidate(f"broken_strategies:{kind}", {}, SYMBOL).desk(seed=1, trouble=0)
    desk.start()
    for _ in range(steps):
        desk.step()
    return desk


def failures(desk):
    return [message.error for message in desk.said if isinstance(message, control.InstanceFailed)]


@pytest.mark.req("ST-1", "I-44")
@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("RaisesOnTrade", "ZeroDivisionError: for the test (at test_instance.py:"),
        ("RaisesOnOwnIntent", "RuntimeError: for the test"),
        ("RaisesInStatus", "KeyError: 'for the test'"),
        ("RaisesAtStart", "ValueError: cannot work here"),
        ("ReturnsNonsense", "returned 'buy'"),
        ("ReturnsNone", "NoneType"),
        ("PricesNan", "no whole number"),
        ("Exits", "SystemExit: for the test"),
        ("SaysWhatCannotBeEncoded", "ValueError: ?xxx"),
    ],
)
def test_a_strategy_that_breaks_is_frozen_once_and_its_orders_are_withdrawn(kind, text) -> None:
    desk = desk_of(kind)
    for _ in range(20):
        desk.report()

    assert len(failures(desk)) == 1
    assert text in failures(desk)[0]
    assert "/" not in failures(desk)[0]
    assert desk.core.instance(NAME).orders.dump() == []
    assert [m.state for m in desk.said if isinstance(m, control.StrategyStatus)][-1] == "failed"
    before = len(desk.said)
    desk.step()
    assert desk.said[before:] == []


def test_a_strategy_whose_snapshot_raises_is_frozen_and_the_core_can_still_be_saved() -> None:
    desk = desk_of("RaisesInSnapshot")

    assert desk.core.snapshot()

    desk.step()
    assert "OSError" in failures(desk)[0]


def test_a_snapshot_that_is_no_bytes_freezes_its_instance_and_spoils_no_other_state() -> None:
    desk = desk_of("SnapshotOfText")

    saved = desk.core.snapshot()
    StrategyCore().restore(saved)

    desk.step()
    assert "snapshot returned str" in failures(desk)[0]


def test_a_strategy_that_cannot_take_its_state_back_is_frozen() -> None:
    desk = desk_of("CannotRestore")
    desk.configure(desk.settings, build="another")

    desk.step()

    assert "its state cannot be restored: ValueError: not mine" in failures(desk)[0]


@pytest.mark.req("I-15")
def test_fills_are_remembered_up_to_a_bound() -> None:
    desk = desk_of("Bidder")
    head = (f"x-{NAME}-bid-1", NAME, SYMBOL)
    for number in range(SEEN_TRADES_MAX + 5):
        desk.say(Fill(*head, f"n{number}", Side.BUY, 100, 1, 1, 0, 0, "USDT", True, 0))

    instance = desk.core.instance(NAME)
    assert len(instance.seen_trades) == SEEN_TRADES_MAX
    assert instance.position_lots == SEEN_TRADES_MAX + 5


def test_a_fee_in_another_asset_is_named_and_not_added() -> None:
    desk = desk_of("Bidder")
    head = (f"x-{NAME}-bid-1", NAME, SYMBOL)

    said = desk.say(Fill(*head, "n", Side.BUY, 100, 1, 1, 0, 777, "BNB", True, 0))

    assert "fees in BNB" in next(m.text for m in said if isinstance(m, control.StrategyNote))
    assert desk.core.instance(NAME).position.fees_atoms == 0


def test_orders_stay_known_while_the_instance_is_frozen() -> None:
    desk = desk_of("Bidder", steps=0)
    desk.is_answering = False
    for _ in range(10):
        desk.step()
    desk.core.instance(NAME).fail("for the test")
    order = desk.core.instance(NAME).orders.dump()[0]

    desk.say(orders.OrderApproved(order.client_order_id, NAME, SYMBOL, Side.BUY, 1, 1))
    desk.say(orders.NotSent(order.client_order_id, NAME, SYMBOL, "canceled", ""))

    assert desk.core.instance(NAME).orders.dump() == []


class Lifetimes(Bidder):
    """Notes what it is told of its life."""

    told: ClassVar[list[str]] = []

    def on_start(self, ctx):
        self.told.append("start")
        return ()

    def on_stop(self, ctx):
        self.told.append("stop")
        return ()

    def on_state(self, ctx, state):
        self.told.append(state)
        return ()

    def on_disconnect(self, ctx, reason):
        self.told.append(f"lost: {reason}")
        return ()


def test_a_strategy_is_told_of_its_life() -> None:
    Lifetimes.told.clear()
    desk = desk_of("Lifetimes")
    desk.say(BookInvalid(SYMBOL, "gap"))
    desk.say(BookInvalid(SYMBOL, "gap"))
    desk.show_book()
    desk.say(control.PauseRequested(NAME, "test", ""))
    desk.say(control.ResumeRequested(NAME, "test", ""))
    desk.show_book()
    settings = desk.settings
    desk.configure(StrategySettings())
    desk.configure(StrategySettings())
    desk.configure(settings)

    assert Lifetimes.told == [
        "start",
        "warming_up",
        "quoting",
        "lost: gap",
        "pulled",
        "quoting",
        "paused",
        "pulled",
        "quoting",
        "stop",
        "pulled",
    ]


def test_a_strategy_that_cannot_be_made_after_a_restart_withdraws_its_orders() -> None:
    desk = desk_of("Bidder")
    for _ in range(30):
        desk.report()
    saved = desk.host.snapshot()
    assert desk.core.instance(NAME).orders.dump()

    del sys.modules["broken_strategies"].Bidder
    desk.host.restore(saved)
    said = desk.move(desk.mid_ticks)

    assert "cannot be imported" in next(m.error for m in said if isinstance(m, control.InstanceFailed))
    assert len([m for m in said if isinstance(m, orders.CancelIntent)]) == 1
