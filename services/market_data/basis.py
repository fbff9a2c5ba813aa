"""The distance of a perpetual from the spot market of its name, each minute, with its z-score (MD-19).

Both prices are the middle of a trusted book. With x the newest of the last n <= 100 minutes, in parts per
million, S their sum and Q the sum of their squares, the z-score is (n x - S) / sqrt(n Q - S^2): the distance
from the mean in population standard deviations. It is 0 while all samples are equal. Integers throughout, and
from what is published alone, so anybody can compute it again.
"""

from collections import deque
from decimal import Decimal
from math import isqrt

from services.market_data.book_feed import BookFeed, Said
from shared.kernels import signals
from shared.messages.market import Basis
from shared.units import NS_PER_S, PPM

MINUTES = 100
MINUTE_NS = 60 * NS_PER_S
SIZE_DECIMALS = 18


class BasisFeed:
    """Says the basis of one pair in each minute in which both books are usable, as soon as they are."""

    def __init__(self, perpetual: BookFeed, spot: BookFeed) -> None:
        self._perpetual = perpetual
        self._spot = spot
        self._samples: deque[int] = deque(maxlen=MINUTES)
        self._minute = -1

    def watch(self, now_ns: int, out: Said) -> None:
        """Say this minute's basis if it has not been said; a closed or untrusted book gives none."""
        minute = now_ns // MINUTE_NS
        if minute == self._minute:
            return
        perpetual, spot = _mid(self._perpetual), _mid(self._spot)
        if not perpetual or not spot:
            return
        self._minute = minute
        # Floor division: the basis of -0.5 ppm is -1.
        self._samples.append((perpetual - spot) * PPM // spot)
        out.append(
            Basis(
                symbol=self._perpetual.symbol,
                spot_symbol=self._spot.symbol,
                basis_ppm=self._samples[-1],
                z_e3=z_e3(self._samples),
                sample_count=len(self._samples),
            )
        )


def z_e3(samples: deque[int]) -> int:
    """Return the z-score of the last sample among all of them in thousandths, rounded to zero."""
    n, total = len(samples), sum(samples)
    spread = n * sum(x * x for x in samples) - total * total
    if spread <= 0:
        return 0
    distance = n * samples[-1] - total
    size = isqrt(distance * distance * 1_000_000 // spread)
    return size if distance >= 0 else -size


def _mid(feed: BookFeed) -> int:
    """Return the middle in 1e-18 of half the quote asset, 0 when the book may not be used."""
    if not feed.is_open or not feed.book.is_trusted or feed.rules is None:
        return 0
    tick = int(Decimal(feed.rules.tick_size).scaleb(SIZE_DECIMALS))
    return int(signals.mid_half_ticks(feed.book)) * tick
