"""Packages of the `research` extra: imported where they are used, so that nothing else pays for them."""

import importlib
from typing import Any

from shared.errors import ConfigError

INSTALL = "./quotemesh install research"


def research_package(name: str, purpose: str) -> Any:
    """Return the package `name`; raises `ConfigError` that says what `purpose` needs it and how to get it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(f"{purpose} needs the package {name}, not installed here: {INSTALL}") from error
