"""Which events an instance has to hear, and when: what the walk is told of each between two stops.

An instance is asleep when nothing but its strategy could say something, and its strategy is asked by a gate,
or hears no such event at all. It is awake, and hears everything, while it waits for a book, warms up, or its
state keeps it from quoting. It waits, and hears every book, when it was told of an order's end that frees a
slot at the next book, or a quote is wanted that has no order because the touch is in its way. Behind an own
order or a cancel a quote waits for the report. It is called at the time at which the back-off ends, or a
cancel without an answer is sent again.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from services.backtest.array_cores import HostedStrategies
from services.strategy import quoter
from services.strategy.base import Strategy
from services.strategy.instance import Instance
from services.strategy.quoter import CANCEL_AGAIN_NS, DOUBT_NS, RETRY_NS, TRIES_PER_WINDOW, WINDOW_NS
from services.strategy.standing import MAY_REST
from shared.kernels.walk_lane import Lane, Seat
from shared.units import INT64_MAX


class Place(NamedTuple):
    """One instance with its seat in the walk."""

    seat: Seat
    instance: Instance


class Seats:
    """The seats of all instances; `wake_ns` is when the next one has to be called whatever happens."""

    def __init__(self, strategies: HostedStrategies, *, is_gated: bool) -> None:
        self.wake_ns = INT64_MAX
        self._strategies = strategies
        self._is_gated = is_gated
        self._by_lane: dict[int, list[Place]] = {}
        self._by_name: dict[str, Place] = {}
        self._wakes: dict[str, int] = {}

    def begin(self, lanes: Mapping[str, Lane]) -> None:
        """Give every instance its seat: after the rules of its market were told."""
        for symbol, lane in lanes.items():
            places = [Place(Seat(), instance) for instance in self._strategies.of(symbol)]
            self._by_lane[id(lane)] = places
            for place in places:
                lane.seats.append(place.seat)
                self._by_name[place.instance.name] = place
                self._sit(place)

    def _sit(self, place: Place) -> None:
        """Find out which callbacks there are to call, and the gate before them."""
        seat, instance = place
        strategy, ctx = instance.strategy, instance.ctx
        if strategy is None or ctx is None:
            seat.hears_books = seat.hears_trades = seat.hears_ticks = False
            return
        kind = type(strategy)
        seat.hears_books = kind.on_book is not Strategy.on_book
        seat.hears_trades = kind.on_trade is not Strategy.on_trade and "hide_trades" not in ctx.flags
        seat.hears_ticks = kind.on_timer is not Strategy.on_timer
        seat.gate = strategy.gate(ctx) if self._is_gated else None

    @property
    def gate_count(self) -> int:
        """Return how many instances have a gate."""
        return sum(place.seat.gate is not None for place in self._by_name.values())

    def called(self, lane: Lane) -> list[Instance]:
        """Return the instances of a market that the walk has stopped for."""
        return [instance for seat, instance in self._by_lane[id(lane)] if seat.is_called]

    def wake(self, now_ns: int) -> None:
        """Let those hear the next event whose time has come."""
        if self.wake_ns > now_ns:
            return
        for name, wake_ns in list(self._wakes.items()):
            if wake_ns <= now_ns:
                del self._wakes[name]
                self._by_name[name].seat.is_awake = True
        self.wake_ns = min(self._wakes.values(), default=INT64_MAX)

    def called_at_tick(self, now_ns: int) -> tuple[list[Instance], list[Instance]]:
        """Return the instances that hear a tick, and all that decide at it: also whose time has come."""
        heard = [one.instance for _, one in sorted(self._by_name.items()) if one.seat.is_called]
        self.wake(now_ns)
        seated = sorted(self._by_name.items())
        return heard, [one.instance for _, one in seated if one.seat.is_called or one.seat.is_awake]

    def refresh_named(self, names: Iterable[str], now_ns: int) -> None:
        """Look at instances again of which something was said."""
        for name in names:
            place = self._by_name.get(name)
            if place is not None:
                self._refresh(place, now_ns)

    def refresh(self, instances: Iterable[Instance], now_ns: int) -> None:
        """Look at instances again that were called."""
        for instance in instances:
            self._refresh(self._by_name[instance.name], now_ns)

    def refresh_all(self, now_ns: int) -> None:
        """Look at every instance again: what is allowed has changed."""
        for place in self._by_name.values():
            self._refresh(place, now_ns)

    def _refresh(self, place: Place, now_ns: int) -> None:
        seat, instance = place
        seat.position_lots = instance.position_lots
        self._strategies.calm.discard(instance.name)
        if not self._is_gated:
            seat.is_awake = True
            return
        if self._is_out(instance):
            seat.is_awake = seat.is_waiting = False
            seat.hears_books = seat.hears_trades = seat.hears_ticks = False
            return
        is_calm = not (
            instance.is_unsure
            or instance.said.state not in MAY_REST
            or not self._strategies.is_warm(instance)
        )
        seat.is_awake = not is_calm
        is_wanting = instance.is_dirty and self._is_wanting(instance, now_ns)
        seat.is_waiting = bool(instance.spent_slots) or is_wanting
        if is_calm and not seat.is_waiting:
            self._strategies.calm.add(instance.name)
        if is_calm and instance.is_dirty:
            self._wakes[instance.name] = self._wake_ns(instance, now_ns)
            self.wake_ns = min(self.wake_ns, self._wakes[instance.name])
        elif instance.name in self._wakes:
            del self._wakes[instance.name]
            self.wake_ns = min(self._wakes.values(), default=INT64_MAX)

    def _is_out(self, instance: Instance) -> bool:
        """Return whether it says nothing any more, whatever happens in its market."""
        is_off = not instance.is_enabled and instance.said.state == "paused" and not instance.orders.by_slot
        return instance.strategy is None or is_off or self._strategies.is_killed

    def _is_wanting(self, instance: Instance, now_ns: int) -> bool:
        """Return whether the next book may let an order leave that is wanted."""
        targets, orders = instance.targets, instance.orders.by_slot
        if targets is None:
            return False
        room_lots = instance.position_lots
        is_reducing = self._strategies.is_reducing(instance)
        for quote in targets.quotes:
            if is_reducing and quote.side.sign * room_lots >= 0:
                continue
            if quote.slot in orders or not instance.back_off.allows(quote.slot, now_ns):
                continue
            if not quoter.crosses_own(quote.side, quote.price_ticks, orders.values()):
                return True
        return False

    @staticmethod
    def _wake_ns(instance: Instance, now_ns: int) -> int:
        """Return when time alone lets it send something: a cancel again, an order after the back-off."""
        wakes = [INT64_MAX]
        for order in instance.orders.by_slot.values():
            if order.cancel_ns:
                wakes.append(order.cancel_ns + CANCEL_AGAIN_NS)
            if order.doubt_ns:
                wakes.append(order.doubt_ns + DOUBT_NS)
        wanted = {quote.slot for quote in instance.targets.quotes} if instance.targets is not None else set()
        for slot, times in instance.back_off.dump():
            if slot in wanted and slot not in instance.orders.by_slot:
                recent = [at for at in times if at > now_ns - WINDOW_NS]
                if len(recent) >= TRIES_PER_WINDOW:
                    wakes.append(recent[-TRIES_PER_WINDOW] + WINDOW_NS)
                if recent:
                    wakes.append(recent[-1] + RETRY_NS)
        later = [wake_ns for wake_ns in wakes if wake_ns > now_ns]
        return min(later, default=INT64_MAX)
