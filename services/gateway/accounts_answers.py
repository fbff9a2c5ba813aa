"""What is told of accounts at venues: the mode, each link, orders in doubt, the last comparison."""

from collections.abc import Collection

from services.broker.settings import VenueAccess
from services.gateway.accounts import Accounts, DifferenceRecord
from services.gateway.answers import Answer, Integer
from services.gateway.view import GatewayView
from shared.orders import OrderState
from shared.units import NS_PER_MS


class VenueLine(Answer):
    """One account: whether orders may leave and its private stream delivers; ages in ms of mesh time."""

    venue: str
    network: str
    key: str
    is_reachable: bool
    is_user_stream_up: bool
    user_stream_ms: int | None
    reason: str
    banned_until_ns: Integer


class Difference(Answer):
    """The newest difference between a venue and our books."""

    symbol: str
    kind: str
    client_order_id: str
    ours: str
    theirs: str
    repair: str
    is_halted: bool
    seq: Integer
    ts_ns: Integer


class AccountLine(Answer):
    """Orders at venues at a glance; on paper the mode alone."""

    mode: str
    venues: list[VenueLine]
    unknown_count: int
    oldest_unknown_ms: int | None
    is_reconciled: bool
    reconciled_ms: int | None
    reconciled_text: str
    difference_count: int
    difference: Difference | None
    dead_man: str


def account_of(view: GatewayView, processes: Collection[str], now_ns: int) -> AccountLine:
    """Return the line of the replica `view`; `processes` by name tell whether the canceller runs."""
    known = view.accounts
    doubts = [one.updated_ts_ns for one in view.live.values() if one.state == OrderState.UNKNOWN]
    said = known.reconciled
    newest = known.differences[-1] if known.differences else None
    return AccountLine(
        mode=known.settings.mode,
        venues=[_venue(access, known, now_ns) for access in known.settings.venues],
        unknown_count=len(doubts),
        oldest_unknown_ms=_age_ms(min(doubts), now_ns) if doubts else None,
        is_reconciled=known.is_reconciled,
        reconciled_ms=None if said is None else _age_ms(known.reconciled_ns, now_ns),
        reconciled_text="" if said is None else said.details,
        difference_count=known.difference_count,
        difference=None if newest is None else _difference(newest),
        dead_man=_dead_man(known, processes),
    )


def _venue(access: VenueAccess, known: Accounts, now_ns: int) -> VenueLine:
    link = known.links.get(access.name)
    return VenueLine(
        venue=access.name,
        network=access.network,
        key=access.key,
        is_reachable=link is not None and link.said.is_reachable,
        is_user_stream_up=link is not None and link.said.is_user_stream_up,
        user_stream_ms=None if link is None else _age_ms(link.user_stream_since_ns, now_ns),
        reason="not connected yet" if link is None else link.said.reason,
        banned_until_ns=0 if link is None else link.said.until_ns,
    )


def _difference(record: DifferenceRecord) -> Difference:
    fields = {name: getattr(record.said, name) for name in record.said.__struct_fields__}
    return Difference(**fields, seq=record.seq, ts_ns=record.ts_ns)


def _dead_man(known: Accounts, processes: Collection[str]) -> str:
    """Return who cancels when the broker dies."""
    if known.settings.mode == "paper":
        return ""
    countdown_ms = known.settings.live.countdown_ms
    at_venue = "no venue countdown"
    if countdown_ms:
        at_venue = f"venue countdown {countdown_ms // 1000} s where offered"
    if not processes:
        return at_venue
    return f"{at_venue}; canceller {'runs' if 'canceller' in processes else 'DOES NOT RUN'}"


def _age_ms(then_ns: int, now_ns: int) -> int:
    return max(0, (now_ns - then_ns) // NS_PER_MS)
