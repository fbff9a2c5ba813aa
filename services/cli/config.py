"""Load a configuration: one YAML file and the environment, checked as a whole before anything starts (OP-12).

Every mistake is listed at once, with its line, its key and what to do. `sections` gives each service its
settings; `for_replay` fits a configuration to the markets of a capture.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast, get_args

from services.broker.settings import BrokerSettings, Mode
from services.bus.settings import BusSettings
from services.canceller.settings import CancellerSettings
from services.cli import config_text
from services.cli.config_check import near_miss, read
from services.cli.config_model import Config, normal_symbol
from services.cli.config_risk import prepare_risk, read_risk
from services.cli.config_strategies import read_instances
from services.cli.config_text import Problem, Tree
from services.cli.config_venues import read_venues
from services.gateway.settings import GatewaySettings
from services.market_data.settings import SIMULATED, FeedVenue, MarketDataSettings
from services.strategy.settings import ShadowSettings, StrategySettings
from services.venue_sim.settings import VenueSimSettings
from shared.errors import ConfigError
from shared.instrument import venue_of, venue_symbol
from shared.venues.registry import simulated_symbol

KEYS = (
    "mode",
    "venues",
    "symbols",
    "market_data",
    "strategies",
    "warmup_s",
    "warmup_points",
    "callback_limit_ms",
    "risk",
    "broker",
    "canceller",
    "gateway",
    "simulator",
    "bus",
)


def load(path: Path | str, environ: Mapping[str, str]) -> Config:
    """Return the configuration of the file at `path` with the overrides of `environ`.

    Raises `ConfigError` that lists everything wrong.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: there is no such configuration; `quotemesh config init` writes the default one"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as a configuration: {error}") from None
    return loads(str(path), text, environ)


def loads(name: str, text: str, environ: Mapping[str, str]) -> Config:
    """Return the configuration in `text`; `name` stands in errors."""
    parsed = config_text.parse(name, text, environ)
    tree = parsed.tree
    problems = [Problem((key,), f"unknown key; {near_miss(key, KEYS)}") for key in tree if key not in KEYS]
    mode = _mode(tree, problems)
    symbols = _symbols(tree, problems)
    venues = read_venues(tree.get("venues", {}), symbols, mode, problems)
    orders = {"mode": mode, "venues": venues.accounts}
    cleared = {"venues": venues.cancels}
    broker = read(BrokerSettings, tree.get("broker", {}), ("broker",), problems, orders)
    services = {
        "market_data": read(
            MarketDataSettings,
            tree.get("market_data", {}),
            ("market_data",),
            problems,
            {"venues": venues.feed},
        ),
        "strategy": _strategy(tree, symbols, broker, problems),
        "risk": read_risk(tree, symbols, problems),
        "broker": broker,
        "canceller": read(CancellerSettings, tree.get("canceller", {}), ("canceller",), problems, cleared),
        "gateway": read(GatewaySettings, tree.get("gateway", {}), ("gateway",), problems),
        "venue_sim": read(VenueSimSettings, tree.get("simulator", {}), ("simulator",), problems),
        "bus": _bus(tree, mode, problems),
    }
    if not problems:
        _check_simulated(services["market_data"], services["venue_sim"], problems)
    if problems:
        raise config_text.refuse(name, problems, parsed.places)
    balance = services["broker"].initial_balance
    services["risk"] = prepare_risk(services["risk"], symbols, balance)
    origins = tuple((config_text.dotted(path), place) for path, place in parsed.places.items() if path)
    return Config(mode=mode, origins=origins, seeds=venues.seeds, **services)


def sections(cfg: Config) -> dict[str, object]:
    """Return the settings of each service by its name, as the launcher packs them."""
    watched = {"canceller": cfg.canceller} if cfg.mode != "paper" and cfg.canceller.is_on else {}
    return {
        **watched,
        "bus": cfg.bus,
        "market_data": cfg.market_data,
        "strategy": cfg.strategy,
        "risk": cfg.risk,
        "broker": cfg.broker,
        "gateway": cfg.gateway,
        "venue_sim": cfg.venue_sim,
    }


def for_replay(cfg: Config, symbols: Sequence[str], files: Sequence[str] = ()) -> tuple[Config, list[str]]:
    """Return `cfg` fitted to a capture of `symbols`, and a line to print for each thing that changed.

    Only the capture's markets are followed, on the simulated venue, which plays `files` when they are
    named; strategies on other markets trade the capture's first one.
    """
    if not symbols:
        raise ConfigError("the capture holds no market that can be played; record or name another file")
    lines = []
    entries = {venue.name: venue for venue in cfg.market_data.venues}
    venues = []
    for name in dict.fromkeys(venue_of(symbol) for symbol in symbols):
        entry = entries.get(name) or FeedVenue(name=name, symbols=())
        played = tuple(venue_symbol(symbol) for symbol in symbols if venue_of(symbol) == name)
        venues.append(dataclasses.replace(entry, symbols=played, url=SIMULATED, stream_url=""))
    lines += [
        f"{symbol} is not in the capture: not followed" for symbol in cfg.symbols if symbol not in symbols
    ]
    instances = {}
    for name, instance in cfg.strategy.instances.items():
        if instance.symbol not in symbols:
            lines.append(f"strategy {name} trades {symbols[0]}: {instance.symbol} is not in the capture")
            instance = dataclasses.replace(instance, symbol=symbols[0])  # noqa: PLW2901
        instances[name] = instance
    simulator = dataclasses.replace(cfg.venue_sim, mode="capture", files=tuple(files) or cfg.venue_sim.files)
    replay = dataclasses.replace(
        cfg,
        market_data=dataclasses.replace(cfg.market_data, venues=tuple(venues)),
        strategy=dataclasses.replace(cfg.strategy, instances=instances),
        risk=prepare_risk(cfg.risk, symbols, cfg.broker.initial_balance),
        venue_sim=simulator,
    )
    return replay, lines


def _mode(tree: Mapping[str, Tree], problems: list[Problem]) -> Mode:
    mode = tree.get("mode", "paper")
    if mode not in get_args(Mode):
        problems.append(Problem(("mode",), f"mode is paper, testnet or live; you wrote {mode!r}"))
        return "paper"
    return cast(Mode, mode)


def _bus(tree: Mapping[str, Tree], mode: Mode, problems: list[Problem]) -> BusSettings | None:
    """Return the bus's settings: where orders leave the host, each approval is on disk before (rule 2)."""
    written = tree.get("bus", {})
    bus: BusSettings | None = read(BusSettings, written, ("bus",), problems)
    if mode == "paper" or bus is None:
        return bus
    if isinstance(written, dict) and "sync_orders" in written and not bus.sync_orders:
        text = f"orders leave this host in mode {mode}, so their approvals must be synced: remove the line"
        problems.append(Problem(("bus", "sync_orders"), text))
    return dataclasses.replace(bus, sync_orders=True)


def _symbols(tree: Mapping[str, Tree], problems: list[Problem]) -> list[str]:
    """Return the markets in the order written, adding what is wrong to `problems`."""
    written = tree.get("symbols")
    if not isinstance(written, list) or not written:
        problems.append(
            Problem(("symbols",), "name at least one market in a list, as `[binance_usdm:BTCUSDT]`")
        )
        return []
    symbols: list[str] = []
    for at, word in enumerate(written):
        path = ("symbols", str(at))
        symbol = normal_symbol(word) if isinstance(word, str) else None
        if symbol is None:
            problems.append(Problem(path, symbol_text(word)))
        elif symbol in symbols:
            problems.append(Problem(path, f"{symbol} is named twice; remove one"))
        else:
            symbols.append(symbol)
    return symbols


def symbol_text(word: Tree) -> str:
    """Return what is wrong with a name of a market."""
    return (
        f"a market is written venue:SYMBOL, as binance_usdm:BTCUSDT or binance:BTCUSDT; you wrote {word!r} "
        "(through ccxt as okx:BTC/USDT or bybit:BTC/USDT:USDT; `quotemesh venues` lists all)"
    )


def _strategy(
    tree: Mapping[str, Tree],
    symbols: Sequence[str],
    broker: BrokerSettings | None,
    problems: list[Problem],
) -> StrategySettings | None:
    given: dict[str, Any] = {
        "instances": read_instances(tree.get("strategies", {}), symbols, problems),
        "shadow": _shadow(broker or BrokerSettings()),
    }
    keys = ("warmup_s", "warmup_points", "callback_limit_ms")
    warmup: dict[str, Tree] = {key: tree[key] for key in keys if key in tree}
    settings: StrategySettings | None = read(StrategySettings, warmup, (), problems, given)
    return settings


def _shadow(broker: BrokerSettings) -> ShadowSettings:
    """Return the paper venue of shadow versions: the one of the broker."""
    names = [field.name for field in dataclasses.fields(ShadowSettings)]
    return ShadowSettings(**{name: getattr(broker, name) for name in names})


def _check_simulated(
    market_data: MarketDataSettings, simulator: VenueSimSettings, problems: list[Problem]
) -> None:
    """Every market of a simulated venue must be one that the simulator makes."""
    if simulator.mode != "generate":
        return
    made = {market.symbol for market in simulator.markets}
    for venue in market_data.venues:
        for name in venue.symbols if venue.url == SIMULATED else ():
            symbol = f"{venue.name}:{name}"
            if simulated_symbol(symbol) not in made:
                problems.append(
                    Problem(
                        ("symbols",),
                        f"{symbol} is on the simulated venue, which does not make it; add it under "
                        f"simulator.markets, or remove it (made: {', '.join(sorted(made))})",
                    )
                )
