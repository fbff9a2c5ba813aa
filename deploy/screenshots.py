"""Make the pictures of the documents from a real mesh: `.venv/bin/python deploy/screenshots.py [FOLDER]`.

Starts a mesh of its own on the simulated venue, lets it trade for a while, and drives the Chromium of the
system through what a person sees: live, on a phone, killed, and with the bus standing still.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
BYTES_MAX = 300_000
FILLS_SHOWN = 60
LIMIT_S = 300.0
ARGUMENTS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
DESKTOP = {"width": 1360, "height": 850}
PHONE = {"width": 390, "height": 844}


class Mesh:
    """A mesh in a folder that is thrown away."""

    def __init__(self, data: Path) -> None:
        self.data = data
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def run(self, *words: str) -> str:
        """Run one command and return what it printed."""
        return subprocess.run(
            [sys.executable, "-m", "services.cli.main", *words, "--data", str(self.data)],
            cwd=ROOT,
            env={**os.environ, "QUOTEMESH__GATEWAY__PORT": str(self.port)},
            stdout=subprocess.PIPE,
            text=True,
            check=words[0] != "status",
        ).stdout

    def pid_of(self, name: str) -> int:
        """Return the process of a service."""
        return int(json.loads(self.run("status", "--json"))["processes"][name]["pid"])


@contextmanager
def started() -> Iterator[Mesh]:
    """Give a running mesh, and take it down."""
    with tempfile.TemporaryDirectory(prefix="quotemesh-pictures-") as folder:
        mesh = Mesh(Path(folder) / "data")
        mesh.run("up")
        try:
            yield mesh
        finally:
            mesh.run("down")


def opened(browser: Any, mesh: Mesh, viewport: dict[str, int], color_scheme: str, scale: int) -> Page:
    """Return a page that is logged in and shows a mesh that has traded."""
    token = (mesh.data / "run" / "token").read_text().strip()
    page: Page = browser.new_page(viewport=viewport, color_scheme=color_scheme, device_scale_factor=scale)
    page.goto(f"http://127.0.0.1:{mesh.port}/#token={token}")
    page.wait_for_selector("#link[data-link=live]")
    deadline_s = time.monotonic() + LIMIT_S
    count = page.locator("#fills-count")
    while int("".join(filter(str.isdigit, count.inner_text())) or 0) < FILLS_SHOWN:
        if time.monotonic() > deadline_s:
            raise SystemExit(f"no {FILLS_SHOWN} fills in {LIMIT_S:.0f} s; see ./quotemesh logs")
        page.wait_for_timeout(500)
    return page


def take(page: Page, path: Path) -> None:
    """Write one picture; one that is too large for a repository is refused."""
    page.screenshot(path=path)
    size = path.stat().st_size
    print(f"{path} {size:,} bytes")
    if size > BYTES_MAX:
        raise SystemExit(f"{path} has {size} bytes, at most {BYTES_MAX}: make the window smaller")


def take_all(browser: Any, mesh: Mesh, folder: Path) -> None:
    """Take every picture, in the order in which the mesh allows it."""
    light = opened(browser, mesh, DESKTOP, "light", 1)
    dark = opened(browser, mesh, DESKTOP, "dark", 1)
    phone = opened(browser, mesh, PHONE, "light", 1)
    take(light, folder / "dashboard.png")
    take(dark, folder / "dashboard-dark.png")
    take(phone, folder / "dashboard-phone.png")

    bus = mesh.pid_of("bus")
    os.kill(bus, signal.SIGSTOP)
    try:
        light.wait_for_selector("#banner-link:not([hidden])")
        light.wait_for_timeout(1500)
        take(light, folder / "dashboard-bus-down.png")
    finally:
        os.kill(bus, signal.SIGCONT)
    light.wait_for_selector("#banner-link", state="hidden")

    light.click("#kill-open")
    light.fill("#kill-reason", "the spread looks wrong")
    light.fill("#kill-word", "KILL")
    light.click("#kill-dialog [type=submit]")
    light.wait_for_selector("#kill-dialog .outcome[data-tone=good]")
    light.click("#kill-dialog [data-close]")
    light.wait_for_timeout(1500)
    take(light, folder / "dashboard-killed.png")


def main() -> None:
    """Take the pictures into FOLDER, by default docs/img."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "img"
    folder.mkdir(parents=True, exist_ok=True)
    path = shutil.which("chromium")
    if path is None:
        raise SystemExit("chromium is missing: apt-get install chromium")
    with started() as mesh, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        take_all(browser, mesh, folder)
        browser.close()


if __name__ == "__main__":
    main()
