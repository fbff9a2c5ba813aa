"""Account calls of spot: balances, commission, order counts, the rights of the key."""

from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.venue import SPOT
from services.venue_sim.wire.calls import Ask
from services.venue_sim.wire.checks import spot_symbol
from services.venue_sim.wire.payload import Json, padded, rate
from services.venue_sim.wire.spot_orders import discount

ZERO_RATE = "0.00000000"
UID = 354_937_868
CREATED_MS = 1_698_645_219_000


def account(ask: Ask) -> object:
    """Tell balances and rights."""
    exchange = ask.backend.exchange
    owner = exchange.account(ask.account)
    omits_zero = ask.params.flag("omitZeroBalances")
    balances = [
        {"asset": item.asset, "free": padded(item.free), "locked": padded(item.locked)}
        for item in exchange.balances(ask.account)
        if item.free or item.locked or not omits_zero
    ]
    key = exchange.account_of_key(ask.api_key)
    maker_ppm, taker_ppm = owner.fees.spot_maker_ppm, owner.fees.spot_taker_ppm
    return {
        "makerCommission": maker_ppm // 100,
        "takerCommission": taker_ppm // 100,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {
            "maker": rate(maker_ppm),
            "taker": rate(taker_ppm),
            "buyer": ZERO_RATE,
            "seller": ZERO_RATE,
        },
        "canTrade": owner.can_trade and (key is None or key.can_trade),
        "canWithdraw": key is not None and key.can_withdraw,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": ask.now_ms,
        "accountType": "SPOT",
        "balances": balances,
        "permissions": ["SPOT"],
        "uid": UID,
    }


def commission(ask: Ask) -> object:
    """Tell the commission rates of a market."""
    symbol = spot_symbol(ask.params)
    ask.backend.exchange.rules(SPOT, symbol)
    fees = ask.backend.exchange.account(ask.account).fees
    none: Json = dict.fromkeys(("maker", "taker", "buyer", "seller"), ZERO_RATE)
    return {
        "symbol": symbol,
        "standardCommission": none | {"maker": rate(fees.spot_maker_ppm), "taker": rate(fees.spot_taker_ppm)},
        "specialCommission": none,
        "taxCommission": none,
        "discount": discount(ask),
    }


def order_counts(ask: Ask) -> object:
    """Tell how many orders the account has placed in each window."""
    return ask.backend.limits.counts("", ask.account, ask.now_ms)


def prevented_matches(ask: Ask) -> object:
    """Tell self-trades that were prevented: they are told by the user stream only."""
    ask.backend.exchange.rules(SPOT, spot_symbol(ask.params))
    return []


def key_rights(ask: Ask) -> object:
    """Tell what the key may do."""
    key = ask.backend.exchange.account_of_key(ask.api_key)
    if key is None:
        raise VenueRefusal(-2015, "Invalid API-key, IP, or permissions for action.", 401)
    return {
        "ipRestrict": bool(key.allowed_addresses),
        "createTime": CREATED_MS,
        "enableReading": key.can_read,
        "enableWithdrawals": key.can_withdraw,
        "enableInternalTransfer": key.can_transfer,
        "enableMargin": False,
        "enableFutures": key.can_trade,
        "permitsUniversalTransfer": key.can_transfer,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
        "enableSpotAndMarginTrading": key.can_trade,
        "enablePortfolioMarginTrading": False,
    }
