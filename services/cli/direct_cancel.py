"""`quotemesh cancel-all --direct`, and what `down` tells: our orders at the venues, without a broker."""

import asyncio
import json
from collections.abc import Sequence

import click

from services.broker.settings import VenueAccess
from services.canceller.build import Cleared, Place, clear_venues
from services.cli.exits import CommandError
from services.cli.venue_truth import accounts_of, key_place
from shared.instrument import venue_of
from shared.runtime.paths import DataDir

LIMIT_S = 10.0


def cancel_direct(data: DataDir, symbol: str, as_json: bool) -> None:
    """Cancel our orders of `symbol`, or all, at the venues and tell what became of each.

    Raises `CommandError` when one of ours is left, or a venue did not answer.
    """
    accounts = [one for one in accounts_of(data) if not symbol or one.name == venue_of(symbol)]
    found = cleared(data, accounts, symbol)
    if as_json:
        click.echo(json.dumps([_plain(one) for one in found]))
    else:
        for one in found:
            click.echo(text_of(one))
    if any(one.error or one.left for one in found):
        raise CommandError(
            "NOT all is cancelled: look at the lines above, then again, or at the venue's own page"
        )


def cleared(data: DataDir, accounts: Sequence[VenueAccess], symbol: str = "") -> list[Cleared]:
    """Cancel at all accounts at once and return what became of it."""
    with key_place(data) as keys:
        return asyncio.run(clear_venues(accounts, Place(data, keys), LIMIT_S, symbol))


def text_of(one: Cleared) -> str:
    """Return what became of the orders at one venue, as one line and one for each that is left."""
    if one.error:
        return f"{one.venue}: not known what is open: {one.error}"
    line = f"{one.venue}: {len(one.gone)} of our orders cancelled, {len(one.left)} left"
    if one.others:
        line += f", {len(one.others)} of others untouched"
    return "\n".join([line, *(f"  left: {order.client_order_id} ({why})" for order, why in one.left)])


def _plain(one: Cleared) -> dict[str, object]:
    return {
        "venue": one.venue,
        "cancelled": [order.client_order_id for order in one.gone],
        "left": {order.client_order_id: why for order, why in one.left},
        "others": len(one.others),
        "error": one.error,
    }
