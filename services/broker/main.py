"""The broker process: `python -m services.broker.main`, with QUOTEMESH_DATA set."""

import sys

from services.broker.core import BrokerCore
from services.broker.shell import BrokerShell
from shared.runtime.doorbell import MARKET_DATA
from shared.runtime.service import run_service


def main() -> int:
    """Run the broker until it is told to stop; return the exit code."""
    return run_service(
        BrokerCore(), BrokerShell(), unhurried=MARKET_DATA | {"order", "fill", "position", "digest"}
    )


if __name__ == "__main__":
    sys.exit(main())
