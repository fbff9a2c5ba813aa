"""The risk process: `python -m services.risk.main`, with QUOTEMESH_DATA set."""

import sys

from services.risk.core import RiskCore
from shared.runtime.doorbell import MARKET_DATA
from shared.runtime.service import run_service


def main() -> int:
    """Run risk until it is told to stop; return the exit code."""
    return run_service(RiskCore(), unhurried=MARKET_DATA | {"verdict", "order", "position", "digest"})


if __name__ == "__main__":
    sys.exit(main())
