"""Prices sampled by the clock: the moving average of the trend filter and the volatility (ST-34, ST-37).

By the clock, not by books: a market that stands still is a market, and its average goes on.
"""

import itertools

import msgspec

from services.strategy.grid_settings import GridSettings
from shared.units import NS_PER_S, PPM, ceil_div


class Samples(msgspec.Struct, array_like=True):
    """Mids in half ticks, oldest first; `number` is that of the newest sample since 1970."""

    number: int = 0
    halves: list[int] = []

    def add(self, settings: GridSettings, price_half_ticks: int, now_ns: int) -> bool:
        """Take the price when a new sample is due; return whether it was.

        After a silence as long as the whole window the samples of before say nothing: they are dropped.
        """
        number = now_ns // (settings.sample_s * NS_PER_S)
        if number <= self.number:
            return False
        most = max(settings.trend_length, settings.volatility_length + 1 if settings.is_adaptive else 0)
        if number - self.number > most:
            self.halves.clear()
        self.number = number
        self.halves.append(price_half_ticks)
        del self.halves[: max(len(self.halves) - most, 0)]
        return True

    def is_against(self, settings: GridSettings, sign: int, price_half_ticks: int) -> bool:
        """Return whether the price is on the wrong side of its average for new entries of this direction.

        Below it for levels that buy, above it for those that sell; also as long as the average is not known.
        """
        length = settings.trend_length
        if length == 0:
            return False
        if len(self.halves) < length:
            return True
        total = sum(self.halves[-length:])
        band_ppm = round(settings.trend_band_bps * 100)
        return sign * (price_half_ticks * length - total) * PPM < -total * band_ppm

    def volatility_ppm(self, length: int) -> int | None:
        """Return the mean change from one sample to the next over `length` changes, None before they are."""
        if len(self.halves) <= length:
            return None
        window = self.halves[-length - 1 :]
        moved = sum(abs(after - before) for before, after in itertools.pairwise(window))
        return moved * PPM // max(sum(window[1:]), 1)


class Adaptation(msgspec.Struct, array_like=True):
    """What an adaptive grid makes of it: levels in one interval, and levels of the entry window."""

    stride: int = 1
    window: int = 0

    def within(self, settings: GridSettings) -> "Adaptation":
        """Return the same within the limits of these settings; at its beginning where they do not adapt."""
        if not settings.is_adaptive or self.window == 0:
            return Adaptation(1, settings.buy_window)
        window = max(min(self.window, settings.buy_window), settings.window_min)
        return Adaptation(min(self.stride, settings.stride_max), window)

    def follow(self, settings: GridSettings, interval_ppm: int, samples: Samples, used_layers: int) -> bool:
        """Follow volatility and use after a sample (ST-37): wider at once, narrower one step a sample.

        Return whether anything changed.
        """
        before = (self.stride, self.window)
        volatility_ppm = samples.volatility_ppm(settings.volatility_length)
        if volatility_ppm is not None:
            wanted_ppm = round(settings.volatility_factor * volatility_ppm)
            stride = min(max(ceil_div(wanted_ppm, interval_ppm), 1), settings.stride_max)
            self.stride = max(stride, self.stride - 1)
        use_pct = 100 * used_layers / settings.max_layers
        if use_pct >= settings.use_high_pct:
            self.window = max(self.window - WINDOW_STEP, settings.window_min)
        else:
            self.window = min(self.window + WINDOW_STEP, settings.buy_window)
        return before != (self.stride, self.window)


WINDOW_STEP = 2
"""Levels by which the entry window changes at each sample."""
