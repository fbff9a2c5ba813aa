"""Gates, worked out by hand: what lets through, what is counted, and that asking changes nothing else."""

import pytest

from shared.kernels.book import Book
from shared.kernels.features import FeatureWindows, ImbalanceGate, Ring
from shared.kernels.gates import Gate, GridGate, MakerGate, QuietGate, Toxicity

BUY, SELL = 0, 1
S = 10**9


@pytest.fixture
def book(block):
    """Return a function that makes a book of one level a side, 10 lots each unless told."""

    def made(bid, ask, bid_lots=10, ask_lots=10):
        one = Book()
        levels, bids = block([(bid, bid_lots)], [(ask, ask_lots)])
        one.snapshot(levels, bids, 1)
        return one

    return made


def test_a_gate_of_no_strategy_lets_everything_through(book) -> None:
    gate = Gate()

    assert gate.on_book(book(99, 101), 1, 0) is True
    assert gate.on_trade(BUY, 100, 1, 1) is True
    assert gate.on_timer(1, book(99, 101)) is True


def test_a_gate_written_in_python_is_asked_like_a_compiled_one(book) -> None:
    class Odd(Gate):
        def on_book(self, book, now_ns, position_lots):  # noqa: ARG002
            return now_ns % 2 == 1

    assert [Odd().on_book(book(99, 101), now_ns, 0) for now_ns in (1, 2)] == [True, False]


@pytest.mark.parametrize(
    ("bid", "ask", "now_ns", "passes"),
    [(990, 1005, 9, False), (1000, 1010, 9, False), (989, 1005, 9, True), (1001, 1005, 9, True),
     (995, 1004, 9, True), (995, 1011, 9, True), (995, 1005, 10, True)],
)  # fmt: skip
def test_a_quiet_gate_rests_within_its_ranges_and_until_its_time(book, bid, ask, now_ns, passes) -> None:
    gate = QuietGate()
    assert gate.on_book(book(bid, ask), now_ns, 0) is True

    gate.rest(990, 1000, 1005, 1010, 10)

    assert gate.on_book(book(bid, ask), now_ns, 0) is passes
    assert gate.on_timer(now_ns, book(bid, ask)) is (now_ns >= 10)
    assert gate.on_trade(BUY, 1000, 1, now_ns) is True
    gate.wake()
    assert (gate.on_book(book(995, 1005), 1, 0), gate.on_timer(1, book(995, 1005))) == (True, True)


# ---- market maker: depth 1, warm after 2 books, 3 books apart, moved by 1 % (1e5 e-7) or 2 ticks


def maker(mode=1, **changes):
    terms = {"depth": 1, "warmup_books": 2, "cooldown_books": 3, "threshold_e7": 100_000, **changes}
    return MakerGate(Toxicity(4, 600_000, 500_000, mode, 3 * S), *terms.values(), 200)


def quoted(gate, fair):
    gate.count_book()
    gate.must_quote, gate.books_since_quote, gate.quoted_fair_centiticks = False, 0, fair
    return gate


@pytest.mark.req("ST-13")
def test_a_maker_warms_up_and_then_quotes(book) -> None:
    gate = maker()

    # the third book is the first beyond the warm-up; it is not counted by asking, however often
    assert [gate.on_book(book(999, 1001), 1, 0) for _ in range(2)] == [False, False]
    assert (gate.books, gate.books_since_quote) == (2, 2)
    assert [gate.on_book(book(999, 1001), 1, 0) for _ in range(3)] == [True, True, True]
    assert (gate.books, gate.fair_centiticks) == (2, 100_000)


@pytest.mark.req("ST-13")
@pytest.mark.parametrize(("moved_ticks", "is_due"), [(9, False), (10, True), (11, True)])
def test_a_maker_quotes_anew_when_the_fair_value_moved_by_its_threshold(book, moved_ticks, is_due) -> None:
    gate = quoted(maker(warmup_books=0), 99_000)

    # cooldown of 3: two books pass unseen; at a fair value of 100,000 ct one per cent is 1,000 ct
    assert [gate.on_book(book(1999, 2001), 1, 0) for _ in range(2)] == [False, False]
    gate.quoted_fair_centiticks = 100_000 - 100 * moved_ticks
    assert gate.on_book(book(999, 1001), 1, 0) is is_due
    assert gate.books_since_quote == (2 if is_due else 3)


@pytest.mark.req("ST-13")
def test_what_must_be_quoted_does_not_wait_for_the_cooldown_but_for_calm_flow(book) -> None:
    gate = quoted(maker(warmup_books=0), 100_000)
    assert gate.on_book(book(999, 1001), 1, 0) is False
    gate.must_quote = True
    assert gate.on_book(book(999, 1001), 1, 0) is True

    gate.toxicity.is_toxic = True
    assert gate.on_book(book(999, 1001), 1, 0) is False
    assert gate.books == 3


@pytest.mark.req("ST-48", "ST-16")
def test_an_open_round_trip_is_looked_at_and_an_unknown_model_is_not(book) -> None:
    gate = quoted(maker(warmup_books=0, cooldown_books=0), 100_000)
    gate.has_round = True

    assert gate.on_book(book(999, 1001), 1, 0) is False
    assert gate.on_book(book(999, 1001), 1, -5) is True
    gate.is_waiting = True
    assert gate.on_book(book(999, 1001), 1, -5) is False


@pytest.mark.parametrize(
    ("fair", "by_bps"), [(0, 0), (9_999_999, 99_999), (10_000_001, 100_000), (10**14, 10**12)]
)
def test_the_threshold_of_the_largest_price_does_not_overflow(fair, by_bps) -> None:
    assert maker().threshold_of(fair) == max(by_bps, 200)
    assert maker(threshold_e7=10**6).threshold_of(10**14 - 1) == (10**14 - 1) * 10**6 // 10**7


@pytest.mark.req("ST-12")
def test_trades_are_counted_until_one_turns_the_flow_and_that_one_is_not(book) -> None:
    gate = maker()

    # bought 2, sold 1, bought 1: the window of four fills with the fourth, |b - s| / all decides
    assert [gate.on_trade(side, 100, lots, 1) for side, lots in ((BUY, 2), (SELL, 1), (BUY, 1))] == [
        False
    ] * 3
    # bought 3 of 4 and one more of 1: 3 / 5 = 0.6 is not above 0.6
    assert gate.on_trade(BUY, 100, 1, 1) is False
    # out goes 2, in comes 9: bought 11, sold 1, 10 / 12 is above
    assert gate.on_trade(BUY, 100, 9, 1) is True
    assert (gate.toxicity.flow.count, gate.toxicity.is_toxic) == (4, False)
    assert gate.toxicity.count_trade(BUY, 100, 9, 1) is True
    assert (gate.toxicity.flow.count, gate.toxicity.is_toxic) == (5, True)

    # sold 1 leaves, sold 4 comes: 11 - 4 of 15 is below 0.5
    assert gate.on_trade(SELL, 100, 4, 1) is True


@pytest.mark.req("ST-15")
def test_an_automatic_guard_turns_with_the_trade_that_makes_its_window_fast_enough() -> None:
    slow, fast = maker(mode=2), maker(mode=2)

    # four trades within 3 s switch it on; here all are bought, so it is toxic at once
    assert [slow.on_trade(BUY, 100, 1, turn * S + turn) for turn in range(8)] == [False] * 8
    assert [fast.on_trade(BUY, 100, 1, turn * S) for turn in range(4)] == [False, False, False, True]
    assert fast.toxicity.is_busy is False
    assert fast.toxicity.count_trade(BUY, 100, 1, 3 * S) is True
    assert (fast.toxicity.is_on, slow.toxicity.is_on) == (True, False)


@pytest.mark.parametrize(
    ("side", "price", "lots"), [(2, 100, 1), (BUY, 0, 1), (BUY, 100, -1), (BUY, 100, 10**16)]
)
def test_what_is_no_trade_is_left_to_the_strategy_to_refuse(side, price, lots) -> None:
    gate = maker()

    assert gate.on_trade(side, price, lots, 1) is True
    with pytest.raises(ValueError, match="trade"):
        gate.toxicity.count_trade(side, price, lots, 1)
    assert gate.toxicity.flow.count == 0


# ---- grid: an interval of 50 ticks, seen at 2,000 half ticks


def grid(due_ns=10 * S, quiet=(0, 10**9), gap=50, span=(0, 10**9)):
    gate = GridGate(10 * S)
    gate.is_dirty, gate.seen_half_ticks, gate.wanted = False, 2_000, 2
    gate.orders = {"p1": None, "p2": None}
    gate.watch(due_ns, quiet, gap, span)
    return gate


@pytest.mark.req("ST-22")
@pytest.mark.parametrize(
    ("ask", "is_due"), [(1001, False), (1008, False), (1010, False), (1011, True), (1020, True)]
)
def test_a_grid_looks_at_a_move_of_a_tenth_of_its_interval(book, ask, is_due) -> None:
    # seen at 1,000: a tenth of 50 ticks is 5 ticks, 10 half ticks
    assert grid().on_book(book(999, ask), S, 0) is is_due


@pytest.mark.parametrize(
    "change",
    [
        {"due_ns": S},
        {"quiet": (2_001, 10**9)},
        {"quiet": (0, 1_999)},
        {"span": (0, 1_000)},
        {"span": (1_001, 2_000)},
    ],
)
def test_a_grid_looks_at_its_time_and_outside_what_it_was_told_is_quiet(book, change) -> None:
    assert grid().on_book(book(999, 1001), S, 0) is False
    assert grid(**change).on_book(book(999, 1001), S, 0) is True


def test_a_grid_looks_when_it_is_dirty_or_an_order_is_missing(book) -> None:
    gate, one = grid(), book(999, 1001)

    gate.orders.pop("p1")
    assert gate.on_book(one, S, 0) is True
    assert gate.is_due(one, S, 2) is False
    gate.is_dirty = True
    assert gate.is_due(one, S, 2) is True
    assert GridGate(S).is_due(one, S, 2) is True


@pytest.mark.req("ST-31")
def test_the_clock_of_a_grid_rings_when_it_cleans_but_not_on_a_lost_book(book) -> None:
    gate, one = grid(due_ns=100 * S), book(999, 1001)

    assert [gate.on_timer(now_ns, one) for now_ns in (10 * S - 1, 10 * S)] == [False, True]
    one.invalidate()
    assert gate.on_timer(10 * S, one) is False
    assert gate.on_trade(BUY, 1, 1, 1) is False


# ---- imbalance


def test_a_ring_keeps_the_last_numbers_in_order() -> None:
    ring = Ring(3)

    for value in range(5):
        ring.push(value)

    assert (ring.values(), ring.held, ring.at(0), ring.at(2)) == ([2, 3, 4], 3, 4, 2)
    ring.clear()
    ring.push(7)
    assert ring.values() == [7]


def imbalance(**changes):
    terms = {"threshold": 0.3, "spread_bps": 30.0, "persistence": 2, "momentum": 0.0, "confidence": 0.0}
    gate = ImbalanceGate(FeatureWindows(), 0, 60 * S)
    gate.signals_at(*(terms | changes).values())
    gate.sampled_ns = 1
    return gate


@pytest.mark.req("ST-39")
def test_a_sample_that_can_be_no_signal_is_taken_and_the_first_that_may_be_one_is_not(book) -> None:
    gate = imbalance()

    # (13 - 7) / 20 = 0.3 is strong enough, but only the second in a row counts
    assert gate.on_book(book(999, 1001, 13, 7), 2, 0) is False
    assert (gate.features.imbalance_ppm, gate.features.streak, gate.sampled_ns) == (300_000, 1, 2)
    assert gate.on_book(book(999, 1001, 13, 7), 3, 0) is True
    assert (gate.features.streak, gate.sampled_ns) == (1, 2)
    # one the other way begins a new row, none at all ends it
    assert gate.on_book(book(999, 1001, 7, 13), 4, 0) is False
    assert gate.features.streak == 1
    assert gate.on_book(book(999, 1001, 7, 7), 5, 0) is False
    assert gate.features.streak == 0


@pytest.mark.req("ST-39", "ST-40")
@pytest.mark.parametrize(
    ("change", "is_called"),
    [
        # a spread of 2 in 1,000 ticks is 20 bps
        ({"spread_bps": 19.9}, False),
        ({"spread_bps": 20.0}, True),
        ({"threshold": 0.31}, False),
        # 0.4 * 0.3 + 0.2 * 0.3 + 0.2 * 2 / 10 + 0.1 for a calm market at most = 0.32
        ({"confidence": 0.3201}, False),
        ({"confidence": 0.32}, True),
    ],
)
def test_a_condition_that_fails_makes_a_sample_no_signal(book, change, is_called) -> None:
    gate = imbalance(**change)
    gate.on_book(book(999, 1001, 13, 7), 2, 0)

    assert gate.on_book(book(999, 1001, 13, 7), 3, 0) is is_called


@pytest.mark.req("ST-39")
def test_a_lean_that_shrinks_or_a_price_that_does_not_move_is_no_signal(book) -> None:
    flat, falling = imbalance(momentum=0.001), imbalance(persistence=1)

    for _ in range(9):
        flat.features.add(book(999, 1001, 13, 7))
        falling.features.add(book(999, 1001, 17, 3))
    # ten mids make a momentum: here 0, with one tick up 1 / 1,000
    assert flat.on_book(book(999, 1001, 13, 7), 2, 0) is False
    assert imbalance_after(book, flat, 1_000) is True
    assert falling.on_book(book(999, 1001, 13, 7), 2, 0) is False


def imbalance_after(book, gate, bid):
    return gate.on_book(book(bid, bid + 2, 13, 7), 3, 0)


@pytest.mark.req("ST-42")
@pytest.mark.parametrize(
    ("bid", "is_left"), [(988, True), (989, False), (1000, False), (1014, False), (1015, True)]
)
def test_a_watched_position_is_left_at_its_stop_and_target(book, bid, is_left) -> None:
    # bought at 1,000 (2,000 half ticks): stop 24 half ticks below at 988, target 30 above at 1,015
    gate = imbalance(threshold=2.0)
    gate.watch(5, 2_000.0, 24.0, 30.0)

    assert gate.on_book(book(bid, bid + 1), 2, 5) is is_left
    assert gate.on_timer(2, book(bid, bid + 1)) is is_left
    assert gate.on_book(book(1000, 1001), 3, 4) is True


def test_a_position_nobody_watches_is_looked_at_and_without_one_the_clock_rings_for_nothing(book) -> None:
    gate, one = imbalance(threshold=2.0), book(999, 1001)

    assert gate.on_timer(1, one) is True
    assert (gate.on_book(one, 2, 0), gate.on_timer(2, one)) == (False, False)
    assert (gate.on_book(one, 3, -1), gate.on_timer(3, one)) == (True, True)


def test_samples_after_a_silence_are_left_to_the_strategy_and_early_ones_are_none(book) -> None:
    gate = ImbalanceGate(FeatureWindows(), 2 * S, 60 * S)

    assert gate.on_book(book(999, 1001), 2 * S - 1, 0) is False
    assert gate.features.mids.held == 0
    assert gate.on_book(book(999, 1001), 62 * S, 0) is False
    assert gate.features.mids.values() == [2_000]
    assert gate.on_book(book(999, 1001), 124 * S + 1, 0) is True


@pytest.mark.req("ST-43")
def test_while_entries_are_off_a_signal_is_a_sample_unless_it_closes_the_position(book) -> None:
    gate = imbalance(persistence=1)
    gate.watch(5, 2_000.0, 1e9, 1e9)
    gate.idle(1, 10)
    gate.idle(-1, 10)

    assert gate.on_book(book(999, 1001, 13, 7), 9, 5) is False
    assert gate.on_book(book(999, 1001, 7, 13), 9, 5) is True
    assert gate.on_book(book(999, 1001, 14, 6), 10, 5) is True


def test_a_sample_of_a_book_that_is_not_trusted_is_refused(book) -> None:
    lost = book(999, 1001)
    lost.invalidate()

    with pytest.raises(ValueError, match="not to be trusted"):
        FeatureWindows().add(lost)
