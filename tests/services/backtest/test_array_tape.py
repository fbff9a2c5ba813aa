"""The array path over tapes written by hand: funding, lost books, no rows, impossible ones."""

import pytest

from services.backtest.array_place import ArrayMarket
from shared.messages import orders
from tests.services.backtest.paths import agreed, array

MAKER = {"half_spread_bps": 0.1, "requote_threshold_bps": 0.1, "requote_threshold_ticks": 2}


def test_funding_is_paid_to_each_instance_by_its_position(tape, sections, tmp_path):
    """One buys 4 lots at 60001.0 ticks/10; the rate is 0.01 %, the mark 60000.0: the long pays."""
    hand = tape(maker_fee_ppm=0).book(0)
    for step in range(1, 60):
        at_ms = 100 * step
        hand.change(at_ms, bids=((600_000, 10 + step),))
        if step == 20:
            hand.trade(at_ms + 10, 599_900, 5000, 1)
            hand.change(at_ms + 20, bids=((600_000, 0), (599_990, 0), (599_900, 50)))
    hand.funding(6100, 10_000, 600_000).change(6200, bids=((599_900, 51),)).change(
        6300, bids=((599_900, 52),)
    )
    columns = hand.open(tmp_path / "hand.columns")
    market = ArrayMarket(hand.rules, [columns])

    said, _ = agreed(sections(params=MAKER), [market])

    paid = [message for *_, message in said if type(message) is orders.FundingPaid]
    assert len(paid) == 1
    assert paid[0].amount_atoms == -paid[0].position_lots * 60_000_000 * 10_000 * 10_000 // 10**10
    assert paid[0].amount_atoms < 0


def test_a_book_that_is_lost_and_comes_back_withdraws_and_quotes_again(tape, sections, tmp_path):
    hand = tape(maker_fee_ppm=0).book(0)
    for step in range(1, 30):
        hand.change(100 * step, bids=((600_000, 10 + step),))
    hand.invalid(3000).change(3050, bids=((600_000, 99),)).trade(3060, 600_010, 3, 0)
    hand.book(4000)
    for step in range(41, 70):
        hand.change(100 * step, bids=((600_000, step),))
    hand.change(7000, bids=((600_030, 5),)).change(7100, bids=((600_030, 0),)).change(
        9900, bids=((600_000, 1),)
    )
    market = ArrayMarket(hand.rules, [hand.open(tmp_path / "hand.columns")])

    said, _ = agreed(sections(params=MAKER), [market])

    reasons = {message.reason for *_, message in said if type(message) is orders.CancelIntent}
    assert {"gap", "book not trusted"} & reasons
    assert said[-1][0] > said[0][0]


def test_no_rows_are_a_run_without_events(tape, sections, tmp_path):
    market = ArrayMarket(tape().rules, [tape().book(0).open(tmp_path / "one.columns")])

    said, run = array(sections(), [market], from_ns=10**19 - 10**18)

    assert said == []
    assert run.is_over
    assert (run.message_count, run.first_ns) == (0, 0)


def test_an_impossible_level_is_named_by_its_row(tape, sections, tmp_path):
    hand = tape().book(0)
    hand.change(100, bids=((600_000, -5),))

    with pytest.raises(ValueError, match=r"row 5: -5 lots at 600000 ticks of side 0.*import the data again"):
        array(sections(), [ArrayMarket(hand.rules, [hand.open(tmp_path / "bad.columns")])])


def test_files_of_a_market_in_the_wrong_order_are_refused(tape, sections, tmp_path):
    later, earlier = tape().book(1000), tape().book(0)
    files = [later.open(tmp_path / "later.columns"), earlier.open(tmp_path / "earlier.columns")]

    with pytest.raises(ValueError, match="in the order of time, each once"):
        array(sections(), [ArrayMarket(later.rules, files)])
