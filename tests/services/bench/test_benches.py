"""Each bench runs, in a tiny size, and measures what it says; no time is asserted."""

import json

import pytest
from click.testing import CliRunner

from services.bench import (
    bus,
    chain,
    every_update,
    feed,
    fused,
    hundred_orders,
    imports,
    kernels,
    kill,
    levels,
    page,
)
from services.bench.machine import machine
from services.cli import bench_commands
from shared.units import Side


@pytest.fixture
def tiny(monkeypatch):
    for module, sizes in {
        kernels: {"ROUNDS": 1, "CALLS": 20},
        fused: {"UPDATES": 30, "WARM_UP": 5},
        bus: {"EVENTS": 400, "ROUNDS": 1},
        chain: {"HZ": 100, "SECONDS": 1, "ROUNDS": 1},
        imports: {"ROUNDS": 1},
        kill: {"TRIALS": 2, "SYNCS": 5, "RESTING": 20},
    }.items():
        for name, size in sizes.items():
            monkeypatch.setattr(module, name, size)
    monkeypatch.setattr("services.bench.prototypes.folder", lambda: None)
    monkeypatch.delenv("QUOTEMESH_KILL_TRIALS", raising=False)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("bench", [kernels, fused])
def test_a_bench_in_one_process_gives_figures_above_zero(bench):
    figures = bench.measure()

    assert figures
    assert all(one.value > 0 for one in figures)
    assert all(one.at_most or one.ratio_max for one in figures)


@pytest.mark.usefixtures("tiny")
def test_an_import_is_measured_beside_decoding_alone(captures, monkeypatch):
    monkeypatch.setenv("QUOTEMESH_CAPTURES", str(captures))
    monkeypatch.setattr(imports, "CAPTURES", {"spot": imports.CAPTURES["spot"]})

    speed, cost = imports.measure()

    assert (speed.at_least, cost.ratio_max) == (300_000, 1.3)
    assert speed.value > 0
    assert cost.peer > 0


@pytest.mark.mesh
@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("bench", [bus, chain])
def test_a_bench_of_real_processes_gives_figures_above_zero(bench):
    figures = bench.measure()

    assert figures
    assert all(one.value > 0 for one in figures)


@pytest.mark.mesh
@pytest.mark.usefixtures("tiny")
@pytest.mark.req("I-24")
def test_kill_by_socket_and_by_file_holds_and_each_trial_is_kept():
    latched, last_create, empty, disk = kill.measure()

    assert [len(one.rounds) for one in (latched, last_create, empty)] == [2, 2, 2]
    assert all(0 < ms <= empty_ms for ms, empty_ms in zip(latched.rounds, empty.rounds, strict=True))
    assert disk.value > 0


@pytest.mark.usefixtures("tiny")
def test_the_command_writes_json_and_fills_the_page(tmp_path):
    out, target = tmp_path / "out.json", tmp_path / "page.md"
    target.write_text(f"{page.BEGIN}\n{page.END}\n", encoding="utf-8")

    done = CliRunner().invoke(
        bench_commands.bench, ["fused", "--out", str(out), "--page", str(target)], catch_exceptions=False
    )

    assert done.exit_code == 0
    found = json.loads(out.read_text(encoding="utf-8"))
    assert found["machine"]["cores"] == machine()["cores"]
    assert page.figure_of(found["figures"]["fused"][0]).line() in target.read_text(encoding="utf-8")


def test_every_registered_bench_has_what_measures_it():
    for module, _ in bench_commands.BENCHES.values():
        assert callable(__import__(module, fromlist=["measure"]).measure)


def test_an_update_of_the_bench_market_changes_twenty_levels_a_side():
    block = levels.update_block(3)

    assert len(block) == 2 * 20 * 16
    assert block != levels.update_block(4)


class Book:
    bid_ticks = 1000


class Ctx:
    book = Book()

    def __init__(self, *slots):
        self.orders = dict.fromkeys(slots)


def test_the_chain_strategy_asks_for_one_order_in_so_many_updates():
    strategy = every_update.EveryUpdate(every_update.EveryUpdateSettings(every=2))

    asked = [len(list(strategy.on_book(Ctx()))) for _ in range(4)]

    assert asked == [0, 1, 0, 1]
    again = every_update.EveryUpdate(every_update.EveryUpdateSettings(every=2))
    again.restore(strategy.snapshot())
    assert again.snapshot() == strategy.snapshot()


def test_the_kill_strategy_fills_the_slots_that_are_free_and_streams_one_order():
    strategy = hundred_orders.HundredOrders(hundred_orders.HundredOrdersSettings(resting=12))

    first = list(strategy.on_book(Ctx()))
    second = list(strategy.on_book(Ctx(*(one.slot for one in first))))

    assert len(first) == hundred_orders.PLACED_PER_UPDATE + 1
    assert [one.slot for one in second] == ["r10", "r11", "s2"]
    assert all(one.side is Side.BUY and one.price_ticks < Book.bid_ticks for one in first + second)
    again = hundred_orders.HundredOrders(hundred_orders.HundredOrdersSettings())
    again.restore(strategy.snapshot())
    assert again.snapshot() == strategy.snapshot()


@pytest.mark.req("MD-23")
def test_the_feed_is_measured_on_a_recorded_capture(captures, monkeypatch):
    monkeypatch.setenv("QUOTEMESH_CAPTURES", str(captures))
    monkeypatch.setattr(feed, "SECONDS", 5)

    median_us, tail_us = feed.measure()

    assert 0 < median_us.value <= tail_us.value
    assert median_us.at_most == 100


def test_without_a_capture_there_is_no_figure_of_the_feed(tmp_path, monkeypatch):
    monkeypatch.setenv("QUOTEMESH_CAPTURES", str(tmp_path))

    assert feed.measure() == []
