"""`quotemesh orders|positions|balance`: the state that the log holds, of a running or stopped mesh."""

import json
from decimal import Decimal
from typing import Any

import click

from services.cli.log_reading import stored_events
from services.cli.place import data_option
from services.report.export import Wanted, order_lines
from services.report.holdings import Holdings
from shared.orders import OrderState
from shared.runtime.paths import DataDir

Row = dict[str, Any]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
ORDER_COLUMNS = ("client_order_id", "symbol", "side", "price", "qty", "filled_qty", "state")


@click.command()
@data_option
@json_option
@click.option("--all", "is_all", is_flag=True, help="Finished orders too.")
@click.option("--strategy", default="", help="Only this strategy.")
def orders(data: DataDir, as_json: bool, is_all: bool, strategy: str) -> None:
    """Show the orders that may still be filled."""
    with stored_events(data) as events:
        lines = order_lines(events, Wanted(strategy=strategy))
        found = [line for line in lines if is_all or not OrderState(line["state"]).is_final]
    _show(found, ORDER_COLUMNS, as_json, "no open orders")


@click.command()
@data_option
@json_option
def positions(data: DataDir, as_json: bool) -> None:
    """Show every position of each strategy, with its profit before fees."""
    with stored_events(data) as events:
        found = Holdings.of(events).position_lines()
    columns = (
        "strategy",
        "symbol",
        "qty",
        "average_price",
        "realized_pnl",
        "unrealized_pnl",
        "fees",
        "funding",
    )
    _show(found, columns, as_json, "no positions")


@click.command()
@data_option
@json_option
def balance(data: DataDir, as_json: bool) -> None:
    """Show each paper wallet: what it began with, what trading made of it, and the assets held."""
    with stored_events(data) as events:
        found = Holdings.of(events).wallet_lines()
    columns = (
        "venue",
        "asset",
        "initial",
        "held",
        "realized_pnl",
        "fees",
        "funding",
        "unrealized_pnl",
        "equity",
    )
    _show(found, columns, as_json, "no wallet yet: the log holds no rules of a market")


def _show(rows: list[Row], columns: tuple[str, ...], as_json: bool, nothing: str) -> None:
    if as_json:
        click.echo(json.dumps(rows))
        return
    if not rows:
        click.echo(nothing)
        return
    cells = [columns, *(tuple(_text(row[column]) for column in columns) for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(columns))]
    for line in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _text(value: Any) -> str:
    return "-" if value is None else str(value if not isinstance(value, Decimal) else format(value, "f"))
