"""A strategy of the user on a real mesh: one that never returns stops alone; a reset and a replay follow."""

import pytest

pytestmark = pytest.mark.mesh

CONFIG = """
symbols: [binance_usdm:BTCUSDT]
warmup_s: 0
warmup_points: 20
broker: {initial_balance: 1000000}
callback_limit_ms: 500
strategies:
  good: {kind: "own_file:Bidder", symbol: "binance_usdm:BTCUSDT", on_pause: keep}
  stuck: {kind: "own_file:Stuck", symbol: "binance_usdm:BTCUSDT"}
  dark: {kind: "own_file:Bidder", symbol: "binance_usdm:BTCUSDT", shadow_of: good}
"""
STRATEGY = '''
from dataclasses import dataclass

from services.strategy.base import NOTHING, Quote, Strategy, TargetQuotes
from shared.units import Side


@dataclass(frozen=True)
class NoSettings:
    """Nothing to set."""


class Bidder(Strategy):
    """One bid that stays near the market."""

    Settings = NoSettings

    def on_book(self, ctx):
        price = ctx.book.bid_ticks // 500 * 500 - 500
        return [TargetQuotes((Quote("bid", Side.BUY, price, 5),))]


class Stuck(Bidder):
    """Never returns from a trade once an order of its rests."""

    def on_trade(self, ctx, trade):
        while ctx.orders:
            pass
        return NOTHING
'''


def events(mesh, kind):
    return [line for line in mesh.lines("export", "events", "--json") if line["type"] == kind]


@pytest.mark.req("ST-1", "ST-5", "ST-44", "I-44", "I-39")
def test_a_strategy_that_blocks_stops_alone_and_the_log_replays(mesh, tmp_path):
    config = tmp_path / "own.yaml"
    config.write_text(CONFIG)
    folder = mesh.data / "config" / "strategies"
    folder.mkdir(parents=True)
    (folder / "own_file.py").write_text(STRATEGY)
    mesh.must("up", "--config", config)
    pid = mesh.pid_of("strategy")

    def waited(kind, count=1):
        found = []

        def claim(_status):
            found[:] = events(mesh, kind)
            return len(found) >= count

        mesh.wait(claim)
        return found

    failed = waited("instance_failed")
    assert "did not return within 0.5 s (at own_file.py:" in str(failed[0])
    assert mesh.pid_of("strategy") == pid
    assert waited("shadow_order")

    mesh.must("strategy", "reset", "stuck", "--reason", "for the test")
    assert len(waited("instance_failed", 2)) == 2
    mesh.must("pause", "good")
    mesh.must("down")

    assert '"winner": null' in mesh.must("compare", "good", "dark", "--json")
    mesh.must("replay", "--verify")
