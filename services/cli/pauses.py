"""Pauses of the calendar as commands show them."""

from datetime import UTC, datetime

import msgspec

from services.risk.monitor_settings import PauseWindow
from services.risk.settings import RiskSettings
from shared.runtime.paths import DataDir
from shared.settings import unpack
from shared.units import NS_PER_S


def risk_settings(data: DataDir) -> RiskSettings | None:
    """Return the settings with which the mesh was started last, None when it never was."""
    try:
        return unpack(data.settings("risk").read_bytes(), RiskSettings)
    except (OSError, msgspec.MsgspecError):
        return None


def pause_row(risk: RiskSettings, pause: PauseWindow) -> dict[str, str]:
    """Return a pause as `--json` prints it; trading stops `lead_s` before it begins."""
    lead_ns = risk.calendar.lead_s * NS_PER_S
    return {
        "name": pause.name,
        "halted_from": utc_text(pause.start_ns - lead_ns),
        "start": utc_text(pause.start_ns),
        "end": utc_text(pause.end_ns),
        "text": pause.text,
    }


def utc_text(at_ns: int) -> str:
    """Return a time as 2026-12-24T18:00:00Z."""
    return datetime.fromtimestamp(at_ns // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
