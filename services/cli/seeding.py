"""Inventory for a testnet account: buys what it lacks once the mesh trades, visible on the log (BR-25).

A spot strategy can sell only what the account holds, and a testnet is wiped about monthly. It goes the way of
any order of a person: strategy `manual`, through risk.
"""

import time
from collections.abc import Iterator
from decimal import Decimal

from services.cli.config_model import Config, Seed
from services.cli.prestart_live import AccountTruth
from services.cli.venue_truth import account_truths
from shared.errors import QuotemeshError
from shared.messages.control import RouteRequested
from shared.messages.market import InstrumentRules
from shared.messages.system import Reconciled
from shared.runtime.client import BusClient
from shared.runtime.paths import DataDir
from shared.units import Side, decimal_text, round_up

RECONCILED_LIMIT_S = 20.0
LOOK_S = 0.2


def seed_accounts(cfg: Config, data: DataDir) -> Iterator[str]:
    """Ask the running mesh to buy what the accounts lack and yield what was asked; only in mode testnet."""
    if cfg.mode != "testnet" or not cfg.seeds:
        return
    try:
        with BusClient(data) as client:
            if not _is_reconciled(client):
                yield f"seeding: not reconciled in {RECONCILED_LIMIT_S:.0f} s, so nothing is bought"
                return
            truths = {one.access.name: one for one in account_truths(cfg.broker.venues, data)}
            for wanted in cfg.seeds:
                request, text = plan(wanted, truths.get(wanted.venue))
                seq = client.append("operator", request) if request is not None else 0
                yield f"seeding: {text}" + (f" (seq {seq} on the log)" if seq else "")
    except QuotemeshError as error:
        yield f"seeding: nothing more is bought: {error}"


def plan(wanted: Seed, account: AccountTruth | None) -> tuple[RouteRequested | None, str]:
    """Return what is to be bought of an asset, None when nothing is, and the words for it."""
    name = f"{wanted.asset} at {wanted.venue}"
    if account is None or account.truth is None:
        why = account.error if account is not None else "it is not traded here"
        return None, f"{name}: the venue did not tell what it holds ({why})"
    rules = _market_of(wanted.asset, account)
    if rules is None:
        return None, f"{name}: no spot market of it is traded here; add one to `symbols`"
    held = sum(
        (
            Decimal(one.free) + Decimal(one.locked)
            for one in account.truth.balances
            if one.asset == wanted.asset
        ),
        Decimal(0),
    )
    if held >= wanted.amount:
        return (
            None,
            f"{name}: {held.normalize():f} is there, at least {wanted.amount} wanted: nothing is bought",
        )
    lots = max(round_up(wanted.amount - held, Decimal(rules.lot_size)), rules.min_qty_lots)
    quantity = decimal_text(lots, rules.lot_size)
    reason = f"testnet inventory: {held.normalize():f} is there, {wanted.amount} wanted"
    request = RouteRequested([rules.symbol], Side.BUY, quantity, "best_venue", "operator", reason)
    return request, f"{name}: {quantity} is bought at the market of {rules.symbol}"


def _market_of(asset: str, account: AccountTruth) -> InstrumentRules | None:
    found = (rules for _, rules in sorted(account.rules.items()) if rules.base_asset == asset)
    return next((rules for rules in found if not rules.is_derivative), None)


def _is_reconciled(client: BusClient) -> bool:
    """Return whether the broker has compared itself with the venues, waiting a while for it."""
    deadline_s = time.monotonic() + RECONCILED_LIMIT_S
    after = 0
    while time.monotonic() < deadline_s:
        for event in client.read(after, prefixes=(b".reconciled",)):
            after = event.header.seq
            said: Reconciled = event.message
            if not said.difference_count:
                return True
        time.sleep(LOOK_S)
    return False
