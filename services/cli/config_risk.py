"""The section `risk` of a configuration, and what the launcher prepares for risk from the other sections."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from services.cli.calendar_plan import (
    PlanError,
    calendar_problems,
    session_problems,
    with_plan,
    with_session,
)
from services.cli.config_check import near_miss, read
from services.cli.config_model import Config, normal_symbol
from services.cli.config_text import Path, Problem, Tree
from services.risk.monitor_settings import Prepared
from services.risk.settings import RiskSettings
from shared.errors import ConfigError

PREPARED = "prepared"
"""The field of `RiskSettings` that no file holds."""


def read_risk(
    tree: Mapping[str, Tree], symbols: Sequence[str], problems: list[Problem]
) -> RiskSettings | None:
    """Return the section `risk` with its markets in their normal form; add what is wrong to `problems`."""
    section = tree.get("risk", {})
    if isinstance(section, dict):
        section = dict(section)
        _rename_keys(section, "symbols", ("risk", "symbols"), symbols, problems)
        margin = section.get("margin")
        if isinstance(margin, dict):
            section["margin"] = margin = dict(margin)
            _rename_keys(margin, "tiers", ("risk", "margin", "tiers"), symbols, problems)
        monitor = section.get("candle_monitor")
        names = monitor.get("symbols") if isinstance(monitor, dict) else None
        if isinstance(monitor, dict) and isinstance(names, list):
            section["candle_monitor"] = monitor | {"symbols": _renamed(names, symbols, problems)}
    given = {PREPARED: Prepared()}
    settings: RiskSettings | None = read(RiskSettings, section, ("risk",), problems, given)
    if settings is not None:
        problems += calendar_problems(settings.calendar)
        problems += session_problems(settings.session)
        if settings.session.zone != "UTC" and settings.reset_utc_offset_min:
            text = "the zone says it already: leave one of the two out"
            problems.append(Problem(("risk", "reset_utc_offset_min"), text))
    return settings


def prepare_risk(risk: RiskSettings, symbols: Sequence[str], wallet_balance: Decimal) -> RiskSettings:
    """Return `risk` with the markets that are followed and the money of each wallet."""
    prepared = replace(risk.prepared, symbols=tuple(symbols), wallet_balance=wallet_balance)
    return replace(risk, prepared=prepared)


def planned(cfg: Config, now_ns: int) -> Config:
    """Return `cfg` with the calendar of the months after `now_ns`, mesh time; raises `ConfigError`."""
    try:
        prepared = with_plan(cfg.risk.prepared, cfg.risk.calendar, now_ns)
    except PlanError as error:
        raise ConfigError(f"{'.'.join(('risk', 'calendar', *error.path))}: {error}") from None
    try:
        prepared = with_session(prepared, cfg.risk.session, now_ns)
    except PlanError as error:
        raise ConfigError(f"{'.'.join(('risk', 'session', *error.path))}: {error}") from None
    return replace(cfg, risk=replace(cfg.risk, prepared=prepared))


def _rename_keys(
    section: dict[str, Any], key: str, path: Path, symbols: Sequence[str], problems: list[Problem]
) -> None:
    """Give the markets that are the keys of `section[key]` their normal names."""
    written = section.get(key)
    if not isinstance(written, dict):
        return
    found: dict[str, Tree] = {}
    for word, own in written.items():
        symbol = normal_symbol(word)
        if symbol is None or symbol in found or (symbols and symbol not in symbols):
            problems.append(Problem((*path, word), _foreign(symbol or word, symbols)))
        else:
            found[symbol] = own
    section[key] = found


def _renamed(written: list[Any], symbols: Sequence[str], problems: list[Problem]) -> list[Tree]:
    """Return the markets that the candle monitor names in their normal form."""
    found: list[Tree] = []
    for at, word in enumerate(written):
        symbol = normal_symbol(word) if isinstance(word, str) else None
        if symbol is None or symbol in found or (symbols and symbol not in symbols):
            path = ("risk", "candle_monitor", "symbols", str(at))
            problems.append(Problem(path, _foreign(symbol or str(word), symbols)))
        else:
            found.append(symbol)
    return found


def _foreign(word: str, symbols: Sequence[str]) -> str:
    return f"not one of the markets under `symbols`, or named twice; {near_miss(word, symbols)}"
