"""`quotemesh risk ...`: what risk says when a person asks."""

import json
import time
from decimal import Decimal, InvalidOperation

import click

from services.cli.check_commands import calendar
from services.cli.config_model import normal_symbol
from services.cli.exits import CommandError, ExitCode
from services.cli.place import data_option, existing
from shared.errors import QuotemeshError
from shared.messages import guards, market
from shared.runtime.client import BusClient
from shared.runtime.paths import DataDir
from shared.units import Side, decimal_text, exact

BY = "operator"
ANSWER_LIMIT_S = 5.0
POLL_S = 0.02
GUARD_TOPIC = (b".guard",)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def risk() -> None:
    """Ask the risk process of a running mesh."""


risk.add_command(calendar)


@risk.command()
@data_option
@json_option
@click.argument("symbol")
@click.argument("side", type=click.Choice(["buy", "sell"], case_sensitive=False))
@click.option("--price", default="", help="Price of the order [default: the best of the other side].")
@click.option("--strategy", default="", help="As an order of this strategy.")
def most(data: DataDir, as_json: bool, symbol: str, side: str, price: str, strategy: str) -> None:
    """Show the largest order that would pass every check now, and what allows no more.

    Nothing is ordered. Exit code 7: none would pass.
    """
    name = normal_symbol(symbol)
    if name is None:
        raise CommandError(
            f"{symbol!r} is no market; write venue:SYMBOL, as binance_usdm:BTCUSDT", ExitCode.USAGE
        )
    with BusClient(existing(data)) as client:
        try:
            client.head_seq()
        except QuotemeshError as error:
            raise CommandError(f"no mesh runs on {data.root} ({error})", ExitCode.NOT_RUNNING) from error
        rules = _rules(client, name)
        asked = guards.MostOrderAsked(strategy, name, Side[side.upper()], _ticks(price, rules), BY)
        told = _answer(client, asked)
    qty = decimal_text(told.qty_lots, rules.lot_size)
    at_price = decimal_text(told.price_ticks, rules.tick_size)
    if as_json:
        line = {"symbol": name, "side": side.lower(), "price": at_price, "qty": qty}
        click.echo(json.dumps({**line, "code": told.code, "reason": told.reason}))
    else:
        click.echo(f"{side.lower()} {qty} of {name} at {at_price}; beyond that {told.code}: {told.reason}")
    if told.qty_lots == 0:
        raise click.exceptions.Exit(int(ExitCode.HALTED))


def _rules(client: BusClient, symbol: str) -> market.InstrumentRules:
    """Return the newest rules of a market on the log; ends the command when there are none."""
    found: market.InstrumentRules | None = None
    names: set[str] = set()
    after = 0
    while events := client.read(after, prefixes=(b".instrument",)):
        after = events[-1].header.seq
        for event in events:
            if isinstance(event.message, market.InstrumentRules):
                names.add(event.message.symbol)
                found = event.message if event.message.symbol == symbol else found
    if found is None:
        known = ", ".join(sorted(names)) or "none"
        raise CommandError(f"no rules of {symbol} are on the log; known: {known}", ExitCode.NOT_FOUND)
    return found


def _ticks(price: str, rules: market.InstrumentRules) -> int:
    """Return a price in ticks, 0 for none; ends the command when the market has no such price."""
    if not price:
        return 0
    try:
        value = Decimal(price)
        ticks = exact(value, Decimal(rules.tick_size)) if value.is_finite() else None
    except InvalidOperation:
        ticks = None
    if ticks is None or not 0 < ticks < 2**62:
        raise CommandError(
            f"{price!r} is no price of {rules.symbol}; write a positive multiple of {rules.tick_size}",
            ExitCode.USAGE,
        )
    return ticks


def _answer(client: BusClient, asked: guards.MostOrderAsked) -> guards.MostOrderTold:
    """Ask, and return what risk says; ends the command when it says nothing in time."""
    try:
        seq = after = client.append(BY, asked)
        end_s = time.monotonic() + ANSWER_LIMIT_S
        while time.monotonic() < end_s:
            for event in client.read(after, prefixes=GUARD_TOPIC):
                after = event.header.seq
                if isinstance(event.message, guards.MostOrderTold) and event.header.cause_seq == seq:
                    return event.message
            time.sleep(POLL_S)
    except QuotemeshError as error:
        raise CommandError(str(error), ExitCode.TIMEOUT) from error
    raise CommandError(
        f"risk did not answer within {ANSWER_LIMIT_S:g} s; look at `quotemesh status`", ExitCode.TIMEOUT
    )
