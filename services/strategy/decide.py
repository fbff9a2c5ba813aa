"""Turn what an instance wants into messages: status, notes, cancels, orders."""

import msgspec

from services.strategy import quoter, standing
from services.strategy.base import CancelOrder, Context, Note, PlaceOrder, Quote, TargetQuotes
from services.strategy.capital import has_capital
from services.strategy.flatten import FLATTENED, Closing, next_step
from services.strategy.instance import Instance
from services.strategy.own_orders import OwnOrder, client_order_id
from services.strategy.quoter import Touch
from services.strategy.standing import KEPT
from services.strategy.world import World
from shared.core import Output
from shared.messages import Message
from shared.messages.control import InstanceFailed, StrategyNote, StrategyStatus
from shared.messages.orders import CancelIntent, OrderIntent, OrderType, TimeInForce
from shared.messages.shadow import VersionStarted
from shared.units import NS_PER_S

NOTE_AGAIN_NS = 60 * NS_PER_S
"""The same note is said at most once in this time."""

TEXT_EVERY_NS = NS_PER_S
"""A changed status text is said at most once in this time."""


class Decision:
    """What one instance says because of one event."""

    def __init__(self, instance: Instance, world: World, now_ns: int, epoch: int, is_warm: bool) -> None:
        self.instance = instance
        self.world = world
        self.now_ns = now_ns
        self.epoch = epoch
        self.is_warm = is_warm
        self.said: list[Output] = []

    def run(self) -> list[Output]:
        """Decide, fold, and return what is said, in order."""
        self._run()
        if self.instance.failure and not self.instance.is_failure_said:
            # It raised just now: say so and withdraw within the same event.
            self._say(InstanceFailed(self.instance.name, self.instance.failure, self.instance.blocked_n))
            self._run()
        return self.said

    def _run(self) -> None:
        instance = self.instance
        if not instance.is_version_said:
            self._say(_version_of(instance))
        state, reason = standing.judge(instance, self.world, self.now_ns, is_warm=self.is_warm)
        self._status(state, reason)
        if reason == KEPT:
            # What rests stays as it is, whatever is wanted meanwhile; commands are void.
            instance.commands.clear()
        elif instance.closing is not None and instance.ctx is not None:
            instance.commands.clear()
            self._close(instance.closing, instance.ctx)
        elif state not in standing.MAY_REST:
            instance.commands.clear()
            if not (state == "pulled" and self._is_explained()):
                self._withdraw(reason)
        elif self._is_reducing and self._is_explained():
            # Risk reduces until all are back: what rests since before the stop stays.
            instance.commands.clear()
        else:
            self._commands()
            if instance.is_dirty:
                self._quotes()
        self._notes()

    def _close(self, closing: Closing, ctx: Context) -> None:
        """Take the next step to a position of zero; while nothing may rest only cancels leave."""
        instance = self.instance
        if self.world.hold_reason(instance.symbol, instance.name):
            self._withdraw("flatten")
            return
        step = next_step(closing, ctx, instance.orders, self.now_ns)
        for order in step.cancels:
            self._cancel(order, "flatten")
        if step.place is not None:
            self._place(step.place)
        if step.ended:
            self._say(StrategyNote(instance.name, "info", FLATTENED, step.ended))

    @property
    def _is_reducing(self) -> bool:
        return self.world.is_reducing(self.instance.name, self.instance.symbol)

    def _is_explained(self) -> bool:
        return standing.is_explained(self.instance, self.world, self.now_ns)

    # ---- telling

    def _say(self, message: Message) -> None:
        instance = self.instance
        told = message if instance.shadow is None else instance.shadow.told(message)
        self.said.append(Output(f"strategy/{instance.name}", told))
        instance.fold(told, self.now_ns)

    def _status(self, state: str, reason: str) -> None:
        instance = self.instance
        # The strategy is told first: its text is that of the new state.
        is_new = standing.enter(instance, state, reason)
        if not is_new and self.now_ns - instance.said_ns < TEXT_EVERY_NS:
            return
        instance.said_ns = self.now_ns
        text = instance.status_text()
        if is_new or text != instance.said.text:
            self._say(StrategyStatus(instance.name, state, reason, text))

    def _notes(self) -> None:
        instance = self.instance
        for note in instance.notes:
            last_ns = instance.noted_ns.get(note.code)
            if last_ns is None or self.now_ns - last_ns >= NOTE_AGAIN_NS:
                self._say(StrategyNote(instance.name, note.level, note.code, note.text))
        instance.notes.clear()

    # ---- orders

    def _cancel(self, order: OwnOrder, reason: str) -> None:
        self._say(CancelIntent(order.client_order_id, self.instance.name, self.instance.symbol, reason))

    def _withdraw(self, reason: str) -> None:
        for order in self.instance.orders.dump():
            if quoter.should_cancel(order, self.now_ns):
                self._cancel(order, reason)

    def _quotes(self) -> None:
        instance = self.instance
        targets = instance.targets
        if targets is None:
            # Nothing was ever wanted or refused: what rests since before a restart stays (ST-17).
            instance.is_dirty = False
            return
        book = self.world.book(instance.symbol)
        quotes = [quote for quote in self._allowed(targets) if quote.slot not in instance.spent_slots]
        touch = Touch(book.bid_ticks, book.ask_ticks)
        left_alone = self._left_alone()
        plan = quoter.plan(quotes, instance.orders, instance.back_off, touch, self.now_ns, left_alone)
        is_waiting = bool(plan.places) and not self.is_warm
        instance.is_dirty = is_waiting or not plan.is_complete
        for order, reason in plan.cancels:
            self._cancel(order, reason or targets.reason)
        for quote in plan.places:
            wanted = PlaceOrder(
                quote.slot,
                quote.side,
                quote.price_ticks,
                quote.qty_lots,
                OrderType.LIMIT,
                TimeInForce.GTC,
                quote.is_post_only,
                quote.is_reduce_only,
                quote.reason or targets.reason,
            )
            if self._has_room(wanted):
                self._place(wanted)

    def _left_alone(self) -> list[str]:
        """Return the slots of orders that a command placed: no target was ever there.

        While risk reduces those alone that close.
        """
        instance = self.instance
        if self._is_reducing:
            sign = instance.position_lots
            found = (one for one in instance.orders.by_slot.values() if one.side.sign * sign < 0)
            return [one.slot for one in found if one.slot not in instance.quoted_slots]
        return [slot for slot in instance.orders.by_slot if slot not in instance.quoted_slots]

    def _allowed(self, targets: TargetQuotes) -> list[Quote]:
        """Return the quotes that the trading state allows: all, or those that shrink the position."""
        if not self._is_reducing:
            return list(targets.quotes)
        allowed = []
        room_lots = self.instance.position_lots
        for quote in targets.quotes:
            if quote.side.sign * room_lots < 0:
                qty_lots = min(quote.qty_lots, abs(room_lots))
                room_lots += quote.side.sign * qty_lots
                allowed.append(msgspec.structs.replace(quote, qty_lots=qty_lots))
        return allowed

    def _commands(self) -> None:
        instance = self.instance
        commands, instance.commands = instance.commands, []
        for command in commands:
            if isinstance(command, CancelOrder):
                order = instance.orders.by_slot.get(command.slot)
                if order is not None and quoter.should_cancel(order, self.now_ns):
                    self._cancel(order, command.reason)
            elif self._may_place(command):
                self._place(command)

    def _may_place(self, command: PlaceOrder) -> bool:
        instance = self.instance
        if command.slot in instance.orders.by_slot:
            return False
        if not instance.back_off.allows(command.slot, self.now_ns):
            return False
        others = instance.orders.by_slot.values()
        if not command.stop_ticks and quoter.crosses_own(command.side, command.price_ticks, others):
            return False
        return self._has_room(command)

    def _has_room(self, order: PlaceOrder) -> bool:
        """Return whether it keeps to the cap on its capital, and to the position where none may be added.

        That is while risk reduces and while the instance warms up. Counted are all orders of its side.
        """
        instance = self.instance
        if (self._is_reducing or not self.is_warm) and not _shrinks(order, instance):
            return False
        problem = has_capital(instance, self.world, order)
        if problem:
            instance.notes.append(Note("warning", "capital_max", problem))
        return not problem

    def _place(self, order: PlaceOrder) -> None:
        instance = self.instance
        generation = instance.generation + 1
        self._say(
            OrderIntent(
                client_order_id(self.epoch, instance.name, order.slot, generation),
                instance.name,
                instance.symbol,
                order.side,
                order.price_ticks,
                order.qty_lots,
                order.order_type,
                order.tif,
                order.is_post_only,
                order.is_reduce_only,
                order.slot,
                order.reason,
                instance.version,
                order.expire_ns,
                order.stop_ticks,
            )
        )


def _version_of(instance: Instance) -> VersionStarted:
    options = instance.options
    return VersionStarted(
        instance.name,
        instance.version,
        options.shadow_of,
        instance.kind,
        instance.symbol,
        instance.params,
        list(options.flags),
    )


def _shrinks(order: PlaceOrder, instance: Instance) -> bool:
    """Return whether the position can only shrink, should all orders of this side be filled."""
    orders = instance.orders.by_slot.values()
    open_lots = sum(each.leaves_lots for each in orders if each.side is order.side) + order.qty_lots
    return open_lots <= -order.side.sign * instance.position_lots
