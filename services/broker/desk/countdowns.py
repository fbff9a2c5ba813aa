"""The venue's own dead-man's switch, where it has one: it cancels a market unless we renew it (BR-24)."""

from services.broker.desk.state import DeskState, ms
from shared.execution.commands import Countdown
from shared.execution.reports import Done, RefusalKind, Refused

RENEWALS = 4
"""So many times a countdown is renewed in its span."""
_NOT_OFFERED = frozenset({RefusalKind.INVALID, RefusalKind.OTHER})


class Countdowns:
    """Armed markets of one desk: armed before an order rests, renewed, disarmed when nothing is left."""

    def __init__(self, state: DeskState) -> None:
        self._state = state
        self._renew_ns: dict[str, int] = {}
        self.is_offered = True

    def watch(self, symbol: str, now_ns: int) -> None:
        """Arm the switch of a market in which an order is created."""
        if self.is_offered and symbol not in self._renew_ns and self._state.settings.countdown_ms:
            self._arm(symbol, now_ns)

    def on_time(self, now_ns: int) -> None:
        """Renew, and disarm where no order is left."""
        if not self.is_offered or not self._state.settings.countdown_ms:
            return
        held = {order.symbol for order in self._state.orders.live.values()}
        for symbol in sorted(held - self._renew_ns.keys()):
            self._arm(symbol, now_ns)
        for symbol, due_ns in list(self._renew_ns.items()):
            if now_ns < due_ns:
                continue
            if symbol in held:
                self._arm(symbol, now_ns)
            else:
                self._ask(symbol, 0, now_ns)
                del self._renew_ns[symbol]

    def disarm(self, now_ns: int) -> None:
        """Disarm everywhere: nothing rests, or a person wants it to rest on."""
        for symbol in list(self._renew_ns):
            self._ask(symbol, 0, now_ns)
        self._renew_ns.clear()

    def _arm(self, symbol: str, now_ns: int) -> None:
        countdown_ms = self._state.settings.countdown_ms
        self._renew_ns[symbol] = now_ns + ms(countdown_ms) // RENEWALS
        self._ask(symbol, countdown_ms, now_ns)

    def _ask(self, symbol: str, countdown_ms: int, now_ns: int) -> None:
        number = self._state.request("countdown", symbol, now_ns)
        self._state.commands.append(Countdown(number, symbol, countdown_ms))

    def answered(self, report: object, symbol: str, now_ns: int) -> None:
        """Take the answer: a venue without a switch is not asked again, a failed renewal is soon."""
        if isinstance(report, Refused) and report.kind in _NOT_OFFERED and not report.is_sent:
            self.is_offered = False
            self._renew_ns.clear()
        elif not isinstance(report, Done) and symbol in self._renew_ns:
            self._renew_ns[symbol] = min(self._renew_ns[symbol], now_ns + ms(1000))
