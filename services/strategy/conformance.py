"""What every strategy must do, whoever wrote it: checked over seeded markets and a venue that misbehaves.

Each check returns what it found wrong, empty when nothing; `CHECKS` names them all. The tests run them over
the registry, users over their own strategy (`quotemesh strategy check`). A seed repeats a run exactly.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from services.strategy.core import StrategyCore
from services.strategy.desk import Desk, make_rules, terms_of
from services.strategy.desk_facts import say_facts
from services.strategy.instance_state import dump_instance
from services.strategy.own_orders import REPORTS, OwnOrders
from services.strategy.quoter import crosses_own
from services.strategy.settings import InstanceSettings, StrategySettings
from shared.errors import DivergenceError
from shared.hosting import CoreHost
from shared.messages import Event, Message, body_of, control, guards, market, orders
from shared.units import NS_PER_S, Side

NAME = "checked"
STEPS = 400
FACTS_EVERY = 13
EVENTS_TOLD = 4
"""How many events before a problem are named with it."""


class Candidate:
    """A strategy to check: its kind, params and market."""

    def __init__(self, kind: str, params: Mapping[str, Any], symbol: str) -> None:
        self.kind = kind
        self.params = params
        self.symbol = symbol

    def desk(self, seed: int, trouble: int) -> Desk:
        """Return a started desk with this strategy alone."""
        instance = InstanceSettings(kind=self.kind, symbol=self.symbol, params=self.params)
        settings = StrategySettings(instances={NAME: instance}, warmup_s=0, warmup_points=5)
        return Desk(settings, make_rules(self.symbol), seed, trouble)


def run(desk: Desk, steps: int = STEPS) -> None:
    """Start the desk and let its market walk, with a jump now and then."""
    desk.start()
    for step in range(steps):
        if step % FACTS_EVERY == 0:
            say_facts(desk, step)
        desk.step(jump_ticks=((step // 97) % 2 * 2 - 1) * 700 if step % 97 == 96 else None)


def fingerprint(candidate: Candidate, seed: int) -> str:
    """Return a hash over all that is said in a run and the state at its end: the same in every process."""
    desk = candidate.desk(seed, 5)
    run(desk)
    digest = hashlib.sha256(b"".join(body_of(message) for message in desk.said))
    digest.update(desk.core.digest())
    return digest.hexdigest()


def check_repeats(candidate: Candidate, seed: int) -> list[str]:
    """Same events, same output (ST-2)."""
    first, second = candidate.desk(seed, 5), candidate.desk(seed, 5)
    run(first)
    run(second)
    for one, other in zip(first.log, second.log, strict=False):
        if body_of(one.message) != body_of(other.message):
            return [
                f"seq {one.header.seq}: two runs over the same events said different things: "
                f"{one.message!r} and {other.message!r}"
            ]
    if len(first.log) != len(second.log):
        return ["two runs over the same events said different things: one of them says more"]
    if first.core.digest() != second.core.digest():
        return ["two runs over the same events ended in different states"]
    return []


def check_restores(candidate: Candidate, seed: int) -> list[str]:
    """Snapshot and restore in mid-run change nothing, at five places."""
    desk = candidate.desk(seed, 5)
    run(desk)
    wanted = desk.core.digest()
    length = len(desk.log)
    for cut in (length // 7, length // 3, length // 2, length * 3 // 4, length - 2):
        before = CoreHost(StrategyCore())
        for event in desk.log[:cut]:
            before.apply(event)
        after = CoreHost(StrategyCore())
        after.restore(before.snapshot())
        if after.core.digest() != before.core.digest():
            return [f"restored at seq {cut}, the state is not the one that was saved"]
        try:
            for event in desk.log[cut:]:
                after.apply(event)
        except DivergenceError as error:
            return [f"restored at seq {cut}, it goes on otherwise: {error}"]
        if after.core.digest() != wanted:
            return [f"restored at seq {cut}, it ends in another state than without"]
    return []


def check_adopts(candidate: Candidate, seed: int) -> list[str]:
    """A core that adopts the log of another stands where that one stood, and goes on from there.

    What only tells how eagerly to look again is not compared: whether quotes may have changed, and when the
    last line for people was made.
    """
    desk = candidate.desk(seed, 5)
    adopting = CoreHost(StrategyCore())
    adopting.is_deciding = False
    run(desk)
    for closed, opened in _interruptions(candidate.symbol):
        desk.say(closed)
        for _ in range(4):
            desk.step()
        if opened is not None:
            desk.say(opened)
        desk.show_book()
        for _ in range(STEPS // 20):
            desk.step()
    for event in desk.log:
        adopting.apply(event)
    assert isinstance(adopting.core, StrategyCore)
    decided, adopted = (core.instance(NAME) for core in (desk.core, adopting.core))
    for name in dump_instance(decided).__struct_fields__:
        one, other = (getattr(dump_instance(each), name) for each in (decided, adopted))
        if one != other and name not in ("is_dirty", "said_ns"):
            return [f"a core that adopts this log has another {name}: {other!r} instead of {one!r}"]
    return []


def _interruptions(symbol: str) -> list[tuple[Message, Message | None]]:
    """Return what closes a gate, each with what opens it again; None where the next book does."""
    return [
        (control.PauseRequested(NAME, "test", ""), control.ResumeRequested(NAME, "test", "")),
        (control.KillLatched("test", "test", "log"), control.KillCleared("test", "test")),
        (control.TradingState("halted", ["test"]), control.TradingState("active", [])),
        (market.BookInvalid(symbol, "gap"), None),
    ]


class _Watch:
    """Follows the log of a desk and notes what must never happen."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.problems: list[str] = []
        self.position_lots = 0
        self.is_reducing = False
        self._live = OwnOrders()
        self._last: deque[Event] = deque(maxlen=EVENTS_TOLD)

    def _problem(self, text: str) -> None:
        before = ", ".join(f"{event.header.seq} {type(event.message).__name__}" for event in self._last)
        self.problems.append(f"{text} (after {before})")

    def see(self, event: Event) -> None:
        """Take one event of the log, before the core does."""
        message = event.message
        if isinstance(message, control.TradingState | guards.ScopedState):
            self.is_reducing = message.state == "reducing"
        if isinstance(message, control.InstanceFailed):
            self._problem(f"it raised: {message.error}")
        elif isinstance(message, orders.OrderIntent):
            self._see_intent(message)
        elif isinstance(message, REPORTS):
            self._live.report(message, message.client_order_id, event.header.ts_ns)  # type: ignore[attr-defined]
        if isinstance(message, orders.Fill):
            self.position_lots += message.side.sign * message.qty_lots
            if self.position_lots < 0 and not self.desk.rules.is_derivative:
                self._problem(f"short by {-self.position_lots} lots on spot (ST-14)")
        self._last.append(event)

    def _see_intent(self, intent: orders.OrderIntent) -> None:
        order_id = intent.client_order_id
        if intent.slot in self._live.by_slot:
            self._problem(f"slot {intent.slot} already has an order: {order_id} (I-04)")
            return
        if crosses_own(intent.side, intent.price_ticks, self._live.by_slot.values()):
            self._problem(f"{order_id} could trade with an order of its own (I-12)")
        self._live.intend(intent, self.desk.now_ns)
        same_side = [order for order in self._live.by_slot.values() if order.side is intent.side]
        open_lots = sum(order.leaves_lots for order in same_side)
        if self.is_reducing and open_lots > -intent.side.sign * self.position_lots:
            self._problem(
                f"{order_id}: {open_lots} lots to {intent.side.name.lower()} against a position of "
                f"{self.position_lots} while risk only reduces (RK-10)"
            )
        worst_lots = self.position_lots * intent.side.sign + open_lots
        most_lots = _most_lots(self.desk)
        if most_lots is not None and worst_lots > most_lots:
            self._problem(f"{order_id} may lead to {worst_lots} lots, the limit is {most_lots} (I-11)")


def _most_lots(desk: Desk) -> int | None:
    instance = desk.core.instance(NAME)
    if instance.strategy is None or instance.ctx is None:
        return None
    return instance.strategy.most_lots(instance.ctx, desk.lowest_ticks)


def check_safety(candidate: Candidate, seed: int) -> list[str]:
    """One live order per slot, never crossing itself, never past its limit, while a fifth goes wrong."""
    desk = candidate.desk(seed, trouble=20)
    watch = _Watch(desk)
    desk.on_event.append(watch.see)
    run(desk)
    return watch.problems[:5]


def check_kill(candidate: Candidate, seed: int) -> list[str]:
    """Every order is cancelled at a kill, none sent before it is cleared; the same when paused or blind."""
    problems: list[str] = []
    symbol = candidate.symbol
    gates: list[tuple[str, Message, Message | None]] = [
        ("kill", control.KillLatched("test", "test", "log"), control.KillCleared("test", "test")),
        ("pause", control.PauseRequested(NAME, "test", ""), control.ResumeRequested(NAME, "test", "")),
        ("book lost", market.BookInvalid(symbol, "gap"), None),
        ("end of the capture", market.CaptureFinished(symbol.partition(":")[0], 1), None),
    ]
    for what, closed, opened in gates:
        desk = candidate.desk(seed, 0)
        run(desk, STEPS // 2)
        said = [*desk.say(closed)]
        open_ids = {order.client_order_id for order in desk.core.instance(NAME).orders.dump()}
        canceled = {
            message.client_order_id for message in desk.said if isinstance(message, orders.CancelIntent)
        }
        if not open_ids <= canceled:
            problems.append(f"{what}: no cancel was sent for {sorted(open_ids - canceled)}")
        for _ in range(20):
            before = len(desk.said)
            desk.now_ns += NS_PER_S // 20
            if what != "book lost":
                desk.move(desk.mid_ticks + 3)
            desk.report()
            said += desk.said[before:]
        if any(isinstance(message, orders.OrderIntent) for message in said):
            problems.append(f"{what}: an order was sent while nothing may rest")
        if opened is not None:
            desk.say(opened)
            if any(isinstance(message, orders.OrderIntent) for message in desk.said[-1:]):
                problems.append(f"{what}: an order was sent before the next book")
    return problems


def check_doubt(candidate: Candidate, seed: int) -> list[str]:
    """An order without answer blocks its slot, and the strategy lives on (I-05)."""
    desk = candidate.desk(seed, 0)
    desk.is_answering = False
    run(desk, STEPS // 4)
    sent = [message for message in desk.said if isinstance(message, orders.OrderIntent)]
    slots = [message.slot for message in sent]
    if len(set(slots)) != len(slots):
        return ["a slot was used again although its order has no known outcome"]
    for intent in sent:
        desk.say(orders.OrderApproved(*terms_of(intent)))
        desk.say(orders.OrderSent(*terms_of(intent)))
        desk.say(orders.OrderUnknown(intent.client_order_id, NAME, candidate.symbol, "no answer"))
    for _ in range(STEPS // 4):
        desk.step()
    again = [m for m in desk.said if isinstance(m, orders.OrderIntent)][len(sent) :]
    if {message.slot for message in again} & set(slots):
        return ["a slot was used again although its order is in doubt"]
    return [m.error for m in desk.said if isinstance(m, control.InstanceFailed)]


def check_rejects(candidate: Candidate, seed: int) -> list[str]:
    """Most orders and cancels go wrong: refused, held back, rejected, in doubt, filled while cancelled."""
    desk = candidate.desk(seed, trouble=70)
    watch = _Watch(desk)
    desk.on_event.append(watch.see)
    run(desk)
    return watch.problems[:5]


def check_late_fills(candidate: Candidate, seed: int) -> list[str]:
    """A fill after the end of its order counts, and the strategy lives on (I-06)."""
    desk = candidate.desk(seed, 0)
    ended: list[str] = []
    intents: dict[str, orders.OrderIntent] = {}

    def see(event: Event) -> None:
        if isinstance(event.message, orders.OrderIntent):
            intents[event.message.client_order_id] = event.message
        elif isinstance(event.message, orders.OrderCanceled | orders.OrderRejected | orders.OrderExpired):
            ended.append(event.message.client_order_id)

    desk.on_event.append(see)
    run(desk, STEPS // 2)
    problems: list[str] = []
    late = [intents[order_id] for order_id in ended[-5:]]
    for n, intent in enumerate(late):
        if intent.side is Side.SELL and not desk.rules.is_derivative:
            continue
        before = desk.core.instance(NAME).position_lots
        head = (intent.client_order_id, NAME, candidate.symbol)
        price_ticks = intent.price_ticks or desk.mid_ticks
        desk.say(orders.Fill(*head, f"late{n}", intent.side, price_ticks, 1, 1, 0, 0, "USDT", True, 0))
        if desk.core.instance(NAME).position_lots - before != intent.side.sign:
            problems.append(f"a late fill of {intent.client_order_id} did not move the position")
        for _ in range(10):
            desk.step()
    return problems + [f"it raised: {m.error}" for m in desk.said if isinstance(m, control.InstanceFailed)]


def check_reducing(candidate: Candidate, seed: int) -> list[str]:
    """While risk only reduces, the mesh or this strategy, no order can make the position grow (RK-10)."""
    problems: list[str] = []
    states: list[tuple[Message, Message]] = [
        (control.TradingState("reducing", ["test"]), control.TradingState("active", [])),
        (guards.ScopedState(NAME, "", "reducing", ["test"]), guards.ScopedState(NAME, "", "active", [])),
        (
            guards.ScopedState("", candidate.symbol, "reducing", ["test"]),
            guards.ScopedState("", candidate.symbol, "active", []),
        ),
    ]
    for reducing, active in states:
        desk = candidate.desk(seed, trouble=10)
        watch = _Watch(desk)
        desk.on_event.append(watch.see)
        run(desk, STEPS // 4)
        for _ in range(3):
            desk.say(reducing)
            for _ in range(STEPS // 10):
                desk.step()
            desk.say(active)
            for _ in range(STEPS // 20):
                desk.step()
        problems += watch.problems[:3]
    return problems


CHECKS: Mapping[str, Callable[[Candidate, int], list[str]]] = {
    "same events, same output": check_repeats,
    "snapshot and restore change nothing": check_restores,
    "a new build that adopts the log stands where the old one stood": check_adopts,
    "one order per slot, no self-trade, within its limit": check_safety,
    "flat orders when killed, paused, blind or finished": check_kill,
    "an order in doubt blocks its slot alone": check_doubt,
    "survives a venue that rejects most": check_rejects,
    "survives late fills": check_late_fills,
    "only shrinks its position while risk reduces": check_reducing,
}
