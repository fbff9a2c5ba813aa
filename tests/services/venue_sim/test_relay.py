"""What the relay decides, and that real sockets feel it."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.venue_sim.relay import Relay, RelayCommand
from services.venue_sim.shell_relay import RelayServer
from services.venue_sim.venue import SPOT, USDM

LIMIT_S = 20


def test_bytes_pass_at_once_then_later_but_never_overtake() -> None:
    relay = Relay(SPOT)
    one = relay.connect()
    assert one is not None
    assert relay.due_s(one, "up", 10, 5.0) == 5.0
    relay.command(RelayCommand(action="delay", direction="up", delay_ms=2_000))
    assert relay.due_s(one, "up", 10, 6.0) == 8.0
    assert relay.due_s(one, "down", 10, 6.0) == 6.0
    relay.command(RelayCommand(action="heal"))
    assert relay.due_s(one, "up", 10, 7.0) == 8.0
    assert relay.due_s(one, "up", 10, 9.0) == 9.0


def test_a_half_open_connection_stays_so_and_new_ones_are_healthy_after_healing() -> None:
    relay = Relay(SPOT)
    one, quiet = relay.connect(), relay.connect()
    relay.command(RelayCommand(action="half_open", direction="down"))
    assert relay.due_s(one, "down", 7, 1.0) is None
    assert relay.due_s(one, "up", 7, 1.0) == 1.0
    relay.command(RelayCommand(action="heal"))
    assert relay.due_s(one, "down", 5, 2.0) is None
    assert relay.due_s(quiet, "down", 5, 2.0) == 2.0, "it lost nothing"
    assert relay.due_s(relay.connect(), "down", 5, 2.0) == 2.0
    assert relay.counts["bytes swallowed"] == 12


def test_cut_closes_what_is_open_and_refuse_also_what_comes() -> None:
    relay = Relay(SPOT)
    one, two = relay.connect(), relay.connect()
    relay.close(one)
    assert relay.command(RelayCommand(action="cut")) == [two]
    assert relay.connect() == 3
    assert relay.command(RelayCommand(action="refuse")) == [two, 3]
    assert relay.connect() is None
    relay.command(RelayCommand(action="heal"))
    assert relay.connect() == 4
    assert relay.command(RelayCommand(action="cut", venue=USDM)) == []


def test_a_command_that_cannot_be_says_so() -> None:
    assert "venue 'x' is unknown" in RelayCommand(action="cut", venue="x").problem()
    assert "outside 0 to 600000" in RelayCommand(action="delay", delay_ms=-1).problem()
    assert RelayCommand(action="heal").problem() == ""


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1_000):
        writer.write(data)
        await writer.drain()
    await closed(writer)


Story = Callable[[RelayServer, int], Awaitable[None]]


def with_relay(story: Story) -> None:
    """Run a story against an echo server behind a relay."""

    async def run() -> None:
        async with asyncio.timeout(LIMIT_S):
            venue = await asyncio.start_server(echo, "127.0.0.1", 0)
            listener = socket.create_server(("127.0.0.1", 0))
            server = RelayServer(Relay(SPOT), listener, "127.0.0.1", venue.sockets[0].getsockname()[1])
            serving = asyncio.ensure_future(server.serve())
            await story(server, listener.getsockname()[1])
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            venue.close()

    asyncio.run(run())


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def said(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> bytes:
    writer.write(data)
    return await reader.readexactly(len(data))


def test_bytes_pass_both_ways_and_late_when_told() -> None:
    async def story(server: RelayServer, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        payload = bytes(range(256)) * 2_000
        writer.write(payload)
        assert await reader.readexactly(len(payload)) == payload

        server.command(RelayCommand(action="delay", delay_ms=60))
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        assert await said(reader, writer, b"late") == b"late"
        assert loop.time() - began_s >= 0.12
        await closed(writer)

    with_relay(story)


def test_a_cut_closes_the_client_and_a_refusal_lets_none_in() -> None:
    async def story(server: RelayServer, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await said(reader, writer, b"a") == b"a"
        server.command(RelayCommand(action="cut"))
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        await closed(writer)
        reader, cut_writer = await asyncio.open_connection("127.0.0.1", port)
        assert await said(reader, cut_writer, b"b") == b"b"
        server.command(RelayCommand(action="refuse"))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        await closed(writer)
        await closed(cut_writer)

    with_relay(story)


def test_a_half_open_client_hears_nothing_not_even_the_end() -> None:
    async def story(server: RelayServer, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await said(reader, writer, b"a") == b"a"
        server.command(RelayCommand(action="half_open"))
        writer.write(b"into the void")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readexactly(1), 0.5)
        assert server.relay.counts["bytes swallowed"] == 13
        server.command(RelayCommand(action="heal"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(said(reader, writer, b"still"), 0.05)
        fresh_reader, fresh_writer = await asyncio.open_connection("127.0.0.1", port)
        assert await said(fresh_reader, fresh_writer, b"healthy") == b"healthy"
        await closed(writer)
        await closed(fresh_writer)

    with_relay(story)


def test_a_venue_that_is_down_closes_the_client() -> None:
    async def run() -> None:
        async with asyncio.timeout(LIMIT_S):
            listener, nobody = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
            port = nobody.getsockname()[1]
            nobody.close()
            serving = asyncio.ensure_future(RelayServer(Relay(SPOT), listener, "127.0.0.1", port).serve())
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.getsockname()[1])
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
            await closed(writer)
            serving.cancel()

    asyncio.run(run())


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["delay", "half_open", "heal", "bytes", "bytes", "bytes"]),
            st.sampled_from(["", "up", "down"]),
            st.integers(0, 2_000),
        ),
        max_size=40,
    )
)
def test_no_bytes_overtake_and_after_swallowing_none_pass(steps: list[tuple[str, str, int]]) -> None:
    relay, now_s = Relay(SPOT), 0.0
    one = relay.connect()
    assert one is not None
    last_s, is_broken = {"up": 0.0, "down": 0.0}, {"up": False, "down": False}
    for action, direction, amount in steps:
        now_s += amount / 1_000
        if action != "bytes":
            relay.command(RelayCommand(action=action, direction=direction, delay_ms=amount))
            continue
        way = direction or "up"
        due_s = relay.due_s(one, way, 1, now_s)
        is_broken[way] = is_broken[way] or due_s is None
        if due_s is None:
            continue
        assert not is_broken[way]
        assert due_s >= max(now_s, last_s[way])
        last_s[way] = due_s
