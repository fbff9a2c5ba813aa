"""What travels between the parts of an adapter: a request, and what became of it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import msgspec

from services.broker.binance.budget import Cost, Purpose
from services.broker.binance.errors import Verdict
from services.broker.binance.signing import Param
from shared.execution.outside import OutsideWork
from shared.execution.reports import AnyReport

Out = list[AnyReport | OutsideWork]


class Security(Enum):
    """What a request carries: nothing, the key, or the key and a signature."""

    NONE = "none"
    KEY = "key"
    SIGNED = "signed"


class Request(NamedTuple):
    """One request; `api_method` names it on the WebSocket API and is empty where that has no such call.

    `base` is another host than the venue's REST one.
    """

    purpose: Purpose
    cost: Cost
    http_method: str
    path: str
    params: dict[str, Param]
    api_method: str = ""
    security: Security = Security.SIGNED
    base: str = ""


class Answer(NamedTuple):
    """A whole answer: `verdict` is None when the venue did it, `body` then the result as JSON."""

    status: int
    body: bytes
    verdict: Verdict | None
    code: int
    text: str
    sent_ns: int
    retry_ns: int = 0

    @property
    def is_ok(self) -> bool:
        """Return whether the venue did what was asked."""
        return self.verdict is None


class Lost(NamedTuple):
    """No whole answer; `is_sent` False only when certainly no byte left."""

    reason: str
    is_sent: bool
    sent_ns: int


Outcome = Answer | Lost
Take = Callable[[Outcome, int, Out], None]


@dataclass(slots=True)
class Call:
    """A request in flight; `take` is called exactly once, `late` for an answer that comes after a doubt."""

    call_id: int
    request: Request
    take: Take
    late: Take | None
    sent_ns: int
    deadline_ns: int
    socket: str
    is_unsigned: bool = False
    is_second: bool = False


class ErrorBody(msgspec.Struct):
    """`{"code": -1013, "msg": "..."}`; over the WebSocket API with the end of a ban in `data`."""

    code: int = 0
    msg: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")


class BanData(msgspec.Struct):
    """`data` of a 418 or 429 over the WebSocket API; milliseconds since 1970."""

    retryAfter: int = 0  # noqa: N815
    serverTime: int = 0  # noqa: N815


class RateLimit(msgspec.Struct):
    """One entry of `rateLimits`, in exchangeInfo without `count`."""

    rateLimitType: str  # noqa: N815
    interval: str
    intervalNum: int  # noqa: N815
    limit: int
    count: int = -1


_error = msgspec.json.Decoder(ErrorBody)
_ban = msgspec.json.Decoder(BanData)


def error_of(body: bytes) -> ErrorBody:
    """Return code and text of an error body; what is no such body has code 0 and its own text."""
    try:
        return _error.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return ErrorBody(0, body[:200].decode("utf-8", "replace"))


def ban_end_ms(data: bytes) -> int:
    """Return the end of a ban as told, 0 where it is not."""
    try:
        return _ban.decode(data).retryAfter if data else 0
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return 0


def ban_wait_ms(data: bytes) -> int:
    """Return how long a ban lasts from its answer on, by the venue's clock alone; 0 where it is not told."""
    try:
        told = _ban.decode(data) if data else BanData()
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return 0
    return max(0, told.retryAfter - told.serverTime) if told.serverTime > 0 else 0
