"""The feed's side of a ccxt venue: a child process in the place of sockets, made anew when it ends."""

import asyncio
import os
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from services.market_data.addresses import Address
from services.market_data.instructions import FetchRest, OpenStream
from services.market_data.settings import SIMULATED, FeedVenue
from shared.errors import VenueError
from shared.runtime.child import Child
from shared.venues.remote_words import (
    Broken,
    CloseFeed,
    FeedDown,
    FeedFrame,
    FeedUp,
    Get,
    Got,
    OpenFeed,
    Setup,
    decode_from_child,
    encode,
)

MODULE = "services.ccxt_venue.main"
# The first answer waits for the import of ccxt and the list of all markets of the venue.
ANSWER_S = 60.0
TESTNET = "testnet"
PROXY_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


class Listener(NamedTuple):
    """Who hears what happens: the feed's core, through its shell."""

    connected: Callable[[str], None]
    disconnected: Callable[[str, str], None]
    frame: Callable[[str, str, bytes], None]

    @classmethod
    def deaf(cls) -> "Listener":
        """Return one that ignores everything, for who only asks."""
        return cls(lambda _: None, lambda *_: None, lambda *_: None)


class RemoteLink:
    """One ccxt venue. `failure` is set when another child would not help: the shell ends then."""

    def __init__(self, venue: FeedVenue, locate: Callable[[str], Address], listener: Listener) -> None:
        self.failure = ""
        self._venue = venue
        self._locate = locate
        self._listener = listener
        self._child: Child | None = None
        self._starting = asyncio.Lock()
        self._open: set[str] = set()
        self._answers: dict[int, asyncio.Future[tuple[int, bytes]]] = {}
        self._closing = False
        self._listening: asyncio.Task[None] | None = None

    async def follow(self, wanted: OpenStream) -> None:
        """Ask the child to follow a market."""
        await asyncio.sleep(wanted.after_ms / 1000)
        self._open.add(wanted.connection)
        try:
            child = await self._running()
        except (OSError, VenueError) as error:
            self._lose(wanted.connection, str(error))
            return
        child.send(encode(OpenFeed(wanted.connection, wanted.group)))

    def unfollow(self, connection: str) -> None:
        """Ask the child to follow it no more."""
        self._open.discard(connection)
        if self._child is not None:
            self._child.send(encode(CloseFeed(connection)))

    async def ask(self, wanted: FetchRest) -> tuple[int, bytes]:
        """Return status and body of an answer, status 0 when none came."""
        await asyncio.sleep(wanted.after_ms / 1000)
        answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        self._answers[wanted.request_id] = answer
        try:
            child = await self._running()
            child.send(encode(Get(wanted.request_id, wanted.target)))
            return await asyncio.wait_for(answer, ANSWER_S)
        except (OSError, VenueError, TimeoutError) as error:
            return 0, f"{type(error).__name__}: {error}".encode()
        finally:
            self._answers.pop(wanted.request_id, None)

    async def close(self) -> None:
        """End the child."""
        self._closing = True
        self._open.clear()
        if self._listening is not None:
            self._listening.cancel()
        if self._child is not None:
            await self._child.close()

    async def _running(self) -> Child:
        async with self._starting:
            if self._closing:
                raise VenueError(f"{self._venue.name}: the feed ends")
            if self._child is None:
                setup = self._setup()
                self._child = await Child.start(MODULE)
                self._child.send(encode(setup))
                self._listening = asyncio.create_task(self._listen(self._child))
            return self._child

    def _setup(self) -> Setup:
        url = self._venue.url
        network = TESTNET if url == TESTNET else "sim" if url else "live"
        place = self._locate(self._venue.name) if network == "sim" else Address("", "")
        around = (os.environ.get(name) for name in PROXY_VARIABLES)
        proxy = self._venue.proxy or next(filter(None, around), "")
        return Setup(
            venue=self._venue.name,
            network=network,
            rest_url=place.rest,
            stream_url=place.stream,
            proxy=self._venue.proxy or ("" if url == SIMULATED else proxy),
        )

    async def _listen(self, child: Child) -> None:
        try:
            while True:
                self._hear(await child.recv())
        except ConnectionError as error:
            reason = str(error)
        except msgspec.DecodeError as error:
            reason = f"the child said what is no word: {error}"
            await child.close()
        self._end(reason)

    def _hear(self, data: bytes) -> None:
        word = decode_from_child(data)
        if isinstance(word, FeedFrame):
            if word.connection in self._open:
                self._listener.frame(self._venue.name, word.connection, word.frame)
        elif isinstance(word, FeedUp):
            if word.connection in self._open:
                self._listener.connected(word.connection)
        elif isinstance(word, FeedDown):
            self._lose(word.connection, word.reason)
        elif isinstance(word, Got):
            answer = self._answers.get(word.request_id)
            if answer is not None and not answer.done():
                answer.set_result((word.status, word.body))
        elif isinstance(word, Broken) and word.is_final:
            self.failure = self.failure or f"{self._venue.name}: {word.reason}"

    def _lose(self, connection: str, reason: str) -> None:
        if connection in self._open:
            self._open.discard(connection)
            self._listener.disconnected(connection, reason)

    def _end(self, reason: str) -> None:
        self._child = None
        for answer in self._answers.values():
            if not answer.done():
                answer.set_result((0, reason.encode()))
        for connection in sorted(self._open):
            self._lose(connection, reason)
