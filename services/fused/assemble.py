"""Put a fused mesh together from the settings of its services: cores, feed, venue, and the broker's shell."""

from collections.abc import Callable, Mapping
from typing import Any

from services.broker.instructions import ClearLatch, LatchKill
from services.fused.drive import VirtualRun
from services.fused.mesh import FusedMesh, Stored
from services.market_data.core import MarketData
from services.replay.cores import log_cores
from services.venue_sim.build import make_venue
from shared.messages import Event, Instruction
from shared.messages.control import KillCleared, KillLatched
from shared.messages.system import Reconciled
from shared.settings import pack


def assemble(
    sections: Mapping[str, Any],
    *,
    build: str,
    epoch: int = 1,
    store: Callable[[Stored], None] = lambda _: None,
    latch: Callable[[LatchKill | ClearLatch], None] = lambda _: None,
) -> VirtualRun:
    """Return a started mesh at the origin of its simulated venue.

    `sections` holds the settings object of each service, as `config.sections` gives them. `latch` writes or
    removes the kill latch before its fact is said. Raises `ConfigError` when the venue cannot be made.
    """
    mesh: FusedMesh

    def carry_out(service: str, instruction: Instruction, event: Event) -> None:
        del service, event
        if isinstance(instruction, LatchKill):
            latch(instruction)
            mesh.say("broker.io", KillLatched(instruction.by, instruction.reason, instruction.path))
        elif isinstance(instruction, ClearLatch):
            latch(instruction)
            mesh.say("broker.io", KillCleared(instruction.by, instruction.reason))

    packed = {name: pack(section) for name, section in sections.items()}
    mesh = FusedMesh(log_cores(), packed, build=build, epoch=epoch, store=store, carry_out=carry_out)
    run = VirtualRun(mesh, make_venue(sections["venue_sim"]), MarketData(sections["market_data"]))
    run.start()
    mesh.say("broker.io", Reconciled(run=mesh.run_of("broker")))
    return run
