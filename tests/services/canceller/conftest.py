"""A simulated venue of its own, on real sockets, without a mesh around it; and orders placed by hand."""

import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlencode

import httpx2
import pytest

from services.broker.settings import VenueAccess
from services.canceller.build import Place, simulated_ports
from services.cli.secrets import write_secrets
from services.cli.venue_ping import venue_answers
from services.venue_sim.exchange.keys import keys_of
from services.venue_sim.settings import VenueSimSettings
from shared.runtime.clock import MeshClock
from shared.runtime.paths import DataDir
from shared.settings import pack

ROOT = Path(__file__).resolve().parents[3]
PREFIXES = {"binance": "/api/v3", "binance_usdm": "/fapi/v1"}
START_LIMIT_S = 30.0


class SimulatedVenue:
    """One venue_sim process on a data directory that no mesh uses."""

    def __init__(self, data):
        self.data = data
        self.key = keys_of(VenueSimSettings())[0]
        data.prepare()
        data.settings("venue_sim").write_bytes(pack(VenueSimSettings()))
        secret = {"api_key": self.key.api_key, "secret": self.key.secret}
        write_secrets(data.run / "secrets", {"sim": json.dumps(secret)})
        MeshClock.create(data, time.time_ns())
        environment = {**os.environ, "QUOTEMESH_DATA": str(data.root)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "services.venue_sim.main"], cwd=ROOT, env=environment
        )
        try:
            self._wait()
        except AssertionError:
            self.stop()
            raise

    def _wait(self):
        deadline = time.monotonic() + START_LIMIT_S
        while not venue_answers(self.data):
            assert self.process.poll() is None, "the simulated venue ended while it started"
            assert time.monotonic() < deadline, "the simulated venue does not answer"
            time.sleep(0.05)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)

    @property
    def place(self):
        return Place(self.data, self.data)

    def access(self, name, **changes):
        fields = {"name": name, "symbols": ("BTCUSDT",), "network": "sim", "key": "sim", **changes}
        return VenueAccess(**fields)

    def call(self, name, method, path, **parameters):
        """Return the answer to a signed call, as a stranger would make it."""
        base = f"http://127.0.0.1:{simulated_ports(self.data)[name]}"
        now_ms = httpx2.get(f"{base}{PREFIXES[name]}/time").json()["serverTime"]
        query = urlencode({**parameters, "timestamp": now_ms, "recvWindow": 5000})
        signature = hmac.new(self.key.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        answer = httpx2.request(
            method,
            f"{base}{PREFIXES[name]}{path}?{query}&signature={signature}",
            headers={"X-MBX-APIKEY": self.key.api_key},
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def rest(self, name, client_order_id, price="30000", symbol="BTCUSDT"):
        """Place a buy far below the market: it rests."""
        return self.call(
            name,
            "POST",
            "/order",
            symbol=symbol,
            side="BUY",
            type="LIMIT",
            timeInForce="GTC",
            quantity="0.004",
            price=price,
            newClientOrderId=client_order_id,
        )

    def open_ids(self, name):
        return sorted(one["clientOrderId"] for one in self.call(name, "GET", "/openOrders"))


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    made = SimulatedVenue(DataDir(tmp_path_factory.mktemp("venue")))
    yield made
    made.stop()
