# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
# mypy: disable-error-code="arg-type"
"""Stores of the backtest engine: what is under way, rows that are kept, orders by slot. Integers, no objects.

C signatures are in backtest_store.pxd. Nothing allocates per entry: stores double when they are full.
"""

import array

import cython

if not cython.compiled:
    NEVER_NS = 2**63 - 1

WIDTH = cython.declare(cython.longlong, 12)
ORDERS_FIRST = cython.declare(cython.longlong, 64)
PPM = cython.declare(cython.longlong, 1_000_000)


def zeros(count: int) -> "array.array[int]":
    """Return `count` zeros of 64 bits."""
    return array.array("q", bytes(8 * count))


def share_up(value: cython.longlong, ppm: cython.longlong) -> cython.longlong:
    """Return value * ppm / 10^6 rounded up, exact without a product beyond 64 bits; ppm may be negative."""
    whole: cython.longlong = value // PPM
    return whole * ppm - (-((value - whole * PPM) * ppm) // PPM)


@cython.final
@cython.cclass
class Timeline:
    """Entries in the order of (time due, order of coming); `due_ns` is the first one's, else `NEVER_NS`."""

    def __init__(self) -> None:
        self._capacity = 256
        self.data = zeros(self._capacity * WIDTH)
        self._head = self._tail = 0
        self.due_ns = NEVER_NS

    def __len__(self) -> int:
        return self._tail - self._head

    def place(self, due_ns: cython.longlong) -> cython.Py_ssize_t:
        """Make room for an entry behind those due at or before it; return where its fields begin."""
        at: cython.longlong
        field: cython.longlong
        if self._tail == self._capacity:
            self._make_room()
        at = self._tail
        while at > self._head and self.data[(at - 1) * WIDTH] > due_ns:
            for field in range(WIDTH):
                self.data[at * WIDTH + field] = self.data[(at - 1) * WIDTH + field]
            at -= 1
        self._tail += 1
        self.data[at * WIDTH] = due_ns
        self.due_ns = self.data[self._head * WIDTH]
        return at * WIDTH

    def head(self) -> cython.longlong:
        """Return where the fields of the first entry begin."""
        return self._head * WIDTH

    def drop(self) -> cython.int:
        """Forget the first entry; its fields stay readable until the next `place`."""
        self._head += 1
        if self._head == self._tail:
            self._head = self._tail = 0
            self.due_ns = NEVER_NS
        else:
            self.due_ns = self.data[self._head * WIDTH]
        return 0

    def _make_room(self) -> cython.int:
        """Move the entries to the front, into a store of twice the size when more than half is in use."""
        old: cython.longlong[::1] = self.data
        count: cython.longlong = self._tail - self._head
        index: cython.longlong
        if 2 * count > self._capacity:
            self._capacity *= 2
            self.data = zeros(self._capacity * WIDTH)
        for index in range(count * WIDTH):
            self.data[index] = old[self._head * WIDTH + index]
        self._head = 0
        self._tail = count
        return 0


@cython.final
@cython.cclass
class Rows:
    """Rows of `width` integers that only grow."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.count = 0
        self._capacity = 64
        self.data = zeros(self._capacity * width)

    def __len__(self) -> int:
        return self.count

    def place(self) -> cython.Py_ssize_t:
        """Append a row of whatever was there; return where its fields begin."""
        old: cython.longlong[::1]
        index: cython.longlong
        if self.count == self._capacity:
            old = self.data
            self._capacity *= 2
            self.data = zeros(self._capacity * self.width)
            for index in range(self.count * self.width):
                self.data[index] = old[index]
        self.count += 1
        return (self.count - 1) * self.width

    def column(self, field: int) -> "array.array[int]":
        """Return one field of all rows."""
        return array.array("q", memoryview(self.data)[field : self.count * self.width : self.width])

    def take(self) -> list:
        """Return all rows as tuples and forget them."""
        found = list(zip(*(self.column(field) for field in range(self.width)), strict=True))
        self.count = 0
        return found


@cython.final
@cython.cclass
class Orders:
    """Orders that are not over, by slot; a slot is used again, a `serial` never is.

    `leaves_lots` and `state` are the venue's view, `known_lots` and `stage` what we have heard.
    """

    def __init__(self) -> None:
        self._capacity = 0
        self._free_count = 0
        self.sent_count = 0
        none = zeros(0)
        self.serial = self.handle = self.owner = self.market = self.side = self.price_ticks = none
        self.qty_lots = self.leaves_lots = self.flags = self.state = self.stage = self.known_lots = none
        self.risk_ticks = self.sent_ns = self.arrive_ns = self.accepted_ns = self.filled_ns = none
        self.ahead_lots = self._free = none
        self._grow()

    def take(self) -> cython.Py_ssize_t:
        """Return an unused slot with its own serial."""
        slot: cython.longlong
        if self._free_count == 0:
            self._grow()
        self._free_count -= 1
        self.sent_count += 1
        slot = self._free[self._free_count]
        self.serial[slot] = self.sent_count
        return slot

    def give_back(self, slot: cython.longlong) -> cython.int:
        """Let a slot be used again; what refers to its serial finds it no more."""
        self.serial[slot] = 0
        self.stage[slot] = 0
        self._free[self._free_count] = slot
        self._free_count += 1
        return 0

    def _grow(self) -> cython.int:
        """Double the slots; called with none free."""
        index: cython.longlong
        old: cython.longlong = self._capacity
        size: cython.longlong = max(ORDERS_FIRST, 2 * old)
        self.serial = longer(self.serial, old, size)
        self.handle = longer(self.handle, old, size)
        self.owner = longer(self.owner, old, size)
        self.market = longer(self.market, old, size)
        self.side = longer(self.side, old, size)
        self.price_ticks = longer(self.price_ticks, old, size)
        self.qty_lots = longer(self.qty_lots, old, size)
        self.leaves_lots = longer(self.leaves_lots, old, size)
        self.flags = longer(self.flags, old, size)
        self.state = longer(self.state, old, size)
        self.stage = longer(self.stage, old, size)
        self.known_lots = longer(self.known_lots, old, size)
        self.risk_ticks = longer(self.risk_ticks, old, size)
        self.sent_ns = longer(self.sent_ns, old, size)
        self.arrive_ns = longer(self.arrive_ns, old, size)
        self.accepted_ns = longer(self.accepted_ns, old, size)
        self.filled_ns = longer(self.filled_ns, old, size)
        self.ahead_lots = longer(self.ahead_lots, old, size)
        self._free = zeros(size)
        for index in range(size - old):
            self._free[index] = size - 1 - index
        self._free_count = size - old
        self._capacity = size
        return 0


def longer(old: object, used: int, size: int) -> "array.array[int]":
    """Return a copy of the first `used` values with room for `size`."""
    values = zeros(size)
    if used:
        values[:used] = array.array("q", memoryview(old)[:used])
    return values
