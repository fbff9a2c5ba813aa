"""Which data directory a command is about: `--data`, else QUOTEMESH_DATA, else `./data`."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from services.cli.exits import CommandError, ExitCode
from services.strategy.shell_own import allow_own_strategies
from shared.runtime.paths import DataDir

Command = TypeVar("Command", bound=Callable[..., Any])

ROOT = Path(__file__).resolve().parents[2]
"""The repository: where supervisord.conf and deploy/ lie."""


def data_option(command: Command) -> Command:
    """Give a command the option `--data`, passed to it as a `DataDir` named `data`."""
    return click.option(
        "--data",
        callback=_data_dir,
        metavar="DIR",
        help="Data directory [default: $QUOTEMESH_DATA, else ./data].",
    )(command)


def _data_dir(context: click.Context, parameter: click.Parameter, value: str | None) -> DataDir:  # noqa: ARG001
    data = DataDir(Path(value or os.environ.get("QUOTEMESH_DATA") or "data").resolve())
    allow_own_strategies(data)
    return data


def existing(data: DataDir) -> DataDir:
    """Return `data`; raise `CommandError` when no mesh ever ran there."""
    if not data.run.is_dir():
        raise CommandError(
            f"no mesh has run on {data.root}: name its data directory with --data, or start one with up",
            ExitCode.NOT_RUNNING,
        )
    return data
