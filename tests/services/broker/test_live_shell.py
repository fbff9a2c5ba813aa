"""The real broker process with orders at venues: what it refuses before it has sent a single byte."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from services.broker.keys import key_of
from services.broker.settings import BrokerSettings, VenueAccess
from services.broker.shell_account_lock import AccountLock
from shared.runtime.paths import DataDir
from shared.settings import pack

ROOT = Path(__file__).resolve().parents[3]
KEY = json.dumps({"api_key": "a-key-made-for-this-test", "secret": "5" * 64}).encode()
CONFIG_EXIT = 4
LIMIT_S = 30.0

pytestmark = pytest.mark.mesh


class Account:
    """A data directory with a bus, and a host that notes whether anybody connects to it."""

    def __init__(self, root, mode="testnet", network="own"):
        self.data = DataDir(root)
        self.data.prepare()
        self.host = socket.create_server(("127.0.0.1", 0))
        self.host.setblocking(False)
        url = f"127.0.0.1:{self.host.getsockname()[1]}"
        self.access = VenueAccess(
            name="binance",
            symbols=("BTCUSDT",),
            network=network,
            rest_url=f"http://{url}",
            stream_url=f"ws://{url}",
            api_url=f"ws://{url}/ws-api/v3",
            key="main",
        )
        folder = root / "keys"
        folder.mkdir(mode=0o700)
        (folder / "main.json").write_bytes(KEY)
        (folder / "main.json").chmod(0o600)
        settings = BrokerSettings(mode=mode, venues=(self.access,))
        self.data.settings("broker").write_bytes(pack(settings))
        self.processes = [self._start("bus")]
        self._until((self.data.run / "clock").exists)

    def _start(self, name, **environment):
        log = (self.data.logs / f"{name}.log").open("ab")
        inherited = {n: v for n, v in os.environ.items() if n != "QUOTEMESH_LIVE"}
        environment = {**inherited, "QUOTEMESH_DATA": str(self.data.root), **environment}
        arguments = [sys.executable, "-m", f"services.{name}.main"]
        with log:
            return subprocess.Popen(arguments, cwd=ROOT, env=environment, stdout=log, stderr=log)

    def _until(self, claim):
        deadline = time.monotonic() + LIMIT_S
        while not claim():
            assert time.monotonic() < deadline, (self.data.logs / "bus.log").read_text()[-1000:]
            time.sleep(0.02)

    def broker(self, **environment):
        """Run a broker until it ends; return its exit code and what it logged."""
        process = self._start("broker", **environment)
        self.processes.append(process)
        code = process.wait(LIMIT_S)
        return code, (self.data.logs / "broker.log").read_text()

    @property
    def was_called(self):
        try:
            self.host.accept()
        except BlockingIOError:
            return False
        return True

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait(LIMIT_S)
        self.host.close()


@pytest.fixture
def make_account(tmp_path):
    """Return a function that makes an account; all end with the test."""
    made = []

    def make(**kw):
        made.append(Account(tmp_path / f"mesh{len(made)}", **kw))
        return made[-1]

    yield make
    for account in made:
        account.close()


def test_a_second_broker_on_an_account_ends_having_sent_nothing(make_account):
    account = make_account()
    first = AccountLock(account.access, key_of(KEY, "the test"))

    code, log = account.broker()
    first.close()

    assert code == CONFIG_EXIT
    assert "another broker on this host trades on the account of key 'main'" in log
    assert "a-key-made-for-this-test" not in log
    assert not account.was_called


@pytest.mark.parametrize("consent", [{}, {"QUOTEMESH_LIVE": "yes"}])
def test_live_without_its_second_setting_ends_having_sent_nothing(make_account, consent):
    account = make_account(mode="live")

    code, log = account.broker(**consent)

    assert code == CONFIG_EXIT
    assert "mode live needs QUOTEMESH_LIVE=I-UNDERSTAND" in log
    assert not account.was_called
