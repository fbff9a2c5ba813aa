"""The reference table in docs/configuration.md, made from the settings: `python -m services.cli.config_page`.

A test compares the page with the code, so that no key is without its line.
"""

from decimal import Decimal
from typing import Any

from services.broker.settings import BrokerSettings
from services.bus.settings import BusSettings
from services.canceller.settings import CancellerSettings
from services.cli.config_check import Leaf, leaves
from services.cli.config_commands import OF_BROKER, as_text
from services.cli.config_risk import PREPARED
from services.cli.config_venues import VenueEntry
from services.cli.place import ROOT
from services.gateway.settings import GatewaySettings
from services.market_data.settings import MarketDataSettings
from services.risk.monitor_settings import MarginTier, PauseSettings
from services.risk.settings import RiskSettings, SymbolOverrides
from services.strategy.registry import STRATEGIES, settings_of
from services.strategy.settings import InstanceSettings, StrategySettings
from services.venue_sim.settings import FaultSettings, VenueSimSettings

PAGE = ROOT / "docs" / "configuration.md"
BEGIN, END = "<!-- keys begin -->", "<!-- keys end -->"


def table() -> str:
    """Return the tables of every key with its default, limits and meaning."""
    parts = []
    for title, found in _sections():
        rows = [f"### {title}", "", "| key | default | limits | meaning |", "| --- | --- | --- | --- |"]
        rows += [
            f"| `{'.'.join(leaf.path)}` | {_default(leaf.value)} | {leaf.bounds} | {_cell(leaf.doc)} |"
            for leaf in found
        ]
        parts.append("\n".join(rows))
    return "\n\n".join(parts)


def _sections() -> list[tuple[str, list[Leaf]]]:
    venue = [
        leaf
        for leaf in leaves(VenueEntry(name="", symbols=()), ("venues", "VENUE"))
        if leaf.path[-1] not in {"name", "symbols"}
    ]
    feed = [leaf for leaf in leaves(MarketDataSettings(), ("market_data",)) if leaf.path[1] != "venues"]
    warmup = [leaf for leaf in leaves(StrategySettings()) if leaf.path[0] not in {"instances", "shadow"}]
    instance = [
        leaf
        for leaf in leaves(InstanceSettings(kind="", symbol=""), ("strategies", "NAME"))
        if leaf.path[-1] != "params"
    ]
    own = leaves(SymbolOverrides(), ("risk", "symbols", "MARKET"))
    risk = [leaf for leaf in leaves(RiskSettings(), ("risk",)) if leaf.path[1] not in {"symbols", PREPARED}]
    pause = leaves(PauseSettings(start="", end=""), ("risk", "calendar", "pauses", "0"))
    tier = leaves(
        MarginTier(notional_from=Decimal(0), rate_ppm=5000), ("risk", "margin", "tiers", "MARKET", "0")
    )
    fault = leaves(FaultSettings(kind="drop"), ("simulator", "faults", "0"))
    simulator = leaves(VenueSimSettings(), ("simulator",))
    simulator = [leaf for leaf in simulator if leaf.path[1] not in {"markets", "faults"}]
    markets = [
        leaf for leaf in leaves(VenueSimSettings(), ("simulator",)) if leaf.path[1:3] == ("markets", "0")
    ]
    kinds = [
        (f"Parameters of `{kind}`", leaves(settings_of(kind, {}), ("strategies", "NAME", "params")))
        for kind in STRATEGIES
    ]
    return [
        ("Venues", venue),
        ("Market data", feed),
        ("Warm-up and watchdog", warmup),
        ("Strategies", instance),
        *kinds,
        ("Risk", risk + own + pause + tier),
        ("Broker", _written(leaves(BrokerSettings(), ("broker",)))),
        ("Canceller", _written(leaves(CancellerSettings(), ("canceller",)))),
        ("Gateway", leaves(GatewaySettings(), ("gateway",))),
        ("Simulated venue", simulator + markets + fault),
        ("Bus", leaves(BusSettings(), ("bus",))),
    ]


def _written(found: list[Leaf]) -> list[Leaf]:
    """Return the values that a file may hold: `mode` and `venues` of a section come from elsewhere in it."""
    return [leaf for leaf in found if leaf.path not in OF_BROKER]


def _default(value: Any) -> str:
    text = "" if value is None or value in ("", (), {}) else as_text(value)
    return f"`{text}`" if text else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def page(text: str) -> str:
    """Return the page `text` with its tables as they are now."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{table()}\n{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
