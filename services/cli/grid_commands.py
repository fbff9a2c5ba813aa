"""`quotemesh grid preview`: what each grid of a configuration can earn and cost (ST-35)."""

import json
import os
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec

from services.cli import config as configuration
from services.cli.config_commands import DEFAULT, FILE_NAME, file_option
from services.cli.config_model import Config
from services.cli.exits import CommandError, ExitCode
from services.cli.place import data_option
from services.market_data.core import MarketData
from services.market_data.instructions import FetchRest
from services.market_data.settings import SIMULATED, FeedVenue, MarketDataSettings
from services.strategy.grid_preview import Fall, Preview, preview
from services.strategy.grid_settings import GridSettings
from services.strategy.registry import settings_of
from services.venue_sim.build import make_venue
from shared.instrument import venue_of, venue_symbol
from shared.messages import message_of
from shared.messages.market import InstrumentRules, PriceUpdate
from shared.runtime.journal import JournalReader
from shared.runtime.paths import DataDir
from shared.units import atoms_text, decimal_text, exact

LOOK_BACK = 50_000
"""Events read at once, from the newest of the log backwards."""


class Place(NamedTuple):
    """A market as it is known without a running mesh: its rules, and a price in ticks (0: none known)."""

    rules: InstrumentRules
    price_ticks: int


@click.group()
def grid() -> None:
    """Look at grids before they start."""


@grid.command("preview")
@click.argument("instance", default="")
@data_option
@file_option
@click.option("--price", default="", help="Price to look at [default: the newest one known].")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def preview_command(
    instance: str, data: DataDir, config_file: Path | None, price: str, as_json: bool
) -> None:
    """Show what is bought, lost and locked at -5, -10, -20 and -33 %, and the break-even interval.

    Exit code 4 when a grid would be refused; the reason names the number that works.
    """
    path = config_file or _file_of(data)
    cfg = configuration.load(path, os.environ)
    names = [name for name, one in cfg.strategy.instances.items() if one.kind == "grid"]
    if instance and instance not in names:
        raise CommandError(
            f"{path}: there is no grid {instance!r}; its grids are: {', '.join(names) or 'none'}",
            ExitCode.NOT_FOUND,
        )
    if not names:
        raise CommandError(f"{path}: it has no strategy of kind grid", ExitCode.NOT_FOUND)
    found = {}
    for name in [instance] if instance else names:
        settings = settings_of("grid", cfg.strategy.instances[name].params)
        place = known_market(cfg, data, cfg.strategy.instances[name].symbol)
        found[name] = (place.rules, preview(settings, place.rules, _price_ticks(price, place)))
    if as_json:
        click.echo(json.dumps({name: as_lines(*one) for name, one in found.items()}))
    else:
        for name, (rules, one) in found.items():
            settings = settings_of("grid", cfg.strategy.instances[name].params)
            click.echo("\n".join(text_lines(name, settings, rules, one)))
    if any(one.problems for _, one in found.values()):
        raise SystemExit(int(ExitCode.BAD_CONFIG))


def _file_of(data: DataDir) -> Path:
    path = data.config / FILE_NAME
    return path if path.exists() else DEFAULT


def _price_ticks(text: str, place: Place) -> int:
    rules = place.rules
    if not text:
        if place.price_ticks < 1:
            raise CommandError(f"no price of {rules.symbol} is known yet; give one with --price")
        return place.price_ticks
    try:
        ticks = exact(Decimal(text), Decimal(rules.tick_size))
    except InvalidOperation:
        ticks = None
    if ticks is None or ticks < 1:
        raise CommandError(
            f"--price {text}: a price of {rules.symbol} is a number of ticks of {rules.tick_size} above 0",
            ExitCode.USAGE,
        )
    return ticks


# ---- what is known of a market


def known_market(cfg: Config, data: DataDir, symbol: str) -> Place:
    """Return rules and price of a market without asking anybody outside: the simulated venue, or the log.

    Fees are those of the configuration. Raises `CommandError` where nothing is known.
    """
    venue = next(one for one in cfg.market_data.venues if one.name == venue_of(symbol))
    rules, price_ticks = _from_log(data, symbol)
    if rules is None and venue.url == SIMULATED:
        rules = _simulated_rules(cfg, venue, symbol)
        started = {one.symbol: one.start_price for one in cfg.venue_sim.markets}
        if rules is not None and symbol in started and cfg.venue_sim.mode == "generate":
            price_ticks = int(Decimal(started[symbol]) / Decimal(rules.tick_size))
    if rules is None:
        raise CommandError(
            f"the rules of {symbol} are not known: start the mesh once, then its log in "
            f"{data.root} holds them",
            ExitCode.NOT_FOUND,
        )
    fees = {"maker_fee_ppm": venue.maker_fee_ppm, "taker_fee_ppm": venue.taker_fee_ppm}
    return Place(msgspec.structs.replace(rules, **fees), price_ticks)


def _simulated_rules(cfg: Config, venue: FeedVenue, symbol: str) -> InstrumentRules | None:
    """Return what the feed would say of a market: the feed's own core asks the simulated venue for it."""
    sim = make_venue(cfg.venue_sim)
    feed = MarketData(MarketDataSettings(venues=(replace(venue, symbols=(venue_symbol(symbol),)),)))
    for asked in feed.start(sim.origin_ns):
        if not isinstance(asked, FetchRest):
            continue
        status, body = sim.request(asked.venue, "GET", asked.target, sim.origin_ns)
        for said in feed.on_response(asked.request_id, status, body, sim.origin_ns):
            if isinstance(said, InstrumentRules) and said.symbol == symbol:
                return said
    return None


def _from_log(data: DataDir, symbol: str) -> tuple[InstrumentRules | None, int]:
    """Return the newest rules of a market on the log, and its newest price if that is near the end."""
    if not data.journal.is_dir():
        return None, 0
    reader = JournalReader(data.journal)
    topics = (f".instrument.{symbol}".encode(), f".price.{symbol}".encode())
    rules: InstrumentRules | None = None
    price_ticks = 0
    try:
        head = reader.head_seq()
        while head > 0 and rules is None:
            after = max(head - LOOK_BACK, reader.first_seq() - 1, 0)
            if after >= head:
                break
            newest: dict[type, Any] = {}
            for row in reader.rows(after, head, topics):
                message = message_of(row.body)
                if getattr(message, "symbol", "") == symbol:
                    newest[type(message)] = message
            rules = newest.get(InstrumentRules)
            price: PriceUpdate | None = newest.get(PriceUpdate)
            if price is not None and not price_ticks:
                price_ticks = (price.bid_ticks + price.ask_ticks) // 2
            head = after
    finally:
        reader.close()
    return rules, price_ticks


# ---- how it is shown


def text_lines(name: str, settings: GridSettings, rules: InstrumentRules, one: Preview) -> list[str]:
    """Return the preview of one grid as people read it."""

    def money(atoms: int) -> str:
        return f"{Decimal(atoms_text(atoms, rules.quote_exponent)):,.2f}"

    def price(ticks: int) -> str:
        return decimal_text(ticks, rules.tick_size)

    unit = rules.quote_asset
    lines = [
        f"{name}: {settings.direction} grid on {rules.symbol} at {price(one.price_ticks)}",
        f"  interval    {price(one.interval_ticks)} ({settings.interval_bps:g} bps), "
        f"break-even {price(one.break_even_ticks)} ({one.break_even_bps:g} bps) at a maker fee of "
        f"{rules.maker_fee_ppm / 10_000:g} %",
        f"  each level  {decimal_text(one.qty_lots, rules.lot_size)} {rules.base_asset}, a cycle earns "
        f"{Decimal(atoms_text(one.profit_per_cycle_atoms, rules.quote_exponent)):,.6f} {unit} after fees",
        f"  at most     {settings.max_layers} levels, {money(one.most_atoms)} {unit} each way",
    ]
    if one.falls:
        lines.append(f"  {'move':>6} {'price':>12} {'levels':>6} {'bought':>14} {'lost':>14} {'locked':>14}")
    for fall in one.falls:
        stop = f"  stop-loss at {price(fall.stopped_ticks)}" if fall.stopped_ticks else ""
        moneys = (fall.bought_atoms, fall.lost_atoms, fall.locked_atoms)
        lines.append(
            f"  {fall.move_pct:>+5} % {price(fall.price_ticks):>11} {fall.level_count:>6} "
            f"{' '.join(f'{money(atoms):>14}' for atoms in moneys)}{stop}"
        )
    return lines + [f"  refused: {problem}" for problem in one.problems]


def as_lines(rules: InstrumentRules, one: Preview) -> dict[str, Any]:
    """Return the preview of one grid for programs: money and prices as decimal texts."""

    def money(atoms: int) -> str:
        return atoms_text(atoms, rules.quote_exponent)

    def price(ticks: int) -> str:
        return decimal_text(ticks, rules.tick_size)

    def row(fall: Fall) -> dict[str, Any]:
        return {
            "move_pct": fall.move_pct,
            "price": price(fall.price_ticks),
            "levels": fall.level_count,
            "bought_qty": decimal_text(fall.bought_lots, rules.lot_size),
            "bought": money(fall.bought_atoms),
            "lost": money(fall.lost_atoms),
            "locked": money(fall.locked_atoms),
            "stop_loss_at": price(fall.stopped_ticks) if fall.stopped_ticks else None,
        }

    return {
        "symbol": rules.symbol,
        "price": price(one.price_ticks),
        "interval": price(one.interval_ticks),
        "break_even_interval": price(one.break_even_ticks),
        "break_even_bps": one.break_even_bps,
        "maker_fee_ppm": rules.maker_fee_ppm,
        "qty": decimal_text(one.qty_lots, rules.lot_size),
        "profit_per_cycle": money(one.profit_per_cycle_atoms),
        "most": money(one.most_atoms),
        "falls": [row(fall) for fall in one.falls],
        "problems": list(one.problems),
    }
