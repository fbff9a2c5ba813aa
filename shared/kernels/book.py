# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
"""Order book of one market: a ladder window of ticks around the best price, exact levels beyond it.

Each side keeps its levels by `key`: the price of a bid, minus the price of an ask, so that the best level of
either side is the highest key. A window of 16,384 ticks holds lots in an array with a two-step bitmap; levels
below the window lie in a sorted side store, and the window moves when the best level leaves its middle.
Nothing lies above the window. No allocation per update while the levels are inside it.
"""

import array
from bisect import bisect_left, insort

import cython

if not cython.compiled:
    from shared.kernels.words import (
        WINDOW_TICKS,
        WINDOW_TOPS,
        WINDOW_WORDS,
        kernel_i64,
        kernel_lsb,
        kernel_msb,
    )

# The best level is put here, and the window is moved when it falls below a quarter.
BEST_SLOT = cython.declare(cython.longlong, 12288)
LOW_SLOT = cython.declare(cython.longlong, 4096)
TOP_MAX = cython.declare(cython.longlong, 64)
PRICE_TICKS_MAX = cython.declare(cython.longlong, 1_000_000_000_000)
LOTS_MAX = cython.declare(cython.longlong, 1_000_000_000_000_000)
ALL_BITS = cython.declare(cython.ulonglong, 0xFFFFFFFFFFFFFFFF)
ONE = cython.declare(cython.ulonglong, 1)


@cython.final
@cython.cclass
class Book:
    """Price levels of one market in ticks and lots; invalid until its first snapshot.

    Prices lie in 1..10^12 ticks, lots in 0..10^15. A levels block is little-endian int64 pairs
    (price_ticks, lots), bids first; lots 0 deletes, deleting an unknown level is normal.
    """

    def __init__(self) -> None:
        # Compiled, these are C arrays in the object, zero at first (book.pxd).
        if not cython.compiled:
            self._lots = array.array("q", bytes(8 * 2 * WINDOW_TICKS))
            self._bits = array.array("Q", bytes(8 * 2 * WINDOW_WORDS))
            self._words = array.array("Q", bytes(8 * 2 * WINDOW_TOPS))
            self._base = array.array("q", [0, 0])
            self._best = array.array("q", [0, 0])
            self._top_price = array.array("q", bytes(8 * 2 * TOP_MAX))
            self._top_lots = array.array("q", bytes(8 * 2 * TOP_MAX))
        self._best[0] = self._best[1] = -1
        self._far_keys = [[], []]  # type: ignore[var-annotated]
        self._far_lots = [{}, {}]  # type: ignore[var-annotated]
        self._update_n = 0
        self._valid = False

    # ---- what a service calls

    def snapshot(self, levels: bytes, bid_count: cython.longlong, update_n: cython.longlong) -> None:
        """Replace all levels and become valid; a snapshot restarts the update numbers (DESIGN rule 7).

        Raises:
            ValueError: the block is malformed, or a level is out of range; the book is as before.
        """
        count: cython.longlong = check_levels(levels, bid_count)
        self._clear()
        self._apply(levels, bid_count, count)
        self._update_n = update_n
        self._valid = True

    def update(self, levels: bytes, bid_count: cython.longlong, update_n: cython.longlong) -> cython.bint:
        """Apply changed levels; False, and invalid until the next snapshot, unless `update_n` is last + 1.

        Raises:
            ValueError: the block is malformed, or a level is out of range; the book is as before.
        """
        if not self._valid or update_n != self._update_n + 1:
            self._valid = False
            return False
        self._apply(levels, bid_count, check_levels(levels, bid_count))
        self._update_n = update_n
        return True

    def invalidate(self) -> None:
        """Distrust the levels until the next snapshot; they stay readable."""
        self._valid = False

    @property
    def is_valid(self) -> bool:
        """Tell whether every update since the last snapshot was applied."""
        return self._valid

    @property
    def is_trusted(self) -> bool:
        """Tell whether the book is valid, has both sides, and is not crossed or locked."""
        has_both: cython.bint = self._best[0] >= 0 and self._best[1] >= 0
        return self._valid and has_both and self._best_price(0) < self._best_price(1)

    @property
    def update_n(self) -> int:
        """Return the number of the last applied snapshot or update."""
        return self._update_n

    @property
    def bid_ticks(self) -> int:
        """Return the best bid price, 0 without bids."""
        return self._best_price(0)

    @property
    def bid_lots(self) -> int:
        """Return the lots at the best bid, 0 without bids."""
        return self._lots[self._best[0]] if self._best[0] >= 0 else 0

    @property
    def ask_ticks(self) -> int:
        """Return the best ask price, 0 without asks."""
        return self._best_price(1)

    @property
    def ask_lots(self) -> int:
        """Return the lots at the best ask, 0 without asks."""
        return self._lots[WINDOW_TICKS + self._best[1]] if self._best[1] >= 0 else 0

    def lots_at(self, side: cython.longlong, price_ticks: cython.longlong) -> int:
        """Return the lots at one price of a side (0 bids, 1 asks); 0 where there is no level."""
        check_side(side)
        if price_ticks <= 0 or price_ticks > PRICE_TICKS_MAX:
            return 0
        key: cython.longlong = -price_ticks if side else price_ticks
        slot: cython.longlong = key - self._base[side]
        if 0 <= slot < WINDOW_TICKS:
            return self._lots[side * WINDOW_TICKS + slot]
        return self._far_lots[side].get(key, 0)

    def levels(self, side: cython.longlong, count: cython.longlong) -> list:
        """Return up to `count` levels of a side as (price_ticks, lots), best first."""
        found: list = []
        slot: cython.longlong
        far: list
        index: cython.longlong
        check_side(side)
        slot = self._best[side]
        while slot >= 0 and len(found) < count:
            key: cython.longlong = self._base[side] + slot
            found.append((-key if side else key, self._lots[side * WINDOW_TICKS + slot]))
            slot = self._below(side, slot)
        far = self._far_keys[side]
        index = len(far) - 1
        while index >= 0 and len(found) < count:
            key = far[index]
            found.append((-key if side else key, self._far_lots[side][key]))
            index -= 1
        return found

    def depth_lots(self, side: cython.longlong, count: cython.longlong) -> int:
        """Return the lots of the best `count` levels of a side together."""
        total: cython.longlong = 0
        index: cython.longlong
        check_side(side)
        if count > TOP_MAX:
            return sum([lots for _, lots in self.levels(side, count)])
        for index in range(self._top(side, count)):
            total += self._top_lots[side * TOP_MAX + index]
        return total

    def dump(self) -> tuple:
        """Return (levels block, bid_count), best first on each side: the canonical input of `snapshot`."""
        values = array.array("q")
        bid_count: cython.longlong = 0
        for price_ticks, lots in self.levels(0, PRICE_TICKS_MAX):
            values.extend((price_ticks, lots))
            bid_count += 1
        for price_ticks, lots in self.levels(1, PRICE_TICKS_MAX):
            values.extend((price_ticks, lots))
        return values.tobytes(), bid_count

    # ---- the ladder; C signatures in book.pxd

    def _below(self, s: cython.longlong, slot: cython.longlong) -> cython.longlong:
        """Return the highest used slot below `slot`, or -1."""
        word: cython.longlong
        top: cython.longlong
        mask: cython.ulonglong
        if slot <= 0:
            return -1
        slot -= 1
        word = slot >> 6
        mask = self._bits[s * WINDOW_WORDS + word] & (ALL_BITS >> (63 - (slot & 63)))
        if mask == 0:
            if word == 0:
                return -1
            word -= 1
            top = word >> 6
            mask = self._words[s * WINDOW_TOPS + top] & (ALL_BITS >> (63 - (word & 63)))
            while mask == 0:
                top -= 1
                if top < 0:
                    return -1
                mask = self._words[s * WINDOW_TOPS + top]
            word = (top << 6) + kernel_msb(mask)
            mask = self._bits[s * WINDOW_WORDS + word]
        return (word << 6) + kernel_msb(mask)

    def _best_price(self, s: cython.longlong) -> cython.longlong:
        """Return the best price of a side, 0 when it is empty."""
        price_ticks: cython.longlong = self._base[s] + self._best[s] if self._best[s] >= 0 else 0
        return -price_ticks if s else price_ticks

    def _place(self, s: cython.longlong, key: cython.longlong, lots: cython.longlong) -> cython.int:
        """Set one level, moving the window when a better level lies above it."""
        slot: cython.longlong = key - self._base[s]
        if self._best[s] < 0 or slot >= WINDOW_TICKS:
            if lots == 0:
                return 0
            self._recentre(s, key)
            slot = BEST_SLOT
        elif slot < 0:
            return self._place_far(s, key, lots)
        if lots == 0:
            return self._unset(s, slot)
        self._set(s, slot, lots)
        return 0

    def _set(self, s: cython.longlong, slot: cython.longlong, lots: cython.longlong) -> cython.void:
        """Put lots into a slot of the window."""
        self._lots[s * WINDOW_TICKS + slot] = lots
        self._bits[s * WINDOW_WORDS + (slot >> 6)] |= ONE << (slot & 63)
        self._words[s * WINDOW_TOPS + (slot >> 12)] |= ONE << ((slot >> 6) & 63)
        self._best[s] = max(self._best[s], slot)

    def _unset(self, s: cython.longlong, slot: cython.longlong) -> cython.int:
        """Empty a slot of the window."""
        word: cython.longlong = s * WINDOW_WORDS + (slot >> 6)
        self._lots[s * WINDOW_TICKS + slot] = 0
        self._bits[word] &= ~(ONE << (slot & 63))
        if self._bits[word] == 0:
            self._words[s * WINDOW_TOPS + (slot >> 12)] &= ~(ONE << ((slot >> 6) & 63))
        return self._drop_best(s, slot) if slot == self._best[s] else 0

    def _place_far(self, s: cython.longlong, key: cython.longlong, lots: cython.longlong) -> cython.int:
        """Set one level below the window in the sorted side store."""
        keys: list = self._far_keys[s]
        store: dict = self._far_lots[s]
        if lots:
            if key not in store:
                insort(keys, key)
            store[key] = lots
        elif key in store:
            del store[key]
            del keys[bisect_left(keys, key)]
        return 0

    def _drop_best(self, s: cython.longlong, slot: cython.longlong) -> cython.int:
        """Find the next best level after the best was deleted; far levels are moved in when it lies low."""
        keys: list = self._far_keys[s]
        best: cython.longlong = self._below(s, slot)
        self._best[s] = best
        if best < LOW_SLOT and keys:
            self._recentre(s, self._base[s] + best if best >= 0 else keys[len(keys) - 1])
        return 0

    def _recentre(self, s: cython.longlong, best_key: cython.longlong) -> cython.int:
        """Move the window so that `best_key`, at or above every level, lies in its upper middle."""
        moved: list = []
        keys: list = self._far_keys[s]
        store: dict = self._far_lots[s]
        slot: cython.longlong = self._best[s]
        base: cython.longlong = best_key - BEST_SLOT
        cut: cython.longlong
        while slot >= 0:
            moved.append((self._base[s] + slot, self._lots[s * WINDOW_TICKS + slot]))
            slot = self._below(s, slot)
        self._wipe(s)
        cut = bisect_left(keys, base)
        moved.extend([(key, store.pop(key)) for key in keys[cut:]])
        del keys[cut:]
        self._base[s] = base
        for key, lots in moved:
            if key >= base:
                self._set(s, key - base, lots)
            else:
                self._place_far(s, key, lots)
        return 0

    def _clear(self) -> cython.int:
        """Empty both sides."""
        s: cython.longlong
        for s in range(2):
            self._wipe(s)
            if self._far_keys[s]:
                self._far_keys[s] = []
                self._far_lots[s] = {}
        return 0

    def _wipe(self, s: cython.longlong) -> cython.void:
        """Empty the window of a side, touching only the slots in use."""
        top: cython.longlong
        word: cython.longlong
        mask: cython.ulonglong
        words: cython.ulonglong
        for top in range(WINDOW_TOPS):
            words = self._words[s * WINDOW_TOPS + top]
            while words:
                word = (top << 6) + kernel_msb(words)
                words &= ~(ONE << (word & 63))
                mask = self._bits[s * WINDOW_WORDS + word]
                while mask:
                    self._lots[s * WINDOW_TICKS + (word << 6) + kernel_lsb(mask)] = 0
                    mask &= mask - 1
                self._bits[s * WINDOW_WORDS + word] = 0
            self._words[s * WINDOW_TOPS + top] = 0
        self._best[s] = -1

    def _apply(self, levels: bytes, bid_count: cython.longlong, count: cython.longlong) -> cython.int:
        """Set the levels of a checked block in order."""
        index: cython.longlong
        if cython.compiled:
            data: cython.p_const_char = levels
        else:
            data = array.array("q", levels)
        for index in range(count):
            s: cython.longlong = 1 if index >= bid_count else 0
            key: cython.longlong = -kernel_i64(data, 2 * index) if s else kernel_i64(data, 2 * index)
            lots: cython.longlong = kernel_i64(data, 2 * index + 1)
            slot: cython.longlong = key - self._base[s]
            # A level that exists and stays is the common case: only its lots change.
            if lots and 0 <= slot < WINDOW_TICKS and self._lots[s * WINDOW_TICKS + slot]:
                self._lots[s * WINDOW_TICKS + slot] = lots
            else:
                self._place(s, key, lots)
        return 0

    def _top(self, s: cython.longlong, count: cython.longlong) -> cython.int:
        """Write the best levels into the scratch rows of a side (at most 64); return how many there are."""
        found: cython.longlong = 0
        slot: cython.longlong = self._best[s]
        if count > TOP_MAX:
            raise ValueError(f"depth {count}: at most {TOP_MAX} levels")
        while slot >= 0 and found < count:
            self._top_price[s * TOP_MAX + found] = -(self._base[s] + slot) if s else self._base[s] + slot
            self._top_lots[s * TOP_MAX + found] = self._lots[s * WINDOW_TICKS + slot]
            found += 1
            slot = self._below(s, slot) if found < count else -1
        if found < count and self._far_keys[s]:
            for price_ticks, lots in self.levels(s, count)[found:]:
                self._top_price[s * TOP_MAX + found] = price_ticks
                self._top_lots[s * TOP_MAX + found] = lots
                found += 1
        return found


@cython.cfunc
@cython.inline
@cython.exceptval(-1, check=False)
def check_side(side: cython.longlong) -> cython.int:
    """Refuse a side that is neither 0 (bids) nor 1 (asks)."""
    if side not in {0, 1}:
        raise ValueError(f"book side {side}: must be 0 (bids) or 1 (asks)")
    return 0


@cython.cfunc
@cython.exceptval(-1, check=False)
def check_levels(levels: bytes, bid_count: cython.longlong) -> cython.longlong:
    """Return the number of levels of a block, every one of them in range."""
    count: cython.longlong
    index: cython.longlong
    signs: cython.longlong = 0
    if not isinstance(levels, bytes):
        raise TypeError(f"a levels block is bytes, not {type(levels).__name__}")
    count = len(levels) // 16
    if len(levels) != 16 * count or bid_count < 0 or bid_count > count:
        raise ValueError(
            f"levels block of {len(levels)} bytes with {bid_count} bids: 16 bytes a level, bids first"
        )
    if cython.compiled:
        data: cython.p_const_char = levels
    else:
        data = array.array("q", levels)
    # The sign is set when any value is out of range: no branch per level.
    for index in range(count):
        price_ticks: cython.longlong = kernel_i64(data, 2 * index)
        lots: cython.longlong = kernel_i64(data, 2 * index + 1)
        signs |= (price_ticks - 1) | (PRICE_TICKS_MAX - price_ticks) | lots | (LOTS_MAX - lots)
    if signs >= 0:
        return count
    for index in range(count):
        price_ticks = kernel_i64(data, 2 * index)
        lots = kernel_i64(data, 2 * index + 1)
        if not (0 < price_ticks <= PRICE_TICKS_MAX and 0 <= lots <= LOTS_MAX):
            break
    raise ValueError(
        f"level {index} of a block: price {price_ticks} must be 1..{PRICE_TICKS_MAX} ticks, "
        f"quantity {lots} must be 0..{LOTS_MAX} lots"
    )
