"""`quotemesh venues`: what each venue offers; with --write, made anew from the installed ccxt."""

import json
from typing import Any

import click

from services.cli.exits import CommandError
from services.cli.venues_page import DATA, PAGE, row_of, write
from shared.venues.ids import IdForm
from shared.venues.registry import ENTRIES, Entry
from shared.venues.registry_facts import CCXT_VERSION


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--write", "is_written", is_flag=True, help="Make the registry and docs/venues.md anew from ccxt."
)
def venues(name: str | None, as_json: bool, is_written: bool) -> None:
    """List the venues that are reached through ccxt, or tell all of one.

    binance and binance_usdm are native and need no ccxt.
    """
    if is_written:
        is_new = write()
        again = "; the registry changed: run it once more, then the page follows" if is_new else ""
        click.echo(f"{DATA.name} and {PAGE.name} are written{again}")
        return
    if name is not None and name not in ENTRIES:
        raise CommandError(f"no venue {name!r} is reached through ccxt; `quotemesh venues` lists them")
    chosen = [ENTRIES[name]] if name else list(ENTRIES.values())
    if as_json:
        click.echo(json.dumps({"ccxt": CCXT_VERSION, "venues": {e.name: told_of(e) for e in chosen}}))
    elif name:
        for key, value in told_of(chosen[0]).items():
            shown = ", ".join(value) if isinstance(value, list) else value
            click.echo(f"{key:<16} {shown if shown not in ('', False, None) else '-'}")
    else:
        rows = [HEAD, *(row_of(entry) for entry in chosen)]
        widths = [max(len(row[at]) for row in rows) for at in range(len(HEAD))]
        for row in rows:
            click.echo(
                "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
            )


HEAD = (
    "venue",
    "markets",
    "orders",
    "stream",
    "post",
    "reduce",
    "ask",
    "dead-man",
    "sandbox",
    "ids",
    "limits",
)


def told_of(entry: Entry) -> dict[str, Any]:
    """Return all that is known of a venue, for JSON."""
    facts = {name: getattr(entry.facts, name) for name in entry.facts.__struct_fields__}
    return {
        "title": entry.title,
        "ccxt_id": entry.ccxt_id,
        "orders": list(entry.orders),
        "id_form": entry.ids.form.value,
        "id_length": 0 if entry.ids.form is IdForm.NONE else entry.ids.ours_max,
        "limits": entry.limits,
        "is_simulated": entry.is_simulated,
        **{name: list(value) if isinstance(value, tuple) else value for name, value in facts.items()},
    }
