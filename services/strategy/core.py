"""The strategy core: any number of instances, each a deterministic function of the log."""

# ruff: noqa: ARG002  observers take the event, also where its arrival says it all

import hashlib
from collections.abc import Callable, Iterable

import msgspec

from services.strategy import standing
from services.strategy.calls import Calls
from services.strategy.configure import Roster
from services.strategy.dealer import HEARD, Dealer, DealerState
from services.strategy.dealer import SOURCE as MANUAL_SOURCE
from services.strategy.decide import Decision
from services.strategy.flatten import Closing
from services.strategy.instance import Instance
from services.strategy.instance_state import InstanceState
from services.strategy.market_observer import MarketObserver
from services.strategy.own_orders import REPORTS
from services.strategy.settings import ShadowSettings, StrategySettings
from services.strategy.shadow import ShadowVenue
from services.strategy.world import WATCHED, World, WorldState
from shared.core import Output
from shared.errors import UNDECODABLE
from shared.messages import (
    Event,
    Instruction,
    Message,
    control,
    guards,
    market,
    orders,
    source_core,
    system,
    venue,
)
from shared.settings import pack, unpack
from shared.units import NS_PER_MS

MATCHED = (market.BookSnapshot, market.BookUpdate, market.BookInvalid, market.Trade)
"""What the paper venue of a shadow follows."""

FACTS: tuple[type[Message], ...] = (
    market.FundingRate,
    market.OpenInterest,
    market.Liquidation,
    market.Basis,
    market.Regime,
)


class _State(msgspec.Struct, array_like=True):
    world: WorldState
    warmup_s: int
    warmup_points: int
    instances: list[InstanceState]
    shadow: bytes = b"\x80"
    dealer: DealerState = DealerState()


class StrategyCore:
    """Books, gates and instances; see `shared.core.Core` for what each method promises.

    `calls` counts callbacks for who watches them. Says as `strategy/<instance>`.

    Settings come from its own `ServiceStarted`; a changed setting of an
    instance gives it a new version with the old state, position and orders.
    """

    service = "strategy"

    def __init__(self, calls: Calls | None = None) -> None:
        self._world = World()
        self.calls = calls or Calls()
        self._roster = Roster(self._world, self.calls)
        self.dealer = Dealer(self._world)
        self._warmup_s = 0
        self._warmup_points = 0
        followed = MarketObserver(self._world, self._roster)
        self._observers: dict[type[Message], Callable[[Event], Iterable[Instance]]] = {
            market.InstrumentRules: followed.on_rules,
            market.BookSnapshot: followed.on_book_snapshot,
            market.BookUpdate: followed.on_book_update,
            market.BookInvalid: followed.on_book_invalid,
            market.Trade: followed.on_trade,
            market.Candle: followed.on_candle,
            **dict.fromkeys(FACTS, followed.on_facts),
            market.CaptureFinished: followed.on_capture_finished,
            control.KillRequested: self._on_kill,
            control.KillLatched: self._on_kill,
            control.KillCleared: self._on_kill_cleared,
            control.TradingState: self._on_trading_state,
            guards.ScopedState: self._on_scoped_state,
            control.PauseRequested: self._on_pause,
            control.ResumeRequested: self._on_resume,
            control.ResetRequested: self._on_reset,
            control.FlattenRequested: self._on_flatten,
            control.StopRequested: self._on_stop_requested,
            system.EpochStarted: self._on_epoch,
            system.ServiceStarted: self._on_service_started,
            system.SourceSilent: self._on_silent,
            system.SourceBack: self._on_back,
            system.Reconciled: self._on_reconciled,
            venue.VenueLink: self._on_venue_link,
            system.Tick: self._on_tick,
            **dict.fromkeys(REPORTS, self._on_report),
            orders.FundingPaid: self._on_funding,
        }

    # ---- the door

    def apply(self, event: Event) -> list[Output | Instruction]:
        """Observe one event, then decide for every instance that it touched."""
        if self._is_own(event):
            return []
        self.calls.begin(event.header.seq)
        self._world.now_ns = event.header.ts_ns
        said: list[Output | Instruction] = []
        for instance in self._roster.shadows:
            said += self._arrivals(instance, event)
        if type(event.message) in HEARD:
            said += self.dealer.apply(event)
        observer = self._observers.get(type(event.message))
        if observer is None:
            return said
        touched = observer(event)
        if self._roster.shadows and isinstance(event.message, MATCHED):
            said += self._matches(event)
        for instance in touched:
            said += self._decided(instance, event)
        return said

    def _decided(self, instance: Instance, event: Event) -> list[Output]:
        now_ns = event.header.ts_ns
        is_warm = instance.is_warm(now_ns, self._warmup_s, self._warmup_points)
        return Decision(instance, self._world, now_ns, event.header.epoch, is_warm).run()

    def _arrivals(self, instance: Instance, event: Event) -> list[Output]:
        """Let what is due reach the paper venue of a shadow, before the event that is later."""
        assert isinstance(instance.shadow, ShadowVenue), f"shadow {instance.name} has no venue"
        messages = instance.shadow.pass_deadlines(event.header.ts_ns)
        if not messages:
            return []
        return [*_said_by(instance, messages), *self._decided(instance, event)]

    def _matches(self, event: Event) -> list[Output]:
        """Let a book or a trade work on the orders of shadows; their decisions follow with all others."""
        said: list[Output] = []
        for instance in self._roster.of(event.message.symbol):
            if isinstance(instance.shadow, ShadowVenue):
                proposed = instance.shadow.observe(event)
                said += _said_by(instance, instance.shadow.match(proposed, event))
        return said

    def adopt(self, event: Event) -> None:
        """Observe inputs, and fold own outputs as they stand on the log; decide nothing."""
        self.calls.begin(event.header.seq)
        if event.header.source == MANUAL_SOURCE:
            self.dealer.fold(event.message)
            return
        if self._is_own(event):
            instance = self._roster.by_name.get(event.header.source.partition("/")[2])
            if instance is not None:
                self._world.now_ns = event.header.ts_ns
                instance.fold(event.message, event.header.ts_ns)
                self._adopted(instance, event)
            return
        self._world.now_ns = event.header.ts_ns
        if type(event.message) in HEARD:
            self.dealer.observe(event)
        observer = self._observers.get(type(event.message))
        if observer is not None:
            for instance in observer(event):
                self._adopted(instance, event)
            if isinstance(event.message, MATCHED):
                for instance in self._roster.of(event.message.symbol):
                    if isinstance(instance.shadow, ShadowVenue):
                        instance.shadow.observe(event)

    def _adopted(self, instance: Instance, event: Event) -> None:
        """Drop what an instance wants: what the old build made of it stands on the log."""
        instance.commands.clear()
        instance.notes.clear()
        now_ns = event.header.ts_ns
        is_warm = instance.is_warm(now_ns, self._warmup_s, self._warmup_points)
        standing.judge(instance, self._world, now_ns, is_warm=is_warm)

    @staticmethod
    def _is_own(event: Event) -> bool:
        return source_core(event.header.source) == "strategy"

    def instance(self, name: str) -> Instance:
        """Return an instance, to look at: raises `KeyError` when there is none of this name."""
        return self._roster.by_name[name]

    # ---- orders

    def _on_report(self, event: Event) -> Iterable[Instance]:
        instance = self._roster.by_name.get(event.message.strategy)
        if instance is None:
            return ()
        instance.meet_report(event.message, event.header.ts_ns)
        return (instance,)

    def _on_funding(self, event: Event) -> Iterable[Instance]:
        instance = self._roster.by_name.get(event.message.strategy)
        if instance is None:
            return ()
        instance.meet_funding(event.message)
        return (instance,)

    # ---- gates

    def _all_may_try_again(self) -> list[Instance]:
        """What refused orders may have changed: forget the refusals."""
        for instance in self._roster.all():
            instance.back_off.clear()
            instance.is_dirty = True
        return self._roster.all()

    def _on_kill(self, event: Event) -> Iterable[Instance]:
        self._world.is_killed = True
        return self._roster.all()

    def _on_kill_cleared(self, event: Event) -> Iterable[Instance]:
        self._world.is_killed = False
        return self._all_may_try_again()

    def _on_trading_state(self, event: Event) -> Iterable[Instance]:
        message: control.TradingState = event.message
        self._world.trading_state = message.state
        self._world.trading_reason = ", ".join(message.reasons)
        return self._all_may_try_again()

    def _on_scoped_state(self, event: Event) -> Iterable[Instance]:
        message: guards.ScopedState = event.message
        self._world.set_scope(message.strategy, message.symbol, message.state, ", ".join(message.reasons))
        return self._all_may_try_again()

    def _on_pause(self, event: Event) -> Iterable[Instance]:
        touched = self._roster.named(event.message.strategy)
        for instance in touched:
            instance.is_paused = True
        return touched

    def _on_resume(self, event: Event) -> Iterable[Instance]:
        touched = self._roster.named(event.message.strategy)
        for instance in touched:
            instance.is_paused = instance.is_let_go = False
            instance.closing = None
            instance.is_dirty = True
        return touched

    def _on_reset(self, event: Event) -> Iterable[Instance]:
        touched = self._roster.named(event.message.strategy)
        for instance in touched:
            self._roster.reset(instance)
        self._roster.index()
        return touched

    def _on_flatten(self, event: Event) -> Iterable[Instance]:
        """Pause every instance of the market and let it close what it holds (BR-28)."""
        asked: control.FlattenRequested = event.message
        named = [one for one in self._roster.all() if asked.symbol in ("", one.symbol) and not one.is_shadow]
        for instance in named:
            instance.is_paused = instance.is_let_go = True
            patience_ns = max(0, asked.patience_ms) * NS_PER_MS
            instance.closing = Closing(asked.style, event.header.ts_ns, patience_ns)
        return named

    def _on_stop_requested(self, event: Event) -> Iterable[Instance]:
        self._world.stop()
        return self._roster.all()

    def _on_epoch(self, event: Event) -> Iterable[Instance]:
        self._world.begin_epoch(event.header.ts_ns)
        for instance in self._roster.all():
            # The books of before are old: only one that comes now tells that the feed is back.
            instance.is_returning = instance.is_unsure = True
        return self._roster.all()

    def _on_silent(self, event: Event) -> Iterable[Instance]:
        if event.message.service in WATCHED:
            self._world.silent.add(event.message.service)
        return self._roster.all()

    def _on_back(self, event: Event) -> Iterable[Instance]:
        self._world.silent.discard(event.message.service)
        return self._all_may_try_again()

    def _on_reconciled(self, event: Event) -> Iterable[Instance]:
        return self._all_may_try_again()

    def _on_venue_link(self, event: Event) -> Iterable[Instance]:
        """Forget what a lost connection refused: orders may leave again."""
        link: venue.VenueLink = event.message
        if not (link.is_reachable and link.is_user_stream_up):
            return ()
        return self._all_may_try_again()

    def _on_tick(self, event: Event) -> Iterable[Instance]:
        for instance in self._roster.all():
            instance.meet_tick()
        return self._roster.all()

    # ---- settings

    def _on_service_started(self, event: Event) -> Iterable[Instance]:
        message: system.ServiceStarted = event.message
        if message.service != self.service:
            if message.service not in self._world.silent:
                return ()
            # A new life of the bus knows of no former silence, so no `SourceBack` would end it.
            self._world.silent.discard(message.service)
            return self._all_may_try_again()
        settings = unpack(message.settings, StrategySettings) if message.settings else StrategySettings()
        self._warmup_s = settings.warmup_s
        self._warmup_points = settings.warmup_points
        self._roster.model(settings.shadow)
        for name in sorted(settings.instances):
            self._roster.configure(name, settings.instances[name], message.build)
        for instance in self._roster.all():
            wanted = settings.instances.get(instance.name)
            instance.is_enabled = wanted is not None and wanted.enabled
            instance.started_ns = event.header.ts_ns
            instance.points = 0
            instance.is_dirty = True
            instance.begin(self._world)
        self._roster.index()
        return self._roster.all()

    # ---- snapshots

    def snapshot(self) -> bytes:
        """Return the whole state, canonically encoded."""
        state = _State(
            self._world.dump(),
            self._warmup_s,
            self._warmup_points,
            self._roster.dump(),
            pack(self._roster.shadow_settings),
            self.dealer.dump(),
        )
        return msgspec.msgpack.encode(state, order="sorted")

    def restore(self, data: bytes) -> None:
        """Take the state of `snapshot()`; raises `ValueError` on anything else."""
        try:
            state = msgspec.msgpack.decode(data, type=_State)
        except UNDECODABLE as error:
            raise ValueError(f"not a snapshot of the strategy core: {error}") from error
        self._world.load(state.world)
        self._warmup_s = state.warmup_s
        self._warmup_points = state.warmup_points
        self._roster.model(unpack(state.shadow, ShadowSettings))
        self._roster.load(state.instances)
        self.dealer.load(state.dealer)

    def digest(self) -> bytes:
        """Return 16 bytes over the state."""
        return hashlib.blake2b(self.snapshot(), digest_size=16).digest()


def _said_by(instance: Instance, messages: Iterable[Message]) -> list[Output]:
    return [Output(f"strategy/{instance.name}", message) for message in messages]
