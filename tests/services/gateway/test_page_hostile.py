"""Markup in every text that the log can bring, in a real browser: it is shown as text and nothing runs."""

import asyncio
import socket
import threading

import pytest
import uvicorn

from services.gateway.app import pulse_of
from shared.messages import control, market, orders, system
from shared.units import Side

pytestmark = [pytest.mark.mesh, pytest.mark.timeout(300)]

MARKS = (
    "<img src=x onerror=window.ran=1>",
    '"><script>window.ran=1</script>',
    "<svg onload=window.ran=1>",
    "<b onmouseover=window.ran=1>bold</b>",
    "'-window.ran=1-'",
    "javascript:window.ran=1",
    "{{constructor.constructor('window.ran=1')()}}",
    "\u202e<iframe srcdoc='<script>parent.ran=1</script>'>",
)


class Served:
    """An application on a port of its own, in a thread with its own loop."""

    def __init__(self, app, push):
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        config = uvicorn.Config(app, lifespan="off", log_config=None, ws="websockets-sansio", http="h11")
        self.server = uvicorn.Server(config)
        self.push = push
        self.thread = threading.Thread(target=asyncio.run, args=(self.work(),))

    async def work(self):
        async def pulses():
            while True:
                self.push()
                await asyncio.sleep(0.1)

        pulsing = asyncio.create_task(pulses())
        await self.server.serve(sockets=[self.listener])
        pulsing.cancel()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.should_exit = True
        self.thread.join()


@pytest.fixture
def served(app, hub, mesh_parts):
    def push():
        hub.push_books()
        hub.push_status(lambda: pulse_of(mesh_parts))

    with Served(app, push) as running:
        yield running


def say_hostile(feed):
    """Bring each mark to the log through every text that any service may say."""
    for number, mark in enumerate(MARKS):
        symbol = f"binance_usdm:{mark}"
        feed.start(mark)
        feed.rules(symbol)
        feed.book(symbol=symbol)
        feed.say(market.FeedStatus(mark, mark, mark))
        feed.say(control.StrategyStatus(mark, mark, mark, mark), "strategy/x")
        feed.say(control.InstanceFailed(f"failed {mark}", mark), "strategy.io")
        feed.say(orders.OrderIntent(f"i{mark}", mark, symbol, Side.BUY, 1000, 10, reason=mark), "strategy/x")
        feed.order(f"r{mark}", strategy=mark, symbol=symbol)
        feed.say(orders.OrderRejected(f"r{mark}", mark, symbol, mark, mark), "broker")
        feed.order(f"f{mark}", strategy=mark, symbol=symbol)
        feed.fill(f"f{mark}", f"t{number}", strategy=mark, symbol=symbol)
        feed.say(system.CoreDigest(mark, 5, b"d" * 16), "risk.io")
    feed.say(market.BookInvalid("binance_usdm:BTCUSDT", MARKS[0], MARKS[1]))
    feed.say(control.TradingState("halted", list(MARKS)), "risk")
    feed.say(control.KillLatched(MARKS[0], " ".join(MARKS), MARKS[2]), "broker")


@pytest.mark.req("W-13", "GW-13")
def test_markup_in_any_text_is_shown_as_text_and_never_runs(chromium, served, feed, token, unready):
    feed.everything()
    say_hostile(feed)
    unready += MARKS
    page = chromium.new_page()
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))

    page.goto(f"{served.url}/#token={token}")
    page.wait_for_selector("#strategies tbody tr")
    page.wait_for_selector("#orders tbody tr")
    for option in page.locator("#market option").all():
        page.select_option("#market", option.get_attribute("value"))
        page.wait_for_selector(".mid:not(:empty)")
    page.hover("#strategies td")

    shown = page.locator("#page").inner_text()
    for mark in MARKS:
        assert mark in page.locator("#strategies").inner_text()
        assert mark in page.locator("#trading").inner_text()
        assert mark in page.locator("#banner-kill").inner_text()
    assert "javascript:window.ran=1" in shown
    assert page.evaluate("window.ran") is None
    # The page's own two pictures of its name, one curve, and nothing else that could load or run.
    assert page.locator("#page img, #page iframe, #page object, #page embed, #page a").count() == 1
    assert page.locator("#page script, #page style, [onerror], [onload], [onmouseover]").count() == 0
    assert page.locator("#page svg").count() == 1
    assert said == []


@pytest.mark.req("W-13")
def test_the_policy_of_the_page_stops_what_a_script_would_have_let_through(chromium, served, feed, token):
    feed.everything()
    page = chromium.new_page()
    page.goto(f"{served.url}/#token={token}")
    page.wait_for_selector("#link[data-link=live]")

    refused = page.evaluate(
        """() => ["markup", "handler", "script"].map((way) => {
          try {
            if (way === "handler") document.body.setAttribute("onclick", "window.ran = 1");
            else if (way === "script") document.createElement("script").text = "window.ran = 1";
            else document.body.innerHTML = "<img src=x onerror=window.ran=1>";
            return "let through";
          } catch (error) { return error.name; }
        })"""
    )

    assert refused == ["TypeError", "TypeError", "TypeError"]
    assert page.evaluate("window.ran") is None


@pytest.mark.req("GW-3")
def test_the_token_leaves_the_address_and_a_wrong_one_opens_nothing(chromium, served, feed, token):
    feed.everything()
    page = chromium.new_page()

    page.goto(f"{served.url}/#token=wrong-{token}")
    page.wait_for_selector("#login-problem:not(:empty)")
    assert page.url == f"{served.url}/"
    assert page.evaluate("JSON.stringify(sessionStorage) + JSON.stringify(localStorage)") == "{}{}"
    assert page.locator("#page").is_hidden()

    page.fill("#token", token)
    page.click("#login-form button")
    page.wait_for_selector("#link[data-link=live]")
    assert token not in page.content() + page.url
    page.reload()
    page.wait_for_selector("#link[data-link=live]")

    page.click("#logout")
    page.wait_for_selector("#token")
    assert page.evaluate("sessionStorage.getItem('quotemesh.token')") is None


@pytest.mark.req("GW-15")
def test_a_book_or_service_that_is_not_well_greys_its_panel_with_the_time(chromium, served, feed, token):
    feed.everything()
    page = chromium.new_page()
    page.goto(f"{served.url}/#token={token}")
    page.wait_for_selector("#link[data-link=live]")
    page.wait_for_selector("[data-panel=book]:not([data-stale])")

    feed.say(market.BookInvalid("binance_usdm:BTCUSDT", "gap"))
    feed.say(system.SourceSilent("strategy", 2500), "bus")
    page.wait_for_selector("[data-panel=book][data-stale]")
    page.wait_for_selector("[data-panel=strategies][data-stale]")

    assert page.locator("[data-panel=book] .stale").inner_text().endswith(": gap")
    assert "strategy is silent" in page.locator("[data-panel=strategies] .stale").inner_text()
    assert page.locator("[data-panel=fills][data-stale]").count() == 0


def test_a_gateway_that_stops_speaking_is_noticed_without_a_closed_connection(chromium, served, feed, token):
    feed.everything()
    page = chromium.new_page()
    page.goto(f"{served.url}/#token={token}")
    page.wait_for_selector("#link[data-link=live]")

    served.push = lambda: None
    page.wait_for_selector("#banner-link:not([hidden])", timeout=20_000)

    assert page.locator("[data-panel]:not([data-stale])").count() == 0
    assert "stale since" in page.locator("[data-panel=book] .stale").inner_text()
