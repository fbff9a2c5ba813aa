"""Where profit comes from: spread, adverse selection, inventory, fees, funding (RK-29).

Of a fill of q lots (signed: a buy is positive) at price p while the mid is m0, marked later at m:

    spread    = q * (m0 - p)                   earned, or paid, against the mid of the moment
    adverse_k = q * (m(h_k) - m(h_k-1))        what the mid did to it within 0.1, 1, 10 and 60 s, each beyond
                                               the former one; negative when it moved against the fill
    inventory = the rest of the mark to market

so that spread + adverse + inventory - fees + funding is the change of equity. m(h) is the last mid known at
or before the time of the fill plus h; a mid counts from the last trusted book. Mids are held in half ticks
(bid + ask) and sums in half atoms, so nothing is rounded until a total is told.

Memory: one record per fill for 60 s, in queues in the order of time, so each is looked at five times.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from shared.double_entry import Wide, wide
from shared.units import NS_PER_MS, NS_PER_S

HORIZONS_NS = (100 * NS_PER_MS, NS_PER_S, 10 * NS_PER_S, 60 * NS_PER_S)
"""After how long a fill is compared with the mid."""
PENDING_MAX = 4096
"""Fills of a market that may wait for one horizon; the oldest beyond it is settled at the mid of then."""

Key = tuple[str, str]


class Parts(NamedTuple):
    """The parts of the profit of one strategy in one market, in atoms of the quote asset."""

    spread_atoms: int
    adverse_100ms_atoms: int
    adverse_1s_atoms: int
    adverse_10s_atoms: int
    adverse_60s_atoms: int
    inventory_atoms: int
    fees_atoms: int
    funding_atoms: int
    equity_atoms: int


class Waiting(NamedTuple):
    """A fill that waits for its next horizon: one half tick is worth `value` half atoms to it."""

    fill_ns: int
    strategy: str
    value: Wide
    mid_half_ticks: int


class SplitState(NamedTuple):
    """A dump of a `ProfitSplit`."""

    sums: list[tuple[str, str, tuple[Wide, ...]]]
    waiting: list[tuple[str, int, list[list[Waiting]]]]


class ProfitSplit:
    """Spread and adverse selection of each (strategy, symbol), from fills, mids and time."""

    def __init__(self) -> None:
        self._sums: dict[Key, list[int]] = {}
        self._queues: dict[str, list[deque[Waiting]]] = {}
        self._mids: dict[str, int] = {}
        self._due_ns: dict[str, int] = {}

    def take_fill(
        self,
        key: Key,
        signed_lots: int,
        price_ticks: int,
        tick_lot_atoms: int,
        mid_half_ticks: int,
        ts_ns: int,
    ) -> None:
        """Take one fill; a `mid_half_ticks` of 0 (no trusted book was ever seen) stands for its own price."""
        strategy, symbol = key
        mid = mid_half_ticks or 2 * price_ticks
        self.take_mid(symbol, mid, ts_ns)
        value = signed_lots * tick_lot_atoms
        sums = self._sums.setdefault(key, [0] * (1 + len(HORIZONS_NS)))
        sums[0] += value * (mid - 2 * price_ticks)
        if symbol not in self._queues:
            self._queues[symbol] = [deque() for _ in HORIZONS_NS]
            self._mids[symbol] = mid
        self._wait(symbol, 0, Waiting(ts_ns, strategy, value, mid))
        self._due_ns[symbol] = self._next_due_ns(symbol)

    def take_mid(self, symbol: str, mid_half_ticks: int, ts_ns: int) -> None:
        """Take the mid of a market from `ts_ns` on; cheap while no fill waits."""
        due_ns = self._due_ns.get(symbol)
        if due_ns is None:
            return
        if due_ns < ts_ns:
            self._settle(symbol, ts_ns)
        if symbol in self._mids:
            self._mids[symbol] = mid_half_ticks

    def pass_time(self, now_ns: int) -> None:
        """Settle every horizon that lies before `now_ns`."""
        for symbol in [symbol for symbol, due_ns in self._due_ns.items() if due_ns < now_ns]:
            self._settle(symbol, now_ns)

    def is_waiting(self, symbol: str) -> bool:
        """Return whether a fill of a market still waits for a horizon."""
        return symbol in self._queues

    def keys(self) -> list[Key]:
        """Return every (strategy, symbol) that had a fill, sorted."""
        return sorted(self._sums)

    def parts(self, key: Key, fees_atoms: int, funding_atoms: int, equity_atoms: int) -> Parts:
        """Return the parts of a profit of `equity_atoms`; halves of atoms are rounded down into inventory."""
        spread, first, second, third, fourth = (half_atoms // 2 for half_atoms in self._sums[key])
        seen = spread + first + second + third + fourth
        inventory = equity_atoms + fees_atoms - funding_atoms - seen
        rest = (inventory, fees_atoms, funding_atoms, equity_atoms)
        return Parts(spread, first, second, third, fourth, *rest)

    def _settle(self, symbol: str, now_ns: int) -> None:
        """Close every horizon before `now_ns`: since the last call the mid has not changed."""
        queues = self._queues[symbol]
        for step, queue in enumerate(queues):
            while queue and queue[0].fill_ns + HORIZONS_NS[step] < now_ns:
                self._close(symbol, step)
        if any(queues):
            self._due_ns[symbol] = self._next_due_ns(symbol)
        else:
            del self._queues[symbol], self._mids[symbol], self._due_ns[symbol]

    def _close(self, symbol: str, step: int) -> None:
        """Let the oldest fill that waits for a horizon meet the mid, and wait for the next one."""
        waiting = self._queues[symbol][step].popleft()
        mid = self._mids[symbol]
        self._sums[waiting.strategy, symbol][1 + step] += int(waiting.value) * (mid - waiting.mid_half_ticks)
        if step + 1 < len(HORIZONS_NS):
            self._wait(symbol, step + 1, waiting._replace(mid_half_ticks=mid))

    def _wait(self, symbol: str, step: int, waiting: Waiting) -> None:
        queue = self._queues[symbol][step]
        if len(queue) >= PENDING_MAX:
            self._close(symbol, step)
        queue.append(waiting)

    def _next_due_ns(self, symbol: str) -> int:
        return min(
            queue[0].fill_ns + HORIZONS_NS[step] for step, queue in enumerate(self._queues[symbol]) if queue
        )

    def dump(self) -> SplitState:
        """Return the whole state, canonically ordered."""
        return SplitState(
            sums=sorted((*key, tuple(wide(each) for each in sums)) for key, sums in self._sums.items()),
            waiting=[
                (
                    symbol,
                    self._mids[symbol],
                    [[each._replace(value=wide(int(each.value))) for each in queue] for queue in queues],
                )
                for symbol, queues in sorted(self._queues.items())
            ],
        )

    def load(self, state: SplitState) -> None:
        """Replace everything by a dump."""
        self.__init__()  # type: ignore[misc]
        for strategy, symbol, sums in state.sums:
            self._sums[strategy, symbol] = [int(each) for each in sums]
        for symbol, mid, queues in state.waiting:
            self._mids[symbol] = mid
            self._queues[symbol] = [_loaded(queue) for queue in queues]
            self._due_ns[symbol] = self._next_due_ns(symbol)


def _loaded(queue: Sequence[Waiting]) -> deque[Waiting]:
    return deque(each._replace(value=int(each.value)) for each in queue)
