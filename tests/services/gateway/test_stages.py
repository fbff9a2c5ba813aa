import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.stages import BUCKETS, REMEMBERED, Histogram, Stages, bound_ns
from shared.messages import Event, Header, market, orders, system
from shared.units import NS_PER_MS, NS_PER_S, Side

SYMBOL = "binance_usdm:BTCUSDT"


def event(seq, ts_ms, message, origin_ms=None, cause_seq=0):
    ts_ns = NS_PER_S + ts_ms * NS_PER_MS
    origin_ns = ts_ns if origin_ms is None else NS_PER_S + origin_ms * NS_PER_MS
    return Event(Header(seq, ts_ns, origin_ns, 1, "x", 1, seq, cause_seq), message)


def order(kind, *rest):
    return kind("o", "s", SYMBOL, *rest)


@pytest.mark.req("OB-1")
def test_each_stage_of_an_order_is_the_difference_of_two_stamps_on_the_log():
    stages = Stages()
    update = market.BookUpdate(
        SYMBOL, 1, 1, 1, 0, b"", NS_PER_S - 7 * NS_PER_MS, NS_PER_S
    )  # left the venue 7 ms before it was received
    for one in (
        event(1, 1, update, origin_ms=0),
        event(2, 3, order(orders.OrderIntent, Side.BUY, 10, 1), origin_ms=0, cause_seq=1),
        event(3, 7, order(orders.OrderApproved, Side.BUY, 10, 1), origin_ms=0, cause_seq=2),
        event(4, 15, order(orders.OrderSent, Side.BUY, 10, 1), origin_ms=0, cause_seq=3),
        event(5, 47, order(orders.OrderAccepted, "v", 1)),
        event(6, 111, order(orders.Fill, "t", Side.BUY, 10, 1, 1, 0, 1, "USDT", True, 1)),
    ):
        stages.seen(one)

    sums = {name: histogram.sum_ns // NS_PER_MS for name, histogram in stages.histograms.items()}
    assert sums == {
        "venue_to_receive": 7,
        "receive_to_log": 1,
        "strategy": 2,
        "risk": 4,
        "send": 8,
        "tick_to_order": 15,
        "order_to_accept": 32,
        "accept_to_fill": 64,
    }
    assert {sum(histogram.counts) for histogram in stages.histograms.values()} == {1}


@pytest.mark.req("OB-1")
@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=60))
def test_percentiles_are_the_bounds_of_the_buckets_of_the_true_ones(durations):
    histogram = Histogram()
    for duration_ns in durations:
        histogram.add(duration_ns)

    count, p50_ns, p99_ns = histogram.percentiles()

    ordered = sorted(durations)
    for percent, bound in ((50, p50_ns), (99, p99_ns)):
        true_ns = ordered[-(-len(ordered) * percent // 100) - 1]
        if true_ns <= bound_ns(BUCKETS - 2):
            assert bound // 2 < max(true_ns, 501) <= bound
        else:
            assert bound == bound_ns(BUCKETS - 1)
    assert (count, histogram.sum_ns) == (len(durations), sum(durations))


@pytest.mark.parametrize(
    ("duration_ns", "bucket"), [(-5, 0), (0, 0), (1000, 0), (1001, 1), (2000, 1), (2001, 2), (10**15, 25)]
)
def test_a_duration_falls_into_the_bucket_that_ends_at_or_above_it(duration_ns, bucket):
    histogram = Histogram()
    histogram.add(duration_ns)

    assert histogram.counts[bucket] == 1


def test_without_any_duration_there_is_no_percentile():
    assert Histogram().percentiles() == (0, 0, 0)


def test_a_cause_too_long_ago_or_never_seen_is_not_measured():
    stages = Stages()
    verdict = order(orders.OrderApproved, Side.BUY, 10, 1)
    stages.seen(event(REMEMBERED + 10, 1, system.Tick(1)))

    stages.seen(event(REMEMBERED + 11, 2, verdict, cause_seq=11))
    stages.seen(event(REMEMBERED + 12, 2, verdict, cause_seq=REMEMBERED + 9))
    stages.seen(event(REMEMBERED + 13, 2, verdict, cause_seq=0))

    assert sum(stages.histograms["risk"].counts) == 0


@pytest.mark.req("OB-2")
def test_events_refusals_and_rejections_are_counted():
    stages = Stages()
    stages.seen(event(1, 0, order(orders.OrderRefused, "position", "too large")))
    stages.seen(event(2, 0, order(orders.OrderRefused, "position", "too large")))
    stages.seen(event(3, 0, order(orders.OrderRejected, "1", "no")))
    stages.seen(event(4, 0, order(orders.OrderCanceled, 0)))

    assert stages.refused == {"position": 2}
    assert (stages.rejected_count, stages.canceled_count) == (1, 1)
    assert stages.families == {"verdict": 2, "order": 2}


def test_the_rate_is_that_of_the_last_whole_seconds():
    stages = Stages()
    assert stages.events_per_s() == 0
    for number in range(40):
        stages.seen(event(number + 1, number * 100, system.Tick(number)))

    assert stages.events_per_s() == 10


def test_memory_stays_bounded_when_orders_never_end():
    stages = Stages()
    for number in range(REMEMBERED + 50):
        sent = orders.OrderSent(f"o{number}", "s", SYMBOL, Side.BUY, 10, 1)
        stages.seen(event(number + 1, number, sent))

    assert len(stages._sent_ns) == REMEMBERED
    assert len(stages._seconds) <= 12
