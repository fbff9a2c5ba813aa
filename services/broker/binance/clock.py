"""The venue's clock: its time at the middle of a round trip, the shortest of a few."""

import msgspec

from services.broker.binance.budget import Cost, Purpose
from services.broker.binance.calls import Lost, Out, Outcome, Request, Security
from services.broker.binance.transport import Transport
from shared.units import NS_PER_MS

BURST_COUNT = 3
RETRY_MS = 1000
SURPRISE_NS = 50 * NS_PER_MS
_TARGETS = {"binance": "/api/v3/time", "binance_usdm": "/fapi/v1/time"}


class _Time(msgspec.Struct):
    serverTime: int  # noqa: N815


_time = msgspec.json.Decoder(_Time)


class VenueClock:
    """Offset of the venue's clock to ours. `is_known` from the first answer on.

    A burst of three is taken at the start, after a refusal for time, and when one sample is beyond half of
    the limit; of a burst the sample with the shortest round trip counts.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.is_known = False
        self.note = ""
        self._best: tuple[int, int] | None = None  # round trip, offset
        self._left_count = BURST_COUNT
        self._is_asking = False
        self._is_single = False
        self._due_ns = 0

    @property
    def skew_ms(self) -> int:
        """Return how far apart the clocks are."""
        return abs(self._transport.budget.offset_ns) // NS_PER_MS

    @property
    def is_too_far(self) -> bool:
        """Return whether the clocks differ by more than orders allow (I-27)."""
        return self.skew_ms > self._transport.settings.skew_max_ms

    def begin(self, now_ns: int, out: Out) -> None:
        """Read the clock anew with a burst."""
        self._left_count, self._best, self._is_single = BURST_COUNT, None, False
        if not self._is_asking:
            self._ask(now_ns, out)

    def pass_time(self, now_ns: int, out: Out) -> None:
        """Read the clock when it is due, or when a request was refused for time."""
        if self._transport.wants_time:
            self._transport.wants_time = False
            self.begin(now_ns, out)
        elif not self._is_asking and now_ns >= self._due_ns:
            self._left_count, self._is_single = 1, self.is_known
            self._ask(now_ns, out)

    def _ask(self, now_ns: int, out: Out) -> None:
        venue = self._transport.settings.venue
        request = Request(Purpose.UPKEEP, Cost(1), "GET", _TARGETS[venue], {}, security=Security.NONE)
        held = self._transport.ask(request, self._take, now_ns, out)
        self._is_asking = held is None
        if held is not None:
            self._due_ns = held.retry_ns

    def _take(self, outcome: Outcome, now_ns: int, out: Out) -> None:
        self._is_asking = False
        if isinstance(outcome, Lost) or not outcome.is_ok:
            self._failed(now_ns, out, outcome.reason if isinstance(outcome, Lost) else outcome.text)
            return
        try:
            server_ns = _time.decode(outcome.body).serverTime * NS_PER_MS + NS_PER_MS // 2
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            self._failed(now_ns, out, f"{type(error).__name__}: {error}")
            return
        trip_ns = max(0, now_ns - outcome.sent_ns)
        if trip_ns > 2 * self._transport.settings.skew_max_ms * NS_PER_MS:
            # The answer may have been made at any moment of that: it says nothing of the clocks.
            self._failed(now_ns, out, f"the answer took {trip_ns // NS_PER_MS} ms")
            return
        sample = (trip_ns, server_ns - (outcome.sent_ns + now_ns) // 2)
        self._best = min(self._best, sample) if self._best is not None else sample
        self._left_count -= 1
        offset_ms = abs(sample[1]) // NS_PER_MS
        settings = self._transport.settings
        change_ns = abs(sample[1] - self._transport.budget.offset_ns)
        is_alone = self._is_single and change_ns > SURPRISE_NS
        if is_alone and offset_ms > settings.skew_max_ms // 2:
            # One sample over a slow answer proves no clock wrong.
            self._is_single = False
            self._left_count = BURST_COUNT - 1
        if self._left_count > 0:
            self._ask(now_ns, out)
            if self._is_asking:
                return
            # Held back, as when others use the address beyond the limit known so far: what came will do.
        self._settle(now_ns, out)

    def _settle(self, now_ns: int, out: Out) -> None:
        assert self._best is not None
        self._transport.budget.offset_ns = self._best[1]
        self._best = None
        self.is_known = True
        self.note = ""
        self._due_ns = now_ns + self._transport.settings.clock_interval_ms * NS_PER_MS
        self._transport.send_second(now_ns, out)

    def _failed(self, now_ns: int, out: Out, reason: str) -> None:
        self.note = f"the venue's clock cannot be read: {reason}"[:200]
        self._due_ns = now_ns + RETRY_MS * NS_PER_MS
        if self._best is not None:  # the samples of the burst so far will do
            self._settle(now_ns, out)
        else:
            self._transport.send_second(now_ns, out)
