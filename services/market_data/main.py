"""The process `market_data`: venue feeds in, trusted books, trades and prices out, as facts of its run."""

import sys

from services.market_data.shell import FeedShell
from shared.runtime.service import run_service


def main() -> int:
    """Run until told to stop; return the exit code."""
    return run_service(None, FeedShell(), service="market_data")


if __name__ == "__main__":
    sys.exit(main())
