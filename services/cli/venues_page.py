"""Make shared/venues/registry.json and docs/venues.md out of what ccxt tells (`venues --write`)."""

import json
import subprocess
import sys
from typing import Any

from services.cli.exits import CommandError
from services.cli.place import ROOT

DATA = ROOT / "shared" / "venues" / "registry.json"


def described() -> dict[str, Any]:
    """Return what ccxt says, asked in a process of its own: nothing here imports ccxt."""
    command = [sys.executable, "-m", "services.ccxt_venue.describe"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        reason = done.stderr.strip()[-200:]
        raise CommandError(f"ccxt cannot be asked ({reason}); run ./quotemesh install ccxt")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def data_text(told: dict[str, Any]) -> str:
    """Return the text of the data file: one venue a line."""
    lines = [f"    {json.dumps(name)}: {json.dumps(facts)}" for name, facts in told["venues"].items()]
    venues = ",\n".join(lines)
    return f'{{\n  "ccxt": {json.dumps(told["ccxt"])},\n  "venues": {{\n{venues}\n  }}\n}}\n'
