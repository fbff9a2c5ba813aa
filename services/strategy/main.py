"""Run the strategy process."""

import sys

from services.strategy.core import StrategyCore
from shared.runtime.service import run_service


def main() -> int:
    """Recover, then trade until told to stop; return the exit code."""
    return run_service(StrategyCore(), None)


if __name__ == "__main__":
    sys.exit(main())
