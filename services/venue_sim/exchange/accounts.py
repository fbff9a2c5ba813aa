"""Accounts of the simulated venue: spot balances, the USD-M wallet and positions, fees and settings."""

from decimal import Decimal

import msgspec

from services.venue_sim.exchange.amounts import e18_of
from services.venue_sim.settings import AccountSettings, BalanceSettings
from shared.errors import ConfigError

LEVERAGE_DEFAULT = 20
BOTH, LONG, SHORT = "BOTH", "LONG", "SHORT"


class Position(msgspec.Struct, array_like=True):
    """A USD-M position at average cost: `cost_e18` is the signed sum paid for what is open."""

    lots: int = 0  # negative for a short
    cost_e18: int = 0
    realized_e18: int = 0
    isolated_e18: int = 0  # the part of the wallet that it holds when isolated
    fees_e18: int = 0
    updated_ms: int = 0


class UsdmSymbol(msgspec.Struct, array_like=True):
    """What an account has set and holds in one USD-M market; positions by `BOTH`, or `LONG` and `SHORT`."""

    leverage: int = LEVERAGE_DEFAULT
    is_isolated: bool = False
    positions: dict[str, Position] = {}


class Fees(msgspec.Struct, array_like=True):
    """Commissions in millionths; negative is a rebate. `bnb_left_ppm` is what is left of them paid in BNB."""

    spot_maker_ppm: int
    spot_taker_ppm: int
    usdm_maker_ppm: int
    usdm_taker_ppm: int
    pays_in_bnb: bool = False
    bnb_left_ppm: int = 750_000


class Account(msgspec.Struct):
    """One account. Spot balances are [free, locked] by asset, the wallet is by asset; all in 1e-18."""

    name: str
    fees: Fees
    spot: dict[str, list[int]] = {}
    wallet: dict[str, int] = {}
    symbols: dict[str, UsdmSymbol] = {}
    is_hedge: bool = False
    is_multi_assets: bool = False
    can_trade: bool = True
    # Dead-man's switches of USD-M: symbol -> (time in ms at which all its orders are cancelled).
    countdowns: dict[str, int] = {}

    def free_e18(self, asset: str) -> int:
        """Return what may be spent of a spot asset."""
        return self.spot[asset][0] if asset in self.spot else 0

    def add(self, asset: str, amount_e18: int) -> None:
        """Add to the free balance; a negative amount that is not there is our bug."""
        balance = self.spot.setdefault(asset, [0, 0])
        balance[0] += amount_e18
        assert balance[0] >= 0, f"{self.name}: free {asset} would be {balance[0]}e-18"

    def lock(self, asset: str, amount_e18: int) -> None:
        """Move from free to locked."""
        balance = self.spot.setdefault(asset, [0, 0])
        balance[0] -= amount_e18
        balance[1] += amount_e18
        assert min(balance) >= 0, f"{self.name}: {asset} would be {balance}e-18"

    def spend_locked(self, asset: str, amount_e18: int) -> None:
        """Take from locked."""
        balance = self.spot[asset]
        balance[1] -= amount_e18
        assert balance[1] >= 0, f"{self.name}: locked {asset} would be {balance[1]}e-18"

    def usdm(self, symbol: str) -> UsdmSymbol:
        """Return settings and positions of a USD-M market."""
        found = self.symbols.get(symbol)
        if found is None:
            found = self.symbols[symbol] = UsdmSymbol(positions={})
        return found

    def position(self, symbol: str, position_side: str) -> Position:
        """Return a position, an empty one when there is none yet."""
        positions = self.usdm(symbol).positions
        found = positions.get(position_side)
        if found is None:
            found = positions[position_side] = Position()
        return found


def make_account(settings: AccountSettings) -> Account:
    """Return a new account with the balances of its settings; raises ConfigError."""
    return Account(
        name=settings.name,
        fees=Fees(
            settings.spot_maker_ppm,
            settings.spot_taker_ppm,
            settings.usdm_maker_ppm,
            settings.usdm_taker_ppm,
            settings.pays_fees_in_bnb,
        ),
        spot={b.asset: [_amount(b, settings.name), 0] for b in settings.spot},
        wallet={b.asset: _amount(b, settings.name) for b in settings.usdm},
        symbols={},
        countdowns={},
        is_hedge=settings.is_hedge,
    )


def _amount(balance: BalanceSettings, name: str) -> int:
    try:
        exact = e18_of(Decimal(balance.amount))
    except ArithmeticError:
        exact = None
    if exact is None or exact < 0:
        raise ConfigError(
            f"simulator.accounts: {name} has {balance.amount!r} {balance.asset}; write a number from 0 on"
        )
    return exact
