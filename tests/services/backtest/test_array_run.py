"""The array path says what the exact path says, event by event: orders, verdicts, reports, funding."""

from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest

from services.backtest.array_place import ArrayMarket
from services.backtest.array_run import ArrayRun
from services.backtest.generate import Flow, generate
from services.strategy.settings import InstanceSettings
from shared.columns import Columns
from shared.messages import orders
from shared.messages.control import TradingState
from shared.messages.market import BookUpdate
from shared.units import NS_PER_S
from tests.services.backtest.paths import Log, agreed, array

PERP, SPOT = "binance_usdm:BTCUSDT", "binance:ETHUSDT"
MAKER = {"half_spread_bps": 0.1, "requote_threshold_bps": 0.1, "requote_threshold_ticks": 2}
GRID = {"interval_bps": 1, "order_notional": 100}
TAKER = {"imbalance_threshold": 0.2, "persistence": 1, "min_confidence": 0.1, "min_momentum": 0.0}


@pytest.fixture(scope="module")
def flow(tmp_path_factory):
    """Return a maker of markets with generated flow: `flow(symbol, maker_fee_ppm=0)`."""
    made = {}

    def market(symbol, gap=8, **changes):
        if (symbol, gap) not in made:
            path = tmp_path_factory.mktemp("flow") / "market.columns"
            price = "20000" if symbol == PERP else "2000"
            seed = 11 if symbol == PERP else 3
            regime = "adverse" if symbol == PERP else "mixed"
            generate(
                Flow(
                    event_count=12_000,
                    seed=seed,
                    regime=regime,
                    mean_gap_us=1000 * gap,
                    symbol=symbol,
                    price=price,
                    level_count=60,
                ),
                path,
            )
            made[symbol, gap] = Columns.open(path)
        columns = made[symbol, gap]
        return ArrayMarket(msgspec.structs.replace(columns.header.rules, **changes), [columns])

    return market


def of_instances(sections, instances):
    """Return settings with these instances: name -> (kind, symbol, params)."""
    made = {
        name: InstanceSettings(kind=kind, symbol=symbol, params=params)
        for name, (kind, symbol, params) in instances.items()
    }
    symbols = tuple({each.symbol for each in made.values()})
    risk = sections["risk"]
    return sections | {
        "strategy": replace(sections["strategy"], instances=made),
        "risk": replace(risk, prepared=replace(risk.prepared, symbols=symbols)),
    }


@pytest.mark.req("BT-1", "BT-6")
@pytest.mark.parametrize(
    ("kind", "params", "least_fills"),
    [("avellaneda_stoikov", MAKER, 2), ("grid", GRID, 5), ("imbalance", TAKER, 4)],
)
def test_each_shipped_strategy_says_what_it_says_on_the_exact_path(flow, sections, kind, params, least_fills):
    market = flow(PERP, maker_fee_ppm=0, taker_fee_ppm=100)

    said, run = agreed(sections(kind=kind, params=params), [market])

    assert said.count(orders.Fill) >= least_fills
    assert run.is_over
    assert run.failure is None


@pytest.mark.parametrize(
    "broker",
    [
        {"latency_ms": 0},
        {"latency_ms": 30, "latency_std_ms": 20, "latency_spike_ppm": 100_000, "queue_model": "behind"},
        {"latency_ms": 3000},
    ],
)
def test_latency_and_queue_of_the_paper_venue_are_those_of_the_exact_path(flow, sections, broker):
    market = flow(PERP, maker_fee_ppm=0, taker_fee_ppm=100)

    said, _ = agreed(sections(params=MAKER, **broker), [market])

    assert said.count(orders.OrderIntent) > 10


def test_several_markets_and_instances_share_one_account(flow, sections):
    markets = [flow(PERP, maker_fee_ppm=0), flow(SPOT, maker_fee_ppm=0)]
    wanted = of_instances(
        sections(),
        {
            "a": ("avellaneda_stoikov", SPOT, MAKER),
            "b": ("grid", PERP, GRID),
            "c": ("imbalance", PERP, TAKER),
            "d": ("avellaneda_stoikov", PERP, MAKER),
        },
    )

    said, _ = agreed(wanted, markets)

    assert {message.strategy for *_, message in said if type(message) is orders.Fill} == set("abcd")


def test_warm_up_and_a_part_of_the_data_are_those_of_the_exact_path(flow, sections):
    market = flow(PERP, maker_fee_ppm=0)
    first_ns = market.files[0].header.first_local_ns
    wanted = sections(params=MAKER)
    wanted["strategy"] = replace(wanted["strategy"], warmup_s=10, warmup_points=1500)

    said, run = agreed(wanted, [market], from_ns=first_ns + 5 * NS_PER_S, until_ns=first_ns + 60 * NS_PER_S)

    assert said.count(orders.OrderIntent) > 10
    assert run.first_ns >= first_ns + 5 * NS_PER_S
    assert run.now_ns <= first_ns + 60 * NS_PER_S


HEARS = """
    from dataclasses import dataclass

    from services.strategy.base import NOTHING, Quote, Strategy, TargetQuotes
    from shared.units import Side

    @dataclass(frozen=True)
    class Settings:
        pass

    class Mine(Strategy):
        Settings = Settings

        def on_candle(self, ctx, candle):
            c = candle
            text = f"{c.is_closed} {c.open_ticks} {c.high_ticks} {c.low_ticks} {c.trade_count}"
            if not ctx.book.is_trusted:
                return NOTHING
            quotes = (Quote("bid", Side.BUY, ctx.book.bid_ticks - candle.volume_lots % 3, 5, text),)
            return [TargetQuotes(quotes, text)]
"""


def with_candles(sections):
    return sections | {"market_data": replace(sections["market_data"], candles=True)}


def test_candles_of_the_trades_reach_strategies_that_hear_them(flow, sections, own_strategy):
    market = flow(PERP, maker_fee_ppm=0)
    kinds = {"a": (own_strategy("array_hears", HEARS), PERP, {}), "b": ("avellaneda_stoikov", PERP, MAKER)}

    said, _ = agreed(of_instances(with_candles(sections()), kinds), [market])

    asked = [message for *_, message in said if type(message) is orders.OrderIntent]
    assert {each.strategy for each in asked} == {"a", "b"}
    assert any(each.reason.startswith("True") for each in asked)
    assert sum(each.reason.startswith("False") for each in asked) > 10


def test_unusual_volume_holds_back_the_same_orders(flow, sections):
    market = flow(PERP, maker_fee_ppm=0)
    wanted = with_candles(sections(params=MAKER))
    monitor = replace(
        wanted["risk"].candle_monitor,
        average_window=2,
        volume_multiplier=Decimal("0.1"),
        needs_price_drop=False,
    )
    wanted["risk"] = replace(wanted["risk"], candle_monitor=monitor)

    said, _ = agreed(wanted, [flow(PERP, maker_fee_ppm=0, gap=20)])

    assert market.rules.symbol == PERP
    assert any("volume_anomaly" in str(m.reasons) for *_, m in said if type(m) is TradingState)


def test_settings_that_ask_for_every_trade_hear_every_trade(flow, sections):
    market = flow(PERP, maker_fee_ppm=0)
    wanted = sections(params=MAKER, without_book="simple")
    surprises = replace(wanted["risk"].surprises, holds=True, volume_window_s=5, volume_spike_factor=2)
    wanted["risk"] = replace(wanted["risk"], surprises=surprises)

    agreed(wanted, [market])


def test_breakers_that_trip_hold_back_the_same_orders(flow, sections):
    market = flow(PERP, maker_fee_ppm=0)
    wanted = sections(params=MAKER | {"order_notional": 4000, "max_inventory_notional": 8000})
    breakers = replace(wanted["risk"].breakers, session_drawdown_bps=1, losing_streak_max=0)
    wanted["risk"] = replace(wanted["risk"], breakers=breakers)

    said, _ = agreed(wanted, [market])

    assert any(
        message.state == "reducing" and "session_drawdown" in message.reasons[0]
        for *_, message in said
        if type(message) is TradingState
    )


def test_a_loss_that_reaches_its_limit_kills_at_the_same_tick(flow, sections):
    market = flow(PERP, maker_fee_ppm=0)
    wanted = sections(params=MAKER | {"order_notional": 4000, "max_inventory_notional": 8000})
    wanted["risk"] = replace(wanted["risk"], loss_max=1)

    said, run = agreed(wanted, [market])

    assert any(message.state == "halted" for *_, message in said if type(message) is TradingState)
    assert run.is_over


PLAIN = """
    from dataclasses import dataclass

    from services.strategy.base import NOTHING, Quote, Strategy, TargetQuotes
    from shared.units import Side

    @dataclass(frozen=True)
    class Settings:
        every: int = 7
        raise_at: int = 0

    class Mine(Strategy):
        Settings = Settings

        def __init__(self, settings):
            super().__init__(settings)
            self.count = 0

        def on_book(self, ctx):
            self.count += 1
            if self.count == self.settings.raise_at:
                raise ValueError("no more of it")
            if self.count % self.settings.every:
                return NOTHING
            bid, ask = ctx.book.bid_ticks, ctx.book.ask_ticks
            return [TargetQuotes((Quote("bid", Side.BUY, bid, 5), Quote("ask", Side.SELL, ask, 5)), "touch")]
"""


@pytest.mark.req("BT-1")
def test_a_plain_python_strategy_works_with_no_change(flow, sections, own_strategy):
    market = flow(PERP, maker_fee_ppm=0)

    said, _ = agreed(sections(kind=own_strategy("array_plain", PLAIN)), [market])

    assert said.count(orders.Fill) > 5


@pytest.mark.req("BT-1")
def test_a_strategy_that_raises_ends_the_run_and_what_was_before_stays(flow, sections, own_strategy):
    market = flow(PERP, maker_fee_ppm=0)
    kind = own_strategy("array_raising", PLAIN)

    said, run = agreed(sections(kind=kind, params={"raise_at": 3000}), [market])

    assert run.failure.message.error.startswith("ValueError: no more of it (at array_raising.py:22 on_book")
    assert said.count(orders.OrderIntent) > 5
    assert 3000 <= run.message_count < 5000

    seen = []
    again = ArrayRun(
        sections(kind=kind, params={"raise_at": 3000}), [market], build="test", watch=seen.append
    )
    again.start()
    again.run()
    cause = next(event for event in seen if event.header.seq == again.failure.header.cause_seq)
    assert (type(cause.message), cause.message.update_n) == (BookUpdate, again.row_count)


def test_a_stopped_run_goes_on_where_it_stopped(flow, sections):
    market = flow(PERP, maker_fee_ppm=0)
    whole, _ = array(sections(params=MAKER), [market])
    log = Log()
    run = ArrayRun(sections(params=MAKER), [market], build="test", watch=log.watch, check_every=1000)

    run.start()
    counts = []
    while not run.is_over:
        run.run(lambda: True)
        counts.append(run.message_count)

    assert log == whole
    assert counts[:3] == [1000, 2000, 3000]
