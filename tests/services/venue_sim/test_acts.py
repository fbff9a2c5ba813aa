"""What people and the venue itself do on command shows in the account, the wire and the ledger."""

import hashlib
import hmac
import json
from typing import Any

import pytest

from services.venue_sim.acts import Act, Acts
from services.venue_sim.build import make_venue
from services.venue_sim.settings import AccountSettings, VenueSimSettings
from services.venue_sim.trading_faults import TradingFaults
from services.venue_sim.venue import SPOT, USDM
from services.venue_sim.wires import Wires
from shared.units import NS_PER_MS

START_NS = 1_704_067_200_000_000_000
KEY, SECRET = "k" * 20, "s" * 20


class World:
    """A venue without sockets, its acts, and one client of it."""

    def __init__(self) -> None:
        account = AccountSettings(name="sim", api_key=KEY, secret=SECRET)
        self.sim = make_venue(VenueSimSettings(accounts=(account,), regime="quiet"))
        self.trading = TradingFaults()
        self.wires = Wires(self.sim, self.trading)
        self.cut: list[str] = []
        self.acts = Acts(
            self.sim.exchange, self.wires.streams, self.wires.plain, self.trading, self.cut.append
        )
        self.now_ns = START_NS
        self.sim.resume(self.now_ns)
        self.step(2_000)

    def step(self, length_ms: int) -> None:
        self.now_ns += length_ms * NS_PER_MS
        self.wires.advance(self.now_ns, self.sim.advance(self.now_ns))

    def act(self, kind: str, /, **more: Any) -> dict[str, Any]:
        return self.acts.do(Act(act=kind, **more), self.now_ns)

    def ask(self, method: str, path: str, query: str = "", *, at_ms: int = 0) -> tuple[int, Any]:
        """Send a signed call with the client's clock at the mesh time, or at `at_ms`."""
        venue = USDM if path.startswith("/fapi") else SPOT
        stamp = at_ms or self.now_ns // NS_PER_MS
        text = f"{query}&timestamp={stamp}" if query else f"timestamp={stamp}"
        signature = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
        target = f"{path}?{text}&signature={signature}"
        outcome = self.wires.faulty[venue].http(method, target, [("X-MBX-APIKEY", KEY)], b"", self.now_ns)
        return outcome.status, json.loads(outcome.body)

    def place(self, price: str = "50000", path: str = "/api/v3/order") -> dict[str, Any]:
        query = f"symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price={price}"
        status, told = self.ask("POST", path, query)
        assert status == 200, told
        return dict(told)

    def free(self, asset: str) -> float:
        _, told = self.ask("GET", "/api/v3/account")
        return float(next(b["free"] for b in told["balances"] if b["asset"] == asset))


@pytest.fixture
def world() -> World:
    return World()


def test_a_ban_refuses_every_call_of_the_venue_until_it_ends(world: World) -> None:
    until_ms = world.act("ban", venue=SPOT, duration_ms=5_000)["banned_until_ms"]
    status, told = world.ask("GET", "/api/v3/account")
    assert (status, told["code"]) == (418, -1003)
    assert str(until_ms) in told["msg"]
    assert world.ask("GET", "/fapi/v3/balance")[0] == 200
    world.step(5_000)
    assert world.ask("GET", "/api/v3/account")[0] == 200


def test_used_up_weight_is_429_until_the_minute_ends_and_bans_can_be_lifted(world: World) -> None:
    world.act("exhaust")
    assert world.ask("GET", "/api/v3/account")[0] == 429
    world.step(60_000)
    assert world.ask("GET", "/api/v3/account")[0] == 200
    world.act("ban")
    world.act("lift_bans")
    assert world.ask("GET", "/api/v3/account")[0] == 200


def test_limits_shrink_while_running(world: World) -> None:
    limits = ({"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 30},)
    world.act("limits", venue=SPOT, limits=limits)
    assert [world.ask("GET", "/api/v3/account")[0] for _ in range(2)] == [200, 429]


def test_under_maintenance_calls_get_503_connections_are_cut_and_orders_stay(world: World) -> None:
    order = world.place()
    world.act("maintenance", status="on")
    assert world.ask("GET", "/api/v3/openOrders", "symbol=BTCUSDT")[0] == 503
    assert world.cut == [SPOT, USDM]
    world.act("maintenance", status="off")
    _, orders = world.ask("GET", "/api/v3/openOrders", "symbol=BTCUSDT")
    assert [o["orderId"] for o in orders] == [order["orderId"]]
    assert world.place()["status"] == "NEW"


@pytest.mark.parametrize(("venue", "path"), [(SPOT, "/api/v3/order"), (USDM, "/fapi/v1/order")])
def test_a_halted_market_takes_no_orders_until_it_trades_again(world: World, venue: str, path: str) -> None:
    world.act("halt", venue=venue, symbol="BTCUSDT")
    query = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price=58000"
    assert world.ask("POST", path, query)[0] == 400
    world.act("halt", venue=venue, symbol="BTCUSDT", status="TRADING")
    assert world.ask("POST", path, query)[0] == 200


def test_a_changed_filter_refuses_what_was_fine_before(world: World) -> None:
    world.place("50000.01")
    told = world.act("filter", venue=SPOT, symbol="BTCUSDT", kind="PRICE_FILTER", values={"tickSize": "1.00"})
    assert any(item.get("tickSize") == "1.00" for item in told["filters"])
    query = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price=50000.01"
    assert world.ask("POST", "/api/v3/order", query)[1]["msg"] == "Filter failure: PRICE_FILTER"


@pytest.mark.parametrize("skew_ms", [7_000, -7_000])
def test_a_venue_whose_clock_is_off_refuses_the_right_time(world: World, skew_ms: int) -> None:
    world.act("clock_skew", skew_ms=skew_ms)
    assert world.ask("GET", "/api/v3/account")[1]["code"] == -1021
    status, told = world.ask("GET", "/api/v3/time")
    assert (status, told["serverTime"]) == (200, world.now_ns // NS_PER_MS + skew_ms)
    assert world.ask("GET", "/api/v3/account", at_ms=told["serverTime"])[0] == 200


def test_a_revoked_key_is_refused_and_can_be_restored(world: World) -> None:
    world.act("key", values={"is_revoked": True})
    assert world.ask("GET", "/api/v3/account") == (
        401,
        {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."},
    )
    world.act("key", values={"is_revoked": False, "can_trade": False})
    assert world.ask("GET", "/api/v3/account")[0] == 200
    assert world.ask("DELETE", "/api/v3/openOrders", "symbol=BTCUSDT")[1]["code"] == -2015


def test_a_manual_trade_is_an_order_of_the_account_that_no_client_sent(world: World) -> None:
    before = world.free("BTC")
    told = world.act("manual_trade", venue=SPOT, symbol="BTCUSDT", side="BUY", quantity="0.01")
    assert told["status"] == "FILLED"
    assert world.free("BTC") > before
    resting = world.act(
        "manual_trade", venue=SPOT, symbol="BTCUSDT", side="BUY", quantity="0.01", price="50000"
    )
    assert resting["status"] == "NEW"
    ended = world.act("manual_cancel", venue=SPOT, symbol="BTCUSDT", order_id=resting["order_id"])
    assert ended["status"] == "CANCELED"


def test_the_venue_ends_an_order_by_itself_and_fills_one_that_was_cancelled(world: World) -> None:
    first, second = world.place(), world.place()
    assert world.act("venue_cancel", venue=SPOT, symbol="BTCUSDT", order_id=first["orderId"]) == {
        "act": "venue_cancel",
        "order_id": first["orderId"],
        "status": "EXPIRED",
    }
    world.ask("DELETE", "/api/v3/order", f"symbol=BTCUSDT&orderId={second['orderId']}")
    before = world.free("BTC")
    late = world.act("fill", venue=SPOT, symbol="BTCUSDT", order_id=second["orderId"], quantity="0.004")
    assert late["quantity"] == "0.00400000"
    assert world.free("BTC") > before
    _, trades = world.ask("GET", "/api/v3/myTrades", "symbol=BTCUSDT")
    assert trades[-1]["id"] == late["trade_id"]


def test_deposits_and_withdrawals_move_the_balance(world: World) -> None:
    before = world.free("USDT")
    world.act("deposit", venue=SPOT, asset="USDT", amount="12.5")
    assert world.free("USDT") == before + 12.5
    world.act("deposit", venue=SPOT, asset="USDT", amount="-2.5")
    assert world.free("USDT") == before + 10
    with pytest.raises(ValueError, match="cannot move"):
        world.act("deposit", venue=SPOT, asset="USDT", amount="-1e12")


def test_a_liquidation_closes_the_position_and_funding_moves_the_wallet(world: World) -> None:
    world.act("manual_trade", venue=USDM, symbol="BTCUSDT", side="BUY", quantity="0.01")
    world.act("funding", symbol="BTCUSDT", rate="0.001")
    _, income = world.ask("GET", "/fapi/v1/income", "incomeType=FUNDING_FEE")
    assert float(income[-1]["income"]) < 0
    world.act("liquidation", symbol="BTCUSDT")
    _, positions = world.ask("GET", "/fapi/v3/positionRisk", "symbol=BTCUSDT")
    assert all(float(position["positionAmt"]) == 0 for position in positions)


def test_changed_fees_are_charged_on_the_next_fill(world: World) -> None:
    world.act("fees", values={"spot_taker_ppm": 0})
    query = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01"
    _, told = world.ask("POST", "/api/v3/order", query)
    assert {float(fill["commission"]) for fill in told["fills"]} == {0.0}


def test_a_listen_key_can_be_ended_and_connections_cut(world: World) -> None:
    assert world.act("expire_listen_key")["expired"] == 0
    world.ask("POST", "/fapi/v1/listenKey")
    assert world.act("expire_listen_key")["expired"] == 1
    assert world.ask("PUT", "/fapi/v1/listenKey")[1]["code"] == -1125
    world.act("cut", venue=USDM)
    assert world.cut == [USDM]


def test_acts_are_counted(world: World) -> None:
    world.act("cut")
    world.act("cut")
    assert world.acts.counts == {"cut": 2}


Wrong = tuple[dict[str, Any], str]
WRONG: list[Wrong] = [
    ({"act": "ban", "venue": "kraken"}, "venue 'kraken' is unknown"),
    ({"act": "halt", "symbol": "BTCUSDT"}, "halt needs venue"),
    ({"act": "halt", "venue": SPOT, "symbol": "NOPE"}, "-1121"),
    ({"act": "maintenance", "status": "maybe"}, "none of on, off"),
    ({"act": "deposit", "venue": SPOT, "asset": "USDT", "amount": "much"}, "is no number"),
    ({"act": "deposit", "venue": SPOT, "asset": "USDT", "amount": "NaN"}, "is not finite"),
    ({"act": "key"}, "key needs values"),
    ({"act": "fees", "values": {"spot_taker_ppm": "1"}}, "fees needs values"),
    ({"act": "limits", "venue": SPOT}, "limits is empty"),
    ({"act": "limits", "venue": SPOT, "limits": ({"limit": 1},)}, "limits cannot be read"),
    ({"act": "manual_trade", "venue": SPOT, "symbol": "BTCUSDT", "side": "BUY", "quantity": "0"}, "-1013"),
    ({"act": "fill", "venue": SPOT, "symbol": "BTCUSDT", "order_id": 1}, "nothing to fill"),
]


@pytest.mark.parametrize(("act", "text"), WRONG)
def test_an_act_that_cannot_be_says_why(world: World, act: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        world.acts.do(Act(**act), world.now_ns)
