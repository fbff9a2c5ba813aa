"""What a venue's feed has open: connections, and REST requests on their way."""

from enum import Enum
from typing import NamedTuple

from services.market_data.backoff import Backoff


class Link:
    """One connection of a venue and the streams it must carry."""

    def __init__(self, name: str, group: str, streams: tuple[str, ...]) -> None:
        self.name = name
        self.group = group
        self.streams = streams
        self.backoff = Backoff(name)
        self.is_up = False
        self.is_finished = False
        self.last_frame_ns = 0


class Wanted(Enum):
    """What a REST request asks for."""

    RULES = "rules"
    DEPTH = "depth"
    CANDLES = "candles"
    OPEN_INTEREST = "open_interest"
    MARK = "mark"


class Request(NamedTuple):
    """A REST request on its way; one of rules names all markets it covers, the others their market."""

    target: str
    symbols: tuple[str, ...]
    wanted: Wanted
