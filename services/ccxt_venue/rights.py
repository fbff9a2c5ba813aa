"""What a key may do, on the venues that tell: ccxt has no common call for it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from shared.execution.reports import KeyRightsTold


async def rights_of(exchange: Any, request_id: int) -> KeyRightsTold | None:
    """Return the rights of the exchange's key, None where the venue has no call for it."""
    ask = _ASK.get(exchange.id)
    return None if ask is None else await ask(exchange, request_id)


async def _okx(exchange: Any, request_id: int) -> KeyRightsTold:
    told = (await exchange.private_get_account_config())["data"][0]
    rights = set(str(told["perm"]).split(","))
    return KeyRightsTold(
        request_id, "trade" in rights, "withdraw" in rights, "withdraw" in rights, bool(told.get("ip"))
    )


async def _bybit(exchange: Any, request_id: int) -> KeyRightsTold:
    told = (await exchange.private_get_v5_user_query_api())["result"]
    granted: Mapping[str, list[str]] = told["permissions"]
    wallet = granted.get("Wallet") or []
    can_trade = str(told.get("readOnly")) == "0" and bool(granted.get("Spot") or granted.get("ContractTrade"))
    return KeyRightsTold(
        request_id,
        can_trade,
        "Withdraw" in wallet,
        any("Transfer" in right for right in wallet),
        (told.get("ips") or ["*"]) != ["*"],
    )


async def _binance(exchange: Any, request_id: int) -> KeyRightsTold:
    told = await exchange.sapi_get_account_apirestrictions()
    is_linear = exchange.id == "binanceusdm"
    return KeyRightsTold(
        request_id,
        bool(told.get("enableFutures" if is_linear else "enableSpotAndMarginTrading")),
        bool(told["enableWithdrawals"]),
        bool(told.get("enableInternalTransfer") or told.get("permitsUniversalTransfer")),
        bool(told.get("ipRestrict")),
    )


async def _kucoin(exchange: Any, request_id: int) -> KeyRightsTold:
    told = (await exchange.private_get_user_api_key())["data"]
    rights = set(str(told["permission"]).replace(" ", "").split(","))
    is_limited = bool(told.get("ipWhitelist"))
    return KeyRightsTold(
        request_id, bool(rights & {"Spot", "Trade"}), "Withdrawal" in rights, "Transfer" in rights, is_limited
    )


_ASK: Mapping[str, Callable[[Any, int], Awaitable[KeyRightsTold]]] = {
    "okx": _okx,
    "bybit": _bybit,
    "binance": _binance,
    "binanceusdm": _binance,
    "kucoin": _kucoin,
}
