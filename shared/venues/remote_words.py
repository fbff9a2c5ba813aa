"""What a parent (market_data, broker) and the child process of a ccxt venue say to each other.

Frames of MessagePack over a socket pair, tagged; see shared/runtime/child.py. `Setup` comes first and once.
A key is in `Setup.key` alone: it reaches the child over that socket, never by environment or file.
"""

import msgspec

from shared.execution.commands import AnyCommand
from shared.execution.reports import AnyReport


class Word(msgspec.Struct, frozen=True, array_like=True):
    """Base of every word."""


class Setup(Word, frozen=True, tag="setup"):
    """Which venue this child serves. `network` is live, testnet or sim; `urls` replace hosts of `sim`.

    `key` holds the parts that ccxt names (apiKey, secret, password), empty for market data alone.
    `symbols` are the markets that orders may go to.
    """

    venue: str
    network: str
    rest_url: str = ""
    stream_url: str = ""
    proxy: str = ""
    timeout_ms: int = 10_000
    key: dict[str, str] = {}
    symbols: tuple[str, ...] = ()
    has_user_stream: bool = True


class OpenFeed(Word, frozen=True, tag="open_feed"):
    """Follow book and trades of one market; answered by `FeedUp` or `FeedDown`."""

    connection: str
    symbol: str


class CloseFeed(Word, frozen=True, tag="close_feed"):
    """Follow it no more; no `FeedDown` and no frame of it come afterwards."""

    connection: str


class Get(Word, frozen=True, tag="get"):
    """Ask for rules (`rules/SYMBOL`) or a whole book (`book/SYMBOL`); answered by `Got`."""

    request_id: int
    target: str


class Carry(Word, frozen=True, tag="carry"):
    """Carry out a command of the order desk; answered by one `Told` that repeats its `request_id`."""

    command: AnyCommand


class Ready(Word, frozen=True, tag="ready"):
    """The venue's code is loaded; with a key, its markets too."""

    ccxt_version: str


class Broken(Word, frozen=True, tag="broken"):
    """This child cannot serve the venue; `is_final` when another start would not help."""

    reason: str
    is_final: bool


class FeedUp(Word, frozen=True, tag="feed_up"):
    """The first book of a market is here; frames follow."""

    connection: str


class FeedDown(Word, frozen=True, tag="feed_down"):
    """A market is no longer followed."""

    connection: str
    reason: str


class FeedFrame(Word, frozen=True, tag="feed_frame"):
    """One frame of a feed, as JSON (shared/venues/remote.py)."""

    connection: str
    frame: bytes


class Got(Word, frozen=True, tag="got"):
    """Answer to `Get`, with a status as HTTP has them; 0 when the venue gave no answer."""

    request_id: int
    status: int
    body: bytes


class Told(Word, frozen=True, tag="told"):
    """A report of the venue to the order desk."""

    report: AnyReport


ToChild = Setup | OpenFeed | CloseFeed | Get | Carry
FromChild = Ready | Broken | FeedUp | FeedDown | FeedFrame | Got | Told

encode = msgspec.msgpack.Encoder().encode
decode_to_child = msgspec.msgpack.Decoder(ToChild).decode
decode_from_child = msgspec.msgpack.Decoder(FromChild).decode
