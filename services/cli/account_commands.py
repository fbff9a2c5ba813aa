"""`quotemesh orders|positions|balance`: the state that the log holds, of a running or stopped mesh.

With --venue the venue is asked for its truth, and both stand side by side.
"""

import json
from decimal import Decimal
from typing import Any

import click

from services.cli.exits import CommandError
from services.cli.log_reading import stored_events
from services.cli.place import data_option
from services.report.export import Wanted, order_lines
from services.report.holdings import Holdings
from shared.orders import OrderState
from shared.runtime.paths import DataDir

Row = dict[str, Any]

venue_option = click.option(
    "--venue", "is_asking", is_flag=True, help="Ask the venue too, and show both side by side."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
ORDER_COLUMNS = ("client_order_id", "symbol", "side", "price", "qty", "filled_qty", "state")


@click.command()
@data_option
@json_option
@click.option("--all", "is_all", is_flag=True, help="Finished orders too.")
@click.option("--strategy", default="", help="Only this strategy.")
@venue_option
def orders(data: DataDir, as_json: bool, is_all: bool, strategy: str, is_asking: bool) -> None:
    """Show the orders that may still be filled."""
    if is_asking:
        _show_beside(data, "orders", as_json)
        return
    with stored_events(data) as events:
        lines = order_lines(events, Wanted(strategy=strategy))
        found = [line for line in lines if is_all or not OrderState(line["state"]).is_final]
    _show(found, ORDER_COLUMNS, as_json, "no open orders")


@click.command()
@data_option
@json_option
@venue_option
def positions(data: DataDir, as_json: bool, is_asking: bool) -> None:
    """Show every position of each strategy, with its profit before fees."""
    if is_asking:
        _show_beside(data, "positions", as_json)
        return
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
@venue_option
def balance(data: DataDir, as_json: bool, is_asking: bool) -> None:
    """Show each paper wallet: what it began with, what trading made of it, and the assets held."""
    if is_asking:
        _show_beside(data, "balances", as_json)
        return
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


def _show_beside(data: DataDir, what: str, as_json: bool) -> None:
    """Show what the log and the venues say; ends with 1 when a venue did not tell."""
    from services.cli import venue_rows  # noqa: PLC0415 - the adapters are loaded only for those who ask
    from services.cli.venue_truth import account_truths, accounts_of  # noqa: PLC0415

    truths = account_truths(accounts_of(data), data)
    with stored_events(data) as events:
        if what == "orders":
            lines = order_lines(events, Wanted())
            open_lines = [line for line in lines if not OrderState(line["state"]).is_final]
            rows, columns = venue_rows.order_rows(open_lines, truths), venue_rows.ORDER_COLUMNS
        elif what == "positions":
            own = Holdings.of(events).position_lines()
            rows, columns = venue_rows.position_rows(own, truths), venue_rows.POSITION_COLUMNS
        else:
            rows, columns = venue_rows.balance_rows(events, truths), venue_rows.BALANCE_COLUMNS
    silent = venue_rows.problems(truths)
    if as_json:
        click.echo(json.dumps({"items": rows, "silent": silent}))
    else:
        _show(rows, columns, as_json, f"no {what}, neither on our log nor at the venue")
    if silent:
        raise CommandError("; ".join(f"{venue} did not tell: {why}" for venue, why in silent.items()))


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
