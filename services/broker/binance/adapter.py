"""One account at Binance spot or USD-M: commands in, reports and outside work out (see `VenueAdapter`)."""

from collections.abc import Sequence

import msgspec

from services.broker.binance.account import Account
from services.broker.binance.asking import Questions
from services.broker.binance.calls import Out
from services.broker.binance.listening import PrivateStream
from services.broker.binance.markets import Market
from services.broker.binance.placing import Orders
from services.broker.binance.private import PrivateEvents, is_end_of_stream, is_shutdown
from services.broker.binance.session import ApiSession
from services.broker.binance.settings import BinanceSettings
from services.broker.binance.startup import Startup
from services.broker.binance.transport import ApiFrame
from services.broker.keys import VenueKey
from shared.execution.commands import AnyCommand, Cancel, Place
from shared.execution.outside import Said
from shared.execution.reports import Reachable, Unreachable
from shared.messages.market import InstrumentRules

_frame = msgspec.json.Decoder(ApiFrame)


class BinanceAdapter:
    """The adapter of `settings.venue`. Nothing of the key is in any report or text."""

    def __init__(self, settings: BinanceSettings, key: VenueKey) -> None:
        self.venue = settings.venue
        self._settings = settings
        self._account = Account(settings, key)
        self._transport = self._account.transport
        self._startup = Startup(self._account)
        self._orders = Orders(self._account)
        self._questions = Questions(self._account, self._startup)
        has_stream = settings.has_user_stream
        self._events = PrivateEvents(self._account)
        self._session = ApiSession(
            self._transport, self._account.watch, key.signer.kind, has_stream=has_stream
        )
        self._private = (
            PrivateStream(self._transport, self._account.watch)
            if has_stream and not self._account.is_spot
            else None
        )
        self._is_started = False
        self._is_connected = False
        self._said_unreachable: str | None = None
        self._was_stream_up = False

    # ---- life

    def start(self, now_ns: int) -> Said:
        """Read the venue's clock and markets; the connections follow once the clock is known."""
        out: Out = []
        self._is_started = True
        self._account.clock.begin(now_ns, out)
        self._account.info.pass_time(now_ns, out)
        return self._end(now_ns, out)

    def stop(self, now_ns: int) -> Said:
        """Close everything; commands without an answer stay without one."""
        out: Out = []
        self._is_started = False
        self._session.stop(now_ns, out)
        if self._private is not None:
            self._private.stop(now_ns, out)
        return out

    def on_rules(self, rules: InstrumentRules, now_ns: int) -> Said:
        """Take the rules of a market; those of another venue are ignored."""
        if rules.symbol.partition(":")[0] != self.venue:
            return ()
        market = Market(rules)
        former = self._account.markets.get(market.name)
        self._account.markets[market.name] = market
        out: Out = []
        if self._is_started:
            if former is not None and former.rules != rules:
                self._account.info.again(market.name, now_ns)
            self._account.info.pass_time(now_ns, out)
            return self._end(now_ns, out)
        return out

    # ---- commands

    def carry_out(self, commands: Sequence[AnyCommand], now_ns: int) -> Said:
        """Send cancels first, then the rest in order."""
        out: Out = []
        if not self._is_started:
            return out
        cancels = [command for command in commands if isinstance(command, Cancel)]
        if cancels:
            self._orders.cancel_all_of(cancels, now_ns, out)
        places = [command for command in commands if isinstance(command, Place)]
        if places:
            self._judge(now_ns, out)
            self._orders.place_all(places, now_ns, out)
        for command in commands:
            if not isinstance(command, Cancel | Place):
                self._questions.ask(command, now_ns, out)
        return self._end(now_ns, out)

    # ---- outside

    def on_http(
        self, call_id: int, status: int, headers: Sequence[tuple[str, str]], body: bytes, now_ns: int
    ) -> Said:
        """Take a whole answer over REST."""
        out: Out = []
        if self._is_started:
            self._transport.take_http(call_id, status, headers, body, now_ns, out)
        return self._end(now_ns, out)

    def on_http_failed(self, call_id: int, reason: str, is_sent: bool, now_ns: int) -> Said:
        """Take that no whole answer came over REST."""
        out: Out = []
        if self._is_started:
            self._transport.take_http_failed(call_id, reason, is_sent, now_ns, out)
        return self._end(now_ns, out)

    def on_opened(self, socket: str, now_ns: int) -> Said:
        """Take that a connection stands; a name of a former attempt is no news."""
        out: Out = []
        if not self._is_started or not socket:
            return out
        if socket == self._session.link.socket:
            self._session.opened(now_ns, out)
        elif self._private is not None and socket == self._private.link.socket:
            self._private.opened(now_ns, out)
        return self._end(now_ns, out)

    def on_closed(self, socket: str, reason: str, now_ns: int) -> Said:
        """Take that a connection is gone or could not be made."""
        out: Out = []
        if not self._is_started or not socket:
            return out
        if socket == self._session.link.socket:
            self._session.closed(reason, now_ns, out)
        elif self._private is not None and socket == self._private.link.socket:
            self._private.closed(_without_query(reason), now_ns, out)
        return self._end(now_ns, out)

    def on_text(self, socket: str, text: bytes, now_ns: int) -> Said:
        """Take one frame; whatever it holds, nothing is raised."""
        out: Out = []
        if not self._is_started or not socket:
            return out
        if socket == self._session.link.socket:
            self._take_api(socket, text, now_ns, out)
        elif self._private is not None and socket == self._private.link.socket:
            self._take_private(text, now_ns, out)
        return self._end(now_ns, out)

    def _take_api(self, socket: str, text: bytes, now_ns: int, out: Out) -> None:
        try:
            frame = _frame.decode(text)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return  # what it answered, if anything, stays in doubt until its deadline
        event = bytes(frame.event) or (text if frame.e else b"")
        if not event:
            self._transport.take_frame(socket, frame, now_ns, out)
            return
        kind = self._events.take(event, now_ns, out)
        self._account.watch.proven(now_ns)
        if is_shutdown(kind):
            self._session.shutdown_announced(now_ns, out)
        elif is_end_of_stream(kind):
            self._session.stream_ended(f"the venue ended the private stream: {kind}", now_ns, out)
        elif self._events.trouble:
            self._session.end(self._took_trouble(), now_ns, out)

    def _take_private(self, text: bytes, now_ns: int, out: Out) -> None:
        assert self._private is not None
        self._account.watch.proven(now_ns)
        try:
            frame = _wrapped.decode(text)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            self._private.end(f"a frame cannot be read: {error}", now_ns, out)
            return
        event = bytes(frame.data) or (text if frame.e else b"")
        if not event:
            return  # the answer to a probe
        kind = self._events.take(event, now_ns, out)
        if is_end_of_stream(kind) or is_shutdown(kind):
            self._private.end(f"the venue ended the private stream: {kind}", now_ns, out)
        elif self._events.trouble:
            self._private.end(self._took_trouble(), now_ns, out)

    def _took_trouble(self) -> str:
        trouble, self._events.trouble = self._events.trouble, ""
        return trouble

    # ---- time

    def usage(self, now_ns: int) -> list[tuple[str, int, int, int]]:
        """Return (kind, seconds, used, limit) of every limit of the venue, for people."""
        return self._account.budget.usage(now_ns)

    def on_time(self, now_ns: int) -> Said:
        """Let time pass: deadlines, clock, markets, steps of the start, probes."""
        out: Out = []
        if not self._is_started:
            return out
        self._transport.pass_time(now_ns, out)
        if not self._is_halted():
            self._account.clock.pass_time(now_ns, out)
            self._account.info.pass_time(now_ns, out)
            self._startup.pass_time(now_ns, out)
            self._session.pass_time(now_ns, out)
            if self._private is not None:
                self._private.pass_time(now_ns, out)
            self._events.pass_time(now_ns, out)
            if self._events.trouble and self._private is not None:
                self._private.end(self._took_trouble(), now_ns, out)
        return self._end(now_ns, out)

    def _is_halted(self) -> bool:
        """Return whether a person must act: nothing is asked by ourselves any more (X-16)."""
        return bool(self._startup.final or self._transport.key_trouble)

    def _connect(self, now_ns: int, out: Out) -> None:
        if self._is_connected or not self._account.clock.is_known or self._is_halted():
            return
        self._is_connected = True
        self._session.start(now_ns, out)
        if self._private is not None:
            self._private.start(now_ns, out)

    # ---- what the desk is told

    def _end(self, now_ns: int, out: Out) -> Said:
        if self._is_started:
            self._connect(now_ns, out)
            is_up = self._account.watch.is_up
            if is_up and not self._was_stream_up:
                self._events.reconnected(now_ns)
            self._was_stream_up = is_up
            self._judge(now_ns, out)
        return out

    def _judge(self, now_ns: int, out: Out) -> None:
        reason, until_ns, is_final = self._trouble(now_ns)
        self._account.unreachable, self._account.unreachable_until_ns = reason, until_ns
        said = f"{reason} {until_ns}" if reason else ""
        if said == self._said_unreachable:
            return
        self._said_unreachable = said
        out.append(Unreachable(reason[:300], until_ns, is_final) if reason else Reachable())

    def _trouble(self, now_ns: int) -> tuple[str, int, bool]:
        """Return why no orders may leave, until when (0: not known), and whether it is final."""
        account = self._account
        if self._startup.final or self._transport.key_trouble:
            return self._startup.final or self._transport.key_trouble, 0, True
        if now_ns < account.budget.banned_until_ns:
            return account.budget.ban_reason, account.budget.banned_until_ns, False
        if not account.clock.is_known:
            return account.clock.note or "the venue's clock is not read yet", 0, False
        if account.clock.is_too_far:
            limit_ms = self._settings.skew_max_ms
            apart = f"the clocks differ by {account.clock.skew_ms} ms, more than {limit_ms} ms"
            return f"{apart}: set this machine's clock", 0, False
        if not account.info.is_known:
            return account.info.note or "the venue's markets and limits are not read yet", 0, False
        if not self._startup.is_done:
            return self._startup.note or "key and account are not checked yet", 0, False
        if account.clock.note and not self._transport.api_socket:
            return f"no connection to the venue: {account.clock.note}", 0, False
        return "", 0, False


class _Wrapped(msgspec.Struct):
    """A frame of the private stream: bare, or of a combined one; answers to probes have neither."""

    e: str = ""
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")


_wrapped = msgspec.json.Decoder(_Wrapped)


def _without_query(reason: str) -> str:
    """Return a reason without an address that could hold the key of the stream."""
    return "the connection was refused or lost" if "listenKey" in reason or "://" in reason else reason
