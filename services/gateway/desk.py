"""Control requests of people: said as facts, answered only when they are durable on the log (rule 2)."""

import asyncio
import contextlib
from collections import deque
from typing import NamedTuple, Protocol

from shared.messages import Event, Message, control

CONTROL = (
    control.KillRequested,
    control.KillClearRequested,
    control.PauseRequested,
    control.ResumeRequested,
    control.CancelAllRequested,
    control.ReconcileRequested,
    control.OrderRequested,
    control.RouteRequested,
    control.OrderCancelRequested,
    control.FlattenRequested,
)


CLEAR_LIMIT_S = 3.0
"""How long the answer of the broker to a clear is awaited."""
ANSWERS_KEPT = 16


class NotStoredError(Exception):
    """The log did not confirm in time; whether the request is on it is not known."""


class Speaker(Protocol):
    """The part of `shared.runtime.port.Port` that the desk needs."""

    run: int
    is_live: bool

    def publish(self, message: Message, origin_ns: int | None = None, cause_seq: int = 0) -> None:
        """Say a fact."""

    async def wait_durable(self, seq: int) -> None:
        """Return when all up to `seq` is durable."""


class _Asked(NamedTuple):
    message: Message
    seq: "asyncio.Future[int]"


class ControlDesk:
    """Says requests, and waits for their place on the log.

    Requests come back in the order in which they were said, so the first unanswered one that equals an
    event of ours is the one.
    """

    def __init__(self, port: Speaker, limit_s: float = 5.0) -> None:
        self._port = port
        self._limit_s = limit_s
        self._asked: deque[_Asked] = deque()
        self._refused: dict[int, str | None] = {}
        self._answered = asyncio.Event()

    async def ask(self, message: Message) -> int:
        """Say `message` and return its seq once it is durable; raises `NotStoredError` after the limit."""
        if not self._port.is_live:
            raise NotStoredError("the gateway is still catching up with the log; nothing was said")
        asked = _Asked(message, asyncio.get_running_loop().create_future())
        self._asked.append(asked)
        self._port.publish(message)
        try:
            async with asyncio.timeout(self._limit_s):
                seq = await asked.seq
                await self._port.wait_durable(seq)
        except TimeoutError:
            raise NotStoredError(
                f"the log did not confirm within {self._limit_s:g} s; the request is sent again by itself "
                "when the bus is back, so look at the status before repeating it"
            ) from None
        return seq

    async def refusal(self, seq: int) -> str | None:
        """Return why the broker refuses the clear at `seq`, empty if it has cleared, None if it is silent."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(self._limit_s, CLEAR_LIMIT_S)):
                while seq not in self._refused:
                    self._answered.clear()
                    await self._answered.wait()
        return self._refused.get(seq)

    def seen(self, event: Event) -> None:
        """Take an event of the log: it may be one of our requests, or the answer to one."""
        header, message = event
        if isinstance(message, control.KillCleared | control.KillClearRefused):
            is_refused = isinstance(message, control.KillClearRefused)
            self._refused[header.cause_seq] = message.reason if is_refused else ""
            while len(self._refused) > ANSWERS_KEPT:
                del self._refused[next(iter(self._refused))]
            self._answered.set()
            return
        if header.source != "gateway.io" or header.run != self._port.run or not isinstance(message, CONTROL):
            return
        if self._asked and self._asked[0].message == message:
            asked = self._asked.popleft()
            # One whose asker gave up is done already.
            if not asked.seq.done():
                asked.seq.set_result(header.seq)
