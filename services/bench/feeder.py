"""The market data of a benchmark mesh: books at a steady rate, from a real process on the real bus.

`python -m services.bench.feeder`, with QUOTEMESH_DATA and QUOTEMESH_BENCH_FEED (`HZ COUNT`) set. It speaks as
`market_data`; each update carries the mesh time just before it is handed to the socket as its origin.
"""

import array
import asyncio
import os
import sys
import time

from services.bench.levels import MID_TICKS, SYMBOL, rules, update_block
from shared.messages.market import BookSnapshot, BookUpdate, FeedStatus
from shared.runtime.doorbell import MARKET_DATA
from shared.runtime.port import NoShell, Port
from shared.runtime.service import run_service

WARM_UP_S = 3.0
SPIN_S = 0.0001
"""As long as the prototype's feeder spins: a core that spins is a core the mesh does not have."""
SNAPSHOT_LEVELS = 100


class FeederShell(NoShell):
    """Publishes `count` updates, `hz` a second, then stays silent but alive."""

    def __init__(self, hz: int, count: int) -> None:
        self._hz, self._count = hz, count

    async def live(self, port: Port) -> None:
        """Feed, once the mesh has had time to reconcile."""
        port.publish(rules())
        block = array.array("q")
        for i in range(SNAPSHOT_LEVELS):
            block.extend((MID_TICKS - 1 - i, 100 + i))
        for i in range(SNAPSHOT_LEVELS):
            block.extend((MID_TICKS + 1 + i, 100 + i))
        now_ns = port.clock.now_ns()
        port.publish(BookSnapshot(SYMBOL, 1, 1, SNAPSHOT_LEVELS, block.tobytes(), "start", now_ns, now_ns))
        port.publish(FeedStatus(venue="binance_usdm", state="live"))
        await asyncio.sleep(WARM_UP_S)
        blocks = [update_block(i) for i in range(16)]
        due_s = time.monotonic()
        for i in range(self._count):
            due_s += 1 / self._hz
            wait_s = due_s - time.monotonic()
            if wait_s > SPIN_S:
                await asyncio.sleep(wait_s - SPIN_S)
            while time.monotonic() < due_s:
                continue
            now_ns = port.clock.now_ns()
            message = BookUpdate(SYMBOL, i + 2, i + 2, i + 2, 20, blocks[i % 16], now_ns, now_ns)
            port.publish(message, origin_ns=now_ns)


def main() -> int:
    """Feed until told to stop."""
    hz, count = map(int, os.environ["QUOTEMESH_BENCH_FEED"].split())
    return run_service(
        None, FeederShell(hz, count), "market_data", MARKET_DATA | {"intent", "verdict", "order", "digest"}
    )


if __name__ == "__main__":
    sys.exit(main())
