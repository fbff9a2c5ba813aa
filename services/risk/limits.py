"""The limits of one market for the kernel that decides with numbers alone (shared/kernels/limits.py)."""

from services.risk.ask import MONEY_EXPONENT, caps_of
from services.risk.settings import RiskSettings
from shared.kernels.limits import Limits
from shared.messages.market import InstrumentRules


def limits_of(settings: RiskSettings, rules: InstrumentRules) -> Limits:
    """Return the limits of a market, with nothing known of it yet.

    Raises:
        ValueError: limits are not counted in the market's quote asset, or its atoms are too fine for 64 bits.
    """
    caps = caps_of(settings, rules)
    if not caps.is_currency:
        raise ValueError(
            f"{rules.symbol}: limits are counted in {settings.currency}, the market in {rules.quote_asset}; "
            "see risk.currency"
        )
    atom_money = 10 ** (MONEY_EXPONENT - rules.quote_exponent)
    portfolio_atoms, rest = divmod(caps.portfolio_money, atom_money)
    try:
        return Limits(
            order_lots_max=caps.order_lots,
            order_atoms_max=caps.order_atoms,
            position_lots_max=caps.position_lots,
            position_atoms_max=caps.position_atoms,
            symbol_atoms_max=caps.symbol_atoms,
            portfolio_atoms_max=portfolio_atoms,
            open_orders_max=caps.open_orders,
            spread_e2_bps_max=caps.spread_e2_bps,
            band_e2_bps_max=caps.band_e2_bps,
            tick_lot_atoms=rules.tick_lot_atoms,
            is_derivative=rules.is_derivative,
            fee_ppm=max(0, rules.maker_fee_ppm, rules.taker_fee_ppm),
            min_qty_lots=rules.min_qty_lots,
            max_qty_lots=rules.max_qty_lots,
            min_price_ticks=rules.min_price_ticks,
            max_price_ticks=rules.max_price_ticks,
            min_notional_atoms=rules.min_notional_atoms,
            may_adjust=settings.adjust_orders,
            portfolio_rest=rest,
            atom_money=atom_money,
        )
    except OverflowError as error:
        raise ValueError(f"{rules.symbol}: a limit or rule is beyond 64 bits: {error}") from error
    except ValueError as error:
        raise ValueError(f"{rules.symbol}: {error}") from error


def quick_limits(settings: RiskSettings, rules: InstrumentRules) -> Limits | None:
    """Return the same, or None where there is no such thing: the table of checks decides all alone then."""
    try:
        return limits_of(settings, rules)
    except ValueError:
        return None
