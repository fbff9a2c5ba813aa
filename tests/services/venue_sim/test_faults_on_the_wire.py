"""Faults of trading in front of the real wire: what the WebSocket API and a user stream tell then."""

import hashlib
import hmac
import json
from typing import Any

import pytest

from services.venue_sim.acts import Act, Acts
from services.venue_sim.build import make_venue
from services.venue_sim.settings import AccountSettings, VenueSimSettings
from services.venue_sim.trading_faults import TradingFault, TradingFaults
from services.venue_sim.venue import SPOT, USDM
from services.venue_sim.wires import Opened, Wires
from shared.units import NS_PER_MS

START_NS = 1_704_067_200_000_000_000
KEY, SECRET = "k" * 20, "s" * 20
PATHS = {SPOT: "/ws-api/v3", USDM: "/ws-fapi/v1"}
ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}


class Client:
    """One client on the WebSocket API of a venue, with the user stream of its account."""

    def __init__(self, venue: str) -> None:
        account = AccountSettings(name="sim", api_key=KEY, secret=SECRET)
        self.sim = make_venue(VenueSimSettings(accounts=(account,), regime="quiet"))
        self.trading = TradingFaults()
        self.wires = Wires(self.sim, self.trading)
        self.cut: list[str] = []
        self.acts = Acts(
            self.sim.exchange, self.wires.streams, self.wires.plain, self.trading, self.cut.append
        )
        self.venue = venue
        self.now_ns = START_NS
        self.sim.resume(self.now_ns)
        self.step(2_000)
        self.session = self.opened(PATHS[venue])
        if venue == SPOT:
            self.stream = self.session
            told = self.ask("userDataStream.subscribe.signature")
        else:
            told = self.ask("userDataStream.start")
            self.stream = self.opened(f"/private/ws?listenKey={told['result']['listenKey']}")
        assert told["status"] == 200, told

    def opened(self, target: str) -> Any:
        opened = self.wires.open(self.venue, target, self.now_ns, "127.0.0.1")
        assert isinstance(opened, Opened)
        return opened.outer

    def step(self, length_ms: int) -> None:
        self.now_ns += length_ms * NS_PER_MS
        self.wires.advance(self.now_ns, self.sim.advance(self.now_ns))

    def send(self, method: str, **params: Any) -> list[dict[str, Any]]:
        """Send a signed request and return the answers that come at once."""
        own = {"apiKey": KEY, "timestamp": self.now_ns // NS_PER_MS, **params}
        text = "&".join(f"{name}={own[name]}" for name in sorted(own))
        own["signature"] = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
        frame = json.dumps({"id": 7, "method": method, "params": own})
        return [json.loads(answer) for answer in self.session.take(frame, self.now_ns)]

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        (answer,) = self.send(method, **params)
        return answer

    def place(self, client_id: str) -> list[dict[str, Any]]:
        return self.send("order.place", **ORDER, price="58000", newClientOrderId=client_id)

    def status_of(self, client_id: str) -> int:
        return int(self.ask("order.status", symbol="BTCUSDT", origClientOrderId=client_id)["status"])

    def told(self, stream: Any = None) -> list[str]:
        """Return the executions that the user stream tells now."""
        frames = [json.loads(frame) for frame in (stream or self.stream).events(self.now_ns)]
        events = [frame.get("event", frame) for frame in frames]
        orders = [event.get("o") if isinstance(event.get("o"), dict) else event for event in events]
        return [order["x"] for order in orders if "x" in order]

    def fault(self, kind: str, **more: Any) -> None:
        self.trading.command(TradingFault(kind=kind, **more))


@pytest.fixture(params=[SPOT, USDM])
def client(request: pytest.FixtureRequest) -> Client:
    return Client(request.param)


@pytest.mark.parametrize(("kind", "status"), [("silence_before", 400), ("silence_after", 200)])
def test_after_no_answer_the_order_lives_or_not(client: Client, kind: str, status: int) -> None:
    client.fault(kind, call="place")
    assert client.place("doubtful") == []
    assert client.status_of("doubtful") == status


@pytest.mark.parametrize(("kind", "status"), [("error_before", 400), ("error_after", 200)])
def test_after_an_unknown_error_the_order_lives_or_not(client: Client, kind: str, status: int) -> None:
    client.fault(kind, call="place", status=408)
    (answer,) = client.place("doubtful")
    assert (answer["id"], answer["status"], answer["error"]["code"]) == (7, 408, -1007)
    assert client.status_of("doubtful") == status


def test_an_order_that_acts_late_was_checked_when_it_came(client: Client) -> None:
    # given an engine that is later than the window of the request
    client.fault("act_late", call="place", delay_ms=9_000)
    assert client.place("late") == []
    assert client.status_of("late") == 400

    client.step(9_000)

    # then it is placed all the same, and the answer comes with it
    frames = [json.loads(frame) for frame in client.session.events(client.now_ns)]
    answer = next(frame for frame in frames if frame.get("id") == 7)
    assert answer["status"] == 200
    assert client.status_of("late") == 200


def test_a_fill_is_told_after_the_cancel_that_followed_it(client: Client) -> None:
    client.fault("late_fill", count=2, delay_ms=800)
    (placed,) = client.place("filled")
    order_id = placed["result"]["orderId"]
    act = Act(act="fill", venue=client.venue, symbol="BTCUSDT", order_id=order_id, quantity="0.004")
    client.acts.do(act, client.now_ns)
    canceled = client.ask("order.cancel", symbol="BTCUSDT", orderId=order_id)
    assert canceled["result"]["executedQty"].rstrip("0") == "0.004"

    assert client.told() == ["NEW", "CANCELED"]
    client.step(800)
    assert client.told() == ["TRADE"]


def test_a_lost_fill_is_found_among_the_trades_and_a_doubled_one_has_one_id(client: Client) -> None:
    client.fault("event_drop", count=99)
    (placed,) = client.place("lost")
    act = Act(act="fill", venue=client.venue, symbol="BTCUSDT", order_id=placed["result"]["orderId"])
    client.acts.do(act, client.now_ns)
    assert client.told() == []
    client.trading.clear()
    told = client.sim.exchange.trades("sim", client.venue, "BTCUSDT")
    assert [fill.order_id for fill in told] == [placed["result"]["orderId"]]

    client.fault("event_double", count=99)
    client.place("twice")
    assert client.told() == ["NEW", "NEW"]


def test_events_swap_wait_and_cut(client: Client) -> None:
    client.fault("event_swap")
    (placed,) = client.place("swapped")
    client.ask("order.cancel", symbol="BTCUSDT", orderId=placed["result"]["orderId"])
    swapped = client.told()
    assert swapped[:2] in (["CANCELED", "NEW"], ["NEW", "CANCELED"])

    client.fault("event_delay", delay_ms=500)
    client.place("delayed")
    assert client.told() == []
    client.step(500)
    assert client.told() == ["NEW"]

    client.fault("event_cut")
    client.place("cut")
    assert client.told() == []
    assert client.stream.is_cut


def test_a_broken_event_lacks_a_field(client: Client) -> None:
    client.fault("missing_field", call="events", field="X", count=9)
    client.place("broken")
    (first, *_) = [json.loads(frame) for frame in client.stream.events(client.now_ns)]
    order = first.get("event", first).get("o") if client.venue == USDM else first["event"]
    assert order["x"] == "NEW"
    assert "X" not in order


def test_the_counts_name_each_fault(client: Client) -> None:
    client.fault("silence_before", call="place")
    client.fault("event_drop")
    client.place("a")
    client.place("b")
    client.told()
    assert client.trading.counts == {"silence_before": 1, "event_drop": 1}
    assert client.trading.injected[0].what == "place"


def test_under_maintenance_no_connection_is_opened(client: Client) -> None:
    client.acts.do(Act(act="maintenance", status="on"), client.now_ns)
    assert client.cut == [SPOT, USDM]
    refused = client.wires.open(client.venue, PATHS[client.venue], client.now_ns, "127.0.0.1")
    assert not isinstance(refused, Opened)
    assert refused is not None
    assert refused.status == 503
    client.acts.do(Act(act="maintenance", status="off"), client.now_ns)
    client.opened(PATHS[client.venue])
