"""The results of a sweep outlive whatever ends it."""

import pytest

from services.backtest.sweep_stats import moments_of
from services.backtest.sweep_store import SweepStore, UnitResult, key_of
from shared.errors import JournalError


def result(key, **fields):
    return UnitResult(key=key, samples=moments_of([0.1, -0.2]), **fields)


@pytest.mark.req("BT-9")
def test_results_are_there_again_after_a_start(tmp_path):
    path = tmp_path / "new" / "sweep.jsonl"
    with SweepStore(path) as store:
        store.put(result("a", net_pnl=1.25, point=(("x", "1"),)))
        store.put(result("b", failure="it raised"))

    with SweepStore(path) as store:
        assert list(store.results) == ["a", "b"]
        assert store.results["a"] == result("a", net_pnl=1.25, point=(("x", "1"),))
        assert not store.results["b"].is_good


def test_a_line_that_was_cut_is_dropped_and_the_next_one_is_whole(tmp_path):
    path = tmp_path / "sweep.jsonl"
    with SweepStore(path) as store:
        store.put(result("a"))
        store.put(result("b"))
    path.write_bytes(path.read_bytes()[:-7])

    with SweepStore(path) as store:
        assert list(store.results) == ["a"]
        store.put(result("c"))
    with SweepStore(path) as store:
        assert list(store.results) == ["a", "c"]


@pytest.mark.parametrize("line", [b"{}\n", b"not json\n", b'{"key":"a","what":1}\n'])
def test_a_file_of_another_kind_is_named_with_its_line_and_left_alone(tmp_path, line):
    path = tmp_path / "sweep.jsonl"
    path.write_bytes(line)

    with pytest.raises(JournalError, match=r"sweep\.jsonl, line 1: not a result of a sweep"):
        SweepStore(path)
    assert path.read_bytes() == line


def test_a_second_sweep_on_the_same_file_is_refused(tmp_path):
    path = tmp_path / "sweep.jsonl"
    with SweepStore(path), pytest.raises(JournalError, match="written by another sweep"):
        SweepStore(path)


@pytest.mark.req("BT-9")
def test_every_combination_ever_tried_on_the_data_counts_as_a_trial(tmp_path):
    with SweepStore(tmp_path / "sweep.jsonl") as store:
        store.put(result("a", point=(("x", "1"),), data="d"))
        store.put(result("b", point=(("x", "1"),), data="d"))
        store.put(result("c", point=(("x", "2"),), data="d"))
        store.put(result("e", point=(("x", "3"),), data="other"))

        assert store.trials_on("d") == 2


def test_parts_of_a_key_do_not_run_into_each_other():
    assert key_of(b"ab", b"c") != key_of(b"a", b"bc")
