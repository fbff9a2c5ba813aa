"""One seed of the campaign: the live mesh, its broker and two simulated venues in virtual time, with faults.

The strategy, risk and broker cores, the order desks and the native adapters are the ones that trade; the
venue is the simulated one with its real wire. Only sockets, clocks and the disk are replaced. See
docs/campaigns.md for what is claimed.
"""

from collections.abc import Callable
from functools import partial

import msgspec

from services.broker.core import BrokerCore
from services.broker.desk.state import Fact
from services.broker.instructions import ClearLatch, LatchKill
from services.fused import live_parts as parts
from services.fused.live_broker import BrokerLife
from services.fused.live_mesh import BROKER, LiveMesh
from services.fused.live_network import Network
from services.fused.live_oracle import LogFold, judge
from services.fused.live_plan import Plan, plan_of, stream
from services.fused.live_storm import Storm
from services.fused.live_time import Timeline
from services.fused.live_venue import SimulatedVenues
from services.fused.live_witness import Witness
from services.risk.core import RiskCore
from services.strategy.core import StrategyCore
from shared.execution.outside import OutsideWork
from shared.messages import Event, Message, control
from shared.messages.orders import OrderAccepted
from shared.messages.system import Reconciled
from shared.messages.venue import OrderAdopted, VenueDifference
from shared.units import NS_PER_MS, NS_PER_S

OTHERS = ("market_data",)
MARKET_STEP_NS = 250 * NS_PER_MS
PUMP_NS = 40 * NS_PER_MS
QUOTE_NS = 2 * NS_PER_S
"""After the faults, quoting goes on for so long before everything is withdrawn and judged."""
RESUME_MAX_NS = 75 * NS_PER_S
"""Every market is quoted again so soon after the faults; a slot refused three times rests a minute."""
SETTLE_NS = 40 * NS_PER_S
HOLE_NS = 18 * NS_PER_S
"""What another traded in a hole of the private stream that no order of ours shows is found by the comparison
of the account each 15 s (`broker.live.account_every_ms`): such seeds are judged after one."""
LOOK_NS = NS_PER_S
ANSWER_NS = 22 * NS_PER_S
"""A reconciliation that was asked for is answered within this."""
FEED = "market_data.io"
OPERATOR = "operator"


class Outcome(msgspec.Struct, kw_only=True):
    """What became of one seed: `problems` is empty when every claim holds."""

    seed: int
    classes: list[str] = []
    problems: list[str] = []
    order_count: int = 0
    fill_count: int = 0
    unknown_count: int = 0
    crash_count: int = 0
    event_count: int = 0
    wire_count: int = 0
    virtual_s: float = 0.0
    resolved_ms: list[int] = []
    resumed_ms: int = 0


class LiveRun:
    """One seed, from its start to its judgement."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.timeline = Timeline(parts.ORIGIN_NS)
        self.venues = SimulatedVenues(plan, stream(plan.seed, "market"), self.timeline)
        cores = {"strategy": StrategyCore, "risk": RiskCore, BROKER: BrokerCore}
        settings = parts.packed_sections(plan.seed)
        draw = stream(plan.seed, "mesh")
        self.mesh = LiveMesh(cores, settings, self.timeline, draw, self._watch)
        self.witness = Witness(lambda: self.timeline.now_ns, lambda: self.mesh.durable_seq)
        self.life: BrokerLife | None = None
        self.network: Network | None = None
        self.crash_count = 0
        self.is_off = self.is_over = False
        self.resumed_ns = 0
        self._exposure_problems: list[str] = []
        self._life_count = 0
        self._network_draw = stream(plan.seed, "network")

    # ---- what the broker's life needs

    def publish(self, fact: Fact) -> None:
        """Send a fact to the bus."""
        self.mesh.publish(fact.message, fact.cause_seq, fact.origin_ns)

    def do(self, venue: str, work: OutsideWork) -> None:
        """Carry out outside work."""
        assert self.network is not None, "a living broker has a network"
        self.network.do(venue, work)

    def latch(self, instruction: LatchKill | ClearLatch) -> None:
        """Write or remove the latch file, then say so; the removal waits for its request to be on disk."""
        if isinstance(instruction, LatchKill):
            self._latched(is_set=True)
            said = control.KillLatched(instruction.by, instruction.reason, instruction.path)
            self.mesh.publish(said)
            return
        if self.mesh.durable_seq < instruction.request_seq:
            self.timeline.after(NS_PER_MS, partial(self._clear_later, self.life, instruction))
            return
        self._latched(is_set=False)
        self.mesh.publish(control.KillCleared(instruction.by, instruction.reason))

    def _clear_later(self, life: BrokerLife | None, instruction: ClearLatch) -> None:
        if life is self.life and life is not None and not life.is_dead:
            self.latch(instruction)

    def _latched(self, *, is_set: bool) -> None:
        self.witness.on_latch(is_set=is_set)
        if self.life is not None:
            self.life.on_latch(is_set=is_set)

    def died(self) -> None:
        """Take that the broker is gone."""
        assert self.network is not None, "a broker that lived had a network"
        self.network.die()
        self.witness.on_death()
        self.mesh.crash(BROKER)
        self.crash_count += 1

    # ---- life of the mesh

    def say(self, source: str, message: Message) -> None:
        """Say something that is not the broker's; lost while the power is off."""
        if not self.is_off:
            self.mesh.say(source, message)

    def _watch(self, event: Event) -> None:
        self.witness.on_event(event)

    def _look_at_exposure(self) -> None:
        """Check that risk counts every order that may be at a venue (I-11)."""
        risk = self.mesh.hosts.get("risk")
        if risk is None or risk.applied_seq != self.mesh.head_seq or self._exposure_problems:
            return
        core = risk.core
        assert isinstance(core, RiskCore)
        missing = sorted(self.witness.maybe_live - core.known.exposure.open.keys())
        if missing:
            at_s = (self.timeline.now_ns - parts.ORIGIN_NS) / NS_PER_S
            told = f"at {at_s:.3f} s: risk does not count {', '.join(missing[:3])}, which may be live (I-11)"
            self._exposure_problems.append(told)

    def boot_broker(self, say_hello: Callable[[], None]) -> None:
        """Start the broker: its outside half is there before the core says hello, and begins after it."""
        self._life_count += 1
        execution = parts.execution(self.venues.key.api_key, self.venues.key.secret)
        life = BrokerLife(self._life_count, execution, self.timeline, self)
        self.network = Network(
            self.timeline,
            self._network_draw,
            self.plan,
            parts.ORIGIN_NS,
            self.venues.doors,
            lambda: self.venues.skew_ns,
            life,
            self.witness,
        )
        self.life = life
        self.mesh.outside = life
        say_hello()
        life.begin(self.mesh.hosts[BROKER].core, self.mesh.run_of(BROKER), is_latched=self.witness.is_killed)

    def power_off(self) -> None:
        """Cut the power: everything of ours is gone, and the log is what the disk holds."""
        self.is_off = True
        if self.life is not None:
            self.life.die()
        self.mesh.cut_power()
        self.witness.forget_after(self.mesh.durable_seq)

    def power_on(self) -> None:
        """Start everything again."""
        self.is_off = False
        self.boot_broker(partial(self.mesh.power_on, OTHERS))
        self.venues.start_over()
        self._say_rules()

    def _say_rules(self) -> None:
        for rules in parts.rules():
            self.say(FEED, rules)
        self._say_books()

    def _say_books(self) -> None:
        for told in self.venues.told(self.timeline.now_ns):
            self.say(FEED, told)

    def _step_markets(self) -> None:
        self._look_at_exposure()
        self.venues.step()
        if not self.is_off:
            self._say_books()

    def _pump(self) -> None:
        self.venues.collect()
        if self.network is not None:
            self.network.pump()

    # ---- the run

    def begin(self) -> None:
        """Start the mesh, its venues and the faults of the plan; time is the caller's."""
        self.boot_broker(partial(self.mesh.start, OTHERS))
        self._say_rules()
        self.timeline.every(MARKET_STEP_NS, self._step_markets)
        self.timeline.every(PUMP_NS, self._pump)
        Storm(self, parts.ORIGIN_NS)

    def run(self) -> Outcome:
        """Play the seed and judge it."""
        timeline, origin_ns = self.timeline, parts.ORIGIN_NS
        self.begin()
        calm_ns = origin_ns + self.plan.calm_from_ns
        timeline.run(calm_ns)
        self.venues.heal()
        problems = self._resume(calm_ns)
        self._withdraw()
        self._settle(calm_ns)
        problems += judge(self.mesh.log, self.venues.truth(), self.witness, calm_ns)
        problems += self._reconcile_twice()
        problems += [*self.venues.problems, *self._exposure_problems]
        return self._outcome(problems)

    def _withdraw(self) -> None:
        self.is_over = True
        self.say(OPERATOR, control.PauseRequested("", "operator", "campaign"))

    def _resume(self, calm_ns: int) -> list[str]:
        """Let quoting come back to every market after the faults (liveness)."""
        timeline, wanted, read = self.timeline, set(self.venues.symbols), len(self.mesh.log)
        while timeline.now_ns < calm_ns + RESUME_MAX_NS:
            timeline.run(timeline.now_ns + LOOK_NS)
            for event in self.mesh.log[read:]:
                if isinstance(event.message, OrderAccepted):
                    wanted.discard(event.message.symbol)
            read = len(self.mesh.log)
            if not wanted:
                break
            # The person who traded by hand says so until everybody has heard it.
            self.say(OPERATOR, control.ResumeRequested("", OPERATOR, "it was me"))
        self.resumed_ns = timeline.now_ns - calm_ns
        timeline.run(max(timeline.now_ns, calm_ns + QUOTE_NS))
        return [f"{symbol}: no order was accepted after the faults were over" for symbol in sorted(wanted)]

    def _settle(self, calm_ns: int) -> None:
        """Let everything come to rest; what is not at rest in time is found by the judgement."""
        until_ns = self.timeline.now_ns + SETTLE_NS
        if {"mute", "manual"} <= self.plan.classes:
            self.timeline.run(max(self.timeline.now_ns, calm_ns + HOLE_NS))
        while self.timeline.now_ns < until_ns:
            self.timeline.run(self.timeline.now_ns + LOOK_NS)
            core = self.mesh.hosts[BROKER].core
            assert isinstance(core, BrokerCore)
            assert core.live is not None, "the campaign's broker trades at venues"
            is_known_over = not core.live.known.orders and not self._is_held_open()
            if is_known_over and self.mesh.is_spoken and not self.venues.open_count():
                break
        self.timeline.run(self.timeline.now_ns + LOOK_NS)

    def _is_held_open(self) -> bool:
        """Return whether a desk waits for the end of an order: of others, two venues may hold one id."""
        desks = self.life.execution.desks.values() if self.life is not None else ()
        return any(desk.state.orders.live for desk in desks)

    def _reconcile_twice(self) -> list[str]:
        """Ask for a comparison twice: everything was found before, so both find nothing (I-20)."""
        problems: list[str] = []
        for number in (1, 2):
            before, until_ns = len(self.mesh.log), self.timeline.now_ns + ANSWER_NS
            self.say(OPERATOR, control.ReconcileRequested("operator", "campaign"))
            while self.timeline.now_ns < until_ns:
                self.timeline.run(self.timeline.now_ns + LOOK_NS)
                if any(isinstance(event.message, Reconciled) for event in self.mesh.log[before:]):
                    break
            self.timeline.run(self.timeline.now_ns + LOOK_NS)
            new = [event.message for event in self.mesh.log[before:]]
            said = [repr(one) for one in new if isinstance(one, VenueDifference | OrderAdopted)]
            answers = [one for one in new if isinstance(one, Reconciled)]
            if not answers:
                said.append("a reconciliation was asked for and not answered")
            said += [repr(one) for one in answers if one.difference_count]
            problems += [f"reconciliation {number} says {one} (I-20)" for one in said]
        return problems

    def _outcome(self, problems: list[str]) -> Outcome:
        fold = LogFold().take(self.mesh.log)
        return Outcome(
            seed=self.plan.seed,
            classes=sorted(self.plan.classes),
            problems=problems,
            order_count=len(self.witness.creates),
            fill_count=len(fold.fills),
            unknown_count=len(fold.waits_ns),
            crash_count=self.crash_count,
            event_count=len(self.mesh.log),
            wire_count=self.witness.sent_count,
            virtual_s=(self.timeline.now_ns - parts.ORIGIN_NS) / NS_PER_S,
            resumed_ms=self.resumed_ns // NS_PER_MS,
            resolved_ms=[(until - since) // NS_PER_MS for _, since, until in fold.waits_ns],
        )


def run_seed(seed: int, only: frozenset[str] | None = None) -> Outcome:
    """Run one seed of the campaign; `only` these classes of faults where given."""
    return LiveRun(plan_of(seed, parts.VENUES, only)).run()
