"""The real process over real sockets: orders, answers and user data of both venues."""

import asyncio
import contextlib
import hmac
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlencode

import httpx2
import pytest
import websockets

from services.venue_sim.exchange.keys import keys_of
from services.venue_sim.main import bind_ports
from services.venue_sim.settings import VenueSimSettings
from shared.runtime.clock import MeshClock
from shared.runtime.paths import DataDir
from shared.settings import pack

pytestmark = pytest.mark.mesh
ROOT = Path(__file__).resolve().parents[4]
LIMIT_S = 20
SETTINGS = VenueSimSettings(regime="quiet")
KEY = keys_of(SETTINGS)[0]
LIMIT = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}


class Sim:
    """The process and a client that signs."""

    def __init__(self, root):
        self.data = DataDir(root)
        self.data.prepare()
        self.data.settings("venue_sim").write_bytes(pack(SETTINGS))
        self.clock = MeshClock.create(self.data, origin_ns=time.time_ns())
        self.process = None

    def start(self):
        environment = {**os.environ, "QUOTEMESH_DATA": str(self.data.root), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "services.venue_sim.main"]
        self.process = subprocess.Popen(command, env=environment, cwd=self.data.root)
        ends_at = time.monotonic() + LIMIT_S
        while True:
            with contextlib.suppress(httpx2.HTTPError, OSError):
                self.get("control", "/sim/status")
                return self
            assert time.monotonic() < ends_at, f"not within {LIMIT_S} s"
            time.sleep(0.02)  # another process: there is no event to wait for

    def kill(self):
        self.process.kill()
        self.process.wait()

    @property
    def ports(self):
        return json.loads((self.data.run / "venue_sim.json").read_bytes())

    def url(self, name, path, scheme="http"):
        return f"{scheme}://127.0.0.1:{self.ports[name]['port']}{path}"

    def get(self, name, path):
        return httpx2.get(self.url(name, path))

    def now_ms(self):
        return self.clock.now_ns() // 1_000_000

    def sign(self, payload):
        return hmac.digest(KEY.secret.encode(), payload.encode(), "sha256").hex()

    def send(self, name, method, path, **params):
        query = urlencode({**params, "timestamp": self.now_ms()})
        target = f"{path}?{query}&signature={self.sign(query)}"
        return httpx2.request(method, self.url(name, target), headers={"X-MBX-APIKEY": KEY.api_key})

    def frame(self, method, **params):
        named = {**params, "apiKey": KEY.api_key, "timestamp": self.now_ms()}
        named["signature"] = self.sign("&".join(f"{k}={v}" for k, v in sorted(named.items())))
        return json.dumps({"id": "n-1", "method": method, "params": named})


@pytest.fixture(scope="module")
def sim(tmp_path_factory):
    started = Sim(tmp_path_factory.mktemp("sim") / "data").start()
    yield started
    started.kill()


async def until(client, done):
    """Return the messages up to the first for which `done` is true."""
    messages = []
    async for text in client:
        messages.append(json.loads(text))
        if done(messages[-1]):
            return messages
    return messages


def test_a_spot_order_over_http_is_told_on_the_websocket_api_and_cancelled_there(sim):
    async def story():
        url = sim.url("binance", "/ws-api/v3", "ws")
        async with asyncio.timeout(LIMIT_S), websockets.connect(url) as client:
            await client.send(sim.frame("userDataStream.subscribe.signature"))
            await until(client, lambda message: message.get("id") == "n-1")
            order = {**LIMIT, "quantity": "0.001", "price": "50000.00", "newClientOrderId": "socket-1"}
            placed = await asyncio.to_thread(sim.send, "binance", "POST", "/api/v3/order", **order)
            told = await until(client, lambda message: message["event"]["e"] == "outboundAccountPosition")
            await client.send(sim.frame("order.cancel", symbol="BTCUSDT", origClientOrderId="socket-1"))
            ended = await until(client, lambda message: message.get("event", {}).get("x") == "CANCELED")
            return placed, told, ended

    placed, told, ended = asyncio.run(story())

    assert (placed.status_code, placed.json()["status"]) == (200, "NEW")
    assert placed.headers["x-mbx-order-count-10s"] == "1"
    assert [message["event"]["e"] for message in told] == ["executionReport", "outboundAccountPosition"]
    assert any(message.get("status") == 200 for message in ended)
    assert ended[-1]["event"]["C"] == "socket-1"


def test_a_usdm_order_over_the_websocket_api_is_told_on_the_private_stream(sim):
    key = httpx2.post(
        sim.url("binance_usdm", "/fapi/v1/listenKey"), headers={"X-MBX-APIKEY": KEY.api_key}
    ).json()["listenKey"]

    async def story():
        private = sim.url("binance_usdm", f"/private/ws/{key}", "ws")
        api = sim.url("binance_usdm", "/ws-fapi/v1", "ws")
        async with (
            asyncio.timeout(LIMIT_S),
            websockets.connect(private) as heard,
            websockets.connect(api) as asked,
        ):
            order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
            await asked.send(sim.frame("order.place", **order))
            answer = json.loads(await asked.recv())
            return answer, await until(heard, lambda event: event.get("o", {}).get("X") == "FILLED")

    answer, events = asyncio.run(story())

    assert (answer["id"], answer["status"]) == ("n-1", 200)
    assert events[0]["o"]["x"] == "NEW"
    assert {"TRADE_LITE", "ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE"} <= {event["e"] for event in events}


def command(sim, **fault):
    answer = httpx2.post(sim.url("control", "/sim/faults"), json={"venue": "binance_usdm", **fault})
    assert answer.json()["accepted"] == 1, answer.text


@pytest.mark.parametrize(
    ("kind", "error", "is_placed"),
    [
        ("cut_before", httpx2.RemoteProtocolError, False),
        ("cut_after", httpx2.RemoteProtocolError, True),
        ("silence_after", httpx2.ReadTimeout, True),
    ],
)
def test_a_call_that_is_cut_or_never_answered_has_acted_or_not(sim, kind, error, is_placed):
    name = f"f-{kind}"
    command(sim, kind=kind, call="place")
    order = {**LIMIT, "quantity": "0.01", "price": "50000.0", "newClientOrderId": name}
    query = urlencode({**order, "timestamp": sim.now_ms()})
    target = sim.url("binance_usdm", f"/fapi/v1/order?{query}&signature={sim.sign(query)}")

    with pytest.raises((error, httpx2.ReadError)):
        httpx2.post(target, headers={"X-MBX-APIKEY": KEY.api_key}, timeout=1.0)

    found = sim.send("binance_usdm", "GET", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId=name)
    assert found.status_code == (200 if is_placed else 400)


def test_answers_do_not_wait_for_each_other(tmp_path):
    data = DataDir(tmp_path)
    data.prepare()

    sockets = bind_ports(data, SETTINGS).values()

    # asyncio switches Nagle off only where it knows the protocol.
    assert {sock.proto for sock in sockets} == {socket.IPPROTO_TCP}
    for sock in sockets:
        sock.close()


def test_orders_listen_keys_and_counts_outlive_a_kill(tmp_path):
    sim = Sim(tmp_path / "data").start()
    order = {**LIMIT, "quantity": "0.01", "price": "50000.0", "newClientOrderId": "kept-1"}
    assert sim.send("binance_usdm", "POST", "/fapi/v1/order", **order).status_code == 200
    headers = {"X-MBX-APIKEY": KEY.api_key}
    url = sim.url("binance_usdm", "/fapi/v1/listenKey")
    key = httpx2.post(url, headers=headers).json()["listenKey"]
    saved = sim.data.market / "venue_sim.access"
    before = saved.stat().st_mtime_ns if saved.exists() else 0
    ends_at = time.monotonic() + LIMIT_S
    for _ in range(2):  # two saves after the last call: the second has begun after it
        while (saved.stat().st_mtime_ns if saved.exists() else 0) == before and time.monotonic() < ends_at:
            time.sleep(0.02)  # another process: there is no event to wait for
        before = saved.stat().st_mtime_ns

    sim.kill()
    sim.start()
    found = sim.send("binance_usdm", "GET", "/fapi/v1/openOrders", symbol="BTCUSDT").json()
    again = httpx2.put(url, headers=headers)
    sim.kill()

    assert [each["clientOrderId"] for each in found] == ["kept-1"]
    assert (again.status_code, again.json()) == (200, {"listenKey": key})
