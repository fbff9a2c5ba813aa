"""Prunes the log in its own thread, so that old segments never delay the present."""

import threading
from collections.abc import Callable

import apsw

from services.bus.settings import BusSettings
from shared.errors import JournalError
from shared.runtime.paths import DataDir
from shared.runtime.retention import prune

PERIOD_S = 30.0


class Retention:
    """Looks each `PERIOD_S` whether segments may go; `tell` is called with what was done or went wrong."""

    def __init__(self, data: DataDir, settings: BusSettings, tell: Callable[[str, str], None]) -> None:
        self._data, self._settings, self._tell = data, settings, tell
        self._is_ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._is_ending.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._is_ending.wait(PERIOD_S):
            self.look()

    def look(self) -> None:
        """Prune once; a failure removes nothing and is told."""
        try:
            pruned = prune(
                self._data.journal,
                self._data.snapshots,
                self._settings.keep_bytes,
                self._settings.keep_hours * 3600,
            )
        except (OSError, apsw.Error, JournalError) as error:
            self._tell("prune_failed", str(error))
            return
        for segment in pruned:
            self._tell("pruned", segment.name)
