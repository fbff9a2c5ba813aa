"""Account calls of USD-M: wallet, positions, income, settings, order counts, listen keys."""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from services.venue_sim.exchange.amounts import E18
from services.venue_sim.exchange.positions import max_notional_e18
from services.venue_sim.exchange.records import VenuePosition, WalletBalance
from services.venue_sim.venue import USDM
from services.venue_sim.wire import usdm_json
from services.venue_sim.wire.calls import Ask
from services.venue_sim.wire.checks import END_OF_TIME_MS, usdm_symbol
from services.venue_sim.wire.payload import Json, text

GROUP = -1


def balance(ask: Ask) -> object:
    """Tell the balances of the wallet."""
    return [usdm_json.balance(item, ask.now_ms) for item in ask.backend.exchange.wallets(ask.account)]


def account(ask: Ask) -> object:
    """Tell wallet, margin and open positions (v3)."""
    exchange = ask.backend.exchange
    positions = [
        usdm_json.account_position(item) for item in exchange.positions(ask.account) if _is_held(item)
    ]
    return _totals(ask) | {"positions": positions}


def account_v2(ask: Ask) -> object:
    """Tell wallet, margin and the positions of all markets (v2)."""
    exchange = ask.backend.exchange
    owner = exchange.account(ask.account)
    key = exchange.account_of_key(ask.api_key)
    positions = [
        usdm_json.account_position_v2(item, _max_notional(item)) for item in _of(ask, ask.backend.symbols)
    ]
    told: Json = {
        "feeTier": 0,
        "feeBurn": False,
        "canTrade": owner.can_trade,
        "canDeposit": True,
        "canWithdraw": key is not None and key.can_withdraw,
        "updateTime": 0,
        "multiAssetsMargin": owner.is_multi_assets,
        "tradeGroupId": GROUP,
    }
    return told | _totals(ask) | {"positions": positions}


def _is_held(item: VenuePosition) -> bool:
    return bool(item.quantity or item.order_margin)


def _totals(ask: Ask) -> Json:
    wallet = ask.backend.exchange.wallets(ask.account)
    positions = ask.backend.exchange.positions(ask.account)
    return {
        "totalInitialMargin": _sum(wallet, lambda b: b.position_margin + b.order_margin),
        "totalMaintMargin": _sum(wallet, lambda b: b.maintenance),
        "totalWalletBalance": _sum(wallet, lambda b: b.wallet),
        "totalUnrealizedProfit": text(sum((p.unrealized for p in positions), Decimal("0.00000000"))),
        "totalMarginBalance": _sum(wallet, lambda b: b.margin),
        "totalPositionInitialMargin": _sum(wallet, lambda b: b.position_margin),
        "totalOpenOrderInitialMargin": _sum(wallet, lambda b: b.order_margin),
        "totalCrossWalletBalance": _sum(wallet, lambda b: b.cross_wallet),
        "totalCrossUnPnl": _sum(wallet, lambda b: b.unrealized),
        "availableBalance": _sum(wallet, lambda b: b.available),
        "maxWithdrawAmount": _sum(wallet, lambda b: b.withdrawable),
        "assets": [usdm_json.asset(item, ask.now_ms) for item in wallet],
    }


def _sum(wallet: Iterable[WalletBalance], of: Callable[[WalletBalance], Decimal]) -> str:
    return text(sum((of(item) for item in wallet), Decimal("0.00000000")))


def positions(ask: Ask) -> object:
    """Tell positions and those with open orders (v3)."""
    return [usdm_json.position_risk(item) for item in _chosen(ask) if _is_held(item)]


def positions_v2(ask: Ask) -> object:
    """Tell the positions of all markets, or of one (v2)."""
    return [usdm_json.position_risk_v2(item, _max_notional(item)) for item in _chosen(ask)]


def _chosen(ask: Ask) -> list[VenuePosition]:
    names = [usdm_symbol(ask.params)] if ask.params.has("symbol") else ask.backend.symbols
    return _of(ask, names)


def _of(ask: Ask, names: Sequence[str]) -> list[VenuePosition]:
    return [item for name in names for item in ask.backend.exchange.positions(ask.account, name)]


def _max_notional(item: VenuePosition) -> str:
    return str(max_notional_e18(item.leverage) // E18)


def income(ask: Ask) -> object:
    """Tell changes of the wallet."""
    params = ask.params
    items = ask.backend.exchange.usdm.income(
        ask.account,
        usdm_symbol(params) if params.has("symbol") else "",
        params.text("incomeType"),
        params.integer("startTime"),
        params.integer("endTime", END_OF_TIME_MS),
        params.limit(100, 1000),
    )
    return [usdm_json.income(item) for item in items]


def position_mode(ask: Ask) -> object:
    """Tell the position mode."""
    return {"dualSidePosition": ask.backend.exchange.account(ask.account).is_hedge}


def multi_assets(ask: Ask) -> object:
    """Tell whether all assets are margin."""
    return {"multiAssetsMargin": ask.backend.exchange.account(ask.account).is_multi_assets}


def account_config(ask: Ask) -> object:
    """Tell the settings of the account."""
    exchange = ask.backend.exchange
    owner = exchange.account(ask.account)
    key = exchange.account_of_key(ask.api_key)
    return {
        "feeTier": 0,
        "canTrade": owner.can_trade and (key is None or key.can_trade),
        "canDeposit": True,
        "canWithdraw": key is not None and key.can_withdraw,
        "dualSidePosition": owner.is_hedge,
        "updateTime": ask.now_ms,
        "multiAssetsMargin": owner.is_multi_assets,
        "tradeGroupId": GROUP,
    }


def commission_rate(ask: Ask) -> object:
    """Tell the commission rates of a market."""
    symbol = usdm_symbol(ask.params)
    ask.backend.exchange.rules(USDM, symbol)
    fees = ask.backend.exchange.account(ask.account).fees
    return {
        "symbol": symbol,
        "makerCommissionRate": format(Decimal(fees.usdm_maker_ppm).scaleb(-6), "f"),
        "takerCommissionRate": format(Decimal(fees.usdm_taker_ppm).scaleb(-6), "f"),
        "rpiCommissionRate": format(Decimal(fees.usdm_maker_ppm).scaleb(-6), "f"),
    }


def order_counts(ask: Ask) -> object:
    """Tell the limits of orders."""
    return ask.backend.limits.counts("", ask.account, ask.now_ms)


# ---- listen keys


def open_listen_key(ask: Ask) -> object:
    """Return the listen key of the account, valid for an hour from now."""
    return {"listenKey": ask.backend.streams.open_key(ask.account, ask.now_ms)}


def keep_listen_key(ask: Ask) -> object:
    """Let the listen key live for an hour from now."""
    return {"listenKey": ask.backend.streams.keep_key(ask.account, ask.now_ms)}


def close_listen_key(ask: Ask) -> object:
    """End the listen key."""
    ask.backend.streams.close_key(ask.account, ask.now_ms)
    return {}
