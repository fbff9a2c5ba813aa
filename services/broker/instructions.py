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


class StartTrading(Instruction, frozen=True, tag="start_trading"):
    """This run trades at venues from here on: connect, ask what is open there, compare (I-30)."""

    run: int


class SendOrder(Instruction, frozen=True, tag="send_order"):
    """Send what the approval in the causing event allows, through the send gate."""

    client_order_id: str


class CancelOrder(Instruction, frozen=True, tag="cancel_order"):
    """Cancel an order at its venue, until it is certainly gone."""

    client_order_id: str
    symbol: str
    reason: str


class CancelMarket(Instruction, frozen=True, tag="cancel_market"):
    """Cancel all that is open in a market with the venue's own call, everywhere when `symbol` is empty."""

    symbol: str
    reason: str


class Reconcile(Instruction, frozen=True, tag="reconcile"):
    """Compare with every venue now and answer by `Reconciled`."""

    request_seq: int
