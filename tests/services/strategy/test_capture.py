"""The three strategies over real market data: they trade, at a reasonable rate, and survive a restart."""

from collections import Counter, defaultdict

import pytest

from services.cli import config
from services.fused.assemble import assemble
from services.strategy.core import StrategyCore
from shared.hosting import CoreHost
from shared.messages import orders
from shared.messages.control import InstanceFailed
from shared.units import NS_PER_S

USDM = ["usdm_btcusdt_20240808.raw.gz"]
SPOT = ["spot_btcusdt_20240808.raw.gz", "spot_btcusdt_20240809.raw.gz"]


def played(captures, symbol, names, seconds=0):
    """Return the log of a capture through the whole mesh in virtual time, all strategies on its market."""
    files = [str(captures / "binance_hft" / name) for name in names]
    fitted, _ = config.for_replay(config.load("deploy/paper.yaml", {}), [symbol], files)
    sections = config.sections(fitted)
    events = []
    run = assemble(sections, build="test", store=lambda stored: events.append(stored.event))
    run.run(run.now_ns + seconds * NS_PER_S if seconds else None)
    return events


@pytest.fixture(scope="module")
def usdm_log(captures):
    return played(captures, "binance_usdm:BTCUSDT", USDM)


def seconds_of_intents(events):
    """Return {strategy: {second: orders}} and the length of the log in seconds."""
    first_ns = events[0].header.ts_ns
    found = defaultdict(Counter)
    for event in events:
        if isinstance(event.message, orders.OrderIntent):
            found[event.message.strategy][(event.header.ts_ns - first_ns) // NS_PER_S] += 1
    return found, (events[-1].header.ts_ns - first_ns) / NS_PER_S


@pytest.mark.req("ST-3", "ST-7", "ST-22", "ST-39")
def test_every_strategy_fills_on_a_real_derivative_book_without_a_storm_of_orders(usdm_log) -> None:
    fills = Counter(e.message.strategy for e in usdm_log if isinstance(e.message, orders.Fill))
    by_second, seconds = seconds_of_intents(usdm_log)

    assert set(fills) == {"as_btc", "grid_eth", "imb_btc"}
    assert [e.message.error for e in usdm_log if isinstance(e.message, InstanceFailed)] == []
    for counts in by_second.values():
        assert sum(counts.values()) / seconds < 5
        busiest_ten = max(sum(counts[at + step] for step in range(10)) for at in counts)
        assert busiest_ten < 80


@pytest.mark.req("ST-14")
def test_on_real_spot_nobody_sells_what_he_does_not_hold(captures) -> None:
    events = played(captures, "binance:BTCUSDT", SPOT, seconds=150)

    held = Counter()
    for event in events:
        if isinstance(event.message, orders.Fill):
            held[event.message.strategy] += event.message.side.sign * event.message.qty_lots
            assert held[event.message.strategy] >= 0
    assert set(held) == {"as_btc", "grid_eth", "imb_btc"}


@pytest.mark.req("I-29", "I-27")
def test_no_order_is_asked_for_on_a_book_that_is_not_trusted(usdm_log) -> None:
    from services.strategy.world import World
    from shared.messages.market import BookInvalid, BookSnapshot, BookUpdate

    book = World().book("binance_usdm:BTCUSDT")
    trusted_at = {0: False}
    for event in usdm_log:
        message = event.message
        if isinstance(message, BookSnapshot):
            book.snapshot(message.levels, message.bid_count, message.update_n)
        elif isinstance(message, BookUpdate):
            book.update(message.levels, message.bid_count, message.update_n)
        elif isinstance(message, BookInvalid):
            book.invalidate()
        trusted_at[event.header.seq] = book.is_trusted
        if isinstance(message, orders.OrderIntent):
            assert trusted_at[event.header.cause_seq]


@pytest.mark.req("JR-5", "I-39")
def test_a_core_restored_in_mid_capture_says_and_ends_the_same(usdm_log) -> None:
    whole, first = CoreHost(StrategyCore()), CoreHost(StrategyCore())
    for event in usdm_log:
        whole.apply(event)
    cut = len(usdm_log) // 2
    for event in usdm_log[:cut]:
        first.apply(event)

    second = CoreHost(StrategyCore())
    second.restore(first.snapshot())
    for event in usdm_log[cut:]:
        second.apply(event)

    assert second.core.digest() == whole.core.digest()
