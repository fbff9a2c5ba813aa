"""`up --replay ... --speed max`: a capture through the whole mesh, fused, in virtual time."""

import sys
import time
from collections.abc import Mapping
from typing import Any

from services.broker.instructions import ClearLatch, LatchKill
from services.fused.assemble import assemble
from services.fused.store import BatchedStore
from shared.errors import JournalError
from shared.runtime.build import build_id
from shared.runtime.journal_writer import JournalWriter
from shared.runtime.latch import latch_kill
from shared.runtime.paths import DataDir
from shared.units import NS_PER_S

PROGRESS_S = 2.0


def run_capture(sections: Mapping[str, Any], data: DataDir) -> int:
    """Play the capture that `sections["venue_sim"]` names into the log of `data`; return the exit code.

    The log is an ordinary one: `report`, `export` and `replay` read it. Raises `JournalError` when there is
    a log already, `ConfigError` when the capture cannot be played.
    """
    writer = JournalWriter(data.journal)
    if writer.head_seq:
        writer.close()
        raise JournalError(f"{data.journal} holds another log; name an empty data directory with --data")
    epoch = int(time.time())
    writer.open_epoch(epoch)
    build = build_id()
    started_s = time.monotonic()

    def latch(instruction: LatchKill | ClearLatch) -> None:
        if isinstance(instruction, LatchKill):
            latch_kill(data, instruction.by, instruction.reason)
        else:
            (data.latch / "kill").unlink(missing_ok=True)

    with BatchedStore(writer) as store:
        run = assemble(sections, build=build, epoch=epoch, store=store.put, latch=latch)
        origin_ns, shown_s = run.now_ns, started_s
        while run.venue.due_ns() is not None:
            run.run(run.now_ns + NS_PER_S)
            if time.monotonic() - shown_s > PROGRESS_S and sys.stderr.isatty():
                shown_s = time.monotonic()
                sys.stderr.write(f"\r{(run.now_ns - origin_ns) / NS_PER_S:.0f} s of the capture played")
        run.settle()
    took_s = time.monotonic() - started_s
    played_s = (run.now_ns - origin_ns) / NS_PER_S
    sys.stdout.write(
        f"{played_s:.1f} s of market played in {took_s:.1f} s: {run.frame_count} frames, "
        f"{run.mesh.head_seq} events in {data.journal}\n"
    )
    return 0
