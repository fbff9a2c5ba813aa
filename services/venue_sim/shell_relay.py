"""The TCP relay in front of a venue's port: moves the bytes as `relay` decides."""

import asyncio
import contextlib
import socket

from services.venue_sim.relay import DIRECTIONS, Direction, Relay, RelayCommand

CHUNK_BYTES = 65_536
# Who is written to slowly is read from slowly: so many pieces wait for their time at most.
WAITING_CHUNKS_MAX = 256


class RelayServer:
    """One venue's relay: accepts on `listener` and connects to the venue at (host, port) for each client."""

    def __init__(self, relay: Relay, listener: socket.socket, host: str, port: int) -> None:
        self.relay = relay
        self._listener = listener
        self._host = host
        self._port = port
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def serve(self) -> None:
        """Run until cancelled."""
        server = await asyncio.start_server(self._client, sock=self._listener)
        try:
            await server.serve_forever()
        finally:
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            server.close()

    def command(self, command: RelayCommand) -> None:
        """Carry out a command at once."""
        for connection in self.relay.command(command):
            task = self._tasks.get(connection)
            if task is not None:
                task.cancel()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = self.relay.connect()
        if connection is None:
            await _dropped(writer)
            return
        self._tasks[connection] = asyncio.ensure_future(self._pass(connection, reader, writer))
        with contextlib.suppress(asyncio.CancelledError):
            await self._tasks[connection]
        del self._tasks[connection]
        self.relay.close(connection)

    async def _pass(
        self, connection: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            venue_reader, venue_writer = await asyncio.open_connection(self._host, self._port)
        except OSError:
            await _dropped(writer)
            return
        readers = {"up": reader, "down": venue_reader}
        writers = {"up": venue_writer, "down": writer}
        ways = {
            asyncio.ensure_future(self._way(connection, way, readers[way], writers[way]))
            for way in DIRECTIONS
        }
        try:
            # The first side that ends closes the other, but a direction that swallows swallows its end too.
            waiting = ways
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if any(task.result() for task in done):
                    return
        finally:
            for task in ways:
                task.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            # Both are dropped without a goodbye when the relay cuts, so that nothing held still arrives.
            for stream in (writer, venue_writer):
                await _dropped(stream)

    async def _way(
        self, connection: int, way: Direction, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Pass on what is due until the speaker ends; return whether the listener is to hear of the end."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(WAITING_CHUNKS_MAX)
        sender = asyncio.ensure_future(_send_when_due(waiting, writer))
        loop = asyncio.get_running_loop()
        try:
            while not sender.done():
                data = await reader.read(CHUNK_BYTES)
                due_s = self.relay.due_s(connection, way, len(data), loop.time())
                if due_s is None:
                    if data:
                        continue
                    return False
                await waiting.put((due_s, data))
                if not data:
                    await sender
        except OSError:
            return True
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
        return True


async def _send_when_due(waiting: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
    """Write each piece at its time; an empty one is the end."""
    loop = asyncio.get_running_loop()
    while True:
        due_s, data = await waiting.get()
        await asyncio.sleep(max(0.0, due_s - loop.time()))
        if not data:
            return
        writer.write(data)
        await writer.drain()


async def _dropped(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
