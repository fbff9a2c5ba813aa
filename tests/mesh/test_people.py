"""What people see and ask of a running mesh: gateway, exports, report and control, over real processes."""

import asyncio
import json
import os
import signal
import socket
import time
from decimal import Decimal

import httpx2
import pytest
import websockets

pytestmark = pytest.mark.mesh

LIMIT_S = 60.0


class Gateway:
    """REST of one mesh with its token."""

    def __init__(self, mesh):
        self.token = (mesh.data / "run" / "token").read_text().strip()
        self.url = f"http://127.0.0.1:{mesh.port}"
        self.client = httpx2.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, timeout=10, trust_env=False
        )

    def get(self, path, **params):
        answer = self.client.get(f"/api/v1/{path}", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path, **body):
        answer = self.client.post(f"/api/v1/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait(self, claim):
        """Return the first status for which `claim` holds; a time limit, not a measure."""
        end_s = time.monotonic() + LIMIT_S
        while time.monotonic() < end_s:
            status = self.get("status")
            if claim(status):
                return status
            time.sleep(0.05)
        raise AssertionError(f"waited in vain; status is {status}")


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def state_of(status, strategy):
    return next(one["state"] for one in status["strategies"] if one["strategy"] == strategy)


@pytest.mark.req("GW-1", "GW-3", "GW-4", "GW-15", "JR-10", "BT-2", "RK-11", "RK-12", "BR-29", "OB-6")
def test_people_see_and_control_a_running_mesh(make_mesh):
    mesh = make_mesh()
    mesh.must("up")
    gateway = Gateway(mesh)
    gateway.wait(lambda status: status["is_ready"] and status["fill_count"] > 0)

    pushed_to_websockets(gateway)
    survives_hostile_clients(mesh, gateway)
    controlled_by_people(mesh, gateway)
    traded_and_flattened_by_people(mesh, gateway)
    killed_and_cleared(mesh, gateway)
    killed_while_the_bus_stands_still(mesh, gateway)
    gateway.client.close()
    mesh.must("down")
    agreed_after_the_end(mesh)
    hides_its_token(mesh, gateway.token)


def pushed_to_websockets(gateway):
    async def listen():
        url = gateway.url.replace("http", "ws") + "/api/v1/ws"
        async with websockets.connect(url, proxy=None) as client:
            await client.send(json.dumps({"token": gateway.token}))
            await client.send(json.dumps({"op": "subscribe", "channels": ["book", "orders"]}))
            seen = []
            while not {"book", "orders"} <= {one.get("channel") for one in seen}:
                seen.append(json.loads(await asyncio.wait_for(client.recv(), LIMIT_S)))
            return seen

    seen = asyncio.run(listen())

    assert seen[0]["op"] == "subscribed"
    book = next(one["data"] for one in seen if one.get("channel") == "book")
    assert Decimal(book["bids"][0][0]) < Decimal(book["asks"][0][0])


HOSTILE = [
    b"\x00" * 1000,
    b"GET\r\n\r\n",
    b"GET /livez HTTP/1.1\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 40_000 + b"\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    b"POST /api/v1/kill HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n",
    b"POST /api/v1/kill HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"POST /livez HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]


def survives_hostile_clients(mesh, gateway):
    """Raw bytes no client of ours would send: each is refused, none starts anything or ends the process."""
    pid = mesh.pid_of("gateway")
    for request in HOSTILE:
        with socket.create_connection(("127.0.0.1", mesh.port), timeout=10) as raw:
            raw.sendall(request)
            raw.shutdown(socket.SHUT_WR)
            answer = raw.recv(65_536)
        assert not answer.startswith(b"HTTP/1.1 2"), request[:60]

    async def too_large():
        url = gateway.url.replace("http", "ws") + "/api/v1/ws"
        async with websockets.connect(url, proxy=None) as client:
            await client.send("x" * 20_000)
            await client.wait_closed()
            return client.close_code

    assert asyncio.run(too_large()) == 1009
    assert (mesh.pid_of("gateway"), gateway.get("status")["kill"]) == (pid, None)


def controlled_by_people(mesh, gateway):
    assert "paused" in mesh.must("pause", "as_btc", "--reason", "look")
    gateway.wait(lambda status: state_of(status, "as_btc") == "paused")

    stored = gateway.post("resume", strategy="as_btc", reason="seen")
    assert stored["is_durable"] is True
    gateway.wait(lambda status: state_of(status, "as_btc") != "paused")

    unknown = mesh.run("pause", "as_bct")
    assert (unknown.returncode, "as_btc" in unknown.stderr) == (6, True)


def traded_and_flattened_by_people(mesh, gateway):
    """Orders of people pass risk, are told with their parent, and flatten closes what everybody holds."""
    market, other = "binance_usdm:BTCUSDT", "binance:BTCUSDT"
    filled = json.loads(mesh.must("order", "buy", "0.003", market, "--json"))
    assert (filled["state"], filled["filled"], filled["unfilled"]) == ("done", "0.003", "0")

    resting = json.loads(mesh.must("order", "buy", "0.003", market, "--price", "59000", "--json"))
    assert (resting["state"], resting["open"]) == ("working", "0.003")
    mesh.must("cancel", resting["parent"])
    gateway.wait(
        lambda _: not any(one["strategy"] == "manual" for one in gateway.get("orders", state="open")["items"])
    )

    # Prices move on the way: what is gone by then is told, and the sums are exact.
    asked = mesh.run("route", "buy", "0.004", f"{market},{other}", "--style", "vwap", "--json")
    routed = json.loads(asked.stdout)
    assert (routed["state"], routed["side"], routed["children"]) == ("done", "buy", 2)
    assert Decimal(routed["filled"]) + Decimal(routed["unfilled"]) == Decimal("0.004")
    assert asked.returncode == (0 if routed["unfilled"] == "0" else 1)
    stored = gateway.post("route", symbols=[market, other], side="sell", quantity="0.002", style="best_venue")
    assert stored["is_durable"] is True

    wrong = mesh.run("order", "buy", "0.0001", market)
    assert (wrong.returncode, "write 0.000 or 0.001" in wrong.stderr) == (2, True)
    refused = mesh.run("order", "buy", "0.003", market, "--price", "1000")
    assert (refused.returncode, "too far" in refused.stdout) == (1, True)

    flat = mesh.run("flatten", "--style", "market", "--reason", "test", "--json")
    left = {(row["strategy"], row["symbol"]): row for row in json.loads(flat.stdout)}
    assert left["manual", market]["held_lots"] != 0
    # On spot less than the venue takes may be left; the output says so.
    assert all(row["left_lots"] == 0 or row["note"] for row in left.values()), left
    mesh.must("resume", "--reason", "goes on")
    gateway.wait(lambda status: all(one["state"] != "paused" for one in status["strategies"]))


def killed_and_cleared(mesh, gateway):
    assert "by the log" in mesh.must("kill", "--reason", "test")
    status = gateway.wait(lambda status: status["kill"] and not status["open_order_count"])
    assert status["trading_state"] == "halted"
    ready = gateway.client.get("/readyz")
    assert (ready.status_code, ready.json()["reasons"][0]) == (503, "killed by operator: test")

    without_reason = mesh.run("kill", "--clear")
    assert (without_reason.returncode, "--reason" in without_reason.stderr) == (2, True)
    assert (mesh.data / "latch" / "kill").exists()

    mesh.must("kill", "--clear", "--reason", "test over")
    assert not (mesh.data / "latch" / "kill").exists()
    gateway.wait(lambda status: status["kill"] is None and status["trading_state"] == "active")


def killed_while_the_bus_stands_still(mesh, gateway):
    bus = mesh.pid_of("bus")
    os.kill(bus, signal.SIGSTOP)
    try:
        killed = mesh.run("kill", "--reason", "bus dead", "--json")
        answer = gateway.client.post("/api/v1/kill", json={"reason": "by gateway"})
    finally:
        os.kill(bus, signal.SIGCONT)

    assert killed.returncode == 0
    assert json.loads(killed.stdout) == {"is_latched": True, "acknowledged_by": "socket"}
    assert answer.json()["is_latched"] is True
    gateway.wait(lambda status: status["kill"] and not status["open_order_count"])


def agreed_after_the_end(mesh):
    report = json.loads(mesh.must("report", "--json"))
    orders = lines(mesh.must("export", "orders", "--json"))
    fills = lines(mesh.must("export", "fills", "--json"))
    books = lines(mesh.must("export", "books", "--json", "--symbol", "BTCUSDT@usdm"))
    events = lines(mesh.must("export", "events", "--json"))
    positions = json.loads(mesh.must("positions", "--json"))

    assert report["totals"]["orders"] == len(orders) == len({one["client_order_id"] for one in orders})
    assert report["totals"]["fills"] == len(fills) == len({(one["symbol"], one["trade_id"]) for one in fills})
    assert [event["seq"] for event in events] == list(range(1, report["totals"]["last_seq"] + 1))
    applied = [
        e for e in events if e["type"] == "book_update" and e["message"]["symbol"] == "binance_usdm:BTCUSDT"
    ]
    assert [line["seq"] for line in books] == [event["seq"] for event in applied]
    filled = {}
    for fill in fills:
        key = fill["client_order_id"]
        filled[key] = filled.get(key, Decimal(0)) + Decimal(fill["qty"])
    assert {
        one["client_order_id"]: Decimal(one["filled_qty"]) for one in orders if Decimal(one["filled_qty"])
    } == filled
    # Risk's ledger on the log, against the report's own arithmetic.
    ledger = {}
    for event in events:
        if event["type"] == "position":
            ledger[event["message"]["strategy"], event["message"]["symbol"]] = event["message"]
    assert len(ledger) == len(positions) > 0
    for line in positions:
        said = ledger[line["strategy"], line["symbol"]]
        assert Decimal(line["realized_pnl"]) == Decimal(said["realized_atoms"]).scaleb(-8)
        assert Decimal(line["fees"]) == Decimal(said["fees_atoms"]).scaleb(-8)


def hides_its_token(mesh, token):
    written = [path for folder in ("logs", "journal") for path in (mesh.data / folder).iterdir()]
    written += (mesh.data / "run").rglob("*.msgpack")

    assert len(written) >= 10
    assert [path.name for path in written if token.encode() in path.read_bytes()] == []
    assert token not in mesh.must("export", "events", "--json") + mesh.must("logs", "gateway")


@pytest.mark.req("OP-12")
def test_a_configuration_is_written_explained_and_tested(make_mesh):
    mesh = make_mesh()

    path = mesh.must("config", "init").strip()
    again = mesh.run("config", "init")
    checked = mesh.must("config", "check")
    shown = {one["key"]: one for one in json.loads(mesh.must("config", "show", "--json"))}

    assert path == str(mesh.data / "config" / "quotemesh.yaml")
    assert (again.returncode, "--force" in again.stderr) == (1, True)
    assert "3 markets, strategies as_btc, grid_eth, imb_btc" in checked
    assert shown["gateway.port"]["value"] == mesh.port
    assert shown["gateway.port"]["origin"] == "environment QUOTEMESH__GATEWAY__PORT"
    assert shown["strategies.as_btc.params.half_spread_bps"]["doc"]

    mesh.environment["QUOTEMESH__GATEWAY__PROT"] = "1"
    refused = mesh.run("config", "check")
    assert (refused.returncode, "did you mean 'port'?" in refused.stderr) == (4, True)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("kill",), 3),
        (("kill", "--clear", "--reason", "x"), 3),
        (("pause",), 3),
        (("cancel-all",), 3),
        (("report",), 6),
        (("orders",), 6),
        (("export", "orders", "--json"), 6),
        (("export", "nothing"), 2),
        (("export", "orders", "--symbol", "BTCUSDT"), 2),
    ],
)
def test_without_a_mesh_each_command_says_so_with_its_exit_code(make_mesh, words, code):
    done = make_mesh().run(*words)

    assert done.returncode == code
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr
