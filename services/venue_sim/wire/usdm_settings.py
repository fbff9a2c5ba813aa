"""Settings of USD-M accounts: leverage, margin type, position mode, multi-assets mode, tiers."""

from services.venue_sim.exchange.amounts import E18, PPM
from services.venue_sim.exchange.positions import BRACKETS
from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.venue import USDM
from services.venue_sim.wire.calls import Ask
from services.venue_sim.wire.checks import usdm_symbol
from services.venue_sim.wire.params import invalid
from services.venue_sim.wire.payload import Json, short

DONE = {"code": 200, "msg": "success"}


def set_leverage(ask: Ask) -> object:
    """Set the leverage of a market."""
    symbol = usdm_symbol(ask.params)
    leverage = ask.params.integer("leverage", is_required=True)
    config = ask.backend.exchange.set_leverage(ask.account, symbol, leverage, ask.now_ms)
    return {"leverage": leverage, "maxNotionalValue": short(config.max_notional), "symbol": symbol}


def set_margin_type(ask: Ask) -> object:
    """Set a market to isolated or crossed margin."""
    symbol = usdm_symbol(ask.params)
    kind = ask.params.required("marginType").upper()
    if kind not in {"ISOLATED", "CROSSED"}:
        raise VenueRefusal(-1128, "Combination of optional parameters invalid.")
    ask.backend.exchange.set_margin_type(ask.account, symbol, kind == "ISOLATED", ask.now_ms)
    return DONE


def change_isolated_margin(ask: Ask) -> object:
    """Add margin to an isolated position (type 1), or take it out (type 2)."""
    symbol = usdm_symbol(ask.params)
    amount = ask.params.decimal("amount", is_required=True)
    kind = ask.params.integer("type", is_required=True)
    if amount is None or amount <= 0:
        raise VenueRefusal(-4055, "Amount must be positive.")
    if kind not in {1, 2}:
        raise invalid("type")
    side = ask.params.choice("positionSide", ("BOTH", "LONG", "SHORT"))
    signed = amount if kind == 1 else -amount
    ask.backend.exchange.settings.change_isolated_margin(ask.account, symbol, side, signed, ask.now_ms)
    return {
        "amount": float(amount),
        "code": 200,
        "msg": "Successfully modify position margin.",
        "type": kind,
    }


def set_position_mode(ask: Ask) -> object:
    """Choose between one position a market and long and short beside each other."""
    is_hedge = ask.params.flag("dualSidePosition", is_required=True)
    ask.backend.exchange.set_position_mode(ask.account, is_hedge, ask.now_ms)
    return DONE


def set_multi_assets(ask: Ask) -> object:
    """Choose whether all assets are margin."""
    is_multi = ask.params.flag("multiAssetsMargin", is_required=True)
    ask.backend.exchange.set_multi_assets(ask.account, is_multi, ask.now_ms)
    return DONE


def symbol_config(ask: Ask) -> object:
    """Tell the settings of each market."""
    names = [usdm_symbol(ask.params)] if ask.params.has("symbol") else ask.backend.symbols
    told: list[Json] = []
    for name in names:
        config = ask.backend.exchange.symbol_config(ask.account, name)
        told.append(
            {
                "symbol": name,
                "marginType": "ISOLATED" if config.is_isolated else "CROSSED",
                "isAutoAddMargin": False,
                "leverage": config.leverage,
                "maxNotionalValue": short(config.max_notional),
            }
        )
    return told


def leverage_brackets(ask: Ask) -> object:
    """Tell the tiers of notional value: of one market, or of all as a list."""
    if ask.params.has("symbol"):
        symbol = usdm_symbol(ask.params)
        ask.backend.exchange.rules(USDM, symbol)
        return {"symbol": symbol, "brackets": _tiers()}
    return [{"symbol": name, "brackets": _tiers()} for name in ask.backend.symbols]


def _tiers() -> list[Json]:
    told: list[Json] = []
    floor = 0
    for number, tier in enumerate(BRACKETS, 1):
        cap = tier.cap_e18 // E18
        told.append(
            {
                "bracket": number,
                "initialLeverage": tier.leverage,
                "notionalCap": cap,
                "notionalFloor": floor,
                "maintMarginRatio": tier.rate_ppm / PPM,
                "cum": tier.offset_e18 / E18,
            }
        )
        floor = cap
    return told
