"""The part of the broker's shell that trades at venues: joins execution, log and sockets; decides nothing."""

import asyncio
import contextlib
import os
from typing import Any

import msgspec

from services.broker.adapters import adapter_of
from services.broker.core import BrokerCore
from services.broker.execution import Execution, Fact, Out
from services.broker.instructions import CancelOrder, SendOrder, StartTrading
from services.broker.keys import VenueKey, load_key
from services.broker.settings import BrokerSettings, VenueAccess, resolved
from services.broker.shell_account_lock import AccountLock
from services.broker.shell_outside import Outside
from shared.errors import UNDECODABLE, ConfigError, VenueError
from shared.messages import Event, Instruction
from shared.messages.orders import Fill, OrderSent
from shared.messages.system import Reconciled
from shared.runtime.crash import crash_point
from shared.runtime.port import Port

CONSENT = ("QUOTEMESH_LIVE", "I-UNDERSTAND")
"""The second, independent setting of live: an environment variable and its value."""
TIME_EVERY_S = 0.02
PLACES_EVERY_S = 1.0
LAST_CALLS_S = 1.5


class Trading:
    """Execution with its sockets, for one life of the broker."""

    def __init__(self, port: Port, settings: BrokerSettings) -> None:
        self._port, self._settings = port, settings
        self._execution: Execution | None = None
        self._outside: Outside | None = None
        self._accesses: list[VenueAccess] = []
        self._locks: list[AccountLock] = []
        self._keys: dict[str, VenueKey] = {}
        self._is_killed = False
        self._next_time_s = self._next_places_s = 0.0
        self._run = 0
        self._drained = asyncio.Event()

    # ---- before the bus

    def open(self) -> None:
        """Check the second setting of live, read the keys, and take the locks of accounts known by now.

        Raises `ConfigError` before anything was sent.
        """
        if not self._settings.venues:
            raise ConfigError(f"mode {self._settings.mode} names no venue with a key; see docs/live.md")
        if self._settings.mode == "live" and os.environ.get(CONSENT[0]) != CONSENT[1]:
            raise ConfigError(
                f"mode live needs {CONSENT[0]}={CONSENT[1]} in the environment too; nothing was sent. "
                "`quotemesh up` asks for it; see docs/live.md"
            )
        for access in self._settings.venues:
            self._keys[access.name] = load_key(self._port.data, access.key)
            if access.network != "sim":
                self._locks.append(AccountLock(access, self._keys[access.name]))

    # ---- the log

    def seen(self, event: Event) -> None:
        """Hand an applied event to execution, live only."""
        if self._execution is not None and self._port.is_live:
            self._take(self._execution.on_event(event, self._now_ns()))

    def carry_out(self, instruction: Instruction, event: Event) -> None:
        """Do what the core asks; what comes before the venues are reached, execution finds as it starts."""
        if isinstance(instruction, StartTrading):
            self._run = instruction.run
            return
        if isinstance(instruction, SendOrder):
            crash_point("broker.approval_seen")
        elif isinstance(instruction, CancelOrder):
            crash_point("broker.cancel_asked")
        execution = self._execution
        if execution is not None:
            self._take(execution.carry_out(instruction, event, self._now_ns()))
        if isinstance(instruction, CancelOrder):
            crash_point("broker.cancel_written")

    def _durable(self, durable_seq: int) -> None:
        if self._execution is not None:
            self._take(self._execution.on_durable(durable_seq, self._now_ns()))

    # ---- time

    def _begin(self) -> None:
        """Trade, once this run may and every venue's address is known."""
        places = self._places() if self._run else None
        if places is None:
            return
        for access in places:
            if access.network == "sim":
                self._locks.append(AccountLock(access, self._keys[access.name]))
        self._accesses = places
        execution = Execution([adapter_of(access, self._keys[access.name]) for access in places])
        self._outside = Outside(execution, places, self._now_ns, self._take)
        self._execution = execution
        core = self._port.core
        assert isinstance(core, BrokerCore), "the broker's shell has the broker's core"
        self._take(execution.on_latch(self._is_killed, self._now_ns()))
        self._take(execution.start(core, self._run, self._now_ns()))
        self._port.on_durable(self._durable)

    def pass_time(self, now_s: float) -> None:
        """Let time pass for execution, and look whether the bus is heard; called every few milliseconds."""
        execution, outside = self._execution, self._outside
        if execution is None or outside is None:
            self._begin()
            return
        if outside.failed.done():
            outside.failed.result()
        if now_s >= self._next_time_s:
            self._next_time_s = now_s + TIME_EVERY_S
            is_silent = self._port.bus_silent_ms > self._settings.live.bus_silence_ms
            self._take(execution.on_bus(is_silent=is_silent, now_ns=self._now_ns()))
            self._take(execution.on_time(self._now_ns()))
            if execution.is_drained:
                self._drained.set()
        if now_s >= self._next_places_s:
            self._next_places_s = now_s + PLACES_EVERY_S
            places = self._places()
            if places is not None and places != self._accesses:
                raise VenueError("the simulated venue moved to another port: starting again there")

    # ---- kill and stop

    def latch(self, *, is_set: bool) -> None:
        """Cancel everything at once, whatever else is broken; or let orders pass again."""
        self._is_killed = is_set
        if self._execution is None:
            return
        if is_set:
            crash_point("broker.kill_seen")
        out = self._execution.on_latch(is_set, self._now_ns())
        half = len(out) // 2
        self._take(out[:half])
        if is_set:
            crash_point("broker.half_canceled")
        self._take(out[half:])

    async def drain(self) -> None:
        """Withdraw what rests, and wait until it is gone and the log has heard of it (BR-23)."""
        execution = self._execution
        if execution is None:
            return
        self._take(execution.begin_drain(self._now_ns()))
        self._drained.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._drained.wait(), self._settings.live.drain_ms / 1000)

    async def close(self) -> None:
        """Leave the venues: the last requests get a moment, then every connection is dropped."""
        if self._execution is not None and self._outside is not None:
            out = self._execution.stop(self._now_ns())
            self._take([one for one in out if not isinstance(one, Fact)])
            await self._outside.finish(LAST_CALLS_S)
            await self._outside.close()
        for lock in self._locks:
            lock.close()

    def status(self) -> list[Any]:
        """Return what a person asks for: orders that may live, and why each venue takes none."""
        execution = self._execution
        if execution is None:
            return [0, ["the venues are not reached yet"]]
        closed = [desk.why_closed for desk in execution.desks.values()]
        return [execution.live_count, [why for one in closed if one is not None for why in [one[1]]]]

    # ---- joints

    def _now_ns(self) -> int:
        return self._port.clock.now_ns()

    def _take(self, out: Out) -> None:
        """Carry out work, the bytes first, then publish facts: a crash between leaves an order unknown."""
        if not out:
            return
        assert self._outside is not None, "nothing speaks before the sockets are there"
        kinds = {type(one.message) for one in out if isinstance(one, Fact)}
        _reach(kinds, "read")
        is_sending = OrderSent in kinds
        if is_sending:
            crash_point("broker.gate_passed")
        for one in out:
            if not isinstance(one, Fact):
                self._outside.carry_out(one.venue, one.work)
        if is_sending:
            crash_point("broker.order_written")
        for one in out:
            if isinstance(one, Fact):
                self._port.publish(one.message, one.origin_ns or None, one.cause_seq)
        _reach(kinds, "said")

    def _places(self) -> list[VenueAccess] | None:
        """Return the accounts with their addresses, None while the simulated venue has not said its own."""
        ports: dict[str, int] = {}
        if any(access.network == "sim" for access in self._settings.venues):
            try:
                kept = msgspec.json.decode((self._port.data.run / "venue_sim.json").read_bytes())
                ports = {name: int(entry["port"]) for name, entry in kept.items()}
            except (OSError, *UNDECODABLE, KeyError, TypeError, AttributeError):
                return None
        places = [resolved(access, ports) for access in self._settings.venues]
        known = [place for place in places if place is not None]
        return known if len(known) == len(places) else None


def _reach(kinds: set[type[Any]], stage: str) -> None:
    """Pass the crash points about facts that were read, or said."""
    if Fill in kinds:
        crash_point(f"broker.fill_{stage}")
    if Reconciled in kinds:
        crash_point("broker.reconciling" if stage == "read" else "broker.reconciled_said")
    if kinds and OrderSent not in kinds:
        crash_point(f"broker.answer_{stage}")
    elif kinds and stage == "said":
        crash_point("broker.sent_said")
