"""A venue behind ccxt as an adapter of ours: its outside work is one child process, reached as a socket.

The child speaks our own commands and reports (shared/venues/remote_words.py); what is decided here is only
what must hold whatever happens to it: every command is answered once, and what was said to a child that is
gone is in doubt, never repeated (I-05). Frames hold the key once, in the first one: a shell never logs them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from shared.execution.commands import AnyCommand
from shared.execution.outside import CloseSocket, OpenSocket, OutsideWork, Said, SendText
from shared.execution.reports import (
    AnyReport,
    Doubtful,
    Reachable,
    RefusalKind,
    Refused,
    Unreachable,
    UserStreamDown,
    UserStreamUp,
)
from shared.messages.market import InstrumentRules
from shared.units import NS_PER_MS
from shared.venues.remote_words import Broken, Carry, Ready, Setup, Told, decode_from_child, encode

CHILD = "child"
CHILD_URL = "child:services.ccxt_venue.main"
"""What a shell starts in the place of a WebSocket, with `shared.runtime.child`."""

ANSWER_MS = 30_000
RETRY_MS = (500, 1000, 2000, 4000, 8000, 16_000, 30_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteAccess:
    """One account at a ccxt venue; `key` holds the parts that ccxt names: apiKey, secret, password."""

    venue: str
    network: str
    symbols: tuple[str, ...]
    key: Mapping[str, str]
    rest_url: str = ""
    stream_url: str = ""
    proxy: str = ""
    timeout_ms: int = 10_000
    has_user_stream: bool = True

    def __repr__(self) -> str:
        """Show no key."""
        return f"RemoteAccess({self.venue}, {self.network}, {', '.join(self.symbols)})"


class RemoteAdapter:
    """One account at a venue of the registry. See `shared.execution.outside.VenueAdapter`."""

    def __init__(self, access: RemoteAccess) -> None:
        self.venue = access.venue
        self._access = access
        self._is_open = False
        self._is_stopped = True
        self._is_reachable = False
        self._is_stream_up = False
        self._is_final = False
        self._attempts = 0
        self._rules: dict[str, InstrumentRules] = {}
        self._pending: dict[int, int] = {}  # until when (mesh time) each sent command may be answered

    # ---- life

    def start(self, now_ns: int) -> Said:  # noqa: ARG002
        """Start the child."""
        self._is_stopped = False
        return [OpenSocket(CHILD, CHILD_URL)]

    def stop(self, now_ns: int) -> Said:  # noqa: ARG002
        """End the child."""
        self._is_stopped = True
        self._is_open = False
        self._pending.clear()
        return [CloseSocket(CHILD)]

    def on_opened(self, socket: str, now_ns: int) -> Said:  # noqa: ARG002
        """Tell the child which account it serves."""
        self._is_open = True
        access = self._access
        setup = Setup(
            venue=access.venue,
            network=access.network,
            rest_url=access.rest_url,
            stream_url=access.stream_url,
            proxy=access.proxy,
            timeout_ms=access.timeout_ms,
            key=dict(access.key),
            symbols=access.symbols,
            has_user_stream=access.has_user_stream,
        )
        return [SendText(CHILD, encode(setup))]

    def on_closed(self, socket: str, reason: str, now_ns: int) -> Said:  # noqa: ARG002
        """Doubt what was on its way, and start another child after a pause."""
        self._is_open = False
        said: list[AnyReport | OutsideWork] = [Doubtful(request_id, reason) for request_id in self._pending]
        self._pending.clear()
        said += self._lose(reason)
        if not self._is_stopped and not self._is_final:
            after_ms = RETRY_MS[min(self._attempts, len(RETRY_MS) - 1)]
            self._attempts += 1
            said.append(OpenSocket(CHILD, CHILD_URL, after_ms))
        return said

    def _lose(self, reason: str) -> list[AnyReport]:
        said: list[AnyReport] = []
        if self._is_stream_up:
            said.append(UserStreamDown(reason))
        if self._is_reachable:
            said.append(Unreachable(reason))
        self._is_stream_up = self._is_reachable = False
        return said

    # ---- commands

    def on_rules(self, rules: InstrumentRules, now_ns: int) -> Said:  # noqa: ARG002
        """Note the rules; the child reads its own from the venue, in the same steps."""
        self._rules[rules.symbol] = rules
        return []

    def carry_out(self, commands: Sequence[AnyCommand], now_ns: int) -> Said:
        """Hand each command to the child; without one, nothing was sent."""
        said: list[AnyReport | OutsideWork] = []
        for command in commands:
            if not self._is_open:
                reason = f"the child process of {self.venue} does not run"
                said.append(_unsent(command, RefusalKind.OVERLOADED, "no_child", reason))
            elif command.request_id in self._pending:
                reason = f"request {command.request_id} is on its way already"
                said.append(_unsent(command, RefusalKind.INVALID, "repeated", reason))
            else:
                self._pending[command.request_id] = now_ns + ANSWER_MS * NS_PER_MS
                said.append(SendText(CHILD, encode(Carry(command))))
        return said

    def on_text(self, socket: str, text: bytes, now_ns: int) -> Said:  # noqa: ARG002
        """Take a word of the child; one that cannot be read ends it, since an answer may be lost in it."""
        try:
            word = decode_from_child(text)
        except msgspec.DecodeError as error:
            return [CloseSocket(CHILD), *self.on_closed(CHILD, f"unreadable word: {error}"[:200], now_ns)]
        if isinstance(word, Ready):
            self._attempts = 0
        elif isinstance(word, Broken):
            self._is_final = word.is_final
            return [Unreachable(word.reason, is_final=word.is_final)]
        elif isinstance(word, Told):
            return self._take(word.report)
        return []

    def _take(self, report: AnyReport) -> Said:
        request_id = getattr(report, "request_id", None)
        if request_id is not None and self._pending.pop(request_id, None) is None:
            return []  # answered as doubtful before: the desk asks, and takes no second answer
        if isinstance(report, Reachable):
            self._is_reachable = True
        elif isinstance(report, Unreachable):
            self._is_reachable = False
            self._is_final = self._is_final or report.is_final
        elif isinstance(report, UserStreamUp | UserStreamDown):
            self._is_stream_up = isinstance(report, UserStreamUp)
        return [report]

    # ---- time, and what this adapter never asks for

    def on_time(self, now_ns: int) -> Said:
        """Doubt what the child did not answer in time."""
        late = [request_id for request_id, until_ns in self._pending.items() if now_ns >= until_ns]
        for request_id in late:
            del self._pending[request_id]
        return [Doubtful(request_id, f"no answer within {ANSWER_MS} ms") for request_id in late]

    def on_http(self, call_id: int, *_: object) -> Said:
        """Refuse: this adapter makes no HTTP call."""
        raise AssertionError(f"{self.venue} never asked for call {call_id}")

    on_http_failed = on_http


def _unsent(command: AnyCommand, kind: RefusalKind, code: str, reason: str) -> Refused:
    return Refused(command.request_id, kind, code, reason, is_sent=False)
