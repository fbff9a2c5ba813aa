"""How far the model can be believed: a shadow against a venue whose queue is known, and the fit."""

import pytest

from services.backtest.fidelity import Actual, Life, Model, Shadow, predict, residual
from services.backtest.fidelity_fit import Evidence, fit
from services.backtest.fidelity_others import OthersOnly
from shared.units import NS_PER_MS, Side
from tests.services.backtest.fifo_truth import RULES, FifoTruth

PROBES = 900


def others_only(log):
    others = OthersOnly()
    return [others.apply(event) for event in log]


@pytest.fixture(scope="module")
def known():
    """The log of a venue where every waiting order is as likely to be cancelled, 40 ms away."""
    return others_only(FifoTruth(5, ahead_share=1.0).events(PROBES))


@pytest.mark.req("BT-1", "BT-13")
@pytest.mark.parametrize(("seed", "share"), [(1, 1.0), (1, 0.7), (1, 0.4)])
def test_the_fit_recovers_latency_and_queue_within_a_tenth(seed, share):
    found = fit(others_only(FifoTruth(seed, ahead_share=share).events(1200)))

    assert found.latency_mean_ms == pytest.approx(40.0, rel=0.1)
    assert found.latency_std_ms == pytest.approx(8.0, rel=0.1)
    assert found.ahead_ppm == pytest.approx(share * 1e6, rel=0.1)
    assert found.ahead_low_ppm <= found.ahead_ppm <= found.ahead_high_ppm
    assert found.observed >= 30


@pytest.mark.req("BT-13")
def test_the_shadow_with_the_fitted_model_is_closer_than_the_strictest_one(known):
    model = fit(known).model()

    actual, shadow = predict(known, model)
    close = residual(actual.lives.values(), shadow.lives)
    _, strict_shadow = predict(known, Model(model.latency_ns, 0))
    strict = residual(actual.lives.values(), strict_shadow.lives)

    assert close.orders > PROBES * 0.9
    assert close.agreement > 0.9
    assert close.predicted_lots == pytest.approx(close.real_lots, rel=0.01)
    # Nobody ahead of us ever leaves in the strictest view: its fills come late.
    assert abs(close.time_error_p90_ms) < strict.time_error_p90_ms
    assert close.price_error_mean_e2_bps == pytest.approx(0.0, abs=1.0)


def test_a_wrong_latency_shows_in_the_error_of_acceptance(known):
    actual, shadow = predict(known, Model(90 * NS_PER_MS))

    found = residual(actual.lives.values(), shadow.lives)

    assert found.accept_error_median_ms == pytest.approx(50.0, abs=2.0)


def test_an_empty_log_gives_a_fit_that_rests_on_nothing():
    found = fit([])

    assert (found.orders, found.observed, found.ahead_ppm) == (0, 0, None)
    assert residual([], {}).agreement == 1.0


def test_an_order_with_one_of_ours_ahead_tells_nothing(known):
    evidence = Evidence()
    for event in known:
        evidence.apply(event)

    accepted = sum(1 for event in known if type(event.message).__name__ == "OrderAccepted")
    assert 0 < len(evidence.tapes) < accepted


def test_our_own_lots_are_not_in_the_books_that_the_model_sees():
    log = FifoTruth(2, ahead_share=1.0).events(60)
    raw, seen = Shadow(Model(0)), Shadow(Model(0))
    others = OthersOnly()
    is_less = False
    for event in log:
        raw.apply(event)
        seen.apply(others.apply(event))
        for price in range(9_990, 10_010):
            for side in (0, 1):
                with_ours = raw._place(RULES.symbol).book.lots_at(side, price)
                without = seen._place(RULES.symbol).book.lots_at(side, price)
                assert without <= with_ours
                is_less = is_less or without < with_ours
    assert is_less


def test_residuals_are_those_worked_out_by_hand():
    # Given one that both filled, one that only really filled, one that neither filled, one still open.
    real = [_life("a", 100, 10, 2), _life("b", 300, 10, 2), _life("c", -1, 0, 0), _life("d", -1, 0, 0)]
    real[3].end = ""
    model = [_life("a", 150, 11, 2), _life("b", -1, 0, 0), _life("c", -1, 0, 0), _life("d", -1, 0, 0)]

    found = residual(real, {life.client_order_id: life for life in model})

    counts = (found.orders, found.both_filled, found.only_real, found.only_predicted, found.neither)
    assert counts == (3, 1, 1, 0, 1)
    assert found.agreement == pytest.approx(2 / 3)
    assert (found.real_lots, found.predicted_lots) == (4, 2)
    assert found.time_error_median_ms == 50.0
    # Bought at 11 instead of 10: ten per cent against us.
    assert found.price_error_mean_e2_bps == pytest.approx(100_000.0)


def test_what_really_happened_is_read_from_the_reports(known):
    actual = Actual()
    for event in known:
        actual.apply(event)

    lives = list(actual.lives.values())
    assert len(lives) == PROBES
    assert all(life.end for life in lives)
    assert all(life.filled_lots == life.qty_lots for life in lives if life.end == "filled")


def _life(name, filled_ms, ticks, lots):
    life = Life(name, RULES.symbol, Side.BUY, 10, 2, 0, accepted_ns=0)
    if lots:
        life.fill(filled_ms * NS_PER_MS, ticks, lots)
    life.finish(max(filled_ms, 0) * NS_PER_MS, "canceled")
    return life
