import pytest

from services.report.sessions import Filter, sessions, summary
from shared.messages import Event, orders
from shared.messages.header import Header
from shared.messages.system import EpochStarted, ServiceStarted, Tick
from shared.units import Side

SYMBOL = "binance_usdm:BTCUSDT"


def log(*said):
    """Return events of (epoch, second, message)."""
    return [
        Event(Header(n, second * 10**9, second * 10**9, epoch, "bus", 1, n, 0), message)
        for n, (epoch, second, message) in enumerate(said, 1)
    ]


def intent(order_id, symbol=SYMBOL):
    return orders.OrderIntent(order_id, "as_btc", symbol, Side.BUY, 1000, 10)


TWO_LIVES = log(
    (7, 100, EpochStarted(7, "b1")),
    (7, 101, ServiceStarted("risk", 1, "b1", b"", [])),
    (7, 102, intent("a")),
    (7, 110, Tick(1)),
    (9, 200, EpochStarted(9, "b2")),
    (9, 201, ServiceStarted("risk", 2, "b2", b"", [])),
    (9, 202, ServiceStarted("risk", 3, "b2", b"", [])),
    (9, 203, intent("b", "binance:ETHUSDT")),
    (9, 204, Tick(2)),
)


@pytest.mark.req("JR-10")
def test_each_life_of_the_bus_is_a_session_with_what_happened_in_it():
    first, second = sessions(TWO_LIVES)

    assert (first.epoch, first.build, first.first_seq, first.last_seq, first.seconds) == (7, "b1", 1, 4, 10.0)
    assert (first.events, first.orders, first.fills, first.symbols) == (4, 1, 0, [SYMBOL])
    assert second.starts == {"risk": 2}
    assert summary([first, second]) == {
        "sessions": 2,
        "seconds": 14.0,
        "events": 9,
        "orders": 2,
        "fills": 0,
        "types": {"service_started": 3, "epoch_started": 2, "order_intent": 2, "tick": 2},
        "symbols": ["binance:ETHUSDT", SYMBOL],
        "strategies": ["as_btc"],
    }


@pytest.mark.req("JR-10")
@pytest.mark.parametrize(
    ("wanted", "counts"),
    [
        (Filter(types=("tick",)), [(7, 1), (9, 1)]),
        (Filter(symbol="binance:ETHUSDT"), [(9, 1)]),
        (Filter(from_ns=110 * 10**9, until_ns=202 * 10**9), [(7, 1), (9, 2)]),
        (Filter(types=("tick",), from_ns=150 * 10**9), [(9, 1)]),
        (Filter(types=("fill",)), []),
    ],
)
def test_a_filter_counts_what_it_takes_and_leaves_out_sessions_without(wanted, counts):
    assert [(one.epoch, one.events) for one in sessions(TWO_LIVES, wanted)] == counts


def test_no_log_has_no_sessions():
    assert sessions([]) == []
    assert summary([])["events"] == 0
