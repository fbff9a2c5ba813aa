"""Verify a stored log: two re-runs under different hash seeds, against the log and each other."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from shared.errors import QuotemeshError

HASH_SEEDS = ("1", "2")


def verify_log(journal: Path) -> dict[str, Any]:
    """Return verdicts of all log cores and whether all is equal.

    Raises `QuotemeshError` with the worker's words when a re-run could not be made at all.
    """
    with ThreadPoolExecutor(len(HASH_SEEDS)) as pool:
        runs = list(pool.map(lambda seed: _run(journal, seed), HASH_SEEDS))
    problems = [
        f"{verdict['service']}: {verdict['difference']}" for verdict in runs[0] if verdict["difference"]
    ]
    for first, second in zip(*runs, strict=True):
        if first["digests"] != second["digests"] or first["difference"] != second["difference"]:
            problems.append(f"{first['service']}: two re-runs under different hash seeds differ")
    return {
        "equal": not problems,
        "problems": problems,
        "cores": [{key: value for key, value in v.items() if key != "digests"} for v in runs[0]],
        "digests": {v["service"]: len(v["digests"]) for v in runs[0]},
    }


def _run(journal: Path, hash_seed: str) -> list[dict[str, Any]]:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(  # noqa: S603 - our own module, no shell
        [sys.executable, "-m", "services.replay.worker", str(journal)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise QuotemeshError(f"the replay of {journal} failed:\n{done.stderr[-2000:]}")
    verdicts: list[dict[str, Any]] = json.loads(done.stdout)
    return verdicts
