"""Comparing versions on logs where the truth is known."""

import random

import pytest
from msgspec import structs

from services.report.compare import block_bootstrap, compare
from services.strategy.desk import levels_block, make_rules
from shared.errors import JournalError
from shared.messages import Event, Header
from shared.messages.market import BookSnapshot
from shared.messages.orders import Fill, OrderSent
from shared.messages.shadow import ShadowFill, ShadowOrder, VersionStarted
from shared.units import NS_PER_S, Side

SYMBOL = "binance_usdm:BTCUSDT"
START_NS = 1_700_000_040 * NS_PER_S
MID = 600_000


class Story:
    """A log of one live version `live` and its shadow `dark`, a minute at a time."""

    def __init__(self, *, shadow_symbol=SYMBOL):
        self.events = []
        self.now_ns = START_NS
        self.count = 0
        for symbol in {SYMBOL, shadow_symbol}:
            self.say(make_rules(symbol))
        self.book(MID)
        self.say(VersionStarted("live", "aaa", "", "grid", SYMBOL, b"", []))
        self.say(VersionStarted("dark", "bbb", "live", "grid", shadow_symbol, b"", ["half_size"]))

    def say(self, message):
        seq = len(self.events) + 1
        self.events.append(Event(Header(seq, self.now_ns, self.now_ns, 1, "x", 1, seq, 0), message))

    def book(self, mid):
        block = levels_block([(mid - 1, 10)], [(mid + 1, 10)])
        self.say(BookSnapshot(SYMBOL, 1, 1, 1, block, "start", 0, 0))

    def minute(self, mid=MID):
        self.now_ns += 60 * NS_PER_S
        self.book(mid)

    def live_fill(self, side, price, lots, fee_atoms=0, fee_asset="USDT"):
        self.count += 1
        head = (f"o{self.count}", "live", SYMBOL)
        self.say(OrderSent(*head, side, price, lots))
        self.say(Fill(*head, f"t{self.count}", side, price, lots, lots, 0, fee_atoms, fee_asset, True, 0))

    def dark_fill(self, side, price, lots, fee_atoms=0):
        self.count += 1
        head = (f"s{self.count}", "dark", SYMBOL, "bbb")
        self.say(ShadowOrder(*head, side, price, lots, "intended"))
        self.say(ShadowFill(*head, f"d{self.count}", side, price, lots, fee_atoms, True))

    def earn(self, fill, ticks):
        """Buy one lot and sell it `ticks` higher: ticks * 10,000 atoms, 0.0001 USDT each tick."""
        fill(Side.BUY, MID, 1)
        fill(Side.SELL, MID + ticks, 1)


@pytest.mark.req("ST-44")
def test_profit_fees_drawdown_and_fill_ratio_are_those_worked_out_by_hand() -> None:
    story = Story()
    # One lot bought at 60,000.0 for a fee of 0.02 USDT; the mid falls by 10 ticks, then rises by 30.
    story.live_fill(Side.BUY, MID, 1, fee_atoms=2_000_000)
    story.minute(MID - 10)
    story.minute(MID + 20)
    story.say(OrderSent("never", "live", SYMBOL, Side.BUY, MID - 50, 1))
    story.minute(MID + 20)

    found = compare(story.events, "live", "dark")

    line = found["versions"]["live"]
    # 20 ticks of 0.0001 USDT each less the fee.
    assert (line["net_pnl"], line["fees"]) == ("-0.018", "0.02")
    # The first minute ends 0.021 below the start: the book at its end is not yet the one after it.
    assert line["max_drawdown"] == "0.021"
    assert (line["orders"], line["fills"], line["fill_ratio"]) == (2, 1, "0.5000")
    assert found["versions"]["dark"] | {"version": ""} == {
        "version": "",
        "shadow_of": "live",
        "flags": ["half_size"],
        "symbol": SYMBOL,
        "quote_asset": "USDT",
        "net_pnl": "0.00",
        "max_drawdown": "0.00",
        "fees": "0.00",
        "orders": 0,
        "fills": 0,
        "fill_ratio": None,
    }


@pytest.mark.req("ST-44")
@pytest.mark.parametrize(("better", "sign"), [("live", 1), ("dark", -1)])
def test_the_version_that_earns_more_each_minute_is_named(better, sign) -> None:
    story = Story()
    dice = random.Random(3)
    for _ in range(120):
        both = dice.randrange(-50, 50)
        story.earn(story.live_fill, both + (20 if better == "live" else 0) + dice.randrange(-5, 6))
        story.earn(story.dark_fill, both + (20 if better == "dark" else 0))
        story.minute()

    found = compare(story.events, "live", "dark")

    low, high = found["interval"]
    assert found["winner"] == better
    assert found["minutes"] == 119
    # 20 ticks of 0.0001 USDT a minute; what both earn alike does not blur it.
    assert low < sign * 0.002 < high
    assert high - low < 0.0002


@pytest.mark.req("ST-44")
def test_noise_names_no_winner() -> None:
    story = Story()
    dice = random.Random(4)
    for _ in range(120):
        story.earn(story.live_fill, dice.randrange(-30, 31))
        story.earn(story.dark_fill, dice.randrange(-30, 31))
        story.minute()

    found = compare(story.events, "live", "dark")

    assert found["winner"] is None
    assert "contains 0" in found["verdict"]


@pytest.mark.req("ST-44")
def test_few_minutes_name_no_winner_however_clear_they_look() -> None:
    story = Story()
    for _ in range(30):
        story.earn(story.live_fill, 100)
        story.minute()

    found = compare(story.events, "live", "dark")

    assert found["winner"] is None
    assert found["verdict"] == "too little data: both ran for 29 minutes, at least 60 are needed"
    assert compare(story.events, "live", "dark", 20)["winner"] == "live"


@pytest.mark.req("ST-44")
def test_another_version_begins_anew_with_what_the_last_one_left() -> None:
    story = Story()
    story.earn(story.live_fill, 5000)
    for _ in range(10):
        story.minute()
    story.say(VersionStarted("live", "ccc", "", "grid", SYMBOL, b"", []))
    for _ in range(5):
        story.minute()

    found = compare(story.events, "live", "dark")

    assert found["minutes"] == 4
    line = found["versions"]["live"]
    assert (line["version"], line["net_pnl"], line["fills"]) == ("ccc", "0.00", 0)


@pytest.mark.req("ST-44")
def test_a_promoted_shadow_begins_without_the_position_it_had_on_paper() -> None:
    story = Story()
    story.dark_fill(Side.BUY, MID, 100)
    story.minute()
    story.say(VersionStarted("dark", "bbb", "", "grid", SYMBOL, b"", []))
    story.minute(MID + 1000)
    story.minute(MID + 1000)

    assert compare(story.events, "live", "dark")["versions"]["dark"]["net_pnl"] == "0.00"


@pytest.mark.req("ST-44")
def test_a_pruned_part_without_books_counts_fills_but_no_minutes() -> None:
    story = Story()
    story.live_fill(Side.BUY, MID, 1)
    story.minute()
    story.minute()
    kept = [event for event in story.events if not isinstance(event.message, BookSnapshot)]
    story.events = kept
    story.minute(MID + 30)
    story.minute(MID + 30)
    story.minute(MID + 40)
    story.minute(MID + 40)

    found = compare(story.events, "live", "dark")

    assert found["versions"]["live"]["net_pnl"] == "0.004"
    # The first book is sampled at the next minute; only what followed is a pair.
    assert found["minutes"] == 2


@pytest.mark.req("ST-44")
def test_what_cannot_be_compared_is_named() -> None:
    with pytest.raises(JournalError, match="no version of a strategy 'other'"):
        compare(Story().events, "live", "other")
    with pytest.raises(JournalError, match="compare versions on one market"):
        compare(Story(shadow_symbol="binance_usdm:ETHUSDT").events, "live", "dark")


@pytest.mark.req("ST-44", "I-16")
def test_a_fee_counts_in_the_quote_asset_whatever_it_was_taken_in() -> None:
    # 0.00000100 BTC at 60,000.0 are 0.06 USDT.
    story = Story()
    story.live_fill(Side.BUY, MID, 1, fee_atoms=100, fee_asset="BTC")
    story.minute()

    assert compare(story.events, "live", "dark")["versions"]["live"]["fees"] == "0.06"


@pytest.mark.req("ST-44", "I-16")
def test_a_fee_without_a_price_and_other_ticks_are_no_comparison() -> None:
    story = Story()
    story.live_fill(Side.BUY, MID, 1, fee_atoms=100, fee_asset="BNB")
    story.minute()
    with pytest.raises(JournalError, match="live paid fees in BNB, of which the log has no price"):
        compare(story.events, "live", "dark")

    story = Story()
    story.live_fill(Side.BUY, MID, 1)
    story.say(structs.replace(make_rules(SYMBOL), tick_size="0.01", tick_lot_atoms=1_000))
    story.minute()
    with pytest.raises(JournalError, match="another tick or lot"):
        compare(story.events, "live", "dark")


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    hits = 0
    for seed in range(100):
        dice = random.Random(seed)
        interval = block_bootstrap([dice.gauss(1.0, 2.0) for _ in range(120)], draws=400)
        hits += interval.low <= 1.0 <= interval.high

    assert 86 <= hits <= 99


def test_the_same_differences_give_the_same_interval_and_one_alone_gives_none() -> None:
    assert block_bootstrap([1.0, 2.0, 3.0]) == block_bootstrap([1.0, 2.0, 3.0])
    assert block_bootstrap([1.0]) is None
    assert block_bootstrap([0.0] * 10).contains_zero
