"""Events of a log become the rows of a run."""

import pytest

from services.backtest import tables
from services.backtest.exact_record import RunFold
from services.backtest.record import Meta, Run
from shared.messages import Event, Header, control, market, orders, shadow
from shared.units import Side

PERP = "binance_usdm:BTCUSDT"
S = 10**9


class Story:
    """A log written by hand, one event a second; what it is folded into is `run`."""

    def __init__(self, rules=None):
        self.run = Run(Meta("backtest", "exact"), [rules] if rules else [], [])
        self._fold = RunFold(self.run)
        self._seq = 0

    def tell(self, *messages):
        for message in messages:
            self._seq += 1
            header = Header(self._seq, self._seq * S, 0, 1, "x", 1, self._seq, 0)
            self._fold.apply(Event(header, message))
        return self

    def rows(self, *names):
        return list(zip(*(getattr(self.run.orders, name) for name in names), strict=True))


def intent(order_id, side=Side.BUY, lots=5):
    return orders.OrderIntent(order_id, "one", PERP, side, 600_000, lots)


def fill(order_id, trade_id, lots, filled, leaves, side=Side.BUY):
    return orders.Fill(
        order_id,
        "one",
        PERP,
        trade_id=trade_id,
        side=side,
        price_ticks=600_000,
        qty_lots=lots,
        filled_lots=filled,
        leaves_lots=leaves,
        fee_atoms=7 * lots,
        fee_asset="USDT",
        is_maker=True,
        ts_venue_ns=0,
    )


@pytest.fixture
def story(tape):
    return Story(tape().rules)


@pytest.mark.req("BT-2", "BT-12")
def test_the_life_of_an_order_is_one_row(story):
    name = ("a", "one", PERP)
    story.tell(
        intent("a", lots=5),
        orders.OrderAdjusted(*name, Side.BUY, 600_000, 4, 5, "cap", "too large"),
        orders.OrderSent(*name, Side.BUY, 600_000, 4),
        orders.OrderAccepted(*name, "v1", 3 * S),
        fill("a", "t1", 1, 1, 3),
        fill("a", "t2", 3, 4, 0),
    )

    columns = ("ts_ns", "lots", "filled_lots", "accepted_ns", "filled_ns", "ended_ns", "state")
    assert story.rows(*columns) == [(1 * S, 4, 4, 4 * S, 5 * S, 6 * S, tables.FILLED)]
    counts = story.run.counts
    assert (counts.orders, counts.orders_filled, counts.sent_lots, counts.filled_lots) == (1, 1, 4, 4)
    assert list(story.run.fills.ts_ns) == [5 * S, 6 * S]
    assert list(story.run.fills.order) == [0, 0]
    assert list(story.run.fills.fee_atoms) == [7, 21]
    story.run.check()


@pytest.mark.parametrize(
    ("last", "state", "count"),
    [
        (lambda n: orders.OrderRefused(*n, "band", "too far"), tables.REFUSED, "orders_refused"),
        (lambda n: orders.NotSent(*n, "kill", "killed"), tables.REFUSED, "orders_refused"),
        (lambda n: orders.OrderRejected(*n, "post_only_would_take", ""), tables.REJECTED, "orders_rejected"),
        (lambda n: orders.OrderCanceled(*n, 0, "strategy"), tables.CANCELED, "orders_canceled"),
        (lambda n: orders.OrderExpired(*n, 0, "ioc"), tables.EXPIRED, "orders_expired"),
    ],
)
def test_each_end_of_an_order_is_its_state_and_is_counted(story, last, state, count):
    story.tell(intent("a"), last(("a", "one", PERP)))

    assert story.rows("state", "ended_ns") == [(state, 2 * S)]
    assert getattr(story.run.counts, count) == 1


def test_a_fill_told_twice_counts_once_and_one_without_its_order_is_kept(story):
    story.tell(intent("a"), fill("a", "t1", 1, 1, 4), fill("a", "t1", 1, 1, 4), fill("gone", "t2", 2, 2, 0))

    assert list(story.run.fills.order) == [0, tables.NO_ORDER]
    assert story.run.counts.filled_lots == 3
    assert story.rows("state", "filled_lots") == [(tables.OPEN, 1)]


def test_markets_and_strategies_are_found_in_the_log(tape):
    story = Story().tell(
        tape().rules,
        shadow.VersionStarted("one", "v9", "", "grid", PERP, b"", []),
        control.StrategyStatus("one", "quoting"),
        intent("a"),
    )

    assert [each.symbol for each in story.run.markets] == [PERP]
    assert [(each.name, each.kind, each.version) for each in story.run.strategies] == [("one", "grid", "v9")]


def test_funding_is_a_row_of_its_own(story):
    story.tell(
        orders.FundingPaid(
            strategy="one",
            symbol=PERP,
            funding_ns=S,
            rate_e8=10_000,
            mark_centiticks=60_000_000,
            position_lots=5,
            amount_atoms=-300,
            quote_asset="USDT",
        )
    )

    assert list(story.run.funding.rows()) == [(S, 0, 0, 10_000, -300)]


def test_an_order_before_the_rules_of_its_market_is_an_error():
    with pytest.raises(KeyError, match="is traded before its rules are known"):
        Story().tell(intent("a"))


def test_what_says_nothing_of_orders_leaves_no_trace(story):
    story.tell(market.BookInvalid(PERP, "gap"), control.TradingState("active", []))

    assert len(story.run.orders) == len(story.run.fills) == 0
