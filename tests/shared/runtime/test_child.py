"""A child process with a socket pair: frames both ways, and an end that is always seen."""

import asyncio
import os
import signal

import pytest

from shared.runtime.child import FRAME_BYTES_MAX, Child, read_frame, write_frame
from shared.venues.remote_words import Broken, OpenFeed, decode_from_child, encode

pytestmark = pytest.mark.mesh
MODULE = "services.ccxt_venue.main"


def test_frames_keep_their_borders_and_a_monstrous_length_is_refused() -> None:
    async def run() -> None:
        reader = asyncio.StreamReader()

        class Writer:
            write = staticmethod(reader.feed_data)

        for frame in (b"", b"one", b"x" * 100_000):
            write_frame(Writer(), frame)
        assert [len(await read_frame(reader)) for _ in range(3)] == [0, 3, 100_000]
        reader.feed_data((FRAME_BYTES_MAX + 1).to_bytes(4, "little"))
        with pytest.raises(ValueError, match="limit"):
            await read_frame(reader)

    asyncio.run(run())


def test_a_child_that_gets_a_wrong_first_word_says_so_and_ends() -> None:
    async def run() -> None:
        child = await Child.start(MODULE)
        child.send(encode(OpenFeed("c", "A/B")))
        word = decode_from_child(await child.recv())
        assert isinstance(word, Broken)
        assert word.is_final
        with pytest.raises(ConnectionError, match="code 4"):
            await child.recv()

    asyncio.run(run())


def test_a_killed_child_is_an_end_with_its_code() -> None:
    async def run() -> None:
        child = await Child.start(MODULE)
        os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(ConnectionError, match="code -9"):
            await child.recv()

    asyncio.run(run())


@pytest.mark.req("MD-26")
def test_no_secret_of_the_environment_reaches_a_child(monkeypatch) -> None:
    monkeypatch.setenv("QUOTEMESH_KEY_OKX", "sesame")

    async def run() -> bytes:
        child = await Child.start(MODULE)
        with open(f"/proc/{child.pid}/environ", "rb") as file:  # noqa: PTH123, ASYNC230
            kept = file.read()
        await child.close()
        return kept

    assert b"sesame" not in asyncio.run(run())
