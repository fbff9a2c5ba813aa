"""The dealer: carries out what people ask for themselves, as strategy `manual` (BR-20, BR-21, BR-27).

Part of the strategy core: orders of people pass risk like all others, stand on the log with their parent, and
are replayed. Nothing is repeated: what a child leaves goes with the next slice, or into the report.
"""

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from services.strategy.own_orders import REPORTS, base36, client_order_id
from services.strategy.parents import Parent, new_child
from services.strategy.routing import LEVELS, STYLES, Part, Place, slice_of
from services.strategy.world import World
from shared.core import Output
from shared.messages import Event, Message, control, system
from shared.messages.control import RouteProgress
from shared.messages.orders import CancelIntent, OrderIntent, OrderType, PositionChanged, TimeInForce
from shared.messages.venue import EXTERNAL
from shared.units import NS_PER_MS, Side

MANUAL = "manual"
SOURCE = f"strategy/{MANUAL}"
DIRECT = "direct"
OWNERLESS = frozenset({MANUAL, EXTERNAL})
"""Strategies whose positions no instance closes."""
PARENTS_KEPT = 200
DIGITS_MAX = 18
SLICES_MAX = 10_000
INTERVAL_MS_MAX = 86_400_000
HEARD: frozenset[type[Message]] = frozenset(
    {
        control.OrderRequested,
        control.RouteRequested,
        control.OrderCancelRequested,
        control.CancelAllRequested,
        control.KillRequested,
        control.KillLatched,
        control.FlattenRequested,
        PositionChanged,
        system.Tick,
        *REPORTS,
    }
)
"""What concerns the dealer; nothing of a market does, so that books cost it nothing."""


class DealerState(msgspec.Struct, array_like=True, frozen=True):
    """A dump of the dealer."""

    parents: list[Parent] = []
    generation: int = 0
    held: list[tuple[str, str, int]] = []


class Dealer:
    """Parents by name, newest last; see the module."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.parents: dict[str, Parent] = {}
        self._generation = 0
        self._by_child: dict[str, str] = {}
        self._held: dict[tuple[str, str], int] = {}

    # ---- the door

    def apply(self, event: Event) -> list[Output]:
        """Take one event that is not our own, and return what is said because of it."""
        said: list[Output] = []
        message = event.message
        problem = self._problem(message)
        if problem:
            self._say(_refusal(message, event, problem), said)
            return said
        touched = self.observe(event)
        if isinstance(message, control.FlattenRequested):
            self._close_own(message, event, said)
        for parent in touched:
            if isinstance(message, control.OrderRequested):
                self._place_direct(parent, message, event, said)
            elif parent.is_canceled:
                self._withdraw(parent, said)
            self._slices(parent, event, said)
            self._tell(parent, said)
        return said

    def observe(self, event: Event) -> list[Parent]:
        """Take one event without deciding; return the parents that it concerns."""
        message = event.message
        if isinstance(message, control.OrderRequested | control.RouteRequested):
            return [] if self._problem(message) else [self._open(message, event)]
        if isinstance(message, REPORTS):
            return self._report(message)
        if isinstance(message, PositionChanged):
            if message.strategy in OWNERLESS:
                self._held[message.strategy, message.symbol] = message.position_lots
            return []
        if isinstance(message, control.FlattenRequested):
            symbols = set(self._world.rules) if not message.symbol else {message.symbol}
            return self._cancel([n for n, parent in self.parents.items() if symbols & set(parent.symbols)])
        if isinstance(message, control.OrderCancelRequested):
            return self._cancel([message.name, self._by_child.get(message.name, "")])
        if isinstance(message, control.CancelAllRequested):
            names = [n for n, p in self.parents.items() if message.symbol in ("", *p.symbols)]
            return self._cancel(names)
        if isinstance(message, control.KillRequested | control.KillLatched):
            return self._cancel(list(self.parents))
        return [parent for parent in self.parents.values() if parent.is_working and parent.slices > 1]

    def fold(self, message: Message) -> None:
        """Take an own word: when it is said, or, while adopting, from the log."""
        if isinstance(message, OrderIntent):
            if message.parent not in self.parents:
                self.parents[message.parent] = _closing_parent(message, self._world)
            child_of = self.parents[message.parent]
            rules = self._world.rules[message.symbol]
            child_of.children.append(new_child(message.client_order_id, message.qty_lots, rules))
            self._by_child[message.client_order_id] = child_of.name
            self._generation += 1
        elif isinstance(message, CancelIntent):
            for child in self.parents[self._by_child[message.client_order_id]].children:
                child.is_cancel_asked = (
                    child.is_cancel_asked or child.client_order_id == message.client_order_id
                )
        elif isinstance(message, RouteProgress):
            parent = self.parents.get(message.parent)
            if parent is not None:
                parent.said = message
                parent.slices_done = message.slices_done

    # ---- what is asked for

    def _open(self, asked: control.OrderRequested | control.RouteRequested, event: Event) -> Parent:
        name, now_ns = _name_of(asked, event), event.header.ts_ns
        if isinstance(asked, control.OrderRequested):
            quantity = Decimal(self._world.rules[asked.symbol].lot_size) * asked.qty_lots
            parent = Parent(name, DIRECT, asked.side, format(quantity, "f"), [asked.symbol], begun_ns=now_ns)
        else:
            terms = (asked.style, asked.side, asked.quantity, sorted(set(asked.symbols)), asked.limit)
            slices = asked.slices if asked.style == "twap" else 1
            parent = Parent(name, *terms, slices, asked.interval_ms * NS_PER_MS, now_ns)
        self.parents[parent.name] = parent
        for name in [name for name, old in self.parents.items() if not old.is_working][
            : -PARENTS_KEPT or None
        ]:
            for child in self.parents.pop(name).children:
                self._by_child.pop(child.client_order_id, None)
        return parent

    def _problem(self, asked: Message) -> str:
        """Return why a request cannot be carried out at all, empty when it can or is none."""
        if isinstance(asked, control.OrderRequested):
            if asked.symbol not in self._world.rules:
                return f"{asked.symbol} is not followed: name a market of the configuration"
            return "" if asked.qty_lots > 0 else f"{asked.qty_lots} lots: at least 1 is due"
        return self._route_problem(asked) if isinstance(asked, control.RouteRequested) else ""

    def _route_problem(self, asked: control.RouteRequested) -> str:
        if asked.style not in STYLES:
            return f"style {asked.style!r}: write one of {', '.join(STYLES)}"
        if _amount(asked.quantity) <= 0 or (asked.limit and _amount(asked.limit) <= 0):
            return f"quantity {asked.quantity!r}, limit {asked.limit!r}: plain decimals above 0 are due"
        if not 1 <= asked.slices <= SLICES_MAX or not 0 <= asked.interval_ms <= INTERVAL_MS_MAX:
            return (
                f"{asked.slices} slices each {asked.interval_ms} ms: 1 to {SLICES_MAX}, at most a day apart"
            )
        unknown = [symbol for symbol in asked.symbols if symbol not in self._world.rules]
        if unknown or not asked.symbols:
            return f"{', '.join(unknown) or 'no market'} is not followed: name markets of the configuration"
        pairs = {(r.base_asset, r.quote_asset) for r in map(self._world.rules.__getitem__, asked.symbols)}
        if len(pairs) > 1:
            named = ", ".join(f"{base}/{quote}" for base, quote in sorted(pairs))
            return f"markets of one pair can serve one order; these are {named}"
        return ""

    def _cancel(self, names: Iterable[str]) -> list[Parent]:
        found = [self.parents[name] for name in dict.fromkeys(names) if name in self.parents]
        working = [parent for parent in found if parent.is_working]
        for parent in working:
            parent.is_canceled = True
        return working

    def _report(self, message: Any) -> list[Parent]:
        name = self._by_child.get(message.client_order_id)
        if name is None:
            return []
        parent = self.parents[name]
        for child in parent.children:
            if child.client_order_id == message.client_order_id:
                child.report(message)
        return [parent]

    # ---- what is said

    def _say(self, message: Message, said: list[Output]) -> None:
        self.fold(message)
        said.append(Output(SOURCE, message))

    def _tell(self, parent: Parent, said: list[Output], reason: str = "") -> None:
        """Say where a parent stands when that is new; the end of it always."""
        progress = parent.progress(reason)
        if parent.said is None or progress != parent.said:
            self._say(progress, said)

    def _withdraw(self, parent: Parent, said: list[Output]) -> None:
        for child in parent.children:
            if not child.state.is_final and not child.is_cancel_asked:
                self._say(CancelIntent(child.client_order_id, MANUAL, child.symbol, "asked for"), said)

    def _place_direct(
        self, parent: Parent, asked: control.OrderRequested, event: Event, said: list[Output]
    ) -> None:
        """Send the one order that was asked for; risk says what is wrong with it."""
        parent.slices_done = 1
        hold = self._world.hold_reason(asked.symbol, MANUAL)
        if hold:
            self._tell(parent, said, f"not sent: {hold}")
            return
        ends = (asked.expire_ns, asked.stop_ticks)
        terms = (asked.order_type, asked.tif, asked.is_post_only, asked.is_reduce_only)
        part = Part(asked.symbol, asked.qty_lots, asked.price_ticks)
        self._place(parent, part, terms, ends, event, said, asked.reason)

    def _close_own(self, asked: control.FlattenRequested, event: Event, said: list[Output]) -> None:
        """Close what belongs to no instance, by market orders: positions of `manual` and `external`."""
        number = 0
        for (strategy, symbol), lots in sorted(self._held.items()):
            if not lots or asked.symbol not in ("", symbol) or self._world.hold_reason(symbol, MANUAL):
                continue
            number += 1
            side, rules = Side.SELL if lots > 0 else Side.BUY, self._world.rules[symbol]
            name = f"f{base36(event.header.seq)}-{number}"
            generation = self._generation + 1
            slot = f"m{base36(generation)}"
            order_id = client_order_id(event.header.epoch, strategy, slot, generation)
            head = (order_id, strategy, symbol, side, 0, min(abs(lots), rules.max_qty_lots or abs(lots)))
            terms = (OrderType.MARKET, TimeInForce.IOC)
            self._say(OrderIntent(*head, *terms, slot=slot, reason="flatten", parent=name), said)
            self._tell(self.parents[name], said)

    def _slices(self, parent: Parent, event: Event, said: list[Output]) -> None:
        """Send the slices that are due; a slice that finds nothing to take goes with the next one."""
        while not parent.is_canceled and parent.slices_done < parent.slices and parent.style in STYLES:
            if event.header.ts_ns < parent.due_ns:
                return
            number = parent.slices_done + 1
            places, problem = self._places(parent)
            parent.slices_done = number
            if problem:
                self._tell(parent, said, problem)
                if number == parent.slices:
                    return
                continue
            limit = Decimal(parent.limit) if parent.limit else None
            quantity = self._due_quantity(parent, number, min(place.lot for place in places))
            split = STYLES[parent.style](places, parent.side, quantity, limit)
            for part in split.parts:
                terms = (OrderType.LIMIT, TimeInForce.IOC, False, False)
                self._place(parent, part, terms, (0, 0), event, said, f"slice {number} of {parent.slices}")
            reason = "" if split.parts else "nothing to take within the limit, or less than a venue takes"
            self._tell(parent, said, reason)

    def _due_quantity(self, parent: Parent, number: int, step: Decimal) -> Decimal:
        """Return slice `number` and what earlier ones left: all due that is neither filled nor open."""
        asked = Decimal(parent.asked)
        due = sum((slice_of(asked, step, parent.slices, n + 1) for n in range(number)), Decimal(0))
        return due - parent.filled - parent.open

    def _places(self, parent: Parent) -> tuple[list[Place], str]:
        """Return the markets that can serve now; the text says why there is none."""
        found, problem = [], f"no market of {', '.join(parent.symbols)} is known"
        for symbol in parent.symbols:
            hold = self._world.hold_reason(symbol, MANUAL)
            if hold:
                problem = f"{symbol}: {hold}"
                continue
            levels = self._world.book(symbol).levels(int(parent.side.opposite), LEVELS)
            found.append(Place(self._world.rules[symbol], levels))
        return found, "" if found else problem

    def _place(
        self,
        parent: Parent,
        part: Part,
        terms: tuple[OrderType, TimeInForce, bool, bool],
        ends: tuple[int, int],
        event: Event,
        said: list[Output],
        reason: str,
    ) -> None:
        generation = self._generation + 1
        slot = f"m{base36(generation)}"
        name = client_order_id(event.header.epoch, MANUAL, slot, generation)
        head = (name, MANUAL, part.symbol, parent.side, part.price_ticks, part.lots)
        self._say(OrderIntent(*head, *terms, slot, reason, "", *ends, parent.name), said)

    # ---- state

    def dump(self) -> DealerState:
        """Return the whole state."""
        held = [(*key, lots) for key, lots in sorted(self._held.items())]
        return DealerState(list(self.parents.values()), self._generation, held)

    def load(self, state: DealerState) -> None:
        """Replace everything by a dump."""
        self.parents = {parent.name: parent for parent in state.parents}
        self._generation = state.generation
        self._held = {(strategy, symbol): lots for strategy, symbol, lots in state.held}
        self._by_child = {c.client_order_id: p.name for p in state.parents for c in p.children}


def _closing_parent(intent: OrderIntent, world: World) -> Parent:
    """Return the parent of an order that closes what no instance holds."""
    asked = Decimal(world.rules[intent.symbol].lot_size) * intent.qty_lots
    return Parent(intent.parent, DIRECT, intent.side, format(asked, "f"), [intent.symbol], slices_done=1)


def _name_of(asked: control.OrderRequested | control.RouteRequested, event: Event) -> str:
    letter = "m" if isinstance(asked, control.OrderRequested) else "r"
    return letter + base36(event.header.seq)


def _amount(text: str) -> Decimal:
    """Return a decimal of a request, 0 for a text that is none."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return Decimal(0)
    return value if value.is_finite() and abs(value.adjusted()) < DIGITS_MAX else Decimal(0)


def _refusal(asked: Any, event: Event, problem: str) -> RouteProgress:
    """Return the answer to a request that cannot be carried out."""
    is_direct = isinstance(asked, control.OrderRequested)
    quantity = str(asked.qty_lots) if is_direct else asked.quantity
    style = DIRECT if is_direct else asked.style
    name = _name_of(asked, event)
    return RouteProgress(name, style, "refused", asked.side, quantity, "0", "0", quantity, reason=problem)
