"""ST-12, ST-15: when VPIN counts. Windows of 10 trades; at 2 trades per second auto asks for 5 s a window."""

import pytest

from services.strategy.avellaneda_stoikov import AvellanedaStoikov
from services.strategy.maker_guard import ToxicityGuard
from services.strategy.maker_settings import AvellanedaStoikovSettings
from services.strategy.registry import settings_of
from shared.units import NS_PER_MS, NS_PER_S, Side

START = 1_700_000_000 * NS_PER_S


def settings(**changes):
    values = {"vpin_window": 10, "vpin_auto_trades_per_s": 2.0, "warmup_books": 0, **changes}
    return AvellanedaStoikovSettings(**values)


def buyers(guard, stage, count, gap_ms, begin_ns=START):
    """Let buyers alone trade each `gap_ms`; return whether the guard is on after each."""
    found = []
    for turn in range(count):
        guard.add(stage.trade(Side.BUY, 600_000, 10), begin_ns + turn * gap_ms * NS_PER_MS)
        found.append(guard.is_on)
    return found


@pytest.mark.req("ST-15")
@pytest.mark.parametrize(("mode", "is_pulled"), [(True, True), (False, False)])
def test_a_guard_that_is_on_pulls_and_one_that_is_off_never_does(make_stage, mode, is_pulled) -> None:
    guard = ToxicityGuard(settings(vpin_enabled=mode))

    buyers(guard, make_stage(), 200, 1000)

    assert guard.is_toxic is is_pulled
    assert guard.vpin_ppm == (1_000_000 if is_pulled else 0)


@pytest.mark.req("ST-15")
def test_an_automatic_guard_stays_off_while_trades_are_rare(make_stage) -> None:
    guard = ToxicityGuard(settings(vpin_enabled="auto"))

    # 9 gaps of 556 ms are 5.004 s: just too slow
    found = buyers(guard, make_stage(), 200, 556)

    assert not any(found)
    assert not guard.is_toxic
    assert guard.vpin_ppm == 0


@pytest.mark.req("ST-15")
def test_an_automatic_guard_goes_on_with_the_first_window_that_is_fast_enough(make_stage) -> None:
    guard, stage = ToxicityGuard(settings(vpin_enabled="auto")), make_stage()

    # 9 gaps of 555 ms are 4.995 s
    assert buyers(guard, stage, 10, 555) == [False] * 9 + [True]
    # then: it counts at once, and for good
    assert guard.is_toxic
    assert all(buyers(guard, stage, 30, 60_000, START + 100 * NS_PER_S))


@pytest.mark.req("ST-15")
def test_windows_follow_each_other_and_do_not_overlap(make_stage) -> None:
    guard, stage = ToxicityGuard(settings(vpin_enabled="auto")), make_stage()

    # given: 5 slow trades, 10 fast ones over the border of the first window, then slow again
    buyers(guard, stage, 5, 10_000)
    buyers(guard, stage, 10, 100, START + 50 * NS_PER_S)
    assert not guard.is_on
    # the second window began with its sixth fast trade: 5 of them and 5 more
    found = buyers(guard, stage, 5, 100, START + 51 * NS_PER_S)

    assert found == [False] * 4 + [True]


@pytest.mark.req("ST-15", "I-39")
def test_an_automatic_guard_remembers_over_a_restart(make_stage) -> None:
    stage = make_stage()
    one, other = (AvellanedaStoikov(settings(vpin_enabled="auto")) for _ in range(2))
    for turn in range(7):
        stage.at(START + turn * 100 * NS_PER_MS)
        one.on_trade(stage.ctx, stage.trade(Side(turn % 2), 600_000, 10))

    other.restore(one.snapshot())

    for turn in range(7, 40):
        stage.at(START + turn * 100 * NS_PER_MS)
        trade = stage.trade(Side.BUY, 600_000, 10)
        assert one.on_trade(stage.ctx, trade) == other.on_trade(stage.ctx, trade)
        assert one.snapshot() == other.snapshot()
    assert "toxic" in other.format_status(stage.touch(599_999, 600_001).ctx)


@pytest.mark.req("ST-15", "ST-12")
def test_a_pull_ends_when_the_guard_is_switched_off(make_stage, targets) -> None:
    stage = make_stage().touch(599_999, 600_001)
    one, other = AvellanedaStoikov(settings()), AvellanedaStoikov(settings(vpin_enabled=False))
    for _ in range(10):
        one.on_trade(stage.ctx, stage.trade(Side.BUY, 600_000, 10))
    assert targets(one.on_book(stage.ctx)) is None

    other.restore(one.snapshot())

    assert set(targets(other.on_book(stage.ctx))) == {"bid", "ask"}


@pytest.mark.req("ST-12")
@pytest.mark.parametrize(("sold", "is_toxic"), [(2, False), (1, True)])
def test_toxic_is_above_the_threshold_and_not_at_it(make_stage, sold, is_toxic) -> None:
    guard, stage = ToxicityGuard(settings()), make_stage()

    # 8 bought and 2 sold: (8 - 2) / 10 is 0.60 exactly; 9 and 1: 0.80
    for turn in range(10):
        guard.add(stage.trade(Side.SELL if turn < sold else Side.BUY, 600_000, 10), START)

    assert guard.is_toxic is is_toxic


@pytest.mark.req("ST-12")
def test_released_is_below_the_release_and_not_at_it(make_stage) -> None:
    guard, stage = ToxicityGuard(settings(release_ppm=400_000)), make_stage()
    buyers(guard, stage, 10, 1)
    assert guard.is_toxic

    changes = [guard.add(stage.trade(Side.SELL, 600_000, 10), START) for _ in range(4)]

    # 7 bought and 3 sold is 0.4 exactly; 6 and 4 is 0.2
    assert changes == [False, False, False, True]
    assert not guard.is_toxic


@pytest.mark.req("ST-15")
@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False), ("auto", "auto")])
def test_the_modes_as_the_configuration_has_them(text, value) -> None:
    assert settings_of("avellaneda_stoikov", {"vpin_enabled": text}).vpin_enabled == value


@pytest.mark.req("ST-15")
def test_another_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="vpin_enabled: 'maybe'"):
        settings_of("avellaneda_stoikov", {"vpin_enabled": "maybe"})
