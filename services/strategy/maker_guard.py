"""The toxicity guard of the market maker: VPIN over the last trades, on, off or automatic."""

from typing import Any

from services.strategy.maker_settings import AvellanedaStoikovSettings
from shared.kernels.signals import TradeFlow
from shared.messages.market import Trade
from shared.units import NS_PER_S


class ToxicityGuard:
    """Tells when the flow leans so far to one side that quoting costs money (ST-10, ST-12, ST-15).

    VPIN counts only over a full window. In mode auto the guard is off until `vpin_window` trades in a row
    came within `vpin_window / vpin_auto_trades_per_s` seconds of mesh time, and then stays on for good: a
    quiet testnet never gets there, a real market does with its first full window. The windows follow each
    other, the first begins with the first trade; so it depends on the log alone.
    """

    def __init__(self, settings: AvellanedaStoikovSettings) -> None:
        self.flow = TradeFlow(settings.vpin_window)
        self.is_toxic = False
        self._settings = settings
        self._window_ns = round(settings.vpin_window / settings.vpin_auto_trades_per_s * NS_PER_S)
        self._is_busy = False
        self._count = 0
        self._began_ns = 0

    @property
    def is_on(self) -> bool:
        """Return whether VPIN counts by setting; it does once its window is full."""
        mode = self._settings.vpin_enabled
        return self._is_busy if mode == "auto" else bool(mode)

    @property
    def vpin_ppm(self) -> int:
        """Return VPIN as far as it counts: 0 when it is off or its window is not full."""
        is_full = self.flow.count >= self._settings.vpin_window
        return int(self.flow.vpin_ppm) if is_full and self.is_on else 0

    def add(self, trade: Trade, now_ns: int) -> bool:
        """Take a trade; return whether `is_toxic` changed with it."""
        self.flow.add(trade.side, trade.price_ticks, trade.qty_lots)
        if self._settings.vpin_enabled == "auto" and not self._is_busy:
            self._measure(now_ns)
        before = self.is_toxic
        vpin_ppm = self.vpin_ppm
        if not self.is_on or self.flow.count < self._settings.vpin_window:
            return False
        if before:
            self.is_toxic = vpin_ppm >= self._settings.release_ppm
        else:
            self.is_toxic = vpin_ppm > self._settings.toxic_ppm
        return self.is_toxic is not before

    def _measure(self, now_ns: int) -> None:
        if self._count == 0:
            self._began_ns = now_ns
        self._count += 1
        if self._count >= self._settings.vpin_window:
            self._is_busy = now_ns - self._began_ns <= self._window_ns
            self._count = 0

    def dump(self) -> tuple[bool, int, int]:
        """Return what mode auto knows; flow and `is_toxic` are looked at by themselves."""
        return self._is_busy, self._count, self._began_ns

    def load(self, flow: tuple[Any, ...], is_toxic: bool, auto: tuple[bool, int, int]) -> None:
        """Take a dumped flow, `is_toxic` and the result of `dump`.

        A flow of another window begins anew, and a guard that is off now is not toxic.
        """
        self._is_busy, count, began_ns = auto
        if flow[0] == self._settings.vpin_window:
            self.flow.load(flow)
            self._count, self._began_ns = count, began_ns
        self.is_toxic = is_toxic and self.is_on
