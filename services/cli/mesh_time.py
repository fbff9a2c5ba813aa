"""The mesh time of a data directory, running or not."""

import time

from shared.errors import QuotemeshError
from shared.runtime.clock import MeshClock
from shared.runtime.paths import DataDir


def mesh_now_ns(data: DataDir) -> int:
    """Return the mesh time; the wall's before the first start, and after a reboot until the next one."""
    try:
        return MeshClock(data).now_ns()
    except QuotemeshError:
        return time.time_ns()
