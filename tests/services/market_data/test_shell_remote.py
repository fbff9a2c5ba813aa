"""The feed's side of a ccxt venue: a child that cannot work, dies, or says what is no word."""

import asyncio

import pytest

from services.market_data.addresses import Address
from services.market_data.instructions import FetchRest, OpenStream
from services.market_data.settings import FeedVenue
from services.market_data.shell_remote import Listener, RemoteLink
from shared.venues.remote_words import Broken, FeedDown, FeedFrame, FeedUp, Got, encode


class FakeChild:
    """The parent's end of a child: `frames` come out of `recv`, `sent` is what went in."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue = asyncio.Queue()
        self.sent: list[bytes] = []
        self.is_closed = False

    def send(self, frame: bytes) -> None:
        self.sent.append(frame)

    async def recv(self) -> bytes:
        frame = await self.frames.get()
        if frame is None:
            raise ConnectionError("the child process ended with code -9: its socket closed")
        return frame

    async def close(self) -> None:
        self.is_closed = True


class Rig:
    """One link with children of the test; `heard` is what the core would hear."""

    def __init__(self, monkeypatch, url: str = "") -> None:
        self.children: list[FakeChild] = []
        self.heard: list[tuple] = []
        rig = self

        async def start(_: str) -> FakeChild:
            rig.children.append(FakeChild())
            return rig.children[-1]

        monkeypatch.setattr("services.market_data.shell_remote.Child.start", start)
        listener = Listener(
            lambda connection: self.heard.append(("up", connection)),
            lambda *told: self.heard.append(("down", *told)),
            lambda *told: self.heard.append(("frame", *told)),
        )
        venue = FeedVenue(name="okx", symbols=("A/B",), url=url)
        self.link = RemoteLink(venue, lambda _: Address("http://h", "ws://h"), listener)

    async def say(self, *words) -> None:
        for word in words:
            self.children[-1].frames.put_nowait(word if word is None else encode(word))
        for _ in range(10):
            await asyncio.sleep(0)


OPEN = OpenStream("okx/A/B", "okx", (), 0, "A/B")


def test_a_market_goes_up_gives_frames_and_goes_down_once(monkeypatch) -> None:
    async def run() -> Rig:
        rig = Rig(monkeypatch)
        await rig.link.follow(OPEN)
        await rig.say(FeedUp("okx/A/B"), FeedFrame("okx/A/B", b"{}"), FeedFrame("other", b"{}"))
        await rig.say(FeedDown("okx/A/B", "gap"), FeedDown("okx/A/B", "again"), FeedFrame("okx/A/B", b"{}"))
        await rig.link.close()
        return rig

    rig = asyncio.run(run())
    assert rig.heard == [
        ("up", "okx/A/B"),
        ("frame", "okx", "okx/A/B", b"{}"),
        ("down", "okx/A/B", "gap"),
    ]
    assert rig.children[0].is_closed


@pytest.mark.req("MD-26")
def test_a_dead_child_ends_its_markets_and_questions_and_a_new_one_is_made(monkeypatch) -> None:
    async def run() -> tuple[Rig, tuple[int, bytes], tuple[int, bytes]]:
        rig = Rig(monkeypatch)
        await rig.link.follow(OPEN)
        first = asyncio.create_task(rig.link.ask(FetchRest(1, "okx", "rules/A/B")))
        await rig.say()
        await rig.say(None)
        second = asyncio.create_task(rig.link.ask(FetchRest(2, "okx", "rules/A/B")))
        for _ in range(10):
            await asyncio.sleep(0)
        await rig.say(Got(2, 200, b"[]"))
        answers = await first, await second
        await rig.link.close()
        return rig, *answers

    rig, lost, answered = asyncio.run(run())
    assert rig.heard[-1][0] == "down"
    assert "code -9" in rig.heard[-1][2]
    assert (lost[0], answered) == (0, (200, b"[]"))
    assert len(rig.children) == 2


def test_words_that_are_none_end_the_child(monkeypatch) -> None:
    async def run() -> Rig:
        rig = Rig(monkeypatch)
        await rig.link.follow(OPEN)
        rig.children[0].frames.put_nowait(b"\xc1")
        await rig.say()
        return rig

    rig = asyncio.run(run())
    assert rig.children[0].is_closed
    assert "no word" in rig.heard[-1][2]


@pytest.mark.req("MD-26")
def test_a_child_that_can_never_work_is_a_failure_of_the_feed(monkeypatch) -> None:
    async def run() -> Rig:
        rig = Rig(monkeypatch)
        await rig.link.follow(OPEN)
        await rig.say(Broken("ccxt is not installed; run ./quotemesh install ccxt", True))
        await rig.link.close()
        return rig

    assert "install ccxt" in asyncio.run(run()).link.failure


@pytest.mark.req("MD-27")
def test_the_setup_tells_network_hosts_and_the_proxy_of_the_environment(monkeypatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:1")

    setups = [Rig(monkeypatch, url).link._setup() for url in ("", "testnet", "sim")]

    named = Rig(monkeypatch)
    named.link._venue = FeedVenue(name="okx", symbols=("A/B",), url="", proxy="http://mine:2")
    assert named.link._setup().proxy == "http://mine:2"
    assert [(one.network, one.rest_url, one.proxy) for one in setups] == [
        ("live", "", "http://proxy:1"),
        ("testnet", "", "http://proxy:1"),
        ("sim", "http://h", ""),
    ]
