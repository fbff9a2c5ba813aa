"""Start the bus: `python -m services.bus.main` with QUOTEMESH_DATA.

Exit codes: 0 stopped on request, 4 wrong settings, 70 the log is unusable (not restarted, kill latched).
"""

import sys

from services.bus.settings import BusSettings
from services.bus.shell import Bus, StorageFailureError
from shared.errors import UNDECODABLE, ConfigError, JournalError
from shared.runtime import logs
from shared.runtime.journal_check import DamagedLogError
from shared.runtime.latch import latch_kill
from shared.runtime.paths import DataDir
from shared.settings import unpack

EXIT_CONFIG = 4
EXIT_STORAGE = 70
SWITCH_S = 0.0005


def read_settings(data: DataDir) -> BusSettings:
    """Return the settings the launcher packed, the defaults when it packed none."""
    path = data.settings("bus")
    if not path.exists():
        return BusSettings()
    try:
        return unpack(path.read_bytes(), BusSettings)
    except (*UNDECODABLE, OSError) as error:
        raise ConfigError(
            f"{path} does not hold settings of the bus ({error}); start with `quotemesh up`"
        ) from error


def main() -> int:
    """Run the bus until it is asked to stop; return its exit code."""
    # Reading and syncing have threads of their own; the loop must not wait 5 ms for its turn.
    sys.setswitchinterval(SWITCH_S)
    data = DataDir.from_environment()
    log = logs.configure("bus", data)
    try:
        bus = Bus(data, read_settings(data), lambda what, detail: log.info(what, detail=detail))
    except ConfigError as error:
        log.error("not_started", error=str(error))
        return EXIT_CONFIG
    except DamagedLogError as error:
        is_latched = latch_kill(data, "bus", str(error))
        log.error("log_damaged", error=str(error), is_kill_latched=is_latched)
        return EXIT_STORAGE
    except (JournalError, OSError) as error:
        log.error("not_started", error=str(error))
        return EXIT_STORAGE
    log.info("started", epoch=bus.sequencer.epoch, head_seq=bus.sequencer.head_seq)
    try:
        bus.run()
    except StorageFailureError as error:
        is_latched = latch_kill(data, "bus", str(error))
        log.error("storage_failed", error=str(error), is_kill_latched=is_latched)
        return EXIT_STORAGE
    finally:
        bus.close()
    log.info("stopped", head_seq=bus.sequencer.head_seq)
    return 0


if __name__ == "__main__":
    sys.exit(main())
