"""How errors and texts of a strategy are told: short, encodable, without paths of this machine."""

import traceback

TEXT_MAX = 2000
"""Longest text of a strategy that goes on the log, in characters."""
_OWN_FRAMES = ("strategy/instance.py", "strategy/shell_watch.py", "cli/strategy_commands.py")


def sayable(text: object) -> str:
    """Return `text` as it may stand in a message: short, and encodable."""
    return str(text).encode("utf-8", "replace").decode()[:TEXT_MAX]


def told(error: BaseException) -> str:
    """Return the error with the innermost lines of its traceback, without paths of this machine."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.endswith(_OWN_FRAMES)]
    places = [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in frames[-3:]]
    where = f" (at {' < '.join(reversed(places))})" if places else ""
    return sayable(f"{type(error).__name__}: {error}") + where
