"""docs/live.md: every command runs in order; another mesh's simulator is the venue of steps 2 and 3."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from services.venue_sim.exchange.keys import keys_of
from services.venue_sim.settings import VenueSimSettings

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "live.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?:`([^`\n]+)`:\n\n)?^```(console|yaml)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SETTLE_S = 2.0

pytestmark = [pytest.mark.mesh, pytest.mark.timeout(400)]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Reader:
    """Somebody who types what the page says, in a folder of its own."""

    def __init__(self, place):
        self.place = place
        self.port = free_port()
        self.venue_url = ""
        launcher = place / "quotemesh"
        launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m services.cli.main "$@"\n')
        launcher.chmod(0o755)

    def run(self, command, port=None):
        ours = {key: value for key, value in os.environ.items() if not key.startswith("QUOTEMESH_")}
        environment = {**ours, "PYTHONPATH": str(ROOT), "QUOTEMESH__GATEWAY__PORT": str(port or self.port)}
        if "--config" in command:
            environment["QUOTEMESH__VENUES__BINANCE_USDM__URL"] = self.venue_url
        return subprocess.run(
            ["sh", "-c", command],
            cwd=self.place,
            env=environment,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    def venue(self):
        """Start the mesh whose simulator is the venue, and put its key where the page has one."""
        assert self.run("./quotemesh up --data venue", free_port()).returncode == 0
        ports = json.loads((self.place / "venue" / "run" / "venue_sim.json").read_bytes())
        self.venue_url = f"http://127.0.0.1:{ports['binance_usdm']['port']}"
        key = keys_of(VenueSimSettings())[0]
        for name in ("testnet-key.json", "live-key.json"):
            (self.place / name).write_text(json.dumps({"api_key": key.api_key, "secret": key.secret}))
        (self.place / "passphrase.txt").write_text("a long passphrase of the test\n")


@pytest.fixture
def reader(tmp_path):
    made = Reader(tmp_path)
    yield made
    for name in ("rehearsal", "testnet", "live", "venue"):
        made.run(f"./quotemesh down --data {name}")


def form(line):
    """Return a line without the values of its numbers and fingerprints."""
    plain = re.sub(r"\b[0-9a-f]{8}\b", "#", line)
    return " ".join(re.sub(r"\d[\d,.]*", "#", plain).split())


def is_as_told(told, said):
    """Return whether `said` has the form of `told`, where a line `...` stands for any number of lines."""
    if not told:
        return not said
    if told[0] == "...":
        return any(is_as_told(told[1:], said[at:]) for at in range(len(said) + 1))
    if not said:
        return False
    begin, dots, _ = told[0].partition(" ...")
    is_same = form(said[0]).startswith(form(begin)) if dots else form(said[0]) == form(told[0])
    return is_same and is_as_told(told[1:], said[1:])


@pytest.mark.req("BR-2")
def test_every_command_of_the_page_runs_in_order_and_prints_what_the_page_says(reader):
    reader.venue()
    count = 0

    for name, kind, body in BLOCK.findall(PAGE):
        if kind == "yaml":
            (reader.place / name).write_text(body)
            continue
        for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
            command, *lines = part.splitlines()
            done = reader.run(command)
            assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"
            assert is_as_told(lines, done.stdout.splitlines()), f"$ {command}\n{done.stdout}"
            count += 1
            if " up " in command:
                time.sleep(SETTLE_S)

    assert count > 20


def test_the_settings_that_the_page_names_exist():
    reference = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")

    named = set(re.findall(r"`((?:broker|canceller|risk)\.[a-z_.]+)`", PAGE))

    assert named
    assert [key for key in named if f"| `{key}` |" not in reference] == []
