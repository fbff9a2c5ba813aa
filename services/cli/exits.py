"""Exit codes of the command line, and the error that ends a command with one clear message."""

from enum import IntEnum

import click


class ExitCode(IntEnum):
    """What a script can rely on."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    NOT_RUNNING = 3
    BAD_CONFIG = 4
    TIMEOUT = 5
    NOT_FOUND = 6
    HALTED = 7
    MISMATCH = 8


class CommandError(click.ClickException):
    """Ends the command with `code` after one message on stderr: what, where, the value, what to do."""

    def __init__(self, text: str, code: ExitCode = ExitCode.FAILURE) -> None:
        super().__init__(text)
        self.exit_code = int(code)  # type: ignore[misc]

    def show(self, file: object = None) -> None:  # noqa: ARG002
        """Write the message to stderr."""
        click.echo(f"quotemesh: {self.message}", err=True)
