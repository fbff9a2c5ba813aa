# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
"""How likely is what a waiting order saw, when cancels of others stand ahead of it with a given share?

The lots ahead are not seen, so the kernel carries the chance of each number of them. A cancel of `gone` lots
was ahead with the chance `share * ahead / others`, and the chances move; a trade at our price shows bounds
for the lots ahead, which is what the likelihood is made of. Levels beyond `CELLS` lots are counted in larger
units.
"""

import array

import cython

if cython.compiled:
    from cython.cimports.libc.math import log
else:
    from math import log

CELLS = cython.declare(cython.longlong, 400)
FIELDS = cython.declare(cython.longlong, 4)
# a chance that the book hid something: no single trade may rule a share out
DOUBT = cython.declare(cython.double, 0.01)


@cython.cclass
class QueueLikelihood:
    """Works out one order after another; the room for the chances is made once."""

    _chance: cython.double[::1]

    def __init__(self) -> None:
        self._chance = array.array("d", bytes(8 * (CELLS + 2)))

    def of(
        self,
        steps: cython.longlong[::1],
        count: cython.longlong,
        level_lots: cython.longlong,
        share: cython.double,
    ) -> cython.double:
        """Return the logarithm of the likelihood of `count` steps for an order behind `level_lots`.

        A step is four numbers: whether it is a trade, its lots (of the trade, or of the level from then on),
        and the least and most lots that the trade showed to be ahead before it (most -1: no bound).

        Raises:
            ValueError: a number is out of range.
        """
        unit: cython.longlong
        at: cython.longlong
        row: cython.longlong
        level: cython.longlong = level_lots
        traded: cython.longlong = 0
        total: cython.double = 0.0
        if level_lots < 0 or count < 0 or not 0.0 <= share <= 1.0:
            raise ValueError(f"{count} steps behind {level_lots} lots with share {share}: out of range")
        unit = 1 + level_lots // CELLS
        for at in range(CELLS + 2):
            self._chance[at] = 0.0
        self._chance[level_lots // unit] = 1.0
        for at in range(count):
            row = at * FIELDS
            if steps[row]:
                total += self._trade(steps[row + 1], steps[row + 2], steps[row + 3], unit)
                traded += steps[row + 1]
            else:
                self._cancel(level - traded, steps[row + 1], unit, share)
                level = steps[row + 1]
                traded = 0
        return total

    @cython.cfunc
    @cython.exceptval(check=False)
    def _cancel(
        self, others: cython.longlong, level: cython.longlong, unit: cython.longlong, share: cython.double
    ) -> cython.void:
        """Let the level change from `others` to `level` lots without a trade."""
        gone: cython.longlong = (others - level + unit // 2) // unit if others > level else 0
        most: cython.longlong = level // unit
        ahead: cython.longlong
        target: cython.longlong
        moved: cython.double
        for ahead in range(1, CELLS + 1):
            if self._chance[ahead] == 0.0:
                continue
            if gone > 0 and others > 0:
                moved = share * cython.cast(cython.double, ahead * unit) / cython.cast(cython.double, others)
                moved = self._chance[ahead] * (moved if moved < 1.0 else 1.0)
                target = ahead - gone if ahead > gone else 0
                self._chance[ahead] -= moved
                self._chance[target] += moved
            if ahead > most:
                # A level smaller than the lots ahead shows that they are gone.
                self._chance[most] += self._chance[ahead]
                self._chance[ahead] = 0.0

    @cython.cfunc
    @cython.exceptval(check=False)
    def _trade(
        self, lots: cython.longlong, least: cython.longlong, most: cython.longlong, unit: cython.longlong
    ) -> cython.double:
        """Weigh the chances by what a trade showed, take its lots off, and return the logarithm."""
        low: cython.longlong = least // unit
        high: cython.longlong = most // unit if most >= 0 else CELLS + 1
        gone: cython.longlong = (lots + unit // 2) // unit
        seen: cython.double = 0.0
        ahead: cython.longlong
        target: cython.longlong
        for ahead in range(CELLS + 1):
            if low <= ahead <= high:
                seen += self._chance[ahead]
        for ahead in range(CELLS + 1):
            if self._chance[ahead] == 0.0:
                continue
            if not low <= ahead <= high:
                self._chance[ahead] *= DOUBT
            else:
                self._chance[ahead] *= DOUBT + (1.0 - DOUBT) / (seen if seen > DOUBT else DOUBT)
        self._normalise()
        for ahead in range(1, CELLS + 1):
            if gone > 0 and self._chance[ahead] != 0.0:
                target = ahead - gone if ahead > gone else 0
                self._chance[target] += self._chance[ahead]
                self._chance[ahead] = 0.0
        return log(DOUBT + (1.0 - DOUBT) * seen)

    @cython.cfunc
    @cython.exceptval(check=False)
    def _normalise(self) -> cython.void:
        total: cython.double = 0.0
        ahead: cython.longlong
        for ahead in range(CELLS + 1):
            total += self._chance[ahead]
        if total > 0.0:
            for ahead in range(CELLS + 1):
                self._chance[ahead] /= total
