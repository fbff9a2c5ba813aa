"""Where the runs of a sweep are done: here, in processes, or on a Dask cluster; the results are the same.

A run is a function of its unit, so it does not matter where, when or how often it is done. A worker that
dies takes its run with it: the run is done again, and one that takes a worker with it `DEATHS_MAX` times is
given up with that reason.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol

from services.backtest.research import research_package
from services.backtest.sweep_plan import Unit
from services.backtest.sweep_store import UnitResult
from shared.errors import ConfigError

DEATHS_MAX = 2
AHEAD = 2
"""Runs that wait for each worker; more would only be lost with it."""

RunUnit = Callable[[Unit], UnitResult]
"""What is done for one unit. It must be picklable: a partial of a function of a module."""


class Pool(Protocol):
    """Does units and yields each result as it comes, in any order."""

    def results(self, run: RunUnit, units: Sequence[Unit]) -> Iterator[UnitResult]:
        """Yield one result per unit; closing the iterator ends the work."""
        ...


class SerialPool:
    """One run after another, in this process."""

    def results(self, run: RunUnit, units: Sequence[Unit]) -> Iterator[UnitResult]:
        """Yield the results in the order of `units`."""
        for unit in units:
            yield run(unit)


class ProcessPool:
    """Runs on `workers` processes of this machine; the default."""

    def __init__(self, workers: int = 0) -> None:
        self.workers = workers or len(os.sched_getaffinity(0))

    def results(self, run: RunUnit, units: Sequence[Unit]) -> Iterator[UnitResult]:
        """Yield results as they come; when a process dies, what was under way is done again, one by one."""
        left = list(units)
        while left:
            done: set[str] = set()
            suspects: list[Unit] = []
            for result in self._round(run, left, self.workers, suspects):
                done.add(result.key)
                yield result
            left = [unit for unit in left if unit.key not in done and unit not in suspects]
            for unit in suspects:
                yield self._alone(run, unit)

    def _alone(self, run: RunUnit, unit: Unit) -> UnitResult:
        """Do one unit in a process of its own, so that a death can only be its own."""
        for _ in range(DEATHS_MAX):
            for result in self._round(run, [unit], 1, []):
                return result
        why = f"its process died {DEATHS_MAX} times; not enough memory? try --jobs 1"
        return UnitResult(key=unit.key, point=unit.point, failure=why)

    def _round(
        self, run: RunUnit, units: Sequence[Unit], workers: int, suspects: list[Unit]
    ) -> Iterator[UnitResult]:
        """Yield results until all are done, or until a process dies: what was under way joins `suspects`."""
        # Started anew, not forked: a fork would copy threads and locks of whoever called us.
        context = multiprocessing.get_context("forkserver")
        pool = ProcessPoolExecutor(workers, mp_context=context)
        waiting = iter(units)
        running: dict[Future[UnitResult], Unit] = {}
        try:
            while True:
                while len(running) < workers * AHEAD and (unit := next(waiting, None)) is not None:
                    running[pool.submit(run, unit)] = unit
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    result = future.result()
                    del running[future]
                    yield result
        except BrokenProcessPool:
            suspects += running.values()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class DaskPool:
    """Runs on a Dask cluster: `address` of its scheduler, or `local:N` for N processes of this machine.

    The workers need this version of quotemesh and the data under the same paths. Raises `ConfigError` when
    Dask is not installed or the cluster does not answer.
    """

    def __init__(self, address: str, client: Any = None) -> None:
        self._distributed = research_package("distributed", "a sweep on Dask")
        self._client = client if client is not None else self._connect(address)

    def _connect(self, address: str) -> Any:
        kind, _, count = address.partition(":")
        try:
            if kind == "local":
                workers = int(count or "2")
                cluster = self._distributed.LocalCluster(
                    n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
                )
                return self._distributed.Client(cluster)
            return self._distributed.Client(address, timeout=10)
        except (OSError, TimeoutError, ValueError) as error:
            raise ConfigError(
                f"--dask {address}: {error}; write tcp://HOST:PORT of a scheduler, or local:2"
            ) from error

    def results(self, run: RunUnit, units: Sequence[Unit]) -> Iterator[UnitResult]:
        """Yield results as they come; the scheduler gives the runs of a lost worker to another."""
        futures = {
            self._client.submit(run, unit, key=unit.key, pure=False, retries=0): unit for unit in units
        }
        try:
            for future in self._distributed.as_completed(list(futures)):
                unit = futures[future]
                try:
                    yield future.result()
                except self._distributed.KilledWorker as error:
                    yield UnitResult(key=unit.key, point=unit.point, failure=f"its worker died: {error}")
        finally:
            self._client.cancel(list(futures))

    def close(self) -> None:
        """End a cluster of our own, leave one that was there."""
        self._client.close()
        if self._client.cluster is not None:
            self._client.cluster.close()
