"""`quotemesh config init|show|check`: write, explain and test a configuration."""

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import msgspec

from services.cli import config as configuration
from services.cli.config_check import Leaf, leaves
from services.cli.config_model import Config
from services.cli.config_risk import PREPARED
from services.cli.exits import CommandError, ExitCode
from services.cli.place import ROOT, data_option
from services.strategy.registry import strategy_class
from shared.errors import ConfigError
from shared.runtime.paths import DataDir

FILE_NAME = "quotemesh.yaml"
DEFAULT = ROOT / "deploy" / "paper.yaml"

MODE_DOC = (
    "`paper`: no order leaves this machine; `testnet`: orders go to play money, or to the simulated venue; "
    "`live`: to real money (docs/live.md)"
)

SEED_DOC = "of which asset a testnet account buys at the start what it lacks"

file_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    help=f"The YAML file [default: config/{FILE_NAME} of the data directory, else the one of a new mesh].",
)


@click.group()
def config() -> None:
    """Write, explain and test the configuration."""


@config.command()
@data_option
@click.option("--force", is_flag=True, help="Replace a configuration that is there.")
def init(data: DataDir, force: bool) -> None:
    """Write the commented default configuration into the data directory."""
    path = data.config / FILE_NAME
    if path.exists() and not force:
        raise CommandError(f"{path} is there already; edit it, or replace it with --force")
    try:
        data.prepare()
        draft = path.with_suffix(".part")
        draft.write_bytes(DEFAULT.read_bytes())
        draft.replace(path)
    except ConfigError as error:
        raise CommandError(str(error), ExitCode.BAD_CONFIG) from error
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}", ExitCode.BAD_CONFIG) from error
    click.echo(str(path))


@config.command()
@data_option
@file_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(data: DataDir, config_file: Path | None, as_json: bool) -> None:
    """Test a configuration and list everything wrong with it. Exit code 4 when something is."""
    path = config_file or _file_of(data)
    cfg = _load(path)
    names = list(cfg.strategy.instances)
    if as_json:
        click.echo(json.dumps({"file": str(path), "symbols": cfg.symbols, "strategies": names}))
    else:
        click.echo(f"{path} is right: {len(cfg.symbols)} markets, strategies {', '.join(names) or 'none'}")


@config.command()
@data_option
@file_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--origin", is_flag=True, help="Say where each value comes from.")
def show(data: DataDir, config_file: Path | None, as_json: bool, origin: bool) -> None:
    """Print every effective value with its meaning and limits."""
    cfg = _load(config_file or _file_of(data))
    origins = dict(cfg.origins)
    rows = [(leaf, origins.get(".".join(leaf.path), "default")) for leaf in effective(cfg)]
    if as_json:
        click.echo(
            json.dumps(
                [
                    {
                        "key": ".".join(leaf.path),
                        "value": _plain(leaf.value),
                        "doc": leaf.doc,
                        "bounds": leaf.bounds,
                        "origin": place,
                    }
                    for leaf, place in rows
                ]
            )
        )
        return
    for leaf, place in rows:
        bounds = f" ({leaf.bounds})" if leaf.bounds else ""
        source = f" [{place}]" if origin else ""
        click.echo(f"{'.'.join(leaf.path)}: {as_text(leaf.value)}  # {leaf.doc}{bounds}{source}")


def effective(cfg: Config) -> list[Leaf]:
    """Return every effective value of `cfg` under the key that a file would use."""
    found = [Leaf(("mode",), cfg.mode, MODE_DOC, "")]
    accounts = {account.name: account for account in cfg.broker.venues}
    for venue in cfg.market_data.venues:
        found += [leaf for leaf in leaves(venue, ("venues", venue.name)) if leaf.path[2:] not in _PLACED]
        if venue.name in accounts:
            account = leaves(accounts[venue.name], ("venues", venue.name))
            found += [leaf for leaf in account if leaf.path[2:] not in _OF_FEED]
    for one in cfg.seeds:
        found.append(Leaf(("venues", one.venue, "seed", one.asset), one.amount, SEED_DOC, "> 0"))
    found.append(Leaf(("symbols",), cfg.symbols, "markets to follow, as venue:SYMBOL", ""))
    found += [leaf for leaf in leaves(cfg.market_data, ("market_data",)) if leaf.path[1] != "venues"]
    found += [leaf for leaf in leaves(cfg.strategy, ()) if leaf.path[0] not in _DERIVED]
    for name, instance in cfg.strategy.instances.items():
        path = ("strategies", name)
        found += [leaf for leaf in leaves(instance, path) if leaf.path[2] != "params"]
        model = strategy_class(instance.kind).Settings
        found += leaves(msgspec.convert(instance.params, model, strict=False), (*path, "params"))
    found += [leaf for leaf in leaves(cfg.risk, ("risk",)) if leaf.path[1] != PREPARED]
    for key, section in (
        ("broker", cfg.broker),
        ("canceller", cfg.canceller),
        ("gateway", cfg.gateway),
        ("simulator", cfg.venue_sim),
        ("bus", cfg.bus),
    ):
        found += [leaf for leaf in leaves(section, (key,)) if leaf.path[:2] not in OF_BROKER]
    return found


_DERIVED = {"instances", "shadow"}
"""Fields of the strategy section that other sections of the file hold."""
_PLACED = {("name",), ("symbols",)}
"""Fields of a venue that the file holds elsewhere."""
_OF_FEED = _PLACED | {("rest_url",), ("stream_url",)}
"""Fields of an account that the feed of its venue has shown."""
OF_BROKER = {("broker", "mode"), ("broker", "venues"), ("canceller", "venues")}
"""Fields of sections that `mode` and `venues` of the file make."""


def _file_of(data: DataDir) -> Path:
    path = data.config / FILE_NAME
    return path if path.exists() else DEFAULT


def _load(path: Path) -> Config:
    try:
        return configuration.load(path, os.environ)
    except ConfigError as error:
        raise CommandError(str(error), ExitCode.BAD_CONFIG) from error


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else msgspec.to_builtins(value)


def as_text(value: Any) -> str:
    """Return a value as a file would hold it."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, str) and value and value.isprintable():
        return value
    return json.dumps(_plain(value))
