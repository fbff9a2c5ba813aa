"""The exact path of a backtest: the cores of live trading in virtual time, over messages from columns.

Every message that market_data would say of a market comes at its local time, a `Tick` each 100 ms between;
the cores answer each before the next one comes. Everything that paper trading has is there: every strategy,
risk check, guard, the paper venue. It is the reference for the array path, and for what the array path does
not model.

Order of what falls together: at one time first the rows (of the markets in the order given), then the tick.
What fell due meanwhile (an order reaches the venue) happens at the next event, before it, as it does live.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from services.backtest.exact_feed import MarketFeed, Timed, merged
from services.broker.core import BrokerCore
from services.broker.instructions import ClearLatch, LatchKill
from services.fused.mesh import TICK_NS, FusedMesh, Stored
from services.risk.core import RiskCore
from services.strategy.core import StrategyCore
from shared.core import Core
from shared.messages import Event, Instruction
from shared.messages.control import InstanceFailed, KillCleared, KillLatched
from shared.messages.market import Candle
from shared.messages.system import Reconciled
from shared.settings import pack
from shared.units import INT64_MAX

FEED = "market_data.io"
EPOCH = 1
"""Of every backtest: order ids are the same in each run of the same data and settings."""
SERVICES = ("strategy", "risk", "broker")
CHECK_EVERY = 256
"""Events between two looks at `stop`."""

Watch = Callable[[Event], None]


class ExactRun:
    """One backtest of `sections` (the settings of each service) over `feeds`; see the module.

    `watch` sees every event of the virtual log in order, `store` gets it with its encoded body (for a
    journal; encoding costs time). `failure` is the `InstanceFailed` of the first strategy that raised: the
    run ends with that event. `message_count` counts what the venues said (candles are made here), `now_ns` is
    the virtual time.
    """

    def __init__(
        self,
        sections: Mapping[str, Any],
        feeds: Sequence[MarketFeed],
        *,
        build: str,
        watch: Watch | None = None,
        store: Callable[[Stored], None] | None = None,
        cores: Sequence[Core] = (),
    ) -> None:
        packed = {name: pack(sections[name]) for name in SERVICES}
        self._watch = watch
        self.mesh = FusedMesh(
            cores or [StrategyCore(), RiskCore(), BrokerCore()],
            packed,
            build=build,
            epoch=EPOCH,
            store=store,
            watch=self._see,
            carry_out=self._carry_out,
        )
        self.feeds = feeds
        self.failure: Event | None = None
        self.message_count = 0
        self.first_ns = 0
        self._next_tick_ns = 0
        self._messages: Iterator[Timed] = iter(())
        self._waiting: Timed | None = None

    @property
    def now_ns(self) -> int:
        """Return the virtual time."""
        return self.mesh.now_ns

    @property
    def is_over(self) -> bool:
        """Return whether the data are at their end, or a strategy raised."""
        return self._waiting is None or self.failure is not None

    @property
    def row_count(self) -> int:
        """Return how many rows of the columns are behind what was said."""
        return sum(feed.row for feed in self.feeds)

    def _see(self, event: Event) -> None:
        if type(event.message) is InstanceFailed and self.failure is None:
            self.failure = event
        if self._watch is not None:
            self._watch(event)

    def _carry_out(self, service: str, instruction: Instruction, event: Event) -> None:  # noqa: ARG002
        """Play the broker's shell: a latched kill is a fact of the run, no file."""
        if isinstance(instruction, LatchKill):
            self.mesh.say("broker.io", KillLatched(instruction.by, instruction.reason, instruction.path))
        elif isinstance(instruction, ClearLatch):
            self.mesh.say("broker.io", KillCleared(instruction.by, instruction.reason))

    def start(self, from_ns: int = 0, until_ns: int = INT64_MAX) -> None:
        """Start the services at the first row in [from_ns, until_ns] and tell the rules of every market."""
        self._messages = merged(self.feeds, from_ns, until_ns)
        self._waiting = next(self._messages, None)
        if self._waiting is None:
            return
        self.first_ns = self._waiting[0]
        self._next_tick_ns = self.first_ns + TICK_NS
        self.mesh.start(self.first_ns, others=("market_data",))
        self.mesh.say("broker.io", Reconciled(run=self.mesh.run_of("broker")))
        for feed in self.feeds:
            self.mesh.say(FEED, feed.rules)

    def run(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Go on to the end of the data, to a strategy that raises, or until `stop()` says so.

        `stop` is asked every `CHECK_EVERY` messages; a stopped run goes on with the next call.
        """
        mesh, messages, timed = self.mesh, self._messages, self._waiting
        next_tick_ns, count = self._next_tick_ns, self.message_count
        try:
            while timed is not None:
                now_ns, message = timed
                while next_tick_ns < now_ns:
                    mesh.tick(next_tick_ns)
                    next_tick_ns += TICK_NS
                mesh.now_ns = now_ns
                mesh.say(FEED, message)
                if type(message) is not Candle:
                    count += 1
                timed = next(messages, None)
                if self.failure is not None:
                    return
                if not count % CHECK_EVERY:
                    self.message_count = count
                    if stop():
                        return
        finally:
            self._waiting, self._next_tick_ns, self.message_count = timed, next_tick_ns, count

    def digest(self) -> str:
        """Return a digest over the state of all cores, as hexadecimal digits."""
        return "".join(host.core.digest().hex() for host in self.mesh.hosts.values())
