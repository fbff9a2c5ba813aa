"""The gateway process: `python -m services.gateway.main`, with QUOTEMESH_DATA set."""

import sys

from services.gateway.shell import GatewayShell
from services.gateway.view import GatewayView
from shared.runtime.doorbell import MARKET_DATA
from shared.runtime.service import run_service


def main() -> int:
    """Run the gateway until it is told to stop; return the exit code."""
    view = GatewayView()
    return run_service(
        view, GatewayShell(view), unhurried=MARKET_DATA | {"intent", "verdict", "order", "position", "digest"}
    )


if __name__ == "__main__":
    sys.exit(main())
