"""Gates: a strategy that is only called when its gate says so does and remembers the same.

Three of each run through the same events: the strategy with its decision written out and no gate at all, the
shipped one called at every event, and the shipped one behind its gate as an outer loop asks it.
"""

import hashlib
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.cli import config
from services.fused.assemble import assemble
from services.strategy import registry
from services.strategy.avellaneda_stoikov import AvellanedaStoikov
from services.strategy.base import NOTHING, TargetQuotes
from services.strategy.desk import Desk, draw, make_rules
from services.strategy.grid import CLEAN_EVERY_NS, Grid
from services.strategy.imbalance import Imbalance
from services.strategy.instance import Instance
from services.strategy.market_exit import leave
from services.strategy.settings import InstanceSettings, StrategySettings
from shared.kernels.signals import microprice_centiticks, mid_half_ticks
from shared.messages.orders import FundingPaid
from shared.units import NS_PER_S

USDM = "binance_usdm:BTCUSDT"
SPOT = "binance:BTCUSDT"

# ---- the same strategies, each decision written out and made at every event


class EveryMaker(AvellanedaStoikov):
    def on_trade(self, ctx, trade):
        guard, limits = self._guard, self.settings
        if self._calibration is not None:
            self._calibration.on_trade(ctx, trade)
        guard.flow.add(trade.side, trade.price_ticks, trade.qty_lots)
        if limits.vpin_enabled == "auto" and not guard.is_busy:
            if guard.seen == 0:
                guard.began_ns = ctx.now_ns
            guard.seen += 1
            if guard.seen >= limits.vpin_window:
                window_ns = round(limits.vpin_window / limits.vpin_auto_trades_per_s * NS_PER_S)
                guard.is_busy = ctx.now_ns - guard.began_ns <= window_ns
                guard.seen = 0
        before, vpin_ppm = guard.is_toxic, guard.vpin_ppm
        if not guard.is_on or guard.flow.count < limits.vpin_window:
            return NOTHING
        guard.is_toxic = vpin_ppm >= limits.release_ppm if before else vpin_ppm > limits.toxic_ppm
        if guard.is_toxic is before:
            return NOTHING
        if guard.is_toxic:
            return (TargetQuotes((), f"toxic flow: VPIN {vpin_ppm} ppm"),)
        self._gate.must_quote = True
        return NOTHING

    def on_book(self, ctx):
        state, limits = self._gate, self.settings
        state.books += 1
        state.books_since_quote += 1
        if state.books <= limits.warmup_books or self._guard.is_toxic:
            return NOTHING
        if self._calibration is not None and self._shape is None:
            return NOTHING
        if state.books_since_quote < limits.cooldown_books and not state.must_quote:
            return NOTHING
        fair = microprice_centiticks(ctx.book, limits.depth)
        if self._round is not None and self._round.holds(ctx):
            return self._keep_round(ctx, fair) if state.must_quote else NOTHING
        by_bps = fair * round(limits.requote_threshold_bps * 1000) // 10_000_000
        threshold = max(by_bps, limits.requote_threshold_ticks * 100)
        is_moved = abs(fair - state.quoted_fair_centiticks) >= threshold
        if not (is_moved or state.has_drifted or state.must_quote):
            return NOTHING
        state.must_quote = state.has_drifted = False
        state.books_since_quote = 0
        state.quoted_fair_centiticks = fair
        return self._quote(ctx, fair)


class EveryGrid(Grid):
    def on_book(self, ctx):
        state, price_half = self._gate, mid_half_ticks(ctx.book)
        if not self.ladder.anchor_ticks:
            self._set_levels(ctx, price_half // 2)
        if self._look(ctx, price_half):
            return self._leave(ctx)
        gap_ticks = self.ladder.gap_at(self.ladder.level_at(max(price_half // 2, 1)))
        moved = abs(price_half - state.seen_half_ticks) * 5 >= gap_ticks
        if state.is_dirty or moved or len(ctx.orders) < state.wanted:
            return self._targets(ctx, price_half)
        return NOTHING

    def on_timer(self, ctx):
        state = self._gate
        if not self.ladder.anchor_ticks or not ctx.book.is_trusted:
            return NOTHING
        price_half = mid_half_ticks(ctx.book)
        is_cleaning = ctx.now_ns - state.cleaned_ns >= CLEAN_EVERY_NS
        if is_cleaning:
            state.cleaned_ns = ctx.now_ns
        if self._look(ctx, price_half):
            return self._leave(ctx)
        if state.is_dirty or is_cleaning:
            return self._targets(ctx, price_half, is_cleaning=is_cleaning)
        return NOTHING


class EveryImbalance(Imbalance):
    def on_book(self, ctx):
        sign, sure = self._sample(ctx)
        held = self._held_lots(ctx)
        reason = self._exit_reason(ctx, held)
        if not reason and sign * held < 0:
            reason = f"reversed, confidence {sure:.2f}"
        if reason:
            return leave(ctx, held, reason, self._exit_ns)
        return self._enter(ctx, sign, sure, held) if sign else NOTHING


EVERY = {"avellaneda_stoikov": EveryMaker, "grid": EveryGrid, "imbalance": EveryImbalance}

# ---- an outer loop that asks


class Loop:
    """Asks the gate of a strategy before its callbacks, and counts what it asked and what came through."""

    def __init__(self):
        self.gates = {}
        self.asked = 0
        self.called = 0

    def call(self, original, instance, callback, *args):
        if instance.failure or instance.ctx is None:
            return
        strategy, ctx, name = instance.strategy, instance.ctx, callback.__name__
        if name not in ("on_book", "on_trade", "on_timer"):
            original(instance, callback, *args)
            return
        _, gate = self.gates.get(instance.name) or (None, None)
        if instance.name not in self.gates or self.gates[instance.name][0] is not strategy:
            gate = strategy.gate(ctx)
            self.gates[instance.name] = (strategy, gate)
        self.asked += 1
        if gate is not None:
            if name == "on_book":
                passes = gate.on_book(ctx.book, ctx.now_ns, ctx.position.position_lots)
            elif name == "on_trade":
                (trade,) = args
                passes = gate.on_trade(trade.side, trade.price_ticks, trade.qty_lots, ctx.now_ns)
            else:
                passes = gate.on_timer(ctx.now_ns, ctx.book)
            if not passes:
                return
        self.called += 1
        original(instance, callback, *args)


def driven(run, way):
    """Return what `run` returns with strategies of a way: `every`, `shipped` or `gated`; and the loop."""
    loop = Loop()
    with pytest.MonkeyPatch.context() as patch:
        if way == "every":
            for kind, strategy in EVERY.items():
                patch.setitem(registry.STRATEGIES, kind, strategy)
        elif way == "gated":
            original = Instance.call
            patch.setattr(Instance, "call", lambda self, *given: loop.call(original, self, *given))
        return run(), loop


def history(kind, params, symbol, seed, trouble, jumps, warmup_s=0):
    """Return everything said at a desk, and the state of the strategy core after each event, as digests."""
    instances = {"one": InstanceSettings(kind=kind, symbol=symbol, params=params)}
    rules = make_rules(symbol)
    desk = Desk(
        StrategySettings(instances=instances, warmup_s=warmup_s, warmup_points=0), rules, seed, trouble
    )
    states = hashlib.blake2b()
    desk.on_event.append(lambda _: states.update(desk.core.snapshot()))
    desk.start()
    for number, jump in enumerate(jumps):
        if number % 40 == 20:
            # A silence: samples are lost, cleaning and locks are due.
            desk.now_ns += (number % 7) * 15 * NS_PER_S
        if number % 50 == 30:
            desk.say(funding(symbol, desk.now_ns), "broker.io")
        desk.step(jump)
    return repr(desk.log), states.hexdigest(), desk.core.snapshot()


def funding(symbol, now_ns):
    return FundingPaid("one", symbol, now_ns, 100, 60_000_000, 3, -12_345, "USDT")


MAKER = [
    {"warmup_books": 3, "cooldown_books": 2},
    {"warmup_books": 0, "cooldown_books": 4, "requote_threshold_bps": 0.0, "requote_threshold_ticks": 30},
    {"vpin_window": 10, "toxic_ppm": 400_000, "release_ppm": 300_000},
    {"vpin_enabled": "auto", "vpin_window": 12, "vpin_auto_trades_per_s": 15.0, "toxic_ppm": 350_000,
     "release_ppm": 200_000},
    {"vpin_enabled": False, "gate_by_position": True, "warmup_books": 0, "half_spread_bps": 0.2},
    {"model": "glft", "calibration_s": 10, "calibration_orders": 10, "sigma_bps": 1.0, "warmup_books": 0},
]  # fmt: skip
EXITS = {"stop_loss_pct": 0.02, "take_profit_pct": 0.02, "trailing_pct": 0.01, "exit_pause_s": 2}
SMALL = {"interval_bps": 6, "buy_window": 3, "sell_window": 3, "order_cap": 12}
GRID = [
    {},
    SMALL,
    {**SMALL, **EXITS},
    {**SMALL, **EXITS, "direction": "short", "sample_s": 1},
    {**SMALL, **EXITS, "direction": "neutral", "trend_length": 4, "sample_s": 1, "trend_band_bps": 1.0},
    {**SMALL, "spacing": "percent", "trend_length": 2, "sample_s": 1, "margin_lock_s": 1},
    {**SMALL, "is_adaptive": True, "volatility_length": 3, "sample_s": 1, "window_min": 1, "stride_max": 3},
    {**SMALL, "stop_loss_pct": 0.05, "exit_pause_s": 1, "max_order_age_s": 20},
]
WEAK = {"imbalance_threshold": 0.05, "min_confidence": 0.0, "min_momentum": 0.0, "persistence": 1}
IMBALANCE = [
    {},
    WEAK,
    {**WEAK, "sample_ms": 200, "entry_gap_s": 1, "max_position": 0.02, "position_size": 0.01},
    {**WEAK, "min_confidence": 0.35, "entry_gap_s": 0, "stop_atr": 0.5, "target_atr": 0.5},
    {**WEAK, "max_spread_bps": 0.05, "entry_gap_s": 0, "max_daily_trades": 2},
    {**WEAK, "entry_gap_s": 1, "stop_atr": 0.01, "atr_floor_bps": 0.0},
    {**WEAK, "min_momentum": 0.00002, "persistence": 2, "entry_gap_s": 0, "stop_atr": 1.0},
]
CASES = [
    *(("avellaneda_stoikov", params) for params in MAKER),
    *(("grid", params) for params in GRID),
    *(("imbalance", params) for params in IMBALANCE),
]


def steps(seed, count):
    """Return moves of the market: mostly small ones, and runs."""
    return [
        draw(seed, turn, 9) - 4 if draw(seed, turn // 30, 3) else draw(seed, turn, 81) - 36
        for turn in range(count)
    ]


@pytest.mark.parametrize(("kind", "params"), CASES)
def test_a_strategy_behind_its_gate_says_and_remembers_what_it_does_at_every_event(kind, params) -> None:
    other = SPOT if params.get("direction", "long") == "long" else USDM
    for seed, symbol, trouble in ((1, USDM, 0), (2, other, 15)):
        run = partial(history, kind, params, symbol, seed, trouble, steps(seed, 160))

        every, _ = driven(run, "every")
        shipped, _ = driven(run, "shipped")
        gated, loop = driven(run, "gated")

        assert shipped == every
        assert gated == every
        is_gated = params.get("model") is None
        assert (loop.called < loop.asked) == is_gated


@settings(max_examples=25)
@given(
    case=st.sampled_from(CASES),
    seed=st.integers(1, 10**6),
    trouble=st.sampled_from([0, 30]),
    jumps=st.lists(st.integers(-400, 400) | st.integers(-5, 5), min_size=20, max_size=80),
)
def test_behind_its_gate_nothing_differs_in_any_market(case, seed, trouble, jumps) -> None:
    run = partial(history, *case, USDM, seed, trouble, jumps)

    every, _ = driven(run, "every")
    gated, _ = driven(run, "gated")

    assert gated == every


def captured(captures, symbol, name, seconds):
    """Return the log of the first seconds of a capture, the strategies of the paper file on its market."""
    fitted, _ = config.for_replay(
        config.load("deploy/paper.yaml", {}), [symbol], [str(captures / "binance_hft" / name)]
    )
    events = []
    run = assemble(config.sections(fitted), build="test", store=lambda stored: events.append(stored.event))
    run.run(run.now_ns + seconds * NS_PER_S)
    return [repr(event) for event in events]


@pytest.mark.parametrize(
    ("symbol", "name"), [(USDM, "usdm_btcusdt_20240808.raw.gz"), (SPOT, "spot_btcusdt_20240808.raw.gz")]
)
def test_on_a_real_market_the_log_behind_gates_is_that_of_every_event(captures, symbol, name) -> None:
    run = partial(captured, captures, symbol, name, 40)

    every, _ = driven(run, "every")
    gated, loop = driven(run, "gated")

    assert gated == every
    assert loop.called < loop.asked / 2


def test_a_subclass_has_no_gate_of_its_parent(make_stage) -> None:
    ctx = make_stage().ctx

    for kind, strategy in EVERY.items():
        values = registry.settings_of(kind, {})
        assert registry.strategy_class(kind)(values).gate(ctx) is not None
        assert strategy(values).gate(ctx) is None
