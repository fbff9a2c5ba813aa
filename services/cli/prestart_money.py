"""The money part of the pre-start check: wallets, orders, grids and limits (RK-15).

    needed     = sum over the strategies of a wallet of their largest position / leverage  (spot: leverage 1)
    balance    > 0 and >= balance_factor * needed
    safety     = balance * leverage / value of one order >= safety_count        (strategies of a fixed order)
    grid       = profit of one buy and one sell after both fees > 0             (grid_preview.py)

The largest position is the least of the strategy's own limit, `capital_max` and risk's; a position that is
held already counts when it is larger. A shadow trades on paper of its own and needs nothing.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from services.cli.config_model import Config
from services.cli.prestart_facts import AccountFacts, VenueFacts, price_centiticks, rules_of
from services.cli.prestart_item import Item, failed, passed
from services.strategy.configure import version_of
from services.strategy.grid_preview import Preview, preview
from services.strategy.grid_settings import GridSettings
from services.strategy.registry import settings_of, source_of
from services.strategy.settings import InstanceSettings
from services.strategy.sizes import lots_of
from shared.instrument import notional_atoms, venue_of
from shared.messages.market import InstrumentRules
from shared.runtime.build import build_id
from shared.units import atoms_text

Venues = Mapping[str, VenueFacts]
_MOST_NAMES = ("max_inventory_notional", "max_position_notional")


class Appetite(NamedTuple):
    """What one order and the largest position of a strategy are worth, None where its settings do not say.

    `has_fixed_order` tells that each order has this value, so that the safety count means something.
    """

    order: Decimal | None
    most: Decimal | None
    has_fixed_order: bool


def appetite_of(params: Any) -> Appetite:
    """Return what a strategy wants, by the names of its settings."""
    order: Decimal | None = getattr(params, "order_notional", None)
    most: Decimal | None = next((getattr(params, n) for n in _MOST_NAMES if hasattr(params, n)), None)
    if order is not None:
        if most is None and hasattr(params, "max_layers"):
            most = order * params.max_layers
        return Appetite(order, most, has_fixed_order=True)
    equity: Decimal | None = getattr(params, "equity_quote", None)
    if equity is not None and hasattr(params, "position_size") and hasattr(params, "max_position"):
        share, largest = Decimal(str(params.position_size)), Decimal(str(params.max_position))
        return Appetite(equity * share, equity * largest, has_fixed_order=False)
    return Appetite(None, most, has_fixed_order=False)


def live_instances(cfg: Config) -> dict[str, InstanceSettings]:
    """Return the instances that trade for money: enabled, and no shadow."""
    found = cfg.strategy.instances.items()
    return {name: one for name, one in found if one.enabled and not one.shadow_of}


def most_of(name: str, cfg: Config) -> Decimal:
    """Return the largest position that an instance can come to have, in quote currency."""
    instance = cfg.strategy.instances[name]
    bounds = [cfg.risk.limits_of(instance.symbol).position_notional_max]
    own = appetite_of(settings_of(instance.kind, instance.params)).most
    bounds += [each for each in (own, instance.capital_max) if each]
    return min(bounds)


def required_money(symbol: str, lots: int, venues: Venues, account: AccountFacts) -> Decimal | None:
    """Return the value of a position without sign, None when its rules or price are not known."""
    rules, centiticks = (
        rules_of(symbol, dict(venues), account),
        price_centiticks(symbol, dict(venues), account),
    )
    if rules is None or not centiticks:
        return None
    atoms = Decimal(abs(lots) * centiticks * rules.tick_lot_atoms) / 100
    return atoms.scaleb(-rules.quote_exponent)


class Wallet(NamedTuple):
    """Money of one venue and asset: what it holds now and what may come to be needed of it."""

    venue: str
    asset: str
    balance: Decimal
    needed: Decimal
    leverage: Decimal


def wallet_list(cfg: Config, venues: Venues, account: AccountFacts) -> list[Wallet]:
    """Return each wallet that a strategy or a position uses."""
    needs: dict[tuple[str, str], Decimal] = {}
    leverages: dict[tuple[str, str], Decimal] = {}
    counted: set[tuple[str, str]] = set()

    def add(symbol: str, value: Decimal) -> None:
        rules = rules_of(symbol, dict(venues), account)
        key = (venue_of(symbol), cfg.risk.currency if rules is None else rules.quote_asset)
        leverage = cfg.risk.margin.leverage if rules is not None and rules.is_derivative else Decimal(1)
        leverages[key] = leverage
        needs[key] = needs.get(key, Decimal(0)) + value / leverage

    held = {(name, symbol): lots for name, symbol, lots in account.positions()}
    for name, instance in live_instances(cfg).items():
        lots = held.get((name, instance.symbol), 0)
        counted.add((name, instance.symbol))
        value = required_money(instance.symbol, lots, venues, account) or Decimal(0)
        add(instance.symbol, max(value, most_of(name, cfg)))
    for (name, symbol), lots in held.items():
        if (name, symbol) not in counted:
            add(symbol, required_money(symbol, lots, venues, account) or Decimal(0))
    return [
        Wallet(venue, asset, _balance(venue, asset, cfg, account), needed, leverages[venue, asset])
        for (venue, asset), needed in sorted(needs.items())
    ]


def _balance(venue: str, asset: str, cfg: Config, account: AccountFacts) -> Decimal:
    """Return what a wallet is worth: as the venue tells it, on paper its initial balance and all profit."""
    if account.balances is not None:
        return account.balances.get((venue, asset), Decimal(0))
    total = cfg.broker.initial_balance
    for symbol in account.ledger.by_symbol:
        rules = account.rules.get(symbol)
        if rules is not None and (venue_of(symbol), rules.quote_asset) == (venue, asset):
            atoms = account.ledger.profit_atoms(symbol, account.centiticks.get(symbol))
            total += Decimal(atoms).scaleb(-rules.quote_exponent)
    return total


def wallets(cfg: Config, venues: Venues, account: AccountFacts) -> Iterator[Item]:
    """Yield one item per wallet: is there money, and 1.2 times what may be needed (RK-15)."""
    factor = cfg.risk.prestart.balance_factor
    for wallet in wallet_list(cfg, venues, account):
        name = f"wallet {wallet.venue} {wallet.asset}"
        least = factor * wallet.needed
        numbers = (f"{wallet.balance:.2f}", f"{least:.2f}")
        text = (
            f"balance {wallet.balance:.2f}, needed {least:.2f} ({factor} times {wallet.needed:.2f} of the "
            f"largest positions at leverage {wallet.leverage})"
        )
        if wallet.balance > 0 and wallet.balance >= least:
            yield passed(name, text, *numbers)
        else:
            more = "raise broker.initial_balance" if cfg.mode == "paper" else "bring money to the account"
            advice = f"lower order sizes, layers or inventory of its strategies, or {more}"
            yield failed(name, f"{text}: {advice}", *numbers)


def strategies(cfg: Config, venues: Venues, account: AccountFacts) -> Iterator[Item]:
    """Yield the safety count of each strategy with orders of a fixed value, and the cycle of each grid."""
    by_key = {(one.venue, one.asset): one for one in wallet_list(cfg, venues, account)}
    for name, instance in live_instances(cfg).items():
        params = settings_of(instance.kind, instance.params)
        rules = rules_of(instance.symbol, dict(venues), account)
        appetite = appetite_of(params)
        key = (venue_of(instance.symbol), cfg.risk.currency if rules is None else rules.quote_asset)
        least = cfg.risk.prestart.safety_count
        if appetite.has_fixed_order and appetite.order and least:
            yield _safety(name, by_key[key], appetite.order, least)
        if isinstance(params, GridSettings):
            yield _grid(name, params, rules, price_centiticks(instance.symbol, dict(venues), account) // 100)


def versions(cfg: Config) -> Iterator[Item]:
    """Yield the version of each strategy: a hash of code and settings that stands on its orders (ST-44)."""
    for name, instance in live_instances(cfg).items():
        try:
            source = source_of(instance.kind)
        except (
            ValueError,
            OSError,
        ):  # a strategy of your own that is not loaded here: it tells when it starts
            continue
        version = version_of(build_id(), instance, source)
        yield Item(f"version {name}", "info", f"{version}: it stands on each of its orders", value=version)


def _safety(name: str, wallet: Wallet, order: Decimal, least: int) -> Item:
    """Return whether the balance pays enough orders, on an account that has traded as well (RK-16)."""
    count = int(wallet.balance * wallet.leverage / order)
    numbers = (str(count), str(least))
    text = (
        f"{count} orders of {order} are paid by {wallet.balance:.2f} at leverage {wallet.leverage}, at least "
        f"{least} needed"
    )
    if count >= least:
        return passed(f"safety {name}", text, *numbers)
    advice = (
        f"set order_notional to at most {wallet.balance * wallet.leverage / least:.2f}, or start with "
        "`up --skip-check` to leave positions that are open"
    )
    return failed(f"safety {name}", f"{text}: {advice}", *numbers)


def _grid(name: str, params: GridSettings, rules: InstrumentRules | None, price_ticks: int) -> Item:
    """Return whether a cycle of the grid earns after both fees, by its own preview."""
    label = f"grid {name}"
    if rules is None or price_ticks <= 0:
        return Item(label, "info", "its market has no rules or no price yet: judged when it starts")
    shown: Preview = preview(params, rules, price_ticks)
    profit = atoms_text(shown.profit_per_cycle_atoms, rules.quote_exponent)
    numbers = (profit, "0")
    if shown.problems:
        return failed(label, "; ".join(shown.problems), *numbers)
    worst = shown.falls[-1]
    loss = atoms_text(worst.lost_atoms, rules.quote_exponent)
    text = (
        f"a cycle earns {profit} {rules.quote_asset} after both fees, break-even is {shown.break_even_bps:g} "
        f"bps of {params.interval_bps:g}; at {worst.move_pct} % against it {loss} are lost"
    )
    return passed(label, text, *numbers)


def limits(cfg: Config, venues: Venues, account: AccountFacts) -> Iterator[Item]:
    """Yield what contradicts itself: limits and rules that no order of a strategy can meet."""
    for name, instance in live_instances(cfg).items():
        order = appetite_of(settings_of(instance.kind, instance.params)).order
        if order is None:
            continue
        rules = rules_of(instance.symbol, dict(venues), account)
        price_ticks = price_centiticks(instance.symbol, dict(venues), account) // 100
        problems = list(_limit_problems(order, instance.symbol, cfg))
        if rules is not None and price_ticks > 0:
            problems += _size_problems(order, rules, price_ticks)
        if problems:
            for value, limit, text in problems:
                yield failed(f"limits {name}", text, str(value), str(limit))
        else:
            yield passed(f"limits {name}", f"an order of {order} is inside every limit of risk", str(order))


def _limit_problems(order: Decimal, symbol: str, cfg: Config) -> Iterator[tuple[Decimal, Decimal, str]]:
    own = cfg.risk.limits_of(symbol)
    bounds = {
        "risk.limits.order_notional_max": own.order_notional_max,
        "risk.limits.position_notional_max": own.position_notional_max,
        "risk.limits.symbol_notional_max": own.symbol_notional_max,
        "risk.portfolio_notional_max": cfg.risk.portfolio_notional_max,
    }
    for key, bound in bounds.items():
        if order > bound:
            yield (
                order,
                bound,
                f"one order of {order} is more than {key} {bound}: lower it, or raise the limit",
            )


def _size_problems(
    order: Decimal, rules: InstrumentRules, price_ticks: int
) -> Iterator[tuple[Decimal, Decimal, str]]:
    lots = lots_of(order, rules, price_ticks)
    lot_value = Decimal(notional_atoms(rules, price_ticks, 1)).scaleb(-rules.quote_exponent)
    least = max(
        Decimal(rules.min_notional_atoms).scaleb(-rules.quote_exponent),
        lot_value * max(1, rules.min_qty_lots),
    )
    if lots * lot_value < least:
        text = f"an order of {order} is {lots} lots, under the least order of {rules.symbol}"
        yield order, least, f"{text}: {least:.2f} {rules.quote_asset} are needed"
