"""What the broker core asks of its shell."""

from shared.messages import Instruction


class LatchKill(Instruction, frozen=True, tag="latch_kill"):
    """Write and sync the latch file, then say `KillLatched`."""

    by: str
    reason: str
    path: str


class ClearLatch(Instruction, frozen=True, tag="clear_latch"):
    """Wait until `request_seq` is durable, remove the latch file, then say `KillCleared` (RK-12)."""

    by: str
    reason: str
    request_seq: int
