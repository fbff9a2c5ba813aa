"""A simulated venue as a real process, and keys of every type, for clients that nobody here wrote."""

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from services.venue_sim.settings import AccountSettings, VenueSimSettings
from shared.runtime.clock import MeshClock
from shared.runtime.paths import DataDir
from shared.settings import pack

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 30
KEY_TYPES = ("hmac", "ed25519", "rsa")
CLIENTS = ("ccxt", "binance", "binance_sdk_spot", "binance_sdk_derivatives_trading_usds_futures")
if os.environ.get("CI") == "true":
    assert all(find_spec(name) for name in CLIENTS), "pip install '.[clients,ccxt]': CI skips no client"


class Key(NamedTuple):
    """A key as its owner holds it: `secret` is the HMAC secret, or the private key as PEM."""

    key_type: str
    api_key: str
    secret: str
    public: str

    @property
    def account(self) -> str:
        return self.key_type


def make_key(key_type: str) -> Key:
    if key_type == "hmac":
        secret = base64.b32encode(os.urandom(40)).decode()
        return Key(key_type, "key-hmac-" + "a" * 40, secret, secret)
    private: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
    if key_type == "rsa":
        private = rsa.generate_private_key(65537, 2048)
    else:
        private = ed25519.Ed25519PrivateKey.generate()
    secret = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return Key(key_type, f"key-{key_type}-" + "a" * 40, secret, public)


class Venue:
    """The process `venue_sim` with one account per key type, each with the money of the default account."""

    def __init__(self, root: Path, keys: dict[str, Key], *, is_strict: bool) -> None:
        self.keys = keys
        self.data = DataDir(root)
        self.data.prepare()
        accounts = tuple(
            AccountSettings(name=key.account, api_key=key.api_key, key_type=key.key_type, secret=key.public)
            for key in keys.values()
        )
        settings = VenueSimSettings(accounts=accounts, regime="quiet", strict_signatures=is_strict)
        self.data.settings("venue_sim").write_bytes(pack(settings))
        MeshClock.create(self.data, origin_ns=time.time_ns())
        environment = {**os.environ, "QUOTEMESH_DATA": str(root), "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "services.venue_sim.main"],
            env=environment,
            cwd=root,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self._until(lambda: bool(self.status()))

    def _until(self, condition: Callable[[], bool]) -> None:
        ends_at = time.monotonic() + LIMIT_S
        while True:
            with contextlib.suppress(httpx2.HTTPError, OSError, ValueError, KeyError):
                if condition():
                    return
            assert self._process.poll() is None, self._process.communicate()
            assert time.monotonic() < ends_at, f"the venue did not start within {LIMIT_S} s"
            time.sleep(0.02)  # another process: there is no event to wait for

    def host(self, name: str) -> str:
        """Return `127.0.0.1:port` of binance, binance_usdm or control."""
        ports = json.loads((self.data.run / "venue_sim.json").read_bytes())
        return f"127.0.0.1:{ports[name]['port']}"

    def status(self) -> dict[str, object]:
        return dict(httpx2.get(f"http://{self.host('control')}/sim/status").json())

    def command(self, path: str, *commands: dict[str, object]) -> dict[str, object]:
        answer = httpx2.post(f"http://{self.host('control')}{path}", json=list(commands))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        _, err = self._process.communicate(timeout=LIMIT_S)
        assert self._process.returncode == 0, err.decode()


@pytest.fixture(scope="session")
def keys() -> dict[str, Key]:
    return {key_type: make_key(key_type) for key_type in KEY_TYPES}


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory, keys: dict[str, Key]) -> Iterator[Venue]:
    """Return a venue that checks signatures as strictly as the real one."""
    venue = Venue(tmp_path_factory.mktemp("venue"), keys, is_strict=True)
    yield venue
    venue.stop()


@pytest.fixture(scope="module")
def lenient_venue(tmp_path_factory: pytest.TempPathFactory, keys: dict[str, Key]) -> Iterator[Venue]:
    """Return a venue that also takes what clients sign by mistake."""
    venue = Venue(tmp_path_factory.mktemp("venue"), keys, is_strict=False)
    yield venue
    venue.stop()


class Table:
    """Which calls ran in which cell (client, market, key type)."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str], list[str]] = defaultdict(list)

    def ran(self, cell: tuple[str, str, str], *calls: str) -> None:
        self.rows[cell] += calls

    def text(self) -> str:
        return "\n".join(
            f"{' | '.join(cell):55} {len(calls):3} {', '.join(calls)}"
            for cell, calls in sorted(self.rows.items())
        )


@pytest.fixture(scope="module")
def table() -> Table:
    return Table()


def point_at(exchange: Any, venue: Venue) -> Any:
    """Let an exchange of ccxt talk to the simulated venue: its hosts are all that is changed."""
    spot, usdm = venue.host("binance"), venue.host("binance_usdm")
    api = exchange.urls["api"]
    for name, url in api.items():
        if isinstance(url, str):
            own = url.replace("https://api.binance.com/", f"http://{spot}/")
            api[name] = own.replace("https://fapi.binance.com/", f"http://{usdm}/")
    if "ws" in api:
        # ccxt knows a spot stream by `/stream` in its URL: with the real venue, from the host's name.
        api["ws"]["spot"] = f"ws://{spot}/stream.local/ws"
        api["ws"]["linear"] = f"ws://{usdm}/ws"
        api["ws"]["ws-api"] = {"spot": f"ws://{spot}/ws-api/v3", "linear": f"ws://{usdm}/ws-fapi/v1"}
    exchange.options["fetchMarkets"] = {"types": ["spot", "linear"]}
    exchange.options["fetchCurrencies"] = exchange.options["fetchMargins"] = False
    return exchange


@pytest.fixture(scope="session")
def point_ccxt() -> Callable[[Any, Venue], Any]:
    return point_at
