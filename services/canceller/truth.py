"""What a venue says of our account: key rights, balances, positions and open orders, ours and others'."""

from typing import NamedTuple, TypeVar

from services.canceller.direct import DirectVenue, Question, VenueSilentError
from shared.execution import commands, reports

_BASE36 = frozenset("0123456789abcdefghijklmnopqrstuvwxyz")
_PARTS = 4

A = TypeVar("A")


class RequestLimitError(VenueSilentError):
    """The venue's request limit is used up, by others of this account or address too: ask in a minute."""


class Truth(NamedTuple):
    """The account at one venue, all of it as the venue told it."""

    rights: reports.KeyRightsTold | None
    balances: list[reports.Balance]
    positions: list[reports.VenuePosition]
    orders: list[reports.VenueOrder]


def is_ours(client_order_id: str) -> bool:
    """Return whether an order id has the form of ours: epoch, strategy, slot and generation."""
    parts = client_order_id.split("-")
    if len(parts) != _PARTS or not all(parts):
        return False
    return _BASE36.issuperset(parts[0]) and _BASE36.issuperset(parts[3])


async def read_truth(venue: DirectVenue, limit_s: float, *, has_rights: bool = True) -> Truth:
    """Ask for everything; raises `VenueSilentError` when a part of it was refused or did not come.

    Key rights may be refused (a testnet has no such call): then they are None.
    """
    rights: reports.KeyRightsTold | None = None
    if has_rights:
        answer = await venue.ask(commands.AskKeyRights, limit_s)
        rights = answer if isinstance(answer, reports.KeyRightsTold) else None
    account = await expect(venue, commands.AskAccount, reports.AccountTold, limit_s)
    return Truth(rights, account.balances, account.positions, await open_orders(venue, limit_s))


async def open_orders(venue: DirectVenue, limit_s: float) -> list[reports.VenueOrder]:
    """Return every open order of the account; raises `VenueSilentError` when the venue did not tell."""
    told = await expect(venue, commands.AskOpenOrders, reports.OpenOrders, limit_s)
    return told.orders


async def expect(venue: DirectVenue, make: "type[Question]", kind: type[A], limit_s: float) -> A:
    """Return the answer when it is of `kind`; raises `VenueSilentError` with the venue's reason otherwise.

    Where only the request limit stood before it, that is a `RequestLimitError`.
    """
    answer = await venue.ask(make, limit_s)
    if isinstance(answer, kind):
        return answer
    code = answer.code if isinstance(answer, reports.Refused) else ""
    reason = getattr(answer, "reason", type(answer).__name__)
    is_over = isinstance(answer, reports.Refused) and answer.kind is reports.RefusalKind.RATE
    kind_of_error = RequestLimitError if is_over else VenueSilentError
    raise kind_of_error(f"{make.__name__} was not answered: {' '.join(filter(None, (code, reason)))}")
