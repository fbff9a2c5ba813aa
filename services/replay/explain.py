"""Why an order was sent, and what became of it: its events and the chain of causes behind each."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from shared.messages import Event

CAUSES_MAX = 20


class Step(NamedTuple):
    """One event in the story of an order; `depth` counts causes back from the order's own events."""

    event: Event
    depth: int


def explain(
    client_order_id: str, events: Iterable[Event], event_at: Callable[[int], Event | None]
) -> list[Step]:
    """Return the events of one order, each led by the causes that are not yet told, in order of the log.

    `event_at(seq)` finds one event, None when it is no longer kept. Empty when the log knows no such order.
    """
    told: set[int] = set()
    story: list[Step] = []
    for event in events:
        if getattr(event.message, "client_order_id", None) != client_order_id:
            continue
        chain: list[Event] = [event]
        cause_seq = event.header.cause_seq
        while cause_seq and cause_seq not in told and len(chain) <= CAUSES_MAX:
            cause = event_at(cause_seq)
            if cause is None:
                break
            chain.append(cause)
            cause_seq = cause.header.cause_seq
        for depth in range(len(chain) - 1, -1, -1):
            told.add(chain[depth].header.seq)
            story.append(Step(chain[depth], depth))
    return story
