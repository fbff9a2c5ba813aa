"""Orders that leave: a whole mesh in mode testnet on its simulated venue, as docs/live.md rehearses it."""

import hashlib
import hmac
import json
import os
import re
import signal
import time
from pathlib import Path

import httpx2
import msgspec
import pytest
import zmq

from services.cli.processes import processes_of
from shared.runtime.paths import DataDir

CANARY = "canary-4711-of-the-key"
LIMIT_S = 40.0
MARKETS = (("binance", "BTCUSDT"), ("binance_usdm", "BTCUSDT"), ("binance_usdm", "ETHUSDT"))
PREFIXES = {"binance": "/api/v3", "binance_usdm": "/fapi/v1"}

pytestmark = pytest.mark.mesh


class Live:
    """A mesh that trades, and what the venue itself shows of its orders."""

    def __init__(self, mesh):
        self.mesh = mesh
        self.data = DataDir(mesh.data)

    def open_orders(self, venue, symbol):
        """Return the answer to a signed question, as a stranger asks it; one market costs little."""
        port = json.loads((self.data.run / "venue_sim.json").read_bytes())[venue]["port"]
        key = json.loads((self.data.run / "secrets" / "sim").read_bytes())
        base = f"http://127.0.0.1:{port}{PREFIXES[venue]}"
        query = f"symbol={symbol}&timestamp={httpx2.get(f'{base}/time').json()['serverTime']}&recvWindow=5000"
        signature = hmac.new(key["secret"].encode(), query.encode(), hashlib.sha256).hexdigest()
        headers = {"X-MBX-APIKEY": key["api_key"]}
        return httpx2.get(f"{base}/openOrders?{query}&signature={signature}", headers=headers).json()

    def at_venue(self):
        """Return the ids of the orders that the venues hold, by their own word."""
        return [one["clientOrderId"] for market in MARKETS for one in self.open_orders(*market)]

    def until(self, claim, what):
        """Return the first look at the venue for which `claim` holds; a limit, not a measure."""
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            found = self.at_venue()
            if claim(found):
                return found
            time.sleep(0.1)
        raise AssertionError(f"{what}: in vain for {LIMIT_S} s, the venue shows {found}")

    def quoting(self):
        return self.until(lambda ids: len(ids) > 2, "orders at the venue")

    def empty(self):
        return self.until(lambda ids: not ids, "no order at the venue")

    def cleared(self):
        """Allow trading again, as a person does, until the broker agrees."""
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            done = self.mesh.run("kill", "--clear", "--reason", "the test goes on")
            if done.returncode == 0:
                return
            time.sleep(0.2)
        raise AssertionError(done.stderr)


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    from tests.mesh.conftest import Mesh

    mesh = Mesh(
        tmp_path_factory.mktemp("live") / "data", MODE="testnet", BROKER__LIVE__CLOSE_POSITIONS_ON_EXIT="true"
    )
    mesh.environment |= {"QUOTEMESH_KEY_CANARY": CANARY}
    mesh.must("up")
    yield Live(mesh)
    mesh.run("down")


@pytest.mark.req("BR-2")
def test_the_same_strategies_trade_at_the_venue_and_nothing_differs(live):
    live.quoting()

    live.mesh.must("positions", "--venue")
    live.mesh.must("balance", "--venue")
    checked = live.mesh.must("check")
    assert "account binance_usdm" in checked
    status = json.loads(live.mesh.must("status", "--json"))
    assert status["processes"]["canceller"]["is_ready"]


def test_no_process_has_a_secret_in_its_environment(live):
    found = processes_of(live.data)

    assert {process.name for process in found} >= {
        "supervisord",
        "broker",
        "canceller",
        "gateway",
        "strategy",
    }
    for process in found:
        assert CANARY.encode() not in Path(f"/proc/{process.pid}/environ").read_bytes(), process
    assert (live.data.run / "secrets" / "canary").read_text() == CANARY


@pytest.mark.req("OB-6")
def test_nothing_of_the_key_that_signs_lies_anywhere_but_with_the_secrets(live):
    """Logs, settings, journal, snapshots, sockets' addresses: one secret, one place (I-41, I-42)."""
    live.quoting()
    secret = json.loads((live.data.run / "secrets" / "sim").read_text())["secret"].encode()
    files = [path for path in live.data.root.rglob("*") if path.is_file()]
    read = {path: path.read_bytes() for path in files if path.parent.name != "secrets"}

    assert len(read) > 20
    # The simulated venue is not ours: it holds its customers' secrets in its own files.
    holding = [path for path, content in read.items() if secret in content and "venue_sim" not in path.name]
    assert not holding
    assert not [path for path, content in read.items() if CANARY.encode() in content]
    logged = b"".join(content for path, content in read.items() if path.suffix == ".log")
    assert logged
    assert not re.search(rb"listenKey=|signature=", logged)


@pytest.mark.req("RK-17")
@pytest.mark.parametrize("venue", ["binance", "binance_usdm"])
def test_the_venue_is_asked_for_its_time_and_what_the_key_may_do(live, venue):
    told = live.mesh.must("keys", "test", venue)

    assert f"{venue} sim: key sim (hmac, " in told
    assert "clock: the venue's is " in told
    assert "rights: may trade; score 80, low" in told
    missing = live.mesh.run("keys", "test", venue, "--key", "nobody", "--network", "sim")
    assert missing.returncode == 4
    assert "there is no key 'nobody'" in missing.stderr


@pytest.mark.parametrize(("api_key", "problem"), [("", "-1022"), ("a-key-that-nobody-made-here", "-2015")])
def test_a_key_that_the_venue_refuses_is_told_in_its_words(live, api_key, problem):
    known = json.loads((live.data.run / "secrets" / "sim").read_text())["api_key"]
    folder = live.data.root / "keys"
    folder.mkdir(mode=0o700, exist_ok=True)
    content = {"api_key": api_key or known, "secret": "w" * 64}
    (folder / "wrong.json").write_text(json.dumps(content))
    (folder / "wrong.json").chmod(0o600)

    done = live.mesh.run("keys", "test", "binance", "--key", "wrong", "--network", "sim")

    assert done.returncode == 1
    assert f"the venue refuses the key: {problem}" in done.stderr
    assert "w" * 64 not in done.stdout + done.stderr


def by_log(live):
    live.mesh.must("kill", "--reason", "by the log")


def by_file(live):
    (live.data.latch / "kill").touch()


def by_signal(live):
    os.kill(live.mesh.pid_of("broker"), signal.SIGUSR1)


def by_socket(live):
    context = zmq.Context()
    with context.socket(zmq.REQ) as socket:
        socket.connect(live.data.socket("broker.sock"))
        socket.send(msgspec.msgpack.encode(["kill", "test", "by the socket"]))
        assert msgspec.msgpack.decode(socket.recv())[0] == "ok"
    context.destroy()


def by_gateway(live):
    token = (live.data.run / "token").read_text().strip()
    answer = httpx2.post(
        f"http://127.0.0.1:{live.mesh.port}/api/v1/kill",
        json={"reason": "by the gateway"},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 200, answer.text


@pytest.mark.req("RK-11", "BR-29")
@pytest.mark.parametrize("kill", [by_log, by_file, by_signal, by_socket, by_gateway])
def test_each_way_of_killing_alone_empties_the_venue(live, kill):
    live.quoting()

    kill(live)

    live.empty()
    live.cleared()


@pytest.mark.req("RK-11", "BR-29")
@pytest.mark.parametrize("dead", ["gateway", "strategy", "risk", "bus"])
def test_a_kill_empties_the_venue_while_another_process_is_dead(live, dead):
    live.quoting()
    pid = live.mesh.pid_of(dead)
    os.kill(pid, signal.SIGSTOP)
    try:
        live.mesh.must("kill", "--reason", f"{dead} stands still")
        live.empty()
    finally:
        os.kill(pid, signal.SIGCONT)
    live.cleared()


@pytest.mark.req("BR-24", "BR-29")
def test_with_a_dead_broker_the_canceller_empties_the_venue_and_the_broker_goes_on_later(live):
    live.quoting()
    pid = live.mesh.pid_of("broker")
    os.kill(pid, signal.SIGSTOP)
    try:
        told = live.mesh.run("kill", "--reason", "the broker stands still")
        assert told.returncode == 3, told.stderr
        live.empty()
    finally:
        os.kill(pid, signal.SIGCONT)
    live.cleared()
    live.quoting()


@pytest.mark.req("BR-29")
def test_orders_are_cancelled_by_hand_without_a_broker(live):
    live.quoting()
    pid = live.mesh.pid_of("broker")
    os.kill(pid, signal.SIGSTOP)
    try:
        told = live.mesh.must("cancel-all", "--direct")
        assert "0 left" in told
        live.empty()
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.req("BR-23")
def test_a_stop_closes_positions_and_withdraws_every_order_as_configured_and_tells_what_stays(live):
    live.quoting()
    deadline = time.monotonic() + LIMIT_S
    while not any(float(row["qty"]) for row in json.loads(live.mesh.must("positions", "--json"))):
        assert time.monotonic() < deadline, "no position to close"
        time.sleep(0.2)

    told = live.mesh.must("down")

    assert "every position is closed" in told
    assert "stays" not in told
    assert "the broker withdrew" in told
    assert "binance_usdm: 0 of our orders and 0 of others are open there" in told
    assert not (live.data.run / "secrets").exists()
    live.mesh.environment["QUOTEMESH__MODE"] = "paper"
    assert "one log never changes its mode" in live.mesh.run("up").stderr
