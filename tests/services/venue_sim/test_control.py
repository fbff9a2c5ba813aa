"""Faults of trading over real sockets, commanded as a person does: HTTP to the control port."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import websockets

from services.venue_sim.settings import AccountSettings, VenueSimSettings
from shared.runtime.clock import MeshClock
from shared.runtime.paths import DataDir
from shared.settings import pack

pytestmark = pytest.mark.mesh
ROOT = Path(__file__).resolve().parents[3]
LIMIT_S = 20
KEY, SECRET = "k" * 20, "s" * 20


class Process:
    """A venue behind its relays, and one client of it."""

    def __init__(self, root: Path) -> None:
        self.data = DataDir(root)
        self.data.prepare()
        accounts = (AccountSettings(name="sim", api_key=KEY, secret=SECRET),)
        settings = VenueSimSettings(accounts=accounts, regime="quiet", relay=True)
        self.data.settings("venue_sim").write_bytes(pack(settings))
        MeshClock.create(self.data, origin_ns=time.time_ns())
        environment = {**os.environ, "QUOTEMESH_DATA": str(root), "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "services.venue_sim.main"],
            env=environment,
            cwd=root,
            stdout=subprocess.DEVNULL,
        )
        ends_at = time.monotonic() + LIMIT_S
        while True:
            with contextlib.suppress(httpx2.HTTPError, OSError, ValueError, KeyError):
                if self.status():
                    return
            assert time.monotonic() < ends_at
            assert self.process.poll() is None
            time.sleep(0.02)  # another process: there is no event to wait for

    def url(self, name: str, path: str, scheme: str = "http") -> str:
        ports = json.loads((self.data.run / "venue_sim.json").read_bytes())
        return f"{scheme}://127.0.0.1:{ports[name]['port']}{path}"

    def status(self) -> dict[str, Any]:
        return dict(httpx2.get(self.url("control", "/sim/status")).json())

    def command(self, path: str, *items: dict[str, Any]) -> httpx2.Response:
        return httpx2.post(self.url("control", path), json=list(items))

    def target(self, path: str, query: str) -> str:
        text = f"{query}&recvWindow=60000&timestamp={time.time_ns() // 1_000_000}"
        return f"{path}?{text}&signature={signed(text)}"

    def place(self, client_id: str, timeout_s: float = LIMIT_S) -> httpx2.Response:
        query = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price=50000"
        target = self.target("/api/v3/order", f"{query}&newClientOrderId={client_id}")
        headers = {"X-MBX-APIKEY": KEY}
        return httpx2.post(self.url("binance", target), headers=headers, timeout=timeout_s)

    def exists(self, client_id: str) -> bool:
        target = self.target("/api/v3/order", f"symbol=BTCUSDT&origClientOrderId={client_id}")
        return httpx2.get(self.url("binance", target), headers={"X-MBX-APIKEY": KEY}).status_code == 200


def signed(text: str) -> str:
    return hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    venue = Process(tmp_path_factory.mktemp("venue"))
    yield venue
    venue.process.send_signal(signal.SIGTERM)
    assert venue.process.wait(LIMIT_S) == 0


@pytest.mark.parametrize(("kind", "is_placed"), [("error_before", False), ("error_after", True)])
def test_an_error_is_answered_before_or_after_the_order_was_placed(
    venue: Process, kind: str, is_placed: bool
) -> None:
    before = venue.status()["faults"]["injected"].get(kind, 0)
    told = venue.command("/sim/faults", {"kind": kind, "call": "place", "status": 504}).json()
    assert told["accepted"] == 1
    assert venue.place(kind).status_code == 504
    assert venue.exists(kind) == is_placed
    assert venue.status()["faults"]["injected"][kind] == before + 1


@pytest.mark.parametrize(("kind", "is_placed"), [("cut_before", False), ("cut_after", True)])
def test_a_request_is_cut_without_an_answer(venue: Process, kind: str, is_placed: bool) -> None:
    venue.command("/sim/faults", {"kind": kind, "call": "place"})
    with pytest.raises(httpx2.TransportError):
        venue.place(kind)
    assert venue.exists(kind) == is_placed


@pytest.mark.parametrize(("kind", "is_placed"), [("silence_before", False), ("silence_after", True)])
def test_a_request_is_never_answered(venue: Process, kind: str, is_placed: bool) -> None:
    venue.command("/sim/faults", {"kind": kind, "call": "place"})
    with pytest.raises(httpx2.TimeoutException):
        venue.place(kind, timeout_s=0.3)
    assert venue.exists(kind) == is_placed


def test_a_slow_answer_comes_and_a_late_order_appears(venue: Process) -> None:
    venue.command("/sim/faults", {"kind": "slow_answer", "call": "place", "delay_ms": 200})
    began_s = time.monotonic()
    assert venue.place("slow").status_code == 200
    assert time.monotonic() - began_s >= 0.2

    venue.command("/sim/faults", {"kind": "act_late", "call": "place", "delay_ms": 2_000})
    with pytest.raises(httpx2.TimeoutException):
        venue.place("late", timeout_s=0.1)
    assert not venue.exists("late")
    ends_at = time.monotonic() + LIMIT_S
    while not venue.exists("late"):
        assert time.monotonic() < ends_at
        time.sleep(0.05)  # mesh time passes in another process


def test_a_broken_answer_is_no_whole_json(venue: Process) -> None:
    venue.command("/sim/faults", {"kind": "truncated", "call": "place"})
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        venue.place("broken").json()


def test_acts_are_carried_out_and_told(venue: Process) -> None:
    told = venue.command("/sim/acts", {"act": "ban", "venue": "binance_usdm", "duration_ms": 60_000}).json()
    assert told["done"][0]["banned_until_ms"] > 0
    answer = httpx2.get(venue.url("binance_usdm", "/fapi/v1/depth?symbol=BTCUSDT"))
    assert (answer.status_code, "Retry-After" in answer.headers) == (418, True)
    venue.command("/sim/acts", {"act": "lift_bans"})
    assert httpx2.get(venue.url("binance_usdm", "/fapi/v1/depth?symbol=BTCUSDT")).status_code == 200
    assert venue.status()["acts"]["ban"] == 1


def test_the_ledger_tells_every_order_whatever_its_client_heard(venue: Process) -> None:
    venue.command("/sim/faults", {"kind": "silence_after", "call": "place"})
    with pytest.raises(httpx2.TimeoutException):
        venue.place("unheard", timeout_s=0.3)

    page = httpx2.get(venue.url("control", "/sim/ledger?account=sim")).json()

    told = [entry for entry in page["entries"] if entry.get("order", {}).get("client_order_id") == "unheard"]
    assert [(entry["kind"], entry["order"]["executed"]) for entry in told] == [("NEW", "0.00000000")]
    later = httpx2.get(venue.url("control", f"/sim/ledger?after={told[0]['n']}")).json()
    assert all(entry["n"] > told[0]["n"] for entry in later["entries"])
    wrong = httpx2.get(venue.url("control", "/sim/ledger?since=1"))
    assert (wrong.status_code, "ask with after" in wrong.json()["error"]) == (400, True)


@pytest.mark.parametrize(
    ("path", "item", "text"),
    [
        ("/sim/faults", {"kind": "explode"}, "kind is one of drop"),
        ("/sim/faults", {"kind": "act_late"}, "needs delay_ms"),
        ("/sim/faults", {"kind": "drop", "call": "place"}, "call unknown; send kind"),
        ("/sim/acts", {"act": "explode"}, "act is one of ban"),
        ("/sim/acts", {"act": "halt"}, "halt needs venue"),
        ("/sim/relay", {"action": "explode"}, "action is one of delay"),
        ("/sim/relay", {"action": "delay", "delay_ms": -1}, "outside 0 to"),
    ],
)
def test_a_command_that_cannot_be_is_refused_with_what_to_send(
    venue: Process, path: str, item: dict[str, Any], text: str
) -> None:
    answer = venue.command(path, item)
    assert answer.status_code == 400
    assert text in answer.json()["error"]


async def to_the_end(socket: websockets.ClientConnection) -> None:
    """Read what was still under way, and wait for more."""
    while True:
        await socket.recv()


def test_the_relay_goes_half_open_and_heals_for_new_connections(venue: Process) -> None:
    url = venue.url("binance", "/ws/btcusdt@bookTicker", "ws")

    async def story() -> None:
        async with asyncio.timeout(LIMIT_S):
            socket = await websockets.connect(url, ping_interval=None, close_timeout=0.1)
            await socket.recv()
            await asyncio.to_thread(venue.command, "/sim/relay", {"action": "half_open"})
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(to_the_end(socket), 1.0)
            await asyncio.to_thread(venue.command, "/sim/relay", {"action": "heal"})
            async with websockets.connect(url) as fresh:
                await fresh.recv()
            await asyncio.to_thread(venue.command, "/sim/relay", {"action": "cut", "venue": "binance"})
            with pytest.raises(websockets.ConnectionClosed):
                await socket.recv()

    asyncio.run(story())
    relays = venue.status()["relays"]
    assert relays["binance"]["counts"]["bytes swallowed"] > 0
    assert relays["binance_usdm"]["counts"].get("cut") is None
