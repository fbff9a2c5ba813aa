"""What a configuration may say of venues that are reached through ccxt (docs/venues.md)."""

import importlib.util
import re
from collections.abc import Mapping
from typing import Any

from services.cli.config_text import Problem, Tree
from services.market_data.settings import SIMULATED
from shared.venues.registry import ENTRIES, LINEAR, SPOT, Entry, kind_of

_MARKET = re.compile(r"[A-Z0-9]{1,24}/[A-Z0-9]{1,12}(:[A-Z0-9]{1,12})?\Z")
TESTNET = "testnet"
INSTALL = "this venue needs ccxt, which is not installed; run `./quotemesh install ccxt` (81 MB)"


def normal_market(market: str) -> str | None:
    """Return BTC/USDT or BTC/USDT:USDT of what a person wrote, None when it is neither."""
    word = market.strip().upper()
    return word if _MARKET.match(word) and kind_of(word) else None


def given_for(name: str, written: Tree) -> Mapping[str, Any]:
    """Return defaults of a venue's block that differ from those of a native venue."""
    entry = ENTRIES.get(name)
    if entry is None:
        return {}
    told = written if isinstance(written, dict) else {}
    facts = entry.facts
    values: dict[str, Any] = {"url": SIMULATED if entry.is_simulated else ""}
    fees = {"maker_fee_ppm": facts.maker_ppm, "taker_fee_ppm": facts.taker_ppm}
    values |= {key: fee_ppm for key, fee_ppm in fees.items() if fee_ppm >= 0}
    return {key: value for key, value in values.items() if key not in told}


def check_remote(
    name: str,
    markets: tuple[str, ...],
    network: tuple[str, str, str, str],
    path: tuple[str, ...],
    problems: list[Problem],
) -> None:
    """Add what cannot work to `problems`; `network` is the mode, the network, url and proxy of the block."""
    entry = ENTRIES[name]
    mode, wanted, url, proxy = network
    if importlib.util.find_spec("ccxt") is None:
        problems.append(Problem(path, INSTALL))
    if entry.facts.precision != "steps":
        problems.append(Problem(path, f"{entry.title} cannot be followed: {entry.limits}"))
    for market in markets:
        kind = kind_of(market)
        if not (entry.facts.has_spot if kind == SPOT else entry.facts.has_linear):
            problems.append(Problem(("symbols",), f"{entry.title} has no {kind} markets: {name}:{market}"))
    if url not in {"", SIMULATED} or (url == SIMULATED and not entry.is_simulated):
        text = f'{url!r} is not possible here: ccxt knows the hosts of {entry.title}; write `url: ""`'
        problems.append(Problem((*path, "url"), text))
    if proxy.startswith("socks"):
        text = f"SOCKS proxies are not served for venues through ccxt, as {name}; write http://host:port"
        problems.append(Problem((*path, "proxy"), text))
    if mode != "paper":
        _check_orders(entry, markets, path, problems)
    is_sandbox = (wanted or (TESTNET if mode == TESTNET else "live")) == TESTNET
    if is_sandbox and url != SIMULATED and not entry.facts.sandbox:
        text = f"{entry.title} has no test network that ccxt knows: use mode paper, or live"
        problems.append(Problem((*path, "network"), text))
    elif wanted == "demo":
        problems.append(Problem((*path, "network"), "demo is Binance's alone; write testnet or live"))


def _check_orders(
    entry: Entry, markets: tuple[str, ...], path: tuple[str, ...], problems: list[Problem]
) -> None:
    kinds = {kind_of(market) for market in markets}
    for kind in sorted(kinds - set(entry.orders)):
        why = entry.limits or "see docs/venues.md"
        text = f"no orders are sent to {kind} markets of {entry.title} ({why}); use mode paper"
        problems.append(Problem(path, text))
    if kinds == {SPOT, LINEAR}:
        text = f"trade spot or perpetuals of {entry.title} in one configuration, not both"
        problems.append(Problem(path, text))
