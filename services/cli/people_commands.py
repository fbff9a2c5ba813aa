"""`quotemesh order|cancel|route|flatten`: orders of people, by the way through risk that all orders take."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from services.cli.config_model import normal_symbol
from services.cli.control_commands import BY, json_option, mesh_client
from services.cli.exits import CommandError, ExitCode
from services.cli.place import data_option
from shared.errors import ConfigError, QuotemeshError
from shared.messages import Message
from shared.messages.control import (
    FlattenRequested,
    OrderCancelRequested,
    RouteProgress,
    StrategyNote,
)
from shared.messages.market import InstrumentRules
from shared.messages.orders import OrderAccepted, OrderIntent, PositionChanged, TimeInForce
from shared.runtime.client import BusClient
from shared.runtime.clock import MeshClock
from shared.runtime.paths import DataDir
from shared.wishes import Wish, order_requested, route_requested

ANSWER_LIMIT_S = 5.0
POLL_S = 0.05
FLAT_CODE = "flattened"
_OWN_TOPICS = (b".route", b".intent.manual", b".order.manual")
SIDE = click.Choice(["buy", "sell"])
reason_option = click.option("--reason", default="", help="Why.")


@click.command()
@data_option
@json_option
@click.argument("side", type=SIDE)
@click.argument("quantity")
@click.argument("symbol")
@click.option("--price", default="", help="Limit price; a market order without one.")
@click.option("--stop", default="", help="Wait until a trade is at this price or beyond.")
@click.option("--tif", type=click.Choice(["gtc", "ioc", "fok"]), default=None, help="Time in force.")
@click.option("--for", "good_for_s", type=click.IntRange(1), default=None, help="End after so many seconds.")
@click.option("--post-only", "is_post_only", is_flag=True, help="Rest, or be rejected.")
@click.option("--reduce-only", "is_reduce_only", is_flag=True, help="Only shrink a position (derivatives).")
@reason_option
def order(
    data: DataDir, as_json: bool, symbol: str, tif: str | None, good_for_s: int | None, **terms: Any
) -> None:
    """Send one order: SIDE QUANTITY SYMBOL, quantity in the base asset, as strategy `manual`.

    It passes the checks of risk like every order. Exit code 0: it rests or was filled; 1: it was refused.
    """
    with _asking(data) as client:
        wish = Wish(symbol=_market(symbol), tif=tif or "", good_for_s=good_for_s or 0, **terms)
        asked = order_requested(wish, _rules(client), BY, MeshClock(data).now_ns())
        seq = client.append(BY, asked)
        rests = bool(asked.stop_ticks) or asked.tif in (TimeInForce.GTC, TimeInForce.GTD)
        told = _wait(client, seq, "m", is_whole=not rests)
    _show(told, as_json)


@click.command()
@data_option
@json_option
@click.argument("name")
@reason_option
def cancel(data: DataDir, as_json: bool, name: str, reason: str) -> None:
    """Cancel a manual order by its id, or a route by the id of its parent."""
    with _asking(data) as client:
        seq = client.append(BY, OrderCancelRequested(name, BY, reason))
    click.echo(json.dumps({"seq": seq}) if as_json else f"asked to cancel {name} (seq {seq} on the log)")


@click.command()
@data_option
@json_option
@click.argument("side", type=SIDE)
@click.argument("quantity")
@click.argument("symbols", metavar="SYMBOL[,SYMBOL...]")
@click.option(
    "--style",
    type=click.Choice(["best_venue", "vwap", "twap", "sweep"]),
    default="sweep",
    show_default=True,
    help="How it is split; see docs/routing.md.",
)
@click.option("--limit", default="", help="Worst price, fees not counted.")
@click.option("--slices", type=click.IntRange(1), default=1, help="Parts of a twap.")
@click.option("--every", "every_s", type=click.FloatRange(0), default=0.0, help="Seconds between them.")
@click.option("--no-wait", is_flag=True, help="Return when the first part is on its way.")
@reason_option
def route(data: DataDir, as_json: bool, symbols: str, every_s: float, no_wait: bool, **terms: Any) -> None:
    """Buy or sell QUANTITY of the base asset on the best of several markets of one pair.

    Children are IOC orders, linked to one parent, and add up exactly; what nobody offered within the limit is
    told as unfilled. Exit code 0: all filled; 1: some of it was not.
    """
    with _asking(data) as client:
        markets = [_market(word) for word in symbols.split(",")]
        interval_ms = round(every_s * 1000)
        asked = route_requested(markets, rules=_rules(client), by=BY, interval_ms=interval_ms, **terms)
        seq = client.append(BY, asked)
        longest_s = ANSWER_LIMIT_S + asked.slices * every_s
        told = _wait(client, seq, "r", is_whole=not no_wait, limit_s=longest_s)
    _show(told, as_json)


@click.command()
@data_option
@json_option
@click.argument("symbol", default="")
@click.option(
    "--style",
    type=click.Choice(["limit", "market"]),
    default="limit",
    show_default=True,
    help="At the touch first, or at the market at once.",
)
@click.option("--patience", "patience_s", type=click.IntRange(0, 3600), default=10, show_default=True)
@reason_option
def flatten(data: DataDir, as_json: bool, symbol: str, style: str, patience_s: int, reason: str) -> None:
    """Pause the strategies of SYMBOL, or all when none is named, and close what they hold.

    With `limit` each position gets --patience seconds at the touch before the rest goes at the market.
    Exit code 0: everything is flat; 1: something is left, and the output says what.
    """
    market = _market(symbol) if symbol else ""
    with _asking(data) as client:
        held = {key: lots for key, lots in _positions(client).items() if market in ("", key[1])}
        asked = FlattenRequested(market, style, BY, reason, patience_s * 1000)
        seq = client.append(BY, asked)
        limit_s = (patience_s if style == "limit" else 0) + 3 * ANSWER_LIMIT_S
        left, notes = _until_flat(client, seq, held, limit_s)
    rows = [
        {
            "strategy": strategy,
            "symbol": name,
            "held_lots": held.get((strategy, name), 0),
            "left_lots": left.get((strategy, name), 0),
            "note": notes.get(strategy, ""),
        }
        for strategy, name in sorted({*held, *left})
    ]
    if as_json:
        click.echo(json.dumps(rows))
    else:
        lines = [
            f"{row['strategy']} {row['symbol']}: {row['held_lots']} lots held, {row['left_lots']} left"
            + (f"; {row['note']}" if row["note"] else "")
            for row in rows
        ]
        click.echo("\n".join(lines) if lines else "nothing was held; the strategies are paused")
    if any(row["left_lots"] for row in rows):
        raise CommandError("not everything is flat; look at `quotemesh orders` and `quotemesh status`")


def _until_flat(
    client: BusClient, seq: int, held: dict[tuple[str, str], int], limit_s: float
) -> tuple[dict[tuple[str, str], int], dict[str, str]]:
    """Return what is still held when all is flat, said to be over, or the time is."""
    left, notes, after = {key: lots for key, lots in held.items() if lots}, {}, seq
    end_s = time.monotonic() + limit_s
    while left and time.monotonic() < end_s:
        for event in client.read(after, prefixes=(b".position", b".strategy")):
            after, message = event.header.seq, event.message
            if isinstance(message, PositionChanged):
                left[message.strategy, message.symbol] = message.position_lots
            elif isinstance(message, StrategyNote) and message.code == FLAT_CODE:
                notes[message.strategy] = message.text
        left = {key: lots for key, lots in left.items() if lots}
        if left and all(strategy in notes for strategy, _ in left):
            break
        time.sleep(POLL_S)
    return left, notes


def _positions(client: BusClient) -> dict[tuple[str, str], int]:
    """Return what every strategy holds, by risk's last word."""
    found: dict[tuple[str, str], int] = {}
    for message in _all(client, b".position"):
        if isinstance(message, PositionChanged):
            found[message.strategy, message.symbol] = message.position_lots
    return {key: lots for key, lots in found.items() if lots}


def _rules(client: BusClient) -> dict[str, InstrumentRules]:
    found = (message for message in _all(client, b".instrument") if isinstance(message, InstrumentRules))
    return {rules.symbol: rules for rules in found}


def _all(client: BusClient, prefix: bytes) -> Iterator[Message]:
    after = 0
    while events := client.read(after, prefixes=(prefix,)):
        after = events[-1].header.seq
        yield from (event.message for event in events)


def _wait(
    client: BusClient, seq: int, letter: str, *, is_whole: bool, limit_s: float = ANSWER_LIMIT_S
) -> RouteProgress:
    """Return the newest progress of the parent of a request: its end, or that its order is at the venue."""
    from services.strategy.own_orders import base36  # noqa: PLC0415 - only where something was asked

    name, after = letter + base36(seq), seq
    told: RouteProgress | None = None
    children: set[str] = set()
    is_held = False
    end_s = time.monotonic() + limit_s
    while time.monotonic() < end_s:
        for event in client.read(after, prefixes=_OWN_TOPICS):
            after, message = event.header.seq, event.message
            if isinstance(message, RouteProgress) and message.parent == name:
                told = message
            elif isinstance(message, OrderIntent) and message.parent == name:
                children.add(message.client_order_id)
            elif isinstance(message, OrderAccepted) and message.client_order_id in children:
                is_held = True
        if told is not None and (told.state != "working" or (is_held and not is_whole)):
            return told
        time.sleep(POLL_S)
    if told is not None:
        return told
    raise CommandError(
        f"the request is on the log at seq {seq}, but strategy did not answer within {limit_s:g} s; look at "
        "`quotemesh status` and `quotemesh logs strategy`",
        ExitCode.TIMEOUT,
    )


def _show(told: RouteProgress, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(told.as_dict() | {"side": told.side.name.lower()}))
    else:
        price = f" at {told.average_price} on average" if told.average_price else ""
        parts = f"{told.filled} filled{price}, {told.open} open, {told.unfilled} unfilled"
        why = f"; {told.reason}" if told.reason else ""
        click.echo(f"{told.parent} {told.state}: {told.asked} asked, {parts}{why}")
    if told.state in ("refused", "canceled") or (told.state == "done" and told.unfilled != "0"):
        raise SystemExit(int(ExitCode.FAILURE))


def _market(word: str) -> str:
    found = normal_symbol(word)
    if found is None:
        raise CommandError(
            f"{word!r} is no market; write venue:SYMBOL, as binance_usdm:BTCUSDT", ExitCode.USAGE
        )
    return found


@contextmanager
def _asking(data: DataDir) -> Iterator[BusClient]:
    """Give a client of the running mesh; what is wrong with a wish ends the command with its words."""
    with mesh_client(data) as client:
        try:
            yield client
        except ConfigError as error:
            raise CommandError(str(error), ExitCode.USAGE) from error
        except QuotemeshError as error:
            raise CommandError(str(error), ExitCode.TIMEOUT) from error
