"""The cores that live on the log, by service: what a replay and the fused mesh run."""

from collections.abc import Iterable, Iterator

from services.broker.core import BrokerCore
from services.gateway.view import GatewayView
from services.risk.core import RiskCore
from services.strategy.calls import Calls, interruptions
from services.strategy.core import StrategyCore
from shared.core import Core
from shared.messages import Event, decode_header, message_of
from shared.runtime.journal import JournalReader


def strategy_events(reader: JournalReader) -> Iterator[Event]:
    """Yield what a stored log tells of its strategies: give it to `log_cores` before the log is run again."""
    for row in reader.rows(prefixes=(b".strategy.",)):
        yield Event(decode_header(row.header), message_of(row.body))


def log_cores(told: Iterable[Event] = ()) -> list[Core]:
    """Return one new core of each service that follows the log.

    `told` are those events of the log to be run again that say of strategies which calls did not return
    (`InstanceFailed`; others do no harm): the cores stop there without making them.
    """
    calls = Calls()
    calls.known.update(interruptions(told))
    return [StrategyCore(calls), RiskCore(), BrokerCore(), GatewayView()]
