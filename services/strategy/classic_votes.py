"""What three indicators say of a market at each bar: rising, falling, or neither. Pure.

A vote has a *stance*, the side it would hold now (+1 long, -1 short, 0 flat, None not known yet), and
*fires* the side of an entry at the bar on which that side is new. A position is held while the stance agrees;
an entry is made only when it fires, so a position left at its stop is not taken again at once.
"""

from collections.abc import Sequence
from typing import Any

from services.strategy.classic_candles import Bar
from services.strategy.indicators import Bollinger, Ema, Rsi


class Vote:
    """Base: remembers stance and fired side."""

    def __init__(self) -> None:
        self.stance: int | None = None
        self.fired = 0

    def add(self, bar: Bar) -> None:
        """Take the next bar."""
        raise NotImplementedError

    def text(self) -> str:
        """Return the numbers it looks at, for people."""
        raise NotImplementedError

    def dump(self) -> list[Any]:
        """Return the whole state."""
        raise NotImplementedError

    def load(self, state: Sequence[Any]) -> None:
        """Take the result of `dump`."""
        raise NotImplementedError


class RsiVote(Vote):
    """Momentum that turns: long when the RSI comes up through `oversold`, short down through `overbought`.

    The stance stays until the other one is crossed.
    """

    def __init__(self, window: int, oversold: float, overbought: float) -> None:
        super().__init__()
        self._rsi = Rsi(window)
        self._oversold = oversold
        self._overbought = overbought

    def add(self, bar: Bar) -> None:
        """Take the next bar."""
        before = self._rsi.value
        self._rsi.add(bar.close_ticks)
        now = self._rsi.value
        self.fired = 0
        if before is None or now is None:
            return
        if before < self._oversold <= now:
            self.fired = 1
        elif before > self._overbought >= now:
            self.fired = -1
        self.stance = self.fired or self.stance

    def text(self) -> str:
        """Return the RSI."""
        value = self._rsi.value
        return "RSI -" if value is None else f"RSI {value:.1f}"

    def dump(self) -> list[Any]:
        """Return the whole state."""
        return [self.stance, self.fired, self._rsi.dump()]

    def load(self, state: Sequence[Any]) -> None:
        """Take the result of `dump`."""
        self.stance, self.fired, rsi = state
        self._rsi.load(rsi)


class BandsVote(Vote):
    """Mean reversion: long when a bar closes below the lower band, until one closes at the middle or above.

    Short is the mirror image. It fires at the first bar that closes outside.
    """

    def __init__(self, window: int, deviations: float) -> None:
        super().__init__()
        self._bands = Bollinger(window, deviations)
        self._outside = 0

    def add(self, bar: Bar) -> None:
        """Take the next bar."""
        close = bar.close_ticks
        self._bands.add(close)
        self.fired = 0
        bands = self._bands.value
        if bands is None:
            return
        outside = 1 if close < bands.lower else -1 if close > bands.upper else 0
        if outside:
            self.fired = outside if outside != self._outside else 0
            self.stance = outside
        elif (close - bands.middle) * (self.stance or 0) >= 0:
            self.stance = 0
        self._outside = outside

    def text(self) -> str:
        """Return the bands."""
        bands = self._bands.value
        return "bands -" if bands is None else f"bands {bands.lower:.0f} {bands.middle:.0f} {bands.upper:.0f}"

    def dump(self) -> list[Any]:
        """Return the whole state."""
        return [self.stance, self.fired, self._outside, self._bands.dump()]

    def load(self, state: Sequence[Any]) -> None:
        """Take the result of `dump`."""
        self.stance, self.fired, self._outside, bands = state
        self._bands.load(bands)


class TrendVote(Vote):
    """Trend: long while the fast average is above the slow one, short while below; fires when they cross."""

    def __init__(self, fast: int, slow: int) -> None:
        super().__init__()
        self._fast = Ema(fast)
        self._slow = Ema(slow)

    def add(self, bar: Bar) -> None:
        """Take the next bar."""
        self._fast.add(bar.close_ticks)
        self._slow.add(bar.close_ticks)
        self.fired = 0
        fast, slow = self._fast.value, self._slow.value
        if fast is None or slow is None:
            return
        side = 1 if fast > slow else -1 if fast < slow else self.stance or 0
        # The first side known is no crossing: nobody saw it begin.
        if self.stance is not None and side != self.stance:
            self.fired = side
        self.stance = side

    def text(self) -> str:
        """Return both averages."""
        fast, slow = self._fast.value, self._slow.value
        return "averages -" if fast is None or slow is None else f"averages {fast:.1f} {slow:.1f}"

    def dump(self) -> list[Any]:
        """Return the whole state."""
        return [self.stance, self.fired, self._fast.dump(), self._slow.dump()]

    def load(self, state: Sequence[Any]) -> None:
        """Take the result of `dump`."""
        self.stance, self.fired, fast, slow = state
        self._fast.load(fast)
        self._slow.load(slow)


class Combined(Vote):
    """The weighted mean of other stances; an unknown one counts as flat.

    Long from `enter_score` up, short from minus that down; left when the score is no longer above
    `leave_score` on that side.
    """

    def __init__(self, votes: Sequence[tuple[Vote, float]], enter_score: float, leave_score: float) -> None:
        super().__init__()
        self._votes = votes
        self._enter = enter_score
        self._leave = leave_score
        self.score = 0.0

    def add(self, bar: Bar) -> None:
        """Take the next bar."""
        for vote, _ in self._votes:
            vote.add(bar)
        total = sum(weight for _, weight in self._votes)
        self.score = sum(weight * (vote.stance or 0) for vote, weight in self._votes) / total
        before, self.fired = self.stance, 0
        if abs(self.score) >= self._enter:
            self.stance = 1 if self.score > 0 else -1
            self.fired = self.stance if self.stance != before else 0
        elif self.score * (before or 0) <= self._leave:
            self.stance = 0

    def text(self) -> str:
        """Return score and votes."""
        return f"score {self.score:+.2f} of " + ", ".join(vote.text() for vote, _ in self._votes)

    def dump(self) -> list[Any]:
        """Return the whole state."""
        return [self.stance, self.fired, self.score, [vote.dump() for vote, _ in self._votes]]

    def load(self, state: Sequence[Any]) -> None:
        """Take the result of `dump`."""
        self.stance, self.fired, self.score, votes = state
        for (vote, _), dumped in zip(self._votes, votes, strict=True):
            vote.load(dumped)
