"""What `down` tells of the venues after the broker has stopped: what was cancelled, what remains open there.

The broker withdraws its orders itself (`broker.live.cancel_on_exit`); what it did not manage is cancelled
here, with the key of the owner who stops the mesh.
"""

import asyncio
import time
from collections.abc import Iterator

import click

from services.broker.settings import BrokerSettings, VenueAccess
from services.canceller.build import Place, open_venue
from services.canceller.cancel import Cancelled, cancel_ours
from services.canceller.truth import RequestLimitError, Truth, is_ours, read_truth
from services.cli.prestart_facts import account_facts
from services.cli.prestart_live import order_text
from services.cli.venue_truth import key_place
from shared.errors import QuotemeshError
from shared.messages import orders
from shared.messages.control import FlattenRequested
from shared.messages.market import InstrumentRules
from shared.runtime.client import BusClient
from shared.runtime.paths import DataDir
from shared.units import decimal_text

LIMIT_S = 8.0
MINUTE_S = 61.0
"""Request limits of venues count by the minute."""
CLOSE_LIMIT_S = 15.0
CLOSE_LOOK_S = 0.5
SHOWN_MAX = 10
BUS_LIMIT_MS = 1000


def close_positions(data: DataDir) -> list[str]:
    """Ask the running mesh to close every position at the market and wait until it has; return what to print.

    For `broker.live.close_positions_on_exit`; what could not be closed in time is named and stays (BR-23).
    """
    try:
        with BusClient(data, BUS_LIMIT_MS) as client:
            client.append("operator", FlattenRequested("", "market", "operator", "the mesh is stopped"))
    except QuotemeshError as error:
        return [f"positions are NOT closed: nobody could be asked ({error})"]
    deadline_s = time.monotonic() + CLOSE_LIMIT_S
    while True:
        facts = account_facts(data)
        held = [one for one in facts.positions() if not facts.error]
        if not held and not facts.error:
            return ["every position is closed"]
        if time.monotonic() > deadline_s:
            left = ", ".join(f"{strategy} {symbol} {lots} lots" for strategy, symbol, lots in held)
            return [f"positions are NOT all closed in {CLOSE_LIMIT_S:.0f} s: {facts.error or left}"]
        time.sleep(CLOSE_LOOK_S)


def farewell(data: DataDir, settings: BrokerSettings, stop_seq: int) -> list[str]:
    """Return the lines to print; an order of ours that is still open is cancelled when the settings say so.

    `stop_seq` is where the stop stands on the log, 0 where it could not be said. Never raises for a venue.
    """
    lines = list(_cancelled_lines(data, stop_seq)) if stop_seq else []

    async def ask_all(place: Place) -> list[list[str]]:
        return list(await asyncio.gather(*(_left(access, settings, place) for access in settings.venues)))

    with key_place(data) as keys:
        for told in asyncio.run(ask_all(Place(data, keys))):
            lines += told
    return lines


def _cancelled_lines(data: DataDir, stop_seq: int) -> Iterator[str]:
    """Yield how many orders the broker withdrew for the stop, as its log tells."""
    cancelled: set[str] = set()
    try:
        with BusClient(data, BUS_LIMIT_MS) as client:
            after = stop_seq
            while events := client.read(after, prefixes=(b".order",)):
                after = events[-1].header.seq
                cancelled.update(
                    event.message.client_order_id
                    for event in events
                    if isinstance(event.message, orders.OrderCanceled)
                )
    except QuotemeshError:
        return
    yield f"the broker withdrew {len(cancelled)} orders"


async def _left(access: VenueAccess, settings: BrokerSettings, place: Place) -> list[str]:
    """Return what one venue shows; where its request limit is used up it is asked again after a minute."""
    try:
        return await _shown(access, settings, place)
    except RequestLimitError:
        click.echo(f"{access.name}: its request limit is used up; asked again in {MINUTE_S:.0f} s", err=True)
        await asyncio.sleep(MINUTE_S)
    except (QuotemeshError, OSError) as error:
        return [_not_known(access, error)]
    try:
        return await _shown(access, settings, place)
    except (QuotemeshError, OSError) as error:
        return [_not_known(access, error)]


def _not_known(access: VenueAccess, error: Exception) -> str:
    return f"{access.name}: NOT known what is open there: {error}; look at the venue's own page"


async def _shown(access: VenueAccess, settings: BrokerSettings, place: Place) -> list[str]:
    """Return what one venue shows now; raises what `read_truth` does."""
    async with open_venue(access, place, LIMIT_S) as venue:
        truth = await read_truth(venue.direct, LIMIT_S, has_rights=False)
        own = [order for order in truth.orders if is_ours(order.client_order_id)]
        done: Cancelled | None = None
        if own and settings.live.cancel_on_exit:
            done = await cancel_ours(access.name, venue.direct, LIMIT_S)
        return left_lines(access.name, truth, done, venue.rules)


def left_lines(
    name: str, truth: Truth, done: Cancelled | None, rules: dict[str, InstrumentRules]
) -> list[str]:
    """Return what remains at a venue: orders of ours and of others, and positions."""
    own = [order for order in truth.orders if is_ours(order.client_order_id)]
    others = len(truth.orders) - len(own)
    left = [order for order, _ in done.left] if done is not None else own
    lines = [f"{name}: {len(left)} of our orders and {others} of others are open there"]
    if done is not None:
        lines[0] += f"; {len(done.gone)} that the broker had left were cancelled now"
    lines += [f"  left: {order_text(order, rules)} ({order.client_order_id})" for order in left[:SHOWN_MAX]]
    for one in truth.positions:
        if one.position_lots:
            known = rules.get(one.symbol)
            qty = str(one.position_lots) if known is None else decimal_text(one.position_lots, known.lot_size)
            lines.append(f"  position: {one.symbol} {qty} stays")
    return lines
