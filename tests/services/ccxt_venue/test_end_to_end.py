"""The real child process over real sockets against the simulated venue: books, trades, orders, its death."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
import websockets

from services.broker.remote import RemoteAccess, RemoteAdapter
from services.market_data.addresses import Address
from services.market_data.core import FetchRest, MarketData, OpenStream
from services.market_data.settings import FeedVenue, MarketDataSettings
from services.market_data.shell_remote import Listener, RemoteLink
from services.venue_sim.exchange.keys import keys_of
from services.venue_sim.settings import VenueSimSettings
from shared.execution.commands import AskAccount, AskFills, AskOpenOrders, AskOrder, Cancel, CancelAll, Place
from shared.execution.outside import CloseSocket, OpenSocket, SendText
from shared.execution.reports import (
    AccountTold,
    Acted,
    Done,
    Doubtful,
    Filled,
    Fills,
    OpenOrders,
    OrderFound,
    Reachable,
    RefusalKind,
    Refused,
    Unreachable,
    UserStreamDown,
    UserStreamUp,
    VenueState,
)
from shared.messages.market import BookInvalid, BookSnapshot, Trade
from shared.messages.orders import TimeInForce
from shared.runtime.child import Child
from shared.runtime.clock import MeshClock
from shared.runtime.paths import DataDir
from shared.settings import pack
from shared.units import Side
from shared.venues import VENUES

pytestmark = pytest.mark.mesh
ROOT = Path(__file__).resolve().parents[3]
LIMIT_S = 30
MARKETS = {
    "ccxt_binance": ("binance", "BTC/USDT", 100),
    "ccxt_binanceusdm": ("binance_usdm", "BTC/USDT:USDT", 10),
}


@pytest.fixture
def venue(tmp_path):
    """Start the simulated venue; return its ports and the default account's key."""
    data = DataDir(tmp_path)
    data.prepare()
    settings = VenueSimSettings()
    data.settings("venue_sim").write_bytes(pack(settings))
    MeshClock.create(data, origin_ns=time.time_ns())
    environment = {**os.environ, "QUOTEMESH_DATA": str(tmp_path), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "services.venue_sim.main"], env=environment, cwd=tmp_path
    )
    ends_at = time.monotonic() + LIMIT_S
    while not (data.run / "venue_sim.json").exists():
        assert time.monotonic() < ends_at, f"the venue is not up within {LIMIT_S} s"
        assert process.poll() is None
        time.sleep(0.02)  # another process: there is no event to wait for
    kept = json.loads((data.run / "venue_sim.json").read_bytes())
    yield {name: entry["port"] for name, entry in kept.items()}, keys_of(settings)[0]
    process.kill()
    process.wait()


class Feed:
    """A feed core with real sockets of the kind it asks for; `books` by the venue's update id."""

    def __init__(self, name: str, symbol: str, port: int) -> None:
        entry = FeedVenue(name=name, symbols=(symbol,), url="sim")
        self.core = MarketData(MarketDataSettings(venues=(entry,), candles=False, facts=False))
        self.said: list[Any] = []
        self.books: dict[int, tuple[list, list]] = {}
        self.tasks: list[asyncio.Task] = []
        self.base = f"http://127.0.0.1:{port}"
        self.link: RemoteLink | None = None
        if name in MARKETS:
            place = Address(self.base, self.base.replace("http", "ws"))
            listener = Listener(
                self.up, self.down, lambda _, connection, frame: self.frame(connection, frame)
            )
            self.link = RemoteLink(entry, lambda _: place, listener)

    @property
    def book(self):
        return next(iter(next(iter(self.core.venues.values())).markets.values())).book

    def up(self, connection: str) -> None:
        self.take(self.core.on_connected(connection, time.time_ns()))

    def down(self, connection: str, reason: str) -> None:
        self.take(self.core.on_disconnected(connection, reason, time.time_ns()))

    def frame(self, connection: str, frame: bytes) -> None:
        self.take(self.core.on_frame(connection, frame, time.time_ns()))
        data = json.loads(frame)["data"]
        update_id = data.get("u")
        if update_id and self.book.is_open:
            self.books[update_id] = tuple(self.book.book.levels(side, 20) for side in Side)

    def take(self, out) -> None:
        for item in out:
            if isinstance(item, OpenStream):
                work = self.link.follow(item) if self.link else self.follow(item)
                self.tasks.append(asyncio.create_task(work))
            elif isinstance(item, FetchRest):
                self.tasks.append(asyncio.create_task(self.ask(item)))
            else:
                self.said.append(item)

    async def follow(self, item: OpenStream) -> None:
        path = VENUES[item.venue].stream_path(item.group, item.streams)
        async with websockets.connect(self.base.replace("http", "ws") + path, compression=None) as socket:
            self.up(item.connection)
            while True:
                self.frame(item.connection, await socket.recv(decode=False))

    async def ask(self, item: FetchRest) -> None:
        await asyncio.sleep(item.after_ms / 1000)
        if self.link:
            status, body = await self.link.ask(item)
        else:
            async with httpx2.AsyncClient() as client:
                answer = await client.get(self.base + item.target)
            status, body = answer.status_code, answer.content
        self.take(self.core.on_response(item.request_id, status, body, time.time_ns()))

    async def until(self, condition) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                self.take(self.core.on_time(time.time_ns()))
                await asyncio.sleep(0.02)  # other processes: there is no event to wait for

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        if self.link:
            await self.link.close()


@pytest.mark.req("MD-26")
@pytest.mark.parametrize("name", MARKETS)
def test_books_through_ccxt_equal_the_native_ones_and_survive_the_death_of_the_child(venue, name) -> None:
    native_name, symbol, _ = MARKETS[name]
    port = venue[0][native_name]

    async def run() -> None:
        native, remote = Feed(native_name, "BTCUSDT", port), Feed(name, symbol, port)
        for feed in (native, remote):
            feed.take(feed.core.start(time.time_ns()))

        await remote.until(lambda: len(native.books.keys() & remote.books.keys()) >= 20)

        common = native.books.keys() & remote.books.keys()
        assert all(native.books[one] == remote.books[one] for one in common)
        await remote.until(lambda: any(isinstance(one, Trade) for one in remote.said))

        # A frame that is lost on the way: ccxt sees the hole, and the book begins anew.
        remote.said.clear()
        fault = {"kind": "drop", "venue": native_name, "stream": "btcusdt@depth", "count": 3}
        answer = httpx2.post(f"http://127.0.0.1:{venue[0]['control']}/sim/faults", json=fault)
        assert answer.json()["accepted"] == 1
        await remote.until(lambda: any(isinstance(one, BookInvalid) for one in remote.said))
        await remote.until(lambda: any(isinstance(one, BookSnapshot) for one in remote.said))

        remote.said.clear()
        os.kill(remote.link._child.pid, signal.SIGKILL)
        await remote.until(lambda: any(isinstance(one, BookInvalid) for one in remote.said))
        await remote.until(lambda: any(isinstance(one, BookSnapshot) for one in remote.said))
        await native.close()
        await remote.close()

    asyncio.run(run())


class Desk:
    """An adapter with a real child behind it; `heard` holds every report."""

    def __init__(self, access: RemoteAccess) -> None:
        self.adapter = RemoteAdapter(access)
        self.heard: list[Any] = []
        self.child: Child | None = None
        self.task: asyncio.Task | None = None
        self.count = 0

    def take(self, said) -> None:
        for one in said:
            if isinstance(one, OpenSocket):
                self.task = asyncio.create_task(self.hold(one.after_ms))
            elif isinstance(one, SendText):
                self.child.send(one.text)
            elif not isinstance(one, CloseSocket):
                self.heard.append(one)

    async def hold(self, after_ms: int) -> None:
        await asyncio.sleep(after_ms / 1000)
        self.child = await Child.start("services.ccxt_venue.main")
        self.take(self.adapter.on_opened("child", time.time_ns()))
        try:
            while True:
                self.take(self.adapter.on_text("child", await self.child.recv(), time.time_ns()))
        except ConnectionError as error:
            self.take(self.adapter.on_closed("child", str(error), time.time_ns()))

    async def until(self, condition) -> Any:
        async with asyncio.timeout(LIMIT_S):
            while True:
                found = [one for one in self.heard if condition(one)]
                if found:
                    return found[-1]
                await asyncio.sleep(0.02)  # another process: there is no event to wait for

    async def ask(self, kind, *arguments, **fields) -> Any:
        self.count += 1
        number = self.count
        self.take(self.adapter.carry_out([kind(number, *arguments, **fields)], time.time_ns()))
        return await self.until(lambda one: getattr(one, "request_id", 0) == number)


class Rehearsal(NamedTuple):
    """A desk at a market of the simulated venue, with prices around its touch and a size that passes."""

    desk: Desk
    market: str
    lots: int
    low: int
    high: int

    def bid(self, number: int, price: int, **fields: Any) -> Any:
        order = (f"t1-maker-b0-{number}", self.market, Side.BUY, price, self.lots)
        return self.desk.ask(Place, *order, **fields)


async def rehearse(name: str, venue) -> Rehearsal:
    native_name, symbol, ticks = MARKETS[name]
    ports, key = venue
    base = f"http://127.0.0.1:{ports[native_name]}"
    access = RemoteAccess(
        venue=name,
        network="sim",
        symbols=(symbol,),
        key={"apiKey": key.api_key, "secret": key.secret},
        rest_url=base,
        stream_url=base.replace("http", "ws"),
    )
    desk = Desk(access)
    desk.take(desk.adapter.start(time.time_ns()))
    await desk.until(lambda one: isinstance(one, UserStreamUp))
    is_spot = name == "ccxt_binance"
    book = httpx2.get(f"{base}{'/api/v3' if is_spot else '/fapi/v1'}/depth?symbol=BTCUSDT&limit=5").json()
    low, high = (int(float(book[side][0][0]) * ticks) for side in ("bids", "asks"))
    return Rehearsal(desk, f"{name}:{symbol}", 1000 if is_spot else 10, low * 99 // 100, high * 102 // 100)


async def rest_and_be_refused(at: Rehearsal) -> None:
    desk, market = at.desk, at.market
    resting = await at.bid(1, at.low)
    assert isinstance(resting, Acted)
    assert resting.order.state is VenueState.NEW
    found = await desk.ask(AskOrder, market, "t1-maker-b0-1")
    assert isinstance(found, OrderFound)
    assert found.order.qty_lots == at.lots
    opened = await desk.ask(AskOpenOrders, market)
    assert isinstance(opened, OpenOrders)
    assert [one.client_order_id for one in opened.orders] == ["t1-maker-b0-1"]
    crossing = await at.bid(2, at.high, is_post_only=True)
    assert isinstance(crossing, Refused)
    assert crossing.kind is RefusalKind.WOULD_TAKE
    again = await at.bid(1, at.low)
    assert isinstance(again, Doubtful) or again.kind is RefusalKind.DUPLICATE


async def take_and_look(at: Rehearsal) -> None:
    desk, market = at.desk, at.market
    assert isinstance(await at.bid(3, at.high, tif=TimeInForce.IOC), Acted)
    filled = await desk.until(lambda one: isinstance(one, Filled))
    assert filled.fill.client_order_id == "t1-maker-b0-3"
    fills = await desk.ask(AskFills, market, "", since_ns=time.time_ns() - 60 * 10**9)
    assert isinstance(fills, Fills)
    assert sum(one.qty_lots for one in fills.fills) == at.lots
    later = await desk.ask(AskFills, market, fills.fills[-1].trade_id)
    assert later.fills == []
    account = await desk.ask(AskAccount)
    assert isinstance(account, AccountTold)
    if account.positions:
        assert [one.position_lots for one in account.positions] == [at.lots]


async def cancel_and_miss(at: Rehearsal) -> None:
    desk, market = at.desk, at.market
    canceled = await desk.ask(Cancel, market, "t1-maker-b0-1")
    assert isinstance(canceled, Acted)
    assert canceled.order.state is VenueState.CANCELED
    unknown = await desk.ask(AskOrder, market, "t1-maker-b0-99")
    assert isinstance(unknown, Refused)
    assert unknown.kind is RefusalKind.NOT_FOUND
    assert isinstance(await desk.ask(CancelAll, market), Done)


@pytest.mark.req("MD-26", "BR-1", "I-05")
@pytest.mark.parametrize("name", MARKETS)
def test_orders_through_ccxt_live_and_die_as_the_venue_says(venue, name) -> None:
    async def run() -> None:
        at = await rehearse(name, venue)
        await rest_and_be_refused(at)
        await take_and_look(at)
        await cancel_and_miss(at)

        desk = at.desk
        desk.heard.clear()
        desk.take(desk.adapter.carry_out([AskAccount(999)], time.time_ns()))
        os.kill(desk.child.pid, signal.SIGKILL)
        doubt = await desk.until(lambda one: getattr(one, "request_id", 0) == 999)
        assert isinstance(doubt, Doubtful)
        assert {UserStreamDown, Unreachable} <= {type(one) for one in desk.heard}
        await desk.until(lambda one: isinstance(one, Reachable))
        assert isinstance(await desk.ask(AskOrder, at.market, "t1-maker-b0-3"), OrderFound)
        desk.task.cancel()
        await desk.child.close()

    asyncio.run(run())


def test_a_child_ends_with_its_parent() -> None:
    program = (
        "import asyncio; from shared.runtime.child import Child\n"
        "async def run():\n"
        "    child = await Child.start('services.ccxt_venue.main')\n"
        "    print(child.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(run())"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())

    parent.kill()
    parent.communicate()

    ends_at = time.monotonic() + LIMIT_S
    while Path(f"/proc/{pid}").exists() and " Z" not in Path(f"/proc/{pid}/stat").read_text():
        assert time.monotonic() < ends_at, f"child {pid} outlives its parent"
        time.sleep(0.02)  # another process: there is no event to wait for
