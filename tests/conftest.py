"""What tests of every part share: the recorded captures, and the tools a machine may lack.

With CI=true a capture or tool that is missing fails the test that needs it; else the test is skipped and
`./quotemesh test` lists it at the end.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# No test is judged by the time it takes: a busy machine is no mistake.
settings.register_profile("quotemesh", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("quotemesh")

ROOT = Path(__file__).resolve().parents[1]
IS_CI = os.environ.get("CI") == "true"


def absent(what: str, how_to_get: str) -> None:
    """Skip the running test, or fail it in CI."""
    if IS_CI:
        pytest.fail(f"{what} is missing: {how_to_get}", pytrace=False)
    pytest.skip(f"{what} is missing: {how_to_get}")


@pytest.fixture(scope="session")
def captures() -> Path:
    """Return the folder of recorded market data (`binance_hft/`, `cryptofeed/`, ...)."""
    folder = Path(os.environ.get("QUOTEMESH_CAPTURES") or ROOT.parent / "shared" / "data")
    if not (folder / "binance_hft").is_dir():
        absent(
            f"recorded market data in {folder}",
            "set QUOTEMESH_CAPTURES to the folder that holds binance_hft/",
        )
    return folder


CHROMIUM_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture
def chromium() -> Iterator[Any]:
    """Return a Chromium of the system, driven by playwright."""
    path = shutil.which("chromium")
    if path is None:
        absent("chromium", "apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_ARGUMENTS))
        yield browser
        browser.close()
