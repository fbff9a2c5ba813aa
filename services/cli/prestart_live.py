"""The pre-start check of testnet and live: the account as its venue tells it, against what is configured.

Pure: `venue_truth.py` asks. What would trade wrongly is hard and keeps `up` from starting; what a person
should look at is a warning.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.broker.settings import VenueAccess
from services.canceller.truth import Truth, is_ours
from services.cli.config_model import Config
from services.cli.prestart_item import Item, failed, passed
from services.risk.key_permissions import SCORE_MIN, KeyRights, score_key
from shared.execution import reports
from shared.instrument import venue_of
from shared.messages.market import InstrumentRules
from shared.units import decimal_text

SHOWN_MAX = 10
USED_MAX = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountTruth:
    """What one venue said, or why it did not; `fingerprint` tells keys apart without showing them.

    `rules` are those of the traded markets, for prices and quantities in words.
    """

    access: VenueAccess
    truth: Truth | None = None
    is_absent: bool = False  # the simulated venue of a mesh that does not run: nothing to ask
    error: str = ""
    fingerprint: str = ""
    rules: Mapping[str, InstrumentRules]
    usage: Sequence[tuple[str, int, int, int]] = ()


def live_items(cfg: Config, accounts: list[AccountTruth], held: Mapping[str, int]) -> Iterator[Item]:
    """Yield every item; `held` is the position of each market on our log, in lots."""
    for account in accounts:
        name = f"account {account.access.name}"
        if account.is_absent:
            text = "the simulated venue does not run yet: its account is there when it does"
            yield Item(name, "info", text)
            continue
        if account.truth is None:
            yield failed(name, f"{account.access.network}: {account.error}")
            continue
        yield passed(name, f"{account.access.network}, key {account.access.key} ({account.fingerprint})")
        yield from _rights(account, cfg)
        yield from _leverage(account, cfg)
        yield from _budget(account)
        yield from _orders(account)
        yield from _positions(account, held)


def _rights(account: AccountTruth, cfg: Config) -> Iterator[Item]:
    """Yield what the key may do; one that can withdraw is never used for real money (I-42)."""
    assert account.truth is not None, "rights are looked at where the venue answered"
    name, rights = f"key {account.access.name}", account.truth.rights
    if rights is None:
        text = "the venue does not tell what the key may do: look at it on the venue's own page"
        yield Item(name, "warning" if cfg.mode == "testnet" else "fail", text, cfg.mode != "testnet")
        return
    score = score_key(KeyRights(rights.can_withdraw, rights.can_transfer, rights.is_address_limited))
    numbers = (str(score.score), str(SCORE_MIN))
    text = f"score {score.score}, at least {SCORE_MIN} wanted" + "".join(f"; {why}" for why in score.reasons)
    if not rights.can_trade:
        yield failed(name, "it may not trade: allow that at the venue, or use another", *numbers)
    elif rights.can_withdraw:
        yield failed(name, f"{text}; a key that can withdraw is never used", *numbers)
    elif not score.is_allowed:
        yield failed(name, text, *numbers, is_hard=cfg.mode == "live")
    else:
        yield passed(name, text, *numbers)


def _leverage(account: AccountTruth, cfg: Config) -> Iterator[Item]:
    """Yield whether the leverage at the venue is the one that risk counts with."""
    if not _has_positions(account):
        return
    name, counted = f"leverage {account.access.name}", cfg.risk.margin.leverage
    key = f"venues.{account.access.name}.leverage"
    numbers = (str(account.access.leverage), str(counted))
    if not account.access.leverage:
        text = f"what stands at the venue stays, and risk counts with {counted}: set {key} to be sure of it"
        yield Item(name, "warning", text, value=numbers[0], limit=numbers[1])
    elif account.access.leverage == counted:
        yield passed(name, f"{counted} is set for each market at the start, as risk counts", *numbers)
    else:
        text = f"{account.access.leverage} at the venue, and risk counts with {counted}"
        yield failed(name, f"{text}: make {key} and risk.margin.leverage the same", *numbers)


def _budget(account: AccountTruth) -> Iterator[Item]:
    """Yield how much of each request limit everybody on this address and account has used (I-10)."""
    if not account.usage:
        return
    shown = ", ".join(f"{kind} {used} of {limit} in {s} s" for kind, s, used, limit in account.usage)
    most = max(used / limit for _, _, used, limit in account.usage if limit)
    name, numbers = f"budget {account.access.name}", (f"{most:.0%}", f"{USED_MAX:.0%}")
    if most <= USED_MAX:
        yield passed(name, shown, *numbers)
    else:
        text = f"{shown}: who else uses this address or account? Nothing new is sent above {USED_MAX:.0%}"
        yield Item(name, "warning", text, False, *numbers)


def _orders(account: AccountTruth) -> Iterator[Item]:
    assert account.truth is not None, "orders are looked at where the venue answered"
    name = account.access.name
    own = [order for order in account.truth.orders if is_ours(order.client_order_id)]
    others = [order for order in account.truth.orders if not is_ours(order.client_order_id)]
    text = f"{len(own)} open: a broker that starts asks for each, then cancels it or goes on with it"
    yield Item(f"own orders {name}", "info", text if own else "none open", value=str(len(own)))
    if not others:
        yield passed(f"other orders {name}", "none open")
        return
    shown = ", ".join(order_text(order, account.rules) for order in others[:SHOWN_MAX])
    text = (
        f"{len(others)} open that are not ours ({shown}): they stay, count against risk as `external`, and "
        "their markets pause until you resume them; cancel them at the venue for a clean start"
    )
    yield Item(f"other orders {name}", "warning", text, value=str(len(others)))


def order_text(order: reports.VenueOrder, rules: Mapping[str, InstrumentRules]) -> str:
    """Return one order of a venue in words."""
    known = rules.get(order.symbol)
    leaves = order.qty_lots - order.filled_lots
    side = order.side.name.lower()
    if known is None:
        return f"{order.symbol} {side} {leaves} lots at {order.price_ticks} ticks"
    qty, price = decimal_text(leaves, known.lot_size), decimal_text(order.price_ticks, known.tick_size)
    return f"{order.symbol} {side} {qty} at {price}"


def _positions(account: AccountTruth, held: Mapping[str, int]) -> Iterator[Item]:
    """Yield where the venue's positions differ from those of our log."""
    assert account.truth is not None, "positions are looked at where the venue answered"
    name = account.access.name
    theirs = {one.symbol: one.position_lots for one in account.truth.positions if one.position_lots}
    ours = {symbol: lots for symbol, lots in held.items() if venue_of(symbol) == name and lots}
    traded = {f"{name}:{symbol}" for symbol in account.access.symbols}
    count = 0
    for symbol in sorted(theirs.keys() | (ours.keys() if _has_positions(account) else set())):
        mine, real = ours.get(symbol, 0), theirs.get(symbol, 0)
        if mine == real:
            continue
        count += 1
        rules = account.rules.get(symbol)
        words = [str(lots) if rules is None else decimal_text(lots, rules.lot_size) for lots in (real, mine)]
        text = f"the venue shows {words[0]}, our log {words[1]}"
        if symbol in traded:
            text += ": adopted as `external`, and counted by risk; close it at the venue if it is not wanted"
        else:
            text += ": this market is not traded here, so nobody manages it"
        yield Item(f"position {symbol}", "warning", text, value=words[0], limit=words[1])
    if not count:
        yield passed(f"positions {name}", f"{len(theirs)} open, all as on our log")


def _has_positions(account: AccountTruth) -> bool:
    """Return whether a venue tells positions: on spot what is held is a balance."""
    return any(rules.is_derivative for rules in account.rules.values())


def venue_balances(accounts: list[AccountTruth]) -> dict[tuple[str, str], Decimal] | None:
    """Return free plus locked of each venue and asset, None when a venue did not tell."""
    found: dict[tuple[str, str], Decimal] = {}
    for account in accounts:
        if account.truth is None:
            return None
        for balance in account.truth.balances:
            found[account.access.name, balance.asset] = Decimal(balance.free) + Decimal(balance.locked)
    return found
