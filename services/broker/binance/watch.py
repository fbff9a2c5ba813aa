"""Whether the private stream delivers: proven by its events and by probes on the same connection (I-27)."""

from services.broker.binance.calls import Out
from shared.execution.reports import UserStreamDown, UserStreamUp
from shared.units import NS_PER_MS

_ACCEPTED, _CANCELED = "accepted", "canceled"


class StreamWatch:
    """The state that the desk is told, and when the stream last proved itself."""

    def __init__(self, stale_ms: int) -> None:
        self.is_up = False
        self._stale_ns = stale_ms * NS_PER_MS
        self._proof_ns = 0
        self._probe_ns = 0
        self._awaited: set[tuple[str, str]] = set()
        self._owed: dict[tuple[str, str], int] = {}

    def up(self, now_ns: int, out: Out) -> None:
        """Say that the stream delivers from now on."""
        self.proven(now_ns)
        self._probe_ns = now_ns
        self._clear()
        if not self.is_up:
            self.is_up = True
            out.append(UserStreamUp())

    def down(self, reason: str, out: Out) -> None:
        """Say once that it does not."""
        self._clear()
        if self.is_up:
            self.is_up = False
            out.append(UserStreamDown(reason[:200]))

    def proven(self, now_ns: int) -> None:
        """Take a sign of life of the stream itself."""
        self._proof_ns = now_ns

    def excuse(self, now_ns: int) -> None:
        """Take that no probe may leave now (a ban): silence proves nothing."""
        self._proof_ns = now_ns

    def wants_probe(self, now_ns: int) -> bool:
        """Return whether it is time to ask again: twice within the limit."""
        return now_ns - max(self._proof_ns, self._probe_ns) >= self._stale_ns * 2 // 5

    def probed(self, now_ns: int) -> None:
        """Take that a probe left."""
        self._probe_ns = now_ns

    # ---- events that must come

    def _clear(self) -> None:
        self._awaited.clear()
        self._owed.clear()

    def await_order(self, client_order_id: str) -> None:
        """Take that a new order leaves; its event may come before its answer."""
        if self.is_up:
            self._awaited.add((client_order_id, _ACCEPTED))

    def accepted(self, client_order_id: str, now_ns: int) -> None:
        """Take that the venue accepted an order: the stream must tell of it too, if it has not yet."""
        self._owe((client_order_id, _ACCEPTED), now_ns)

    def await_cancel(self, client_order_id: str) -> None:
        """Take that a cancel leaves; the event of the end may come before its answer."""
        if self.is_up:
            self._awaited.add((client_order_id, _CANCELED))

    def canceled(self, client_order_id: str, now_ns: int) -> None:
        """Take that the venue canceled an order of ours: the stream must tell of the end too."""
        self._owe((client_order_id, _CANCELED), now_ns)

    def not_canceled(self, client_order_id: str) -> None:
        """Take that a cancel did not act as far as known: no event is owed for it."""
        self._awaited.discard((client_order_id, _CANCELED))

    def told(self, client_order_id: str, *, is_over: bool = False) -> None:
        """Take that the stream told of an order, of its end too, or that it need not."""
        for what in (_ACCEPTED, _CANCELED) if is_over else (_ACCEPTED,):
            self._awaited.discard((client_order_id, what))
            self._owed.pop((client_order_id, what), None)

    def _owe(self, key: tuple[str, str], now_ns: int) -> None:
        if key in self._awaited:
            self._awaited.discard(key)
            self._owed[key] = now_ns + self._stale_ns

    def is_stale(self, now_ns: int) -> bool:
        """Return whether the stream is silent for too long, or keeps an order from us."""
        if not self.is_up:
            return False
        first_owed_ns = next(iter(self._owed.values()), now_ns + 1)
        return now_ns - self._proof_ns >= self._stale_ns or first_owed_ns <= now_ns

    def stale_reason(self) -> str:
        """Return what to say of a stale stream."""
        if self._owed:
            client_order_id, what = next(iter(self._owed))
            return f"the private stream tells nothing of {client_order_id}, which the venue {what}"
        return f"the private stream did not answer for {self._stale_ns // NS_PER_MS} ms"
