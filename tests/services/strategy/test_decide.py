"""What is said of an instance, how often, and which commands pass."""

# ruff: noqa: ARG002  callbacks take what the interface gives

import sys
import types
from dataclasses import dataclass

import pytest

from services.strategy.base import CancelOrder, Note, PlaceOrder, Quote, Strategy, TargetQuotes
from services.strategy.conformance import NAME, Candidate
from shared.messages import control, orders
from shared.messages.orders import OrderType, TimeInForce
from shared.units import NS_PER_S, Side

SYMBOL = "binance_usdm:BTCUSDT"
WISHES = []


@dataclass(frozen=True)
class NoSettings:
    """Nothing to set."""


class Puppet(Strategy):
    """Wants at its next book what the test put into WISHES; its status is the number of its books."""

    Settings = NoSettings

    def __init__(self, settings):
        super().__init__(settings)
        self.books = 0

    def on_book(self, ctx):
        self.books += 1
        wished, WISHES[:] = list(WISHES), []
        return wished

    def format_status(self, ctx):
        return f"{self.books} books"

    def snapshot(self):
        return bytes([self.books % 256])

    def restore(self, data):
        self.books = data[0]


@pytest.fixture
def desk():
    module = types.ModuleType("puppets")
    module.__file__ = __file__
    module.Puppet = Puppet
    Puppet.__module__ = "puppets"
    sys.modules["puppets"] = module
    WISHES.clear()
    desk = Candidate("puppets:Puppet", {}, SYMBOL).desk(seed=1, trouble=0)
    desk.start()
    for _ in range(8):
        desk.step(jump_ticks=0)
    yield desk
    del sys.modules["puppets"]


def act(desk, *wishes):
    """Let the puppet want something, and return the orders and cancels it leads to."""
    WISHES[:] = wishes
    said = desk.move(desk.mid_ticks)
    return [m for m in said if isinstance(m, orders.OrderIntent | orders.CancelIntent)]


def settle(desk):
    for _ in range(30):
        desk.report()


BUY = PlaceOrder("entry", Side.BUY, 600_100, 1, reason="why")


def test_a_command_becomes_an_order_with_its_terms(desk) -> None:
    found = act(desk, BUY)[0]

    assert (found.slot, found.side, found.price_ticks, found.qty_lots) == ("entry", Side.BUY, 600_100, 1)
    assert (found.order_type, found.tif, found.is_post_only) == (OrderType.LIMIT, TimeInForce.IOC, False)
    assert found.reason == "why"


@pytest.mark.req("I-04")
def test_a_command_for_a_slot_that_is_taken_is_dropped(desk) -> None:
    assert len(act(desk, BUY, BUY)) == 1
    assert act(desk, BUY) == []


@pytest.mark.req("I-12")
def test_a_command_that_would_cross_an_own_order_is_dropped(desk) -> None:
    act(desk, TargetQuotes((Quote("ask", Side.SELL, 600_050, 1),)))
    settle(desk)

    assert act(desk, BUY) == []
    assert act(desk, PlaceOrder("exit", Side.BUY, 0, 1, OrderType.MARKET)) == []
    assert len(act(desk, PlaceOrder("entry", Side.BUY, 600_049, 1))) == 1


@pytest.mark.req("X-04")
def test_a_refused_command_is_not_repeated_at_once(desk) -> None:
    desk.is_answering = False
    order_id = act(desk, BUY)[0].client_order_id
    desk.say(orders.OrderRefused(order_id, NAME, SYMBOL, "x", "x"))

    assert act(desk, BUY) == []
    desk.now_ns += NS_PER_S
    assert len(act(desk, BUY)) == 1


def test_a_command_given_while_nothing_may_rest_is_dropped_for_good(desk) -> None:
    desk.say(control.PauseRequested(NAME, "test", ""))
    assert act(desk, BUY) == []

    desk.say(control.ResumeRequested(NAME, "test", ""))

    assert act(desk) == []


@pytest.mark.req("RK-10")
def test_while_reducing_a_command_passes_when_it_shrinks_the_position(desk) -> None:
    head = (f"x-{NAME}-entry-1", NAME, SYMBOL)
    desk.say(orders.Fill(*head, "t", Side.BUY, 600_000, 2, 2, 0, 0, "USDT", True, 0))
    desk.say(control.TradingState("reducing", ["drawdown"]))

    assert act(desk, BUY) == []
    assert act(desk, PlaceOrder("exit", Side.SELL, 0, 3, OrderType.MARKET)) == []
    assert len(act(desk, PlaceOrder("exit", Side.SELL, 0, 2, OrderType.MARKET))) == 1


REST = PlaceOrder("rest", Side.BUY, 590_000, 1, tif=TimeInForce.GTC, is_post_only=True)
ASK = TargetQuotes((Quote("ask", Side.SELL, 610_000, 1),))


@pytest.mark.req("ST-17")
def test_an_order_that_a_command_let_rest_is_left_alone_by_target_quotes(desk) -> None:
    instance = desk.core.instance(NAME)
    act(desk, ASK, REST)
    settle(desk)
    moved = TargetQuotes((Quote("ask", Side.SELL, 610_500, 1),))

    said = act(desk, moved) + act(desk, TargetQuotes())

    assert {cancel.client_order_id.split("-")[2] for cancel in said} == {"ask"}
    settle(desk)
    assert set(instance.orders.by_slot) == {"rest"}
    assert len(act(desk, CancelOrder("rest"))) == 1


@pytest.mark.req("ST-17")
def test_a_slot_that_was_a_target_is_the_quoters_also_after_a_command(desk) -> None:
    act(desk, REST)
    settle(desk)

    kept = act(desk, TargetQuotes((Quote("rest", Side.BUY, 590_000, 1),)))
    gone = act(desk, TargetQuotes())

    assert kept == []
    assert [type(one) for one in gone] == [orders.CancelIntent]


@pytest.mark.req("RK-10")
def test_what_a_command_let_rest_leaves_while_risk_reduces_unless_it_closes(desk) -> None:
    head = (f"x-{NAME}-entry-1", NAME, SYMBOL)
    desk.say(orders.Fill(*head, "t", Side.BUY, 600_000, 2, 2, 0, 0, "USDT", True, 0))
    out = PlaceOrder("out", Side.SELL, 620_000, 2, tif=TimeInForce.GTC, is_post_only=True)
    act(desk, ASK, REST, out)
    settle(desk)
    desk.say(control.TradingState("reducing", ["drawdown"]))

    act(desk)
    settle(desk)

    assert "rest" not in desk.core.instance(NAME).orders.by_slot
    assert "out" in desk.core.instance(NAME).orders.by_slot


@pytest.mark.req("ST-5")
def test_a_reset_withdraws_what_a_command_let_rest(desk) -> None:
    act(desk, ASK, REST)
    settle(desk)

    said = desk.say(control.ResetRequested(NAME, "test", ""))

    assert len([one for one in said if isinstance(one, orders.CancelIntent)]) == 2


def test_a_cancel_command_cancels_once(desk) -> None:
    act(desk, TargetQuotes((Quote("bid", Side.BUY, 590_000, 1),)))
    settle(desk)
    desk.is_answering = False

    assert len(act(desk, CancelOrder("bid", "why"))) == 1
    assert act(desk, CancelOrder("bid")) == []
    assert act(desk, CancelOrder("other")) == []


def test_the_same_note_is_said_once_a_minute(desk) -> None:
    note = Note("warning", "code", "text")
    said = []
    for _ in range(130):
        desk.now_ns += NS_PER_S
        WISHES[:] = [note, note]
        said += [m for m in desk.move(desk.mid_ticks) if isinstance(m, control.StrategyNote)]

    assert len(said) == 3


def test_a_changed_status_text_is_said_once_a_second(desk) -> None:
    said = []
    for _ in range(50):
        desk.now_ns += NS_PER_S // 10
        said += [m for m in desk.move(desk.mid_ticks) if isinstance(m, control.StrategyStatus)]

    assert 5 <= len(said) <= 6


@pytest.mark.req("I-03")
def test_ids_count_up_and_are_never_repeated(desk) -> None:
    ids = []
    for _ in range(5):
        ids += [m.client_order_id for m in act(desk, BUY)]
        for _ in range(3):
            desk.step(jump_ticks=0)
            settle(desk)

    assert len(ids) == 5
    assert ids == sorted(set(ids))
