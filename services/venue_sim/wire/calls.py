"""What a call of the venue is: its action, what it costs and what it asks of its caller."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.wire.backend import Backend
from services.venue_sim.wire.params import Params
from services.venue_sim.wire.security import Security
from services.venue_sim.wire.session_state import SessionState


class Ask(NamedTuple):
    """One call under way: its parameters, the account that asks (empty for public calls), and the time."""

    backend: Backend
    params: Params
    account: str
    api_key: str
    now_ms: int
    ip: str
    session: SessionState | None = None


Action = Callable[[Ask], object]
Cost = int | Callable[[Mapping[str, str]], int]


class Call(NamedTuple):
    """One call of REST or the WebSocket API.

    `weight` and `orders` may depend on the parameters as sent. `is_free` calls give their weight back when
    they succeed (spot orders since 2026-04-02). Parameters other than `takes` are refused, None ignores them.
    """

    action: Action
    security: Security
    weight: Cost = 1
    orders: Cost = 0
    is_free: bool = False
    takes: tuple[str, ...] | None = None

    def weight_of(self, values: Mapping[str, str]) -> int:
        """Return what this call weighs."""
        return self.weight if isinstance(self.weight, int) else self.weight(values)

    def orders_of(self, values: Mapping[str, str]) -> int:
        """Return how many orders it counts."""
        return self.orders if isinstance(self.orders, int) else self.orders(values)


Rest = Mapping[tuple[str, str], Call]
Ws = Mapping[str, Call]


def weighs(name: str, without: int, with_: int) -> Callable[[Mapping[str, str]], int]:
    """Return a weight that depends on whether a parameter is sent."""
    return lambda values: with_ if values.get(name) else without


def bracket(default: int, steps: Iterable[tuple[int, int]]) -> Callable[[Mapping[str, str]], int]:
    """Return a weight by `limit`: steps are (up to this limit, weight), ascending; beyond, the last."""
    table = tuple(steps)

    def weight(values: Mapping[str, str]) -> int:
        sent = values.get("limit", "")
        limit = int(sent) if sent.isascii() and sent.isdigit() and len(sent) < 10 else default
        return next((cost for most, cost in table if limit <= most), table[-1][1])

    return weight


def order_key(params: Params) -> tuple[int, str]:
    """Return (orderId or 0, origClientOrderId or empty) of a call about one order (-1102 without both)."""
    order_id = params.integer("orderId")
    client_id = params.text("origClientOrderId")
    if not order_id and not client_id:
        raise VenueRefusal(
            -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
        )
    return order_id, client_id
