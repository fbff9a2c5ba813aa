"""The toxicity guard of the market maker: VPIN over the last trades, on, off or automatic."""

from typing import Any

from services.strategy.maker_settings import AvellanedaStoikovSettings
from shared.kernels.gates import Toxicity
from shared.messages.market import Trade
from shared.units import NS_PER_S

MODES = {False: 0, True: 1, "auto": 2}


class ToxicityGuard(Toxicity):
    """Tells when the flow leans so far to one side that quoting costs money (ST-10, ST-12, ST-15).

    VPIN counts only over a full window. In mode auto the guard is off until `vpin_window` trades in a row
    came within `vpin_window / vpin_auto_trades_per_s` seconds of mesh time, and then stays on for good: a
    quiet testnet never gets there, a real market does with its first full window. The windows follow each
    other, the first begins with the first trade; so it depends on the log alone.
    """

    def __init__(self, settings: AvellanedaStoikovSettings) -> None:
        window = settings.vpin_window
        super().__init__(
            window,
            settings.toxic_ppm,
            settings.release_ppm,
            MODES[settings.vpin_enabled],
            round(window / settings.vpin_auto_trades_per_s * NS_PER_S),
        )
        self._flow_window = window

    def add(self, trade: Trade, now_ns: int) -> bool:
        """Take a trade; return whether `is_toxic` changed with it."""
        return bool(self.count_trade(trade.side, trade.price_ticks, trade.qty_lots, now_ns))

    def dump(self) -> tuple[bool, int, int]:
        """Return what mode auto knows; flow and `is_toxic` are looked at by themselves."""
        return self.is_busy, self.seen, self.began_ns

    def load(self, flow: tuple[Any, ...], is_toxic: bool, auto: tuple[bool, int, int]) -> None:
        """Take a dumped flow, `is_toxic` and the result of `dump`.

        A flow of another window begins anew, and a guard that is off now is not toxic.
        """
        self.is_busy, seen, began_ns = auto
        if flow[0] == self._flow_window:
            self.flow.load(flow)
            self.seen, self.began_ns = seen, began_ns
        self.is_toxic = is_toxic and self.is_on
