"""The dashboard in a real browser against a running mesh: live, killed, and with parts of the mesh gone."""

import os
import re
import signal
import time

import pytest

pytestmark = [pytest.mark.mesh, pytest.mark.timeout(300)]

LIMIT_MS = 30_000
PANELS = ("tiles", "book", "trades", "equity", "strategies", "orders", "fills", "trading", "positions")


@pytest.fixture
def running(make_mesh):
    mesh = make_mesh()
    mesh.must("up")
    return mesh


def opened(chromium, mesh, **options):
    """Return a page that is logged in by the link that `up` gives to a terminal."""
    token = (mesh.data / "run" / "token").read_text().strip()
    page = chromium.new_page(**options)
    page.set_default_timeout(LIMIT_MS)
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(f"http://127.0.0.1:{mesh.port}/#token={token}")
    page.wait_for_selector("#link[data-link=live]")
    page.wait_for_selector("#page:has([data-panel]):not(:has([data-panel][data-stale]))")
    return page


def until(claim):
    """Return when `claim` holds; the policy of the page forbids to let the browser judge a text."""
    end_s = time.monotonic() + LIMIT_MS / 1000
    while not claim():
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.05)


def number(text):
    return float(re.sub(r"[^\d.]", "", text.replace("\u2212", "")) or "nan")


def sequence(page):
    return number(page.locator("#processes tr:has(td:text-is('gateway')) td:nth-child(3)").inner_text())


@pytest.mark.req("GW-2", "GW-5", "GW-6", "GW-8", "GW-12", "GW-13")
def test_a_person_watches_trades_kills_and_clears(chromium, running):
    page = opened(chromium, running, viewport={"width": 1440, "height": 900})

    shows_the_living_mesh(page)
    follows_another_market(page)
    kills_only_after_the_typed_word(page, running)
    clears_only_with_a_reason(page, running)
    assert page.errors == []


def shows_the_living_mesh(page):
    for place in ("orders", "fills", "trades", "positions"):
        page.wait_for_selector(f"#{place} tbody tr")
    # In one look: the book moves between two.
    texts = page.evaluate(
        """() => [...document.querySelectorAll(".mid, #ladder .level:not(.head) .price")]
            .sort((a, b) => b.matches(".mid") - a.matches(".mid")).map(one => one.innerText)"""
    )
    mid, *prices = map(number, texts)
    assert len(prices) == 30
    assert prices == sorted(prices, reverse=True)
    assert prices[15] < mid < prices[14]
    assert re.fullmatch(r"[+\u2212]?\d+ %", page.locator(".balance-text").inner_text())
    assert page.locator("#equity .line").get_attribute("d").startswith("M")
    assert page.locator("#strategies td.strong").all_inner_texts() == ["as_btc", "grid_eth", "imb_btc"]
    assert page.locator("#state").inner_text() == "active"
    assert page.locator("#processes td.state").all_inner_texts() == ["ok"] * 7
    # Each core says the digest of its state every thousand events.
    digests = page.locator("#processes td.digest")
    until(lambda: sum(bool(re.fullmatch("[0-9a-f]{8}", one)) for one in digests.all_inner_texts()) == 4)
    before = sequence(page)
    until(lambda: sequence(page) > before)


def follows_another_market(page):
    page.select_option("#market", "binance_usdm:ETHUSDT")
    until(lambda: number(page.locator(".mid").inner_text()) < 10_000)
    page.wait_for_selector("#ladder .level[data-own]")  # the grid rests here
    page.select_option("#market", "binance_usdm:BTCUSDT")
    until(lambda: number(page.locator(".mid").inner_text()) > 10_000)


def kills_only_after_the_typed_word(page, mesh):
    until(lambda: number(page.locator("#orders-count").inner_text().split()[0]) > 0)
    page.click("#kill-open")
    page.fill("#kill-reason", "seen in a <b>test</b>")
    for typed in ("", "kill", "KIL", "KILLL"):
        page.fill("#kill-word", typed)
        assert page.locator("#kill-dialog [type=submit]").is_disabled(), typed
    assert not (mesh.data / "latch" / "kill").exists()

    page.fill("#kill-word", "KILL")
    page.click("#kill-dialog [type=submit]")

    page.wait_for_selector("#kill-dialog .outcome[data-tone=good]")
    assert "no order is open" in page.locator("#kill-dialog .outcome").inner_text()
    page.click("#kill-dialog [data-close]")
    page.wait_for_selector("#state[data-state=killed]")
    assert "seen in a <b>test</b>" in page.locator("#banner-kill").inner_text()
    assert page.locator("#orders-count").inner_text().startswith("0 open")
    assert page.title() == "KILLED · quotemesh"
    assert (mesh.data / "latch" / "kill").exists()


def clears_only_with_a_reason(page, mesh):
    page.click("#clear-open")
    page.fill("#clear-word", "CLEAR")
    assert page.locator("#clear-dialog [type=submit]").is_disabled()
    page.fill("#clear-reason", "the test is over")
    page.click("#clear-dialog [type=submit]")

    page.wait_for_selector("#clear-dialog .outcome[data-tone=good]")
    page.click("#clear-dialog [data-close]")
    page.wait_for_selector("#state[data-state=active]")
    page.wait_for_selector("#banner-kill", state="hidden")
    until(lambda: number(page.locator("#orders-count").inner_text().split()[0]) > 0)
    assert not (mesh.data / "latch" / "kill").exists()


@pytest.mark.req("GW-13", "GW-15")
def test_the_page_says_what_is_gone_and_comes_back_by_itself(chromium, running):
    page = opened(chromium, running, viewport={"width": 390, "height": 844})

    fits_a_phone(page)
    says_that_the_bus_stands_still(page, running)
    survives_a_killed_gateway(page, running)
    assert page.errors == []


def fits_a_phone(page):
    page.wait_for_selector("#orders tbody tr")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    small = page.evaluate(
        "[...document.querySelectorAll('button:not(.plain), select')].filter(one => one.offsetParent"
        " && one.getBoundingClientRect().height < 32).map(one => one.id || one.textContent)"
    )
    assert small == []


def says_that_the_bus_stands_still(page, mesh):
    bus = mesh.pid_of("bus")
    os.kill(bus, signal.SIGSTOP)
    try:
        page.wait_for_selector("#banner-link:not([hidden])")
        assert "The bus is silent" in page.locator("#banner-link").inner_text()
        for panel in PANELS:
            page.wait_for_selector(f"[data-panel={panel}][data-stale]")
        assert "stale since" in page.locator("[data-panel=book] .stale").inner_text()
        page.wait_for_selector("#processes td.state:text-is('silent')")
    finally:
        os.kill(bus, signal.SIGCONT)
    page.wait_for_selector("#banner-link", state="hidden")
    page.wait_for_selector("#page:not(:has([data-panel][data-stale]))")


def survives_a_killed_gateway(page, mesh):
    before = sequence(page)
    os.kill(mesh.pid_of("gateway"), signal.SIGKILL)

    page.wait_for_selector("#link[data-link=down]")
    assert "The gateway does not answer" in page.locator("#banner-link").inner_text()
    assert page.locator("[data-panel]:not([data-stale])").count() == 0
    page.wait_for_selector("#link[data-link=live]")
    page.wait_for_selector("#page:not(:has([data-panel][data-stale]))")
    assert sequence(page) > before
