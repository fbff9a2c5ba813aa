"""Run the strategy process."""

import sys

from services.strategy.shell_own import allow_own_strategies
from services.strategy.shell_watch import StrategyShell
from shared.runtime.paths import DataDir
from shared.runtime.service import run_service


def main() -> int:
    """Recover, then trade until told to stop; return the exit code."""
    allow_own_strategies(DataDir.from_environment())
    shell = StrategyShell()
    return run_service(shell.core_class(), shell)


if __name__ == "__main__":
    sys.exit(main())
