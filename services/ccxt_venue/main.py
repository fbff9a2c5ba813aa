"""The child: `python -m services.ccxt_venue.main SOCKET_NUMBER`, started by market_data or the broker.

Logs go to the parent's error stream, and never hold a key. Exit codes: 0 the parent closed the socket,
4 ccxt is not installed or the setup cannot work.
"""

import asyncio
import logging
import socket
import sys

from shared.errors import ConfigError
from shared.runtime.child import read_frame, write_frame
from shared.venues.remote_words import Broken, FromChild, Setup, decode_to_child, encode

# A parent that reads no more is as good as dead: its books must not be served from an endless buffer.
UNREAD_BYTES_MAX = 32 * 2**20
NOT_INSTALLED = "ccxt is not installed; run ./quotemesh install ccxt"


async def serve(number: int) -> int:
    """Serve one parent until its socket closes."""
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=number))

    def say(word: FromChild) -> None:
        write_frame(writer, encode(word))
        if writer.transport.get_write_buffer_size() > UNREAD_BYTES_MAX:
            writer.transport.abort()

    service = None
    try:
        word = decode_to_child(await read_frame(reader))
        if not isinstance(word, Setup):
            raise ConfigError(f"the first word is {type(word).__name__}, must be Setup")
        try:
            from services.ccxt_venue.service import VenueService  # noqa: PLC0415  importing ccxt takes a second
        except ModuleNotFoundError as error:
            raise ConfigError(NOT_INSTALLED if error.name == "ccxt" else str(error)) from error
        service = VenueService(word, say)
        await service.start()
        while True:
            service.take(decode_to_child(await read_frame(reader)))
    except ConfigError as error:
        say(Broken(str(error), is_final=True))
        await writer.drain()
        return 4
    except (asyncio.IncompleteReadError, ConnectionError):
        return 0
    finally:
        writer.close()
        if service is not None:
            await service.close()


def main() -> int:
    """Run until the parent is gone; return the exit code."""
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    return asyncio.run(serve(int(sys.argv[1])))


if __name__ == "__main__":
    sys.exit(main())
