"""Where a sweep is done makes no difference, and a worker that dies takes nothing with it."""

import os
import signal
from functools import partial

import pytest

from services.backtest.sweep_plan import parts_of, units_of
from services.backtest.sweep_pool import DaskPool, ProcessPool, SerialPool
from services.backtest.sweep_space import grid, parse_axis
from shared.errors import ConfigError
from tests.services.backtest.sweep_work import die_always, die_once, work

UNITS = units_of(grid([parse_axis("x=1..6:6")]), parts_of(0, 100, 1), b"id")


def by_key(results):
    return {result.key: result for result in results}


@pytest.mark.req("BT-9")
def test_processes_give_the_results_of_one_process():
    serial = by_key(SerialPool().results(work, UNITS))

    assert len(serial) == 12
    assert by_key(ProcessPool(2).results(work, UNITS)) == serial


def test_a_process_that_dies_once_costs_nothing(tmp_path):
    results = list(ProcessPool(2).results(partial(die_once, str(tmp_path)), UNITS))

    assert (tmp_path / "died").exists()
    assert len(results) == 12
    assert by_key(results) == by_key(SerialPool().results(work, UNITS))


def test_a_run_that_always_kills_its_process_is_given_up_and_the_others_are_done():
    results = by_key(ProcessPool(2).results(die_always, UNITS))

    failed = [result for result in results.values() if not result.is_good]
    assert len(results) == 12
    assert [dict(result.point)["x"] for result in failed] == ["3", "3"]
    assert "its process died 2 times; not enough memory?" in failed[0].failure


@pytest.mark.req("BT-9")
def test_a_dask_cluster_gives_the_same_also_when_a_worker_is_killed_on_the_way():
    pool = DaskPool("local:2")
    try:
        pids = list(pool._client.run(os.getpid).values())
        results = []
        for result in pool.results(work, UNITS):
            if not results:
                os.kill(pids[0], signal.SIGKILL)
            results.append(result)
    finally:
        pool.close()

    assert len(pids) == 2
    assert by_key(results) == by_key(SerialPool().results(work, UNITS))


def test_a_cluster_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match=r"--dask local:x: .*write tcp://HOST:PORT"):
        DaskPool("local:x")
