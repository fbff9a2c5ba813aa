"""The real process over real sockets, with clients that we did not write."""

import asyncio
import contextlib
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest
import websockets

from services.venue_sim.settings import VenueSimSettings
from shared.runtime.clock import MeshClock
from shared.runtime.paths import DataDir
from shared.settings import pack

pytestmark = pytest.mark.mesh
ROOT = Path(__file__).resolve().parents[3]
LIMIT_S = 20


class Mesh:
    """A data directory with a clock, and the process on it."""

    def __init__(self, root, settings, **clock):
        self.data = DataDir(root)
        self.data.prepare()
        self.data.settings("venue_sim").write_bytes(pack(settings))
        clock = {"origin_ns": time.time_ns()} | clock
        self.clock = MeshClock.create(self.data, **clock)
        self.process = None

    @property
    def ports(self):
        return json.loads((self.data.run / "venue_sim.json").read_bytes())

    def url(self, name, path, scheme="http"):
        return f"{scheme}://127.0.0.1:{self.ports[name]['port']}{path}"

    def get(self, name, path):
        return httpx2.get(self.url(name, path))

    def status(self):
        return self.get("control", "/sim/status").json()

    def start(self):
        environment = {**os.environ, "QUOTEMESH_DATA": str(self.data.root), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "services.venue_sim.main"]
        self.process = subprocess.Popen(
            command, env=environment, cwd=self.data.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.until(lambda: (self.data.run / "venue_sim.json").exists() and self.status())

    def until(self, condition):
        """Wait for what another process does; the limit is far above what it takes."""
        ends_at = time.monotonic() + LIMIT_S
        while True:
            with contextlib.suppress(httpx2.HTTPError, OSError):
                if condition():
                    return
            assert time.monotonic() < ends_at, f"not within {LIMIT_S} s"
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.02)  # another process: there is no event to wait for

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=LIMIT_S)
        return self.process.returncode, out.decode(), err.decode()


@pytest.fixture
def mesh(tmp_path):
    """Return a function that starts the process; whatever runs at the end is killed."""
    started = []

    def start(settings, **clock):
        started.append(Mesh(tmp_path / "data", settings, **clock))
        started[-1].start()
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.stop(signal.SIGKILL)


async def frames_until(url, done, before=lambda: None):
    """Return the messages of a stream up to the first for which `done` is true."""
    messages = []
    async with asyncio.timeout(LIMIT_S), websockets.connect(url, max_queue=None, compression=None) as client:
        before()
        async for text in client:
            messages.append(text)
            if done(text):
                return messages
    return messages


@pytest.mark.req("MD-24")
def test_a_real_capture_reaches_a_real_client_byte_for_byte(mesh, captures, tmp_path):
    source = captures / "binance_hft" / "usdm_btcusdt_20240808.raw.gz"
    with gzip.open(source) as file:
        lines = [line for line, _ in zip(file, range(9_000), strict=False)]
    part = tmp_path / "part.gz"
    part.write_bytes(gzip.compress(b"".join(lines)))
    sim = mesh(
        VenueSimSettings(mode="capture", files=(str(part),)),
        origin_ns=1_723_161_256_299_000_000,
        speed_milli=30_000,
        held=True,
    )
    held = sim.status()
    snapshot = next(line for line in lines if b"lastUpdateId" in line).partition(b" ")[2].strip()
    assert sim.get("binance_usdm", "/fapi/v1/depth?symbol=BTCUSDT&limit=1000").content == snapshot

    names = "btcusdt@depth@0ms/btcusdt@trade/btcusdt@bookTicker/!quotemesh@capture"
    url = sim.url("binance_usdm", f"/public/stream?streams={names}", "ws")
    got = asyncio.run(frames_until(url, lambda text: "captureFinished" in text, sim.clock.start))

    assert (held["is_held"], held["frames"]) == (True, 0)
    finish = got.pop()
    sent = [text.encode() for text in got]
    assert sent == [line.partition(b" ")[2].strip() for line in lines if b'"stream"' in line]
    assert json.loads(finish)["data"]["frames"] == len(sent)
    assert sim.status()["finished"]


@pytest.mark.req("MD-24")
def test_a_capture_goes_on_where_the_clock_is_after_kill(mesh, make, write_capture):
    lines = [make.spot_trade(10 * n, n, "100.00", "1.0") for n in range(1, 3001)]
    path = write_capture([make.spot_diff(0, 1, 2, [["99.00", "1.0"]], []), *lines])
    sim = mesh(VenueSimSettings(mode="capture", files=(path,)), origin_ns=make.start_ns, held=True)
    url = sim.url("binance", "/ws/btcusdt@trade", "ws")
    first = asyncio.run(frames_until(url, lambda text: json.loads(text)["t"] >= 20, sim.clock.start))

    sim.stop(signal.SIGKILL)
    sim.start()
    then_ms = sim.clock.now_ns() // 1_000_000
    second = asyncio.run(frames_until(url, lambda _: True))

    assert [json.loads(text)["t"] for text in first] == list(range(1, 21))
    assert json.loads(second[0])["E"] >= then_ms - 1000
    assert sim.status()["frames"] > 20


@pytest.mark.req("MD-24", "BT-7")
def test_generated_markets_go_on_after_kill_and_after_a_stop_on_the_same_ports(mesh):
    sim = mesh(VenueSimSettings(regime="quiet"))
    ports, newest = sim.ports, {"u": 0, "t": 0}

    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        for stream, key in (("btcusdt@depth@100ms", "u"), ("btcusdt@trade", "t")):
            url = sim.url("binance", f"/ws/{stream}", "ws")
            ids = [json.loads(text)[key] for text in asyncio.run(frames_until(url, lambda _: True))]
            assert ids[0] > newest[key]
            newest[key] = ids[-1]
        price = float(sim.get("binance", "/api/v3/depth?symbol=BTCUSDT&limit=5").json()["bids"][0][0])
        assert (sim.data.market / "venue_sim.state").exists()
        code, _, err = sim.stop(number)
        assert (code, err) == ((0, "") if number == signal.SIGTERM else (-9, ""))
        sim.start()
        again = float(sim.get("binance", "/api/v3/depth?symbol=BTCUSDT&limit=5").json()["bids"][0][0])
        assert abs(again / price - 1) < 0.01
        assert sim.ports == ports


@pytest.mark.req("BT-7")
def test_generated_time_begins_where_a_held_clock_stands(mesh):
    origin_ns = 1_800_000_000_000_000_000
    sim = mesh(VenueSimSettings(), origin_ns=origin_ns, held=True)
    assert sim.status()["frames"] == 0

    url = sim.url("binance", "/ws/btcusdt@depth", "ws")
    (first,) = asyncio.run(frames_until(url, lambda _: True, sim.clock.start))

    assert 0 < json.loads(first)["E"] - origin_ns // 1_000_000 < 1000


def test_generated_markets_that_fell_far_behind_go_on_from_now(mesh):
    # No host generates a thousand seconds in one: the venue is soon a minute behind its clock.
    sim = mesh(VenueSimSettings(), speed_milli=1_000_000)

    sim.until(lambda: sim.status()["counts"].get("pauses skipped", 0) >= 1)

    assert sim.get("binance", "/api/v3/ping").status_code == 200


@pytest.mark.req("MD-3", "MD-5")
def test_faults_are_commanded_and_seen_over_http(mesh):
    sim = mesh(VenueSimSettings())
    fault = {"kind": "cut", "venue": "binance", "stream": "btcusdt@depth@100ms"}

    def command():
        assert httpx2.post(sim.url("control", "/sim/faults"), json=fault).json()["accepted"] == 1

    url = sim.url("binance", "/ws/btcusdt@depth@100ms", "ws")
    with contextlib.suppress(websockets.ConnectionClosed):
        asyncio.run(frames_until(url, lambda _: False, command))

    sim.until(lambda: sim.status()["counts"].get("cut") == 1)
    status = sim.status()
    assert status["faults"]["injected"] == {"cut": 1}
    assert status["faults"]["last"][0]["stream"] == "btcusdt@depth"
    assert status["clients"] == []


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {"content-type": "application/json"}, 400),
        (b'{"kind":"explode"}', {"content-type": "application/json"}, 400),
        (b'{"kind":"drop","count":0}', {"content-type": "application/json"}, 400),
        (b'{"kind":"drop","venue":"kraken"}', {"content-type": "application/json"}, 400),
        (b'{"kind":"drop"}', {"content-type": "text/plain"}, 415),
        (b'{"kind":"drop"}', {"content-type": "application/json", "host": "evil.example:80"}, 403),
        (b"[]", {"content-type": "application/json"}, 200),
    ],
)
def test_the_control_port_refuses_what_it_does_not_know(shared, body, headers, status):
    answer = httpx2.post(shared.url("control", "/sim/faults"), content=body, headers=headers)

    assert answer.status_code == status


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Return a process shared by the tests that do not stop it."""
    sim = Mesh(tmp_path_factory.mktemp("shared"), VenueSimSettings())
    sim.start()
    yield sim
    sim.stop()


def test_a_real_client_subscribes_and_hears_of_its_mistakes(shared):
    async def story():
        url = shared.url("binance_usdm", "/market/stream", "ws")
        async with asyncio.timeout(LIMIT_S), websockets.connect(url) as client:
            await client.send("{")
            wrong = json.loads(await client.recv())
            await client.send('{"method":"SUBSCRIBE","params":["ethusdt@aggTrade"],"id":"u-1"}')
            answer = json.loads(await client.recv())
            await (await client.ping())
            return wrong, answer, json.loads(await client.recv())

    wrong, answer, trade = asyncio.run(story())

    assert wrong["code"] == 3
    assert answer == {"result": None, "id": "u-1"}
    assert trade["stream"] == "ethusdt@aggTrade"
    assert (trade["data"]["e"], trade["data"]["s"]) == ("aggTrade", "ETHUSDT")


def test_a_client_that_sends_too_much_is_disconnected(shared):
    async def story():
        async with asyncio.timeout(LIMIT_S), websockets.connect(shared.url("binance", "/ws", "ws")) as client:
            for n in range(20):
                await client.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": n}))
            return [text async for text in client]

    with contextlib.suppress(websockets.ConnectionClosed):
        assert len(asyncio.run(story())) <= 5
    shared.until(lambda: shared.status()["counts"].get("flooding", 0) >= 1)


@pytest.mark.req("MD-20")
def test_errors_reach_a_real_client_with_status_and_body(shared):
    answer = shared.get("binance", "/api/v3/depth?symbol=NOPE")
    assert (answer.status_code, answer.json()) == (400, {"code": -1121, "msg": "Invalid symbol."})
    assert shared.get("binance", "/api/v3/nothing").status_code == 404
    assert shared.get("binance", '/api/v3/exchangeInfo?symbols=["BTCUSDT"]').status_code == 200
    now_ms = shared.get("binance_usdm", "/fapi/v1/time").json()["serverTime"]
    assert 0 <= shared.clock.now_ns() // 1_000_000 - now_ms < LIMIT_S * 1000
    with pytest.raises(websockets.InvalidStatus, match="404"):
        asyncio.run(frames_until(shared.url("binance", "/nothing", "ws"), lambda _: True))


def test_a_client_that_does_not_read_is_dropped_and_the_others_go_on(mesh):
    sim = mesh(VenueSimSettings(client_queue_frames=100), speed_milli=20_000)

    async def story():
        names = "/".join(
            f"btcusdt@{kind}" for kind in ("bookTicker", "trade", *(f"depth@{n}ms" for n in range(60)))
        )
        with socket.socket() as narrow:
            # The kernel keeps little for a client that does not read, so that the simulator's queue fills.
            narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            narrow.connect(("127.0.0.1", sim.ports["binance"]["port"]))
            request = f"GET /ws/{names} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            narrow.sendall((request + key).encode())
            return await frames_until(
                sim.url("binance", "/ws/btcusdt@bookTicker", "ws"),
                lambda _: sim.status()["counts"].get("too slow", 0) >= 1,
            )

    assert asyncio.run(story())


def test_a_capture_that_cannot_be_played_ends_the_process_with_a_sentence(tmp_path):
    sim = Mesh(tmp_path / "data", VenueSimSettings(mode="capture", files=(str(tmp_path / "none.gz"),)))
    environment = {**os.environ, "QUOTEMESH_DATA": str(sim.data.root)}

    done = subprocess.run(
        [sys.executable, "-m", "services.venue_sim.main"],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip

    assert done.returncode == 4
    assert "none.gz does not exist; check the path given to --replay" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_named(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        sim = Mesh(tmp_path / "data", VenueSimSettings(binance_port=port))
        environment = {**os.environ, "QUOTEMESH_DATA": str(sim.data.root)}
        done = subprocess.run(
            [sys.executable, "-m", "services.venue_sim.main"],
            env=environment, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip

    assert done.returncode == 4
    assert f"simulator.binance_port {port} cannot be used" in done.stderr
