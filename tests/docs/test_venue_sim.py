"""docs/venue_sim.md: every example runs against the venue as the page starts it, every name is known."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import httpx2
import pytest
import yaml

from services.venue_sim.acts import ActKind
from services.venue_sim.relay import RelayAction
from services.venue_sim.settings import AccountSettings, FaultKind, VenueSimSettings
from services.venue_sim.trading_faults import CALLS, TRADING_KINDS
from shared.runtime.clock import MeshClock
from shared.runtime.paths import DataDir
from shared.settings import pack

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "venue_sim.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"^### (\S+)\n.*?^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
COMMANDS = re.findall(r"^\$ curl .*? (http\S+) -d '(.*)'$", PAGE, re.MULTILINE)
LIMIT_S = 60
PORTS = {"binance": "127.0.0.1:9100", "binance_usdm": "127.0.0.1:9200", "control": "127.0.0.1:9300"}


class Venue:
    def __init__(self, root: Path) -> None:
        told = yaml.safe_load(re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[1])["simulator"]
        assert [told[f"{name}_port"] for name in PORTS] == [9100, 9200, 9300]
        accounts = tuple(AccountSettings(**account) for account in told["accounts"])
        self.data = DataDir(root)
        self.data.prepare()
        # Free ports instead of the page's: tests run beside each other.
        settings = VenueSimSettings(accounts=accounts, regime="quiet")
        self.data.settings("venue_sim").write_bytes(pack(settings))
        MeshClock.create(self.data, origin_ns=time.time_ns())
        self.environment = {**os.environ, "QUOTEMESH_DATA": str(root), "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "services.venue_sim.main"], env=self.environment, cwd=root
        )
        ends_at = time.monotonic() + LIMIT_S
        while True:
            with contextlib.suppress(httpx2.HTTPError, OSError, ValueError, KeyError):
                if httpx2.get(self.here("http://127.0.0.1:9300/sim/status")).status_code == 200:
                    return
            assert time.monotonic() < ends_at
            time.sleep(0.05)  # another process: there is no event to wait for

    def here(self, text: str) -> str:
        """Return a text of the page with the ports of this venue."""
        ports = json.loads((self.data.run / "venue_sim.json").read_bytes())
        for name, told in PORTS.items():
            text = text.replace(told, f"127.0.0.1:{ports[name]['port']}")
        return text


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    venue = Venue(tmp_path_factory.mktemp("venue"))
    yield venue
    venue.process.send_signal(signal.SIGTERM)
    assert venue.process.wait(LIMIT_S) == 0


@pytest.mark.mesh
@pytest.mark.parametrize("client", EXAMPLES)
def test_the_example_of_a_client_runs(venue: Venue, client: str) -> None:
    pytest.importorskip("ccxt" if "ccxt" in client else "binance")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", venue.here(EXAMPLES[client])],
        env=venue.environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.mesh
def test_the_commands_of_the_page_are_taken(venue: Venue) -> None:
    assert len(COMMANDS) == 2
    for url, body in COMMANDS:
        headers = {"content-type": "application/json"}
        answer = httpx2.post(venue.here(url), content=body.encode(), headers=headers)
        assert answer.status_code == 200, answer.text
    httpx2.post(venue.here("http://127.0.0.1:9300/sim/acts"), json={"act": "lift_bans"})


def test_the_page_shows_every_client_fault_act_and_action() -> None:
    assert len(EXAMPLES) == 5
    named = set(re.findall(r"`([a-z_]+)`", PAGE))
    for known in (TRADING_KINDS, get_args(FaultKind), get_args(ActKind), get_args(RelayAction), CALLS):
        assert set(known) <= named
