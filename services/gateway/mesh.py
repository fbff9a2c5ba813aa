"""What routes need of the gateway's process, and the words they share."""

from collections.abc import Awaitable, Callable
from typing import Annotated, NamedTuple

from fastapi import Body, Query

from services.gateway.hub import Hub
from services.gateway.stages import Stages
from services.gateway.view import GatewayView
from services.gateway.watch import Sight
from shared.messages import Message

BY = "gateway"
PAGE_MAX = 1000

After = Annotated[int, Query(ge=0, le=2**63 - 1, description="only what has a later seq")]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX, description="most items in one answer")]
Name = Annotated[str, Query(max_length=64)]
Reason = Annotated[str, Body(min_length=1, max_length=500, embed=True)]
OptionalReason = Annotated[str, Body(max_length=500, embed=True)]
Which = Annotated[str, Body(max_length=64, embed=True)]


class Mesh(NamedTuple):
    """What the routes need: the replica, why it is not ready, how to ask, and what is not on the log."""

    view: GatewayView
    hub: Hub
    reasons: Callable[[], list[str]]
    durable_seq: Callable[[], int]
    ask: Callable[[Message], Awaitable[int]]
    refusal: Callable[[int], Awaitable[str | None]]
    latch: Callable[[str], Awaitable[bool]]
    sight: Callable[[], Sight]
    stages: Stages
