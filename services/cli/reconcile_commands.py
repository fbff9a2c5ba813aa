"""`quotemesh reconcile`: compare orders, executions, balances and positions with every venue now (BR-10)."""

import json
import time
from typing import Any

import click

from services.cli.exits import CommandError, ExitCode
from services.cli.place import data_option, existing
from shared.messages.control import ReconcileRequested
from shared.messages.system import Reconciled
from shared.messages.venue import AccountAdjusted, VenueDifference
from shared.runtime.client import BusClient
from shared.runtime.paths import DataDir

BY = "operator"
LIMIT_S = 25.0
"""The broker answers within 20 s, whatever the venues do."""
POLL_S = 0.05
ROWS = 1000
TOPICS = (b".reconciled", b".difference", b".account")


@click.command()
@data_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--reason", default="", help="Why, for the log.")
def reconcile(data: DataDir, as_json: bool, reason: str) -> None:
    """Compare our books with every venue now, repair them, and tell what was found.

    On paper risk's ledger is compared with the paper account. Exit code 0: all agree, after the repairs that
    are listed; 8: they differ, and no new risk is taken until they agree.
    """
    existing(data)
    with _client(data) as client:
        seq = client.append(BY, ReconcileRequested(BY, reason.strip()))
        found, answer = _answer(client, seq)
    if as_json:
        click.echo(json.dumps(_as_dict(found, answer)))
    else:
        _show(found, answer)
    if answer.difference_count:
        raise CommandError(
            "our books and the venue differ: no new risk is taken until they agree; see docs/execution.md",
            ExitCode.MISMATCH,
        )


def _client(data: DataDir) -> BusClient:
    return BusClient(data)


def _answer(client: BusClient, seq: int) -> tuple[list[Any], Reconciled]:
    """Return the differences told since the request, and the broker's word that ends them."""
    found: list[Any] = []
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        for event in client.read(seq, ROWS, TOPICS):
            seq = event.header.seq
            if isinstance(event.message, Reconciled):
                return found, event.message
            found.append(event.message)
        time.sleep(POLL_S)
    raise CommandError(
        f"the broker did not answer within {LIMIT_S:.0f} s; is it running? (quotemesh status)",
        ExitCode.NOT_RUNNING,
    )


def _as_dict(found: list[Any], answer: Reconciled) -> dict[str, Any]:
    return {
        "is_equal": answer.difference_count == 0,
        "difference_count": answer.difference_count,
        "details": answer.details,
        "run": answer.run,
        "repaired": [one.as_dict() for one in found if isinstance(one, VenueDifference)],
        "adjusted": [one.as_dict() for one in found if isinstance(one, AccountAdjusted)],
    }


def _show(found: list[Any], answer: Reconciled) -> None:
    for one in found:
        if isinstance(one, VenueDifference):
            what = f"{one.symbol} {one.client_order_id}".rstrip()
            click.echo(f"{one.kind:<16} {what}: ours {one.ours}; theirs {one.theirs}: {one.repair}")
        elif isinstance(one, AccountAdjusted):
            click.echo(
                f"{'money':<16} {one.venue}: {one.amount} {one.asset} ({one.reason}), now {one.balance}"
            )
    if answer.difference_count:
        click.echo(f"{answer.difference_count} differences are left: {answer.details}")
    else:
        click.echo(f"all agree: orders, executions, balances, positions and risk's ledger (run {answer.run})")
