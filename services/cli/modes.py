"""Paper, testnet, live: what a log may be used for, and the second setting that live needs (BR-2, I-30)."""

from collections.abc import Mapping

import msgspec

from services.broker.settings import BrokerSettings, Mode
from services.cli.config_model import Config
from services.cli.exits import CommandError, ExitCode
from shared.runtime.paths import DataDir
from shared.settings import unpack

LIVE_VARIABLE = "QUOTEMESH_LIVE"
LIVE_WORD = "I-UNDERSTAND"
"""The second setting: outside the configuration, so that no edited or copied file alone trades real money."""

FILE_NAME = "mode.json"


class LogMode(msgspec.Struct, frozen=True):
    """What the log of a data directory is for; kept in `config/mode.json`. Networks and keys by venue."""

    mode: Mode
    networks: dict[str, str] = {}
    keys: dict[str, str] = {}


def mode_of(cfg: Config) -> LogMode:
    """Return what `cfg` would use a log for."""
    accounts = cfg.broker.venues
    return LogMode(
        cfg.mode, {one.name: one.network for one in accounts}, {one.name: one.key for one in accounts}
    )


def refuse_other_mode(cfg: Config, data: DataDir) -> None:
    """Raise `CommandError` when the log of `data` was begun for something else than `cfg` asks.

    Orders, positions and profit of both would mix: a paper position would be sold for money.
    """
    kept = _kept(data)
    if kept is None:
        return
    asked = mode_of(cfg)
    advice = f"start on a directory of its own, e.g. --data {data.root}-{asked.mode}"
    if kept.mode != asked.mode:
        raise CommandError(
            f"the log of {data.root} was begun in mode {kept.mode}, and the configuration says mode "
            f"{asked.mode}: one log never changes its mode; {advice}",
            ExitCode.BAD_CONFIG,
        )
    for venue in sorted(asked.networks):
        before, after = kept.networks.get(venue, ""), asked.networks[venue]
        if before and before != after:
            raise CommandError(
                f"the log of {data.root} traded {venue} on network {before}, and the configuration says "
                f"{after}: its orders and positions are not there; {advice}-{after}",
                ExitCode.BAD_CONFIG,
            )


def _kept(data: DataDir) -> LogMode | None:
    """Return the mode of a log, None when there is no log yet; logs older than the file are of paper."""
    if not any(data.journal.glob("*.sqlite")):
        return None
    path = data.config / FILE_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=LogMode)
    except FileNotFoundError:
        return LogMode("paper")
    except (OSError, ValueError) as error:
        raise CommandError(
            f"{path} cannot be read ({error}), so the mode of this log is not known; restore it from a "
            f'backup, or write {{"mode": "paper"}} (testnet, live) into it',
            ExitCode.BAD_CONFIG,
        ) from error


def keep_mode(cfg: Config, data: DataDir) -> None:
    """Remember what this log is for; networks of venues that are not traded now stay remembered."""
    asked, before = mode_of(cfg), _kept(data)
    if before is not None:
        asked = LogMode(asked.mode, {**before.networks, **asked.networks}, {**before.keys, **asked.keys})
    path = data.config / FILE_NAME
    draft = path.with_suffix(".part")
    draft.write_bytes(msgspec.json.encode(asked))
    draft.replace(path)


def refuse_unarmed(cfg: Config, environ: Mapping[str, str]) -> None:
    """Raise `CommandError` when live is asked for by the configuration alone."""
    if cfg.mode == "live" and environ.get(LIVE_VARIABLE) != LIVE_WORD:
        raise CommandError(
            f"mode live trades real money and needs a second setting outside the configuration: run it with "
            f"{LIVE_VARIABLE}={LIVE_WORD} in the environment (docs/live.md); nothing was started",
            ExitCode.BAD_CONFIG,
        )


def trading_settings(data: DataDir) -> BrokerSettings | None:
    """Return the settings of a broker that trades at venues, None on paper or before a first start."""
    try:
        settings = unpack(data.settings("broker").read_bytes(), BrokerSettings)
    except (OSError, msgspec.ValidationError):
        return None
    return settings if settings.venues else None
