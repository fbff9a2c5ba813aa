"""The mesh clock: one time for all processes, in one file (DESIGN 2, rule 8).

`now = origin + (monotonic - start) * speed`. Live and paper: origin is the wall clock, speed 1. Replay:
origin is the capture's venue time and the clock is held until the mesh is ready. It never falls.
"""

import fcntl
import mmap
import os
import struct
import time
import zlib
from pathlib import Path

from shared.errors import ConfigError, JournalError
from shared.runtime.paths import DataDir

_FILE = struct.Struct("<8sQqqqqQ")
_MAGIC = b"QMCLOCK1"
SPEED_ONE = 1000

# An origin older than this, against the wall clock of now, is a capture's.
_LIVE_ORIGIN_AGE_NS_MAX = 365 * 24 * 3600 * 1_000_000_000


def boot_hash() -> int:
    """Return a number that changes at each boot: the monotonic clock restarts then."""
    try:
        return zlib.crc32(Path("/proc/sys/kernel/random/boot_id").read_bytes())
    except OSError:
        return 0


class MeshClock:
    """Reader of the clock file; `create` and `start` write it.

    Raises `JournalError` when there is no clock file (the bus makes it) or it is of another boot.
    """

    def __init__(self, data: DataDir) -> None:
        self._path = data.run / "clock"
        try:
            with self._path.open("r+b") as file:
                self._map = mmap.mmap(file.fileno(), _FILE.size)
        except (OSError, ValueError) as error:
            raise JournalError(f"no mesh clock at {self._path} ({error}); start the bus first") from error
        self._version = -1
        self._origin_ns = self._start_ns = self._speed_milli = self._is_held = 0
        self._read()
        if self._boot != boot_hash():
            raise JournalError(f"mesh clock {self._path} is of an earlier boot; start the bus first")

    @classmethod
    def create(
        cls, data: DataDir, origin_ns: int, speed_milli: int = SPEED_ONE, *, held: bool = False
    ) -> "MeshClock":
        """Make the clock show `origin_ns` now and return it; held, it stands until `start`.

        A clock of this boot never falls: `origin_ns` below its time is refused with `ConfigError`.
        """
        if speed_milli <= 0:
            raise ConfigError(f"mesh clock speed {speed_milli} milli must be above 0; 1000 is real time")
        path = data.run / "clock"
        with path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_size != _FILE.size:
                os.ftruncate(file.fileno(), _FILE.size)
                _write(file.fileno(), 0, origin_ns, speed_milli, held=held)
                return cls(data)
            try:
                now_ns = cls(data).now_ns()
            except JournalError:
                now_ns = 0
            if origin_ns < now_ns:
                raise ConfigError(
                    f"mesh clock {path} stands at {now_ns} ns and cannot go back to {origin_ns} ns; "
                    "use a data directory without another log"
                )
            _write(file.fileno(), _version_in(file.fileno()), origin_ns, speed_milli, held=held)
        return cls(data)

    def start(self) -> None:
        """Let a held clock run from where it stands; nothing happens when it runs."""
        with self._path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self._read()
            if self._is_held:
                _write(file.fileno(), self._version, self._origin_ns, self._speed_milli, held=False)

    @property
    def is_held(self) -> bool:
        """Return whether the clock stands."""
        self._refresh()
        return bool(self._is_held)

    @property
    def speed_milli(self) -> int:
        """Return the mesh milliseconds that pass in one real second."""
        self._refresh()
        return self._speed_milli

    def now_ns(self) -> int:
        """Return the mesh time in nanoseconds since 1970."""
        self._refresh()
        if self._is_held:
            return self._origin_ns
        return self._origin_ns + (time.monotonic_ns() - self._start_ns) * self._speed_milli // SPEED_ONE

    def real_s(self, mesh_ns: int) -> float:
        """Return the real seconds in which `mesh_ns` pass."""
        return mesh_ns * SPEED_ONE / self.speed_milli / 1e9

    def _refresh(self) -> None:
        if self._map[8:16] != self._version_bytes:
            self._read()

    def _read(self) -> None:
        while True:
            magic, version, origin, start, speed, is_held, boot = _FILE.unpack_from(self._map)
            # Odd while it is written; unchanged afterwards when nothing was torn.
            if version % 2 == 0 and self._map[8:16] == version.to_bytes(8, "little"):
                break
        if magic != _MAGIC or speed <= 0:
            raise JournalError(f"{self._path} is not a mesh clock; stop the mesh and delete it")
        self._version, self._version_bytes = version, version.to_bytes(8, "little")
        self._origin_ns, self._start_ns, self._speed_milli, self._is_held = origin, start, speed, is_held
        self._boot = boot


def ensure_clock(data: DataDir, last_ts_ns: int) -> MeshClock:
    """Return the clock for a starting bus: the one there is, or a live one not below `last_ts_ns`.

    After a reboot a live clock goes on from the wall clock, a replay's from the last stamp of the log,
    with the same speed.
    """
    try:
        clock = MeshClock(data)
    except JournalError:
        origin_ns, speed_milli = _after_reboot(data.run / "clock")
        return MeshClock.create(data, max(origin_ns, last_ts_ns), speed_milli)
    if clock.now_ns() < last_ts_ns and not clock.is_held:
        return MeshClock.create(data, last_ts_ns, clock.speed_milli)
    return clock


def _after_reboot(path: Path) -> tuple[int, int]:
    """Return origin and speed of the next clock, given the file of an earlier boot, if any."""
    wall_ns = time.time_ns()
    try:
        _, _, origin_ns, _, speed_milli, _, _ = _FILE.unpack(path.read_bytes())
    except (OSError, struct.error):
        return wall_ns, SPEED_ONE
    if speed_milli == SPEED_ONE and origin_ns > wall_ns - _LIVE_ORIGIN_AGE_NS_MAX:
        return wall_ns, SPEED_ONE
    return origin_ns, max(1, speed_milli)


def _version_in(fd: int) -> int:
    return int.from_bytes(os.pread(fd, 8, 8), "little")


def _write(fd: int, version: int, origin_ns: int, speed_milli: int, *, held: bool) -> None:
    """Write through a map, so that processes which hold the file see it at once."""
    with mmap.mmap(fd, _FILE.size) as target:
        target[8:16] = (version | 1).to_bytes(8, "little")
        target[:8] = _MAGIC
        body = struct.pack("<qqqqQ", origin_ns, time.monotonic_ns(), speed_milli, held, boot_hash())
        target[16:] = body
        target[8:16] = ((version | 1) + 1).to_bytes(8, "little")
