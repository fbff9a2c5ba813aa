"""The default mesh in virtual time, without a socket: every seed trades, and the log keeps its invariants."""

import dataclasses
from collections import Counter

import pytest

from services.cli import config
from services.fused.assemble import assemble
from services.replay.cores import log_cores
from services.replay.invariants import check_log
from services.replay.verify import verify
from shared.messages import orders
from shared.units import NS_PER_S

ROOT_CONFIG = "deploy/paper.yaml"
SEEDS = range(1, 21)


def default_run(seed, seconds):
    sections = config.sections(config.load(ROOT_CONFIG, {}))
    sections["venue_sim"] = dataclasses.replace(sections["venue_sim"], seed=seed)
    events = []
    run = assemble(sections, build="test", store=lambda stored: events.append(stored.event))
    run.run(run.now_ns + seconds * NS_PER_S)
    return events


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.req("BT-6", "BT-7", "ST-3")
def test_every_strategy_has_a_fill_within_a_minute(seed):
    events = default_run(seed, 60)

    fills = Counter(e.message.strategy for e in events if type(e.message) is orders.Fill)
    sent = sum(type(e.message) is orders.OrderSent for e in events)
    assert set(fills) == {"as_btc", "grid_eth", "imb_btc"}
    assert sent >= 30
    assert check_log(events).problems == []


@pytest.mark.req("ST-2", "JR-5")
def test_a_virtual_run_repeats_itself_to_the_byte():
    assert default_run(3, 20) == default_run(3, 20)


@pytest.mark.req("JR-5", "I-39")
def test_a_rerun_of_the_log_says_the_same():
    verdicts = verify(default_run(5, 30), log_cores())

    assert [verdict.difference for verdict in verdicts] == [""] * len(verdicts)
    assert all(verdict.digests_compared > 0 for verdict in verdicts)


@pytest.mark.req("ST-2", "BT-6")
def test_every_strategy_fills_on_the_real_capture(captures):
    files = [str(captures / "binance_hft" / "usdm_btcusdt_20240808.raw.gz")]
    fitted, _ = config.for_replay(config.load(ROOT_CONFIG, {}), ["binance_usdm:BTCUSDT"], files)
    events = []
    run = assemble(config.sections(fitted), build="test", store=lambda stored: events.append(stored.event))

    run.run()
    run.settle()

    fills = Counter(e.message.strategy for e in events if type(e.message) is orders.Fill)
    assert set(fills) == {"as_btc", "grid_eth", "imb_btc"}
    assert check_log(events).problems == []
