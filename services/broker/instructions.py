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


def not_reconciled(run: int) -> str:
    """Return why a kill is not cleared in a run that has not reconciled (I-26)."""
    return (
        f"the broker has not reconciled its run {run}: risk's ledger and the account differ, or risk has not "
        "answered; find out why (the newest reconciled in `export events`), then ask again"
    )
