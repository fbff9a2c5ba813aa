"""The cores that live on the log, by service: what a replay and the fused mesh run."""

from services.broker.core import BrokerCore
from services.gateway.view import GatewayView
from services.risk.core import RiskCore
from services.strategy.core import StrategyCore
from shared.core import Core


def log_cores() -> list[Core]:
    """Return one new core of each service that follows the log."""
    return [StrategyCore(), RiskCore(), BrokerCore(), GatewayView()]
