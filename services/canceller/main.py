"""Process `canceller`: watches the broker from outside, and withdraws our orders when it is dead (BR-24).

It needs no bus and says nothing on the log: a broker that comes back finds at the venue what was cancelled.
Venues with a countdown of their own cancel without it; this is the dead-man's switch of the others.
"""

import asyncio
import signal
import sys
import time
from contextlib import suppress
from typing import Any

import msgspec
import zmq

from services.canceller.build import Place, clear_venues
from services.canceller.settings import CancellerSettings
from services.canceller.watch import Watch
from shared.errors import ConfigError, QuotemeshError
from shared.runtime import logs
from shared.runtime.paths import DataDir
from shared.settings import unpack

SERVICE = "canceller"
BROKER_SOCKET = "broker.sock"
ARMED_NAME = "canceller.armed"
LATCH_NAME = "kill"
CLEAR_LIMIT_S = 8.0


class Canceller:
    """The loop of the process; `stop` ends it."""

    def __init__(self, data: DataDir, settings: CancellerSettings, log: Any) -> None:
        self._data = data
        self._settings = settings
        self._log = log
        self._armed = data.run / ARMED_NAME
        armed_ns = time.monotonic_ns() if self._armed.exists() else None
        self._watch = Watch(settings, is_armed_at_ns=armed_ns)
        self._is_stopping = False

    def stop(self, *_: object) -> None:
        """End after the current look."""
        self._is_stopping = True

    def run(self) -> None:
        """Look at the broker until stopped."""
        while not self._is_stopping:
            if broker_answers(self._data, self._settings.ask_every_ms):
                self._alive()
            elif self._watch.is_due(time.monotonic_ns(), is_killed=(self._data.latch / LATCH_NAME).exists()):
                self._act()
            time.sleep(self._settings.ask_every_ms / 1000)

    def _alive(self) -> None:
        if not self._watch.is_armed:
            self._armed.touch(mode=0o600)
            self._log.info("armed", silence_ms=self._settings.silence_ms)
        self._watch.alive(time.monotonic_ns())

    def _act(self) -> None:
        silent_ms = self._watch.silent_ms(time.monotonic_ns())
        self._log.error("broker_dead", silent_ms=silent_ms, text="its orders are cancelled at the venues")
        place = Place(self._data, self._data)
        for cleared in asyncio.run(clear_venues(self._settings.venues, place, CLEAR_LIMIT_S)):
            self._log.error(
                "cleared",
                venue=cleared.venue,
                cancelled=len(cleared.gone),
                left=[f"{order.client_order_id}: {why}" for order, why in cleared.left],
                error=cleared.error,
            )
        self._watch.acted(time.monotonic_ns())


def broker_answers(data: DataDir, limit_ms: int) -> bool:
    """Return whether the broker's own control socket answers: its process lives and its loop turns."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        with context.socket(zmq.REQ) as socket:
            socket.linger = 0
            socket.connect(data.socket(BROKER_SOCKET))
            socket.send(msgspec.msgpack.encode(["status"]))
            return bool(socket.poll(limit_ms))
    finally:
        context.destroy(linger=0)


def main() -> int:
    """Run until SIGTERM; return the exit code."""
    data = DataDir.from_environment()
    log = logs.configure(SERVICE, data)
    try:
        settings = unpack(data.settings(SERVICE).read_bytes(), CancellerSettings)
    except (OSError, msgspec.ValidationError) as error:
        log.error("not_started", error=f"settings of the canceller: {error}; start it with up")
        return 4
    canceller = Canceller(data, settings, log)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, canceller.stop)
    with suppress(KeyboardInterrupt):
        try:
            canceller.run()
        except ConfigError as error:
            log.error("not_started", error=str(error))
            return 4
        except QuotemeshError as error:
            log.error("failed", error=str(error))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
