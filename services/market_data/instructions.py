"""What the feed asks of whoever owns its sockets. Delays are real time, in milliseconds."""

from shared.messages.base import Instruction


class OpenStream(Instruction, frozen=True, tag="open_stream"):
    """Connect to the combined streams of a venue after `after_ms`; answer with `on_connected`.

    `group` names the venue's route (`public`, `market`), empty where there is one.
    """

    connection: str
    venue: str
    streams: tuple[str, ...]
    after_ms: int = 0
    group: str = ""


class CloseStream(Instruction, frozen=True, tag="close_stream"):
    """Drop a connection at once; no frame of it may be delivered afterwards."""

    connection: str


class FetchRest(Instruction, frozen=True, tag="fetch_rest"):
    """GET `target` after `after_ms`; answer with `on_response`, status 0 when there was no answer."""

    request_id: int
    venue: str
    target: str
    after_ms: int = 0
