"""Everything behind an order, from the log alone: what was seen, wanted, checked, sent, executed and booked.

The cores are run again over the log. At the cause of an order the strategy core is looked at as it was when
it decided; at the intent a copy of the risk core is asked for every check. What a core says anew is compared,
byte for byte, with what stands on the log.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from services.risk.core import RiskCore
from services.risk.measures import Measure, measured
from services.strategy.core import StrategyCore
from services.strategy.instance import Instance
from shared.core import Core
from shared.errors import DivergenceError
from shared.hosting import CoreHost
from shared.kernels import signals
from shared.messages import Event, body_of, orders, source_core
from shared.messages.market import InstrumentRules

LEVELS = 5


@dataclass
class Sight:
    """The market and the strategy just after the event that caused an order: what the decision saw."""

    cause_seq: int
    rules: InstrumentRules
    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]
    is_trusted: bool
    microprice_centiticks: int
    imbalance_ppm: int
    weighted_imbalance_ppm: int
    kind: str
    version: str
    params: bytes
    state: str
    status: str
    position_lots: int
    resting: list[tuple[str, str, int, int, str]]
    targets: list[tuple[str, str, int, int, str]]


@dataclass
class Evidence:
    """The whole of one order. `differences` is empty when every core said again what it had said."""

    client_order_id: str
    frames: list[Event] = field(default_factory=list)
    effects: list[Event] = field(default_factory=list)
    sight: Sight | None = None
    checks: list[Measure] = field(default_factory=list)
    derived: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def missing(self) -> list[str]:
        """Return what could not be found, empty when the evidence is complete."""
        kinds = {type(event.message) for event in self.frames}
        verdicts = {orders.OrderApproved, orders.OrderAdjusted, orders.OrderRefused}
        lacks = {
            "intent": orders.OrderIntent not in kinds,
            "verdict": not kinds & verdicts,
            "book and strategy at the cause": self.sight is None,
            "checks": bool(kinds & verdicts) and not self.checks,
            "ledger rows": orders.Fill in kinds
            and not any(isinstance(effect.message, orders.PositionChanged) for effect in self.effects),
        }
        return [name for name, is_missing in lacks.items() if is_missing]


def gather(
    order_ids: Collection[str], events: Callable[[], Iterable[Event]], cores: Iterable[Core]
) -> dict[str, Evidence]:
    """Return the evidence of each order the log knows; `events()` reads the whole log, and is called twice.

    `cores` are fresh cores to run; with none the log is not run again and only frames are found.
    """
    wanted = _Wanted(order_ids)
    for event in events():
        wanted.note(event)
    runs = [_Rerun(core, wanted) for core in cores]
    if runs and wanted.found:
        for event in events():
            if event.header.seq > wanted.last_seq:
                break
            for run in runs:
                run.apply(event)
    return wanted.found


class _Wanted:
    """What the first pass finds: the frames of each order, their causes and their effects."""

    def __init__(self, order_ids: Collection[str]) -> None:
        self._ids = frozenset(order_ids)
        self.found: dict[str, Evidence] = {}
        self.intents: dict[int, str] = {}
        self.causes: dict[int, list[tuple[str, str]]] = {}
        self.said: dict[tuple[str, int], str] = {}
        self._effect_of: dict[int, str] = {}
        self.last_seq = 0

    def note(self, event: Event) -> None:
        """Take one event of the log."""
        message, header = event.message, event.header
        order_id = getattr(message, "client_order_id", "")
        if order_id in self._ids:
            self._note_frame(order_id, event)
        elif header.cause_seq in self._effect_of:
            evidence = self.found[self._effect_of[header.cause_seq]]
            evidence.effects.append(event)

    def _note_frame(self, order_id: str, event: Event) -> None:
        header, message = event.header, event.message
        evidence = self.found.setdefault(order_id, Evidence(order_id))
        evidence.frames.append(event)
        self.last_seq = header.seq
        if isinstance(message, orders.OrderIntent):
            self.intents[header.seq] = order_id
            self.causes.setdefault(header.cause_seq, []).append((order_id, message.strategy))
        if isinstance(message, orders.Fill):
            self._effect_of[header.seq] = order_id
        if not header.source.endswith(".io"):
            self.said[header.source, header.n] = order_id


class _Rerun:
    """One core run again: compares what it says of the wanted orders, and is looked at where they began."""

    def __init__(self, core: Core, wanted: _Wanted) -> None:
        self._host = CoreHost(core)
        self._wanted = wanted
        self._derived: dict[tuple[str, int], bytes] = {}
        self._problem = ""

    def apply(self, event: Event) -> None:
        """Apply one event, unless this core has differed already."""
        if self._problem:
            return
        header = event.header
        core = self._host.core
        self._compare(event)
        if isinstance(core, RiskCore) and header.seq in self._wanted.intents:
            self._wanted.found[self._wanted.intents[header.seq]].checks = checks_at(core, event)
        try:
            step = self._host.apply(event)
        except DivergenceError as error:
            self._problem = str(error)
            for evidence in self._wanted.found.values():
                evidence.differences.append(self._problem)
            return
        for out in step.outputs:
            if (out.source, out.n) in self._wanted.said:
                self._derived[out.source, out.n] = out.body
        if isinstance(core, StrategyCore):
            for order_id, strategy in self._wanted.causes.get(header.seq, ()):
                self._wanted.found[order_id].sight = sight_of(core.instance(strategy), header.seq)

    def _compare(self, event: Event) -> None:
        header = event.header
        order_id = self._wanted.said.get((header.source, header.n))
        if order_id is None or source_core(header.source) != self._host.service:
            return
        derived = self._derived.pop((header.source, header.n), None)
        evidence = self._wanted.found[order_id]
        if derived == body_of(event.message):
            evidence.derived += 1
        else:
            evidence.differences.append(f"seq {header.seq}: {header.source} does not say this again")


def checks_at(core: RiskCore, intent: Event) -> list[Measure]:
    """Return every check of an intent as `core`, which has not seen it yet, would measure it."""
    copy = RiskCore()
    copy.restore(core.snapshot())
    copy.known.now_ns = intent.header.ts_ns
    copy.known.observe(intent)
    place = copy.known.markets.get(intent.message.symbol)
    if place is None or place.rules is None or intent.message.client_order_id not in copy.known.pending:
        return []
    return measured(copy.known.ask(intent.message, intent, place, place.rules))


def sight_of(instance: Instance, cause_seq: int) -> Sight | None:
    """Return what an instance sees and wants now, None while it has no market yet."""
    ctx = instance.ctx
    if ctx is None:
        return None
    book = ctx.book
    is_two_sided = book.bid_ticks > 0 and book.ask_ticks > 0
    resting = [
        (order.slot, order.side.name, order.price_ticks, order.qty_lots, order.state.value)
        for order in instance.orders.dump()
    ]
    targets = [
        (quote.slot, quote.side.name, quote.price_ticks, quote.qty_lots, quote.reason)
        for quote in (instance.targets.quotes if instance.targets is not None else ())
    ]
    return Sight(
        cause_seq=cause_seq,
        rules=ctx.rules,
        bids=book.levels(0, LEVELS),
        asks=book.levels(1, LEVELS),
        is_trusted=bool(book.is_trusted),
        microprice_centiticks=signals.microprice_centiticks(book) if is_two_sided else 0,
        imbalance_ppm=signals.imbalance_ppm(book) if is_two_sided else 0,
        weighted_imbalance_ppm=signals.weighted_imbalance_ppm(book) if is_two_sided else 0,
        kind=instance.kind,
        version=instance.version,
        params=instance.params,
        state=instance.said.state,
        status=instance.status_text(),
        position_lots=instance.position_lots,
        resting=resting,
        targets=targets,
    )
