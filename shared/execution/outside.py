"""Outside work that an adapter asks of its shell, and the adapter itself as a desk and a shell see it."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from shared.execution.commands import AnyCommand
from shared.execution.reports import AnyReport
from shared.messages.market import InstrumentRules


class HttpCall(NamedTuple):
    """One HTTP request, sent exactly as it stands here: the bytes of `target` and `body` are signed.

    Answered by `on_http` or, where no whole answer came, by `on_http_failed`. Never repeated by the shell.
    """

    call_id: int
    method: str
    url: str  # base URL without a final slash
    target: str  # path and query, percent-encoded
    body: bytes
    headers: tuple[tuple[str, str], ...]
    timeout_ms: int


class OpenSocket(NamedTuple):
    """Connect a WebSocket, after a pause; answered by `on_opened` or `on_closed`."""

    socket: str
    url: str
    after_ms: int = 0


class CloseSocket(NamedTuple):
    """Close a WebSocket; no `on_closed` follows."""

    socket: str


class SendText(NamedTuple):
    """Send one text frame; a socket that is closed before it left is told by `on_closed`."""

    socket: str
    text: bytes


OutsideWork = HttpCall | OpenSocket | CloseSocket | SendText
Said = Sequence[AnyReport | OutsideWork]


class VenueAdapter(Protocol):
    """One account at one venue, as pure code: no socket, clock or random source.

    Every call takes the mesh time and returns reports for the desk and work for the shell, in order. Every
    command is answered exactly once, by an answer that repeats its `request_id`, also when sockets are lost,
    the venue answers nonsense, or nothing comes at all (then `Doubtful`, or `Refused` with `is_sent` False
    when not one byte left).
    """

    venue: str

    def start(self, now_ns: int) -> Said:
        """Connect; `Reachable` and `UserStreamUp` follow when orders may be sent."""

    def stop(self, now_ns: int) -> Said:
        """Close everything; nothing is asked or answered afterwards."""

    def carry_out(self, commands: Sequence[AnyCommand], now_ns: int) -> Said:
        """Do what the desk asks; several orders may share one call where the venue has one (BR-9)."""

    def on_rules(self, rules: InstrumentRules, now_ns: int) -> Said:
        """Take the rules of a market from the log; without them no order of it is sent."""

    def on_http(
        self, call_id: int, status: int, headers: Sequence[tuple[str, str]], body: bytes, now_ns: int
    ) -> Said:
        """Take a whole answer; header names are lower case."""

    def on_http_failed(self, call_id: int, reason: str, is_sent: bool, now_ns: int) -> Said:
        """Take that no whole answer came; `is_sent` False is told only when certainly no byte left."""

    def on_opened(self, socket: str, now_ns: int) -> Said:
        """Take that a socket is open."""

    def on_closed(self, socket: str, reason: str, now_ns: int) -> Said:
        """Take that a socket is closed or could not be opened."""

    def on_text(self, socket: str, text: bytes, now_ns: int) -> Said:
        """Take one frame."""

    def on_time(self, now_ns: int) -> Said:
        """Let time pass; called at least every 50 ms."""
