"""The data directory: where every file and socket of a mesh lies, and the only place that knows it."""

import os
import stat
import tempfile
from pathlib import Path

from shared.errors import ConfigError

SOCKET_PATH_BYTES_MAX = 107
"""Longest path of a Unix socket on Linux (`sun_path` is 108 bytes with its final zero)."""

# supervisord binds `supervisor.sock.PID` first, which is the longest name.
_SOCKET_NAME_BYTES = 24
_FOLDERS = ("journal", "snapshots", "run", "latch", "config", "logs", "market", "reports")


class DataDir:
    """One data directory (`root`) and its parts, all of them absolute paths.

    Sockets lie in `run/`; when that path is too long for a Unix socket they lie in a private temporary
    folder whose name is written to `run/sockets`, so that every process finds the same one.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).absolute()
        self.journal = self.root / "journal"
        self.snapshots = self.root / "snapshots"
        self.run = self.root / "run"
        self.latch = self.root / "latch"
        self.config = self.root / "config"
        self.logs = self.root / "logs"
        self.market = self.root / "market"
        self.reports = self.root / "reports"
        self._sockets: Path | None = None

    @classmethod
    def from_environment(cls) -> "DataDir":
        """Return the data directory named by QUOTEMESH_DATA, else `./data`; its folders exist afterwards."""
        data = cls(os.environ.get("QUOTEMESH_DATA") or "data")
        data.prepare()
        return data

    def prepare(self) -> None:
        """Make all folders; `run/` is for its owner only. Raise `ConfigError` when that is impossible."""
        try:
            for name in _FOLDERS:
                (self.root / name).mkdir(parents=True, exist_ok=True)
            (self.run / "settings").mkdir(exist_ok=True)
            self.run.chmod(0o700)
        except OSError as error:
            raise ConfigError(
                f"data directory {self.root}: {error.strerror} ({error.filename}); "
                "name a directory you may write with --data or QUOTEMESH_DATA"
            ) from error

    def settings(self, service: str) -> Path:
        """Return the file with the settings of `service`, as the launcher packs them."""
        return self.run / "settings" / f"{service}.msgpack"

    def socket(self, name: str) -> str:
        """Return the endpoint `ipc://...` of the socket `name` (at most 20 bytes)."""
        return f"ipc://{self.sockets / name}"

    @property
    def append(self) -> str:
        """Endpoint to which services and tools send what they want on the log."""
        return self.socket("append")

    @property
    def stream(self) -> str:
        """Endpoint from which the log is published."""
        return self.socket("stream")

    @property
    def read(self) -> str:
        """Endpoint that answers questions about the log."""
        return self.socket("read")

    @property
    def sockets(self) -> Path:
        """Folder of the sockets: `run/`, or the private temporary folder when that path is too long."""
        if self._sockets is None:
            is_short = len(os.fsencode(self.run)) + 1 + _SOCKET_NAME_BYTES <= SOCKET_PATH_BYTES_MAX
            self._sockets = self.run if is_short else self._recorded_sockets()
        return self._sockets

    def _recorded_sockets(self) -> Path:
        record = self.run / "sockets"
        if not record.exists():
            folder = tempfile.mkdtemp(prefix="quotemesh-")
            draft = self.run / f"sockets.{os.getpid()}"
            draft.write_text(folder)
            try:
                # Only one of several starting processes wins; the others use its folder.
                os.link(draft, record)
            except FileExistsError:
                Path(folder).rmdir()
            draft.unlink()
        folder_path = Path(record.read_text())
        folder_path.mkdir(mode=0o700, exist_ok=True)
        status = folder_path.stat()
        if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) != 0o700:
            raise ConfigError(
                f"socket folder {folder_path} (named in {record}) is not private to us: "
                f"owner {status.st_uid}, mode {stat.S_IMODE(status.st_mode):o}; "
                f"stop the mesh and delete {record}"
            )
        return folder_path
