"""Packages of the extra `research`: none is needed to trade, to backtest or for a report as text."""

import importlib
from typing import Any

from shared.errors import ConfigError

COMMAND = "./quotemesh install research"


def need(module: str, purpose: str) -> Any:
    """Import and return a module of the extra; raises `ConfigError` with the command that installs it.

    `purpose` begins the message: "an HTML report".
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{purpose} needs the package {error.name}, which is not installed: run {COMMAND}"
        ) from error
