"""The state of an instance as it stands in a snapshot."""

import msgspec

from services.strategy.base import CancelOrder, Note, PlaceOrder, TargetQuotes
from services.strategy.flatten import Closing
from services.strategy.instance import Instance, Options
from services.strategy.own_orders import OwnOrder
from services.strategy.shadow import ShadowState, ShadowVenue
from services.strategy.world import World
from shared.kernels.position import Position
from shared.messages.control import StrategyStatus


class InstanceState(msgspec.Struct, array_like=True):
    """A snapshot of one instance."""

    name: str
    kind: str
    symbol: str
    params: bytes
    version: str
    strategy: bytes
    tick_lot: tuple[str, str] | None
    position: tuple[int, ...] | None
    orders: list[OwnOrder]
    back_off: list[tuple[str, list[int]]]
    targets: TargetQuotes | None
    commands: list[PlaceOrder | CancelOrder]
    notes: list[Note]
    noted_ns: list[tuple[str, int]]
    seen_trades: list[str]
    spent_slots: list[str]
    generation: int
    started_ns: int
    points: int
    failure: str
    is_failure_said: bool
    is_enabled: bool
    is_paused: bool
    is_started: bool
    is_stopped: bool
    is_unsure: bool
    is_returning: bool
    is_dirty: bool
    said: StrategyStatus
    said_ns: int
    options: Options = Options()
    is_lasting: bool = False
    is_version_said: bool = False
    shadow: ShadowState | None = None
    blocked_n: int = 0
    is_let_go: bool = False
    quoted_slots: list[str] | None = None
    closing: Closing | None = None


def dump_instance(instance: Instance) -> InstanceState:
    """Return the whole state."""
    return InstanceState(
        name=instance.name,
        kind=instance.kind,
        symbol=instance.symbol,
        params=instance.params,
        version=instance.version,
        strategy=instance.strategy_state(),
        tick_lot=instance.tick_lot,
        position=instance.position.dump() if instance.position is not None else None,
        orders=instance.orders.dump(),
        back_off=instance.back_off.dump(),
        targets=instance.targets,
        commands=instance.commands,
        notes=instance.notes,
        noted_ns=sorted(instance.noted_ns.items()),
        seen_trades=list(instance.seen_trades),
        spent_slots=sorted(instance.spent_slots),
        generation=instance.generation,
        started_ns=instance.started_ns,
        points=instance.points,
        failure=instance.failure,
        is_failure_said=instance.is_failure_said,
        is_enabled=instance.is_enabled,
        is_paused=instance.is_paused,
        is_started=instance.is_started,
        is_stopped=instance.is_stopped,
        is_unsure=instance.is_unsure,
        is_returning=instance.is_returning,
        is_dirty=instance.is_dirty,
        said=instance.said,
        said_ns=instance.said_ns,
        options=instance.options,
        is_lasting=instance.is_lasting,
        is_version_said=instance.is_version_said,
        blocked_n=instance.blocked_n,
        is_let_go=instance.is_let_go,
        quoted_slots=list(instance.quoted_slots),
        closing=instance.closing,
        shadow=instance.shadow.dump() if isinstance(instance.shadow, ShadowVenue) else None,
    )


def load_instance(instance: Instance, state: InstanceState, world: World) -> None:
    """Take the state of `dump_instance`; a strategy that cannot take its part is frozen."""
    instance.tick_lot = state.tick_lot
    instance.orders.load(state.orders)
    instance.back_off.load(state.back_off)
    instance.targets = state.targets
    instance.commands = state.commands
    instance.notes = state.notes
    instance.noted_ns = dict(state.noted_ns)
    instance.seen_trades = dict.fromkeys(state.seen_trades)
    instance.spent_slots = set(state.spent_slots)
    instance.generation = state.generation
    instance.started_ns = state.started_ns
    instance.points = state.points
    # A strategy that could not be made again here keeps that failure, and says it.
    instance.is_failure_said = bool(state.failure) and state.is_failure_said
    instance.failure = state.failure or instance.failure
    if state.blocked_n:
        instance.strategy = None
    if instance.failure:
        instance.targets = TargetQuotes()
        instance.commands = []
    instance.is_enabled = state.is_enabled
    instance.is_paused = state.is_paused
    instance.is_let_go = state.is_let_go
    instance.closing = state.closing
    # A build that did not tell them apart withdrew every order that was no target.
    quoted = state.quoted_slots if state.quoted_slots is not None else [one.slot for one in state.orders]
    instance.quoted_slots = dict.fromkeys(quoted)
    instance.is_started = state.is_started
    instance.is_stopped = state.is_stopped
    instance.is_unsure = state.is_unsure
    instance.is_returning = state.is_returning
    instance.is_dirty = state.is_dirty
    instance.said = state.said
    instance.said_ns = state.said_ns
    instance.is_lasting = state.is_lasting
    instance.blocked_n = state.blocked_n or instance.blocked_n
    instance.is_version_said = state.is_version_said
    if isinstance(instance.shadow, ShadowVenue) and state.shadow is not None:
        instance.shadow.load(state.shadow)
    if state.position is not None:
        instance.position = Position(1)
        instance.position.load(state.position)
        instance.begin(world)
    instance.load_strategy(state.strategy)
