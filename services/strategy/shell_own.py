"""Where strategies of users lie: plain files in `config/strategies/` of the data directory."""

import importlib
import sys

from shared.runtime.paths import DataDir

FOLDER = "strategies"


def allow_own_strategies(data: DataDir) -> None:
    """Let `my_file:MyStrategy` be imported from the data directory.

    The folder comes last: a file there never takes the place of a module of ours or of Python.
    """
    folder = str(data.config / FOLDER)
    if folder not in sys.path:
        sys.path.append(folder)
        importlib.invalidate_caches()
