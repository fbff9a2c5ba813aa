import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.strategy.desk import make_rules
from services.strategy.grid_ledger import GridLedger
from services.strategy.grid_levels import direction_of
from services.strategy.grid_slots import Slot
from shared.messages.orders import Fill
from shared.units import Side

USDM = "binance_usdm:BTCUSDT"
# One tick of one lot is 1 atom: money is price * lots.
RULES = make_rules(USDM, tick_lot_atoms=1, min_notional_atoms=0, min_qty_lots=3)


def fill(side, price, lots, slot="n1"):
    return Fill(f"x-one-{slot}-1", "one", USDM, "t", side, price, lots, lots, 0, 0, "USDT", True, 0)


def ledger_of(direction, **held):
    ledger = GridLedger(lambda level: direction_of(direction, level))
    for name, (lots, cost, fees) in held.items():
        level = int(name[1:]) * (1 if name[0] == "p" else -1)
        ledger.slots[level] = Slot(level, 1000, held_lots=lots, cost_atoms=cost, fees_atoms=fees)
    return ledger


@pytest.mark.req("ST-32")
def test_a_part_closed_takes_its_share_of_cost_and_fees_and_the_last_takes_the_rest() -> None:
    ledger = ledger_of("long", n1=(3, 1000, 10))
    slot = ledger.slots[-1]

    ledger.book(slot, fill(Side.SELL, 400, 1), 1, 2)
    # 400 - 333 - 3 - 2
    assert (ledger.realized_atoms, slot.cost_atoms, slot.fees_atoms, ledger.cycles) == (62, 667, 7, 0)

    ledger.book(slot, fill(Side.SELL, 400, 2), 1, 2)
    assert (ledger.realized_atoms, slot.cost_atoms, slot.fees_atoms, ledger.cycles) == (
        1200 - 1000 - 10 - 4,
        0,
        0,
        1,
    )


@pytest.mark.req("ST-36", "ST-32")
def test_a_short_level_earns_what_it_buys_back_cheaper() -> None:
    ledger = ledger_of("short")
    slot = ledger.slots.setdefault(1, Slot(1, 1000))

    ledger.book(slot, fill(Side.SELL, 1000, 3), 1, 5)
    assert (slot.held_lots, ledger.position_lots, ledger.unrealized_atoms(2 * 1010, 1)) == (3, -3, -35)

    ledger.book(slot, fill(Side.BUY, 990, 3), 1, 4)
    assert (ledger.realized_atoms, ledger.position_lots, ledger.cycles) == (30 - 9, 0, 1)


@pytest.mark.req("ST-26")
def test_dust_of_long_and_short_levels_cancels_and_what_is_left_joins_with_its_cost() -> None:
    ledger = ledger_of("neutral", n1=(2, 200, 1), p1=(1, 120, 1))

    ledger.settle_dust(RULES)
    # long 2 for 201, short 1 for 120 less 1
    assert (ledger.pot_lots, ledger.pot_cost_atoms) == (1, 201 - 119)

    ledger.slots[-2] = Slot(-2, 1000, held_lots=3, cost_atoms=300)
    ledger.settle_dust(RULES)
    assert (ledger.slots[-2].held_lots, ledger.slots[-2].cost_atoms, ledger.pot_lots) == (4, 382, 0)


@pytest.mark.req("ST-36")
def test_what_cancels_completely_is_realized() -> None:
    ledger = ledger_of("neutral", n1=(2, 200, 1), p1=(2, 240, 1))

    ledger.gather()

    assert (ledger.pot_lots, ledger.pot_cost_atoms, ledger.realized_atoms) == (0, 0, 240 - 200 - 2)


@pytest.mark.req("ST-34")
def test_the_pot_is_closed_by_parts_and_owes_what_was_closed_too_much() -> None:
    ledger = ledger_of("long", n1=(4, 400, 4))
    ledger.gather()

    ledger.book_exit(fill(Side.SELL, 90, 1, "exit"), 1, 1)
    assert (ledger.pot_lots, ledger.pot_cost_atoms, ledger.realized_atoms) == (3, 303, 90 - 101 - 1)

    ledger.book_exit(fill(Side.SELL, 90, 4, "exit"), 1, 4)
    assert (ledger.pot_lots, ledger.pot_cost_atoms) == (-1, -90)
    assert ledger.realized_atoms == -12 + 270 - 303 - 4


@pytest.mark.req("ST-32")
def test_funding_is_shared_out_by_lots_and_the_last_takes_the_rest() -> None:
    ledger = ledger_of("long", n1=(1, 1000, 10), n2=(2, 1980, 20), n3=(4, 3880, 40))

    ledger.share_funding(-100, 7)

    # -100 over 7 lots: after 4 of them -58 (floor), after 6 -86, after 7 -100
    assert [ledger.slots[level].fees_atoms for level in (-3, -2, -1)] == [40 + 58, 20 + 28, 10 + 14]


@pytest.mark.req("ST-32", "ST-36")
def test_funding_of_a_net_position_is_shared_by_sign_and_without_one_it_is_earned_at_once() -> None:
    neutral = ledger_of("neutral", n1=(5, 5000, 0), p1=(2, 2020, 0))
    flat = ledger_of("long")

    neutral.share_funding(-30, 3)
    flat.share_funding(-7, 4)

    # long by 3: the long level pays 50, the short one is paid 20
    assert (neutral.slots[-1].fees_atoms, neutral.slots[1].fees_atoms) == (50, -20)
    assert flat.realized_atoms == -7


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["fill", "exit", "gather", "dust", "funding"]),
        st.integers(-3, 3),
        st.sampled_from(list(Side)),
        st.integers(1, 2000),
        st.integers(1, 9),
        st.integers(-3, 7),
    ),
    max_size=40,
)


@pytest.mark.req("I-15", "ST-32")
@given(direction=st.sampled_from(["long", "short", "neutral"]), events=EVENTS)
@settings(max_examples=100, deadline=None)
def test_cash_and_position_are_exact_whatever_is_filled(direction, events) -> None:
    ledger = ledger_of(direction)
    cash = position = 0
    for what, level, side, price, lots, fee in events:
        if what in ("fill", "exit"):
            cash -= side.sign * price * lots + fee
            position += side.sign * lots
        if what == "fill":
            ledger.book(ledger.slots.setdefault(level, Slot(level, 1000)), fill(side, price, lots), 1, fee)
        elif what == "exit":
            ledger.book_exit(fill(side, price, lots), 1, fee)
        elif what == "gather":
            ledger.gather()
        elif what == "funding":
            ledger.share_funding(fee * price, side.sign * lots)
            cash += fee * price
        else:
            ledger.settle_dust(RULES)

    tied = sum(ledger.sign(slot.level) * slot.cost_atoms + slot.fees_atoms for slot in ledger.slots.values())
    assert ledger.position_lots == position
    assert ledger.realized_atoms - tied - ledger.pot_cost_atoms == cash
    assert all(slot.held_lots >= 0 for slot in ledger.slots.values())
    # what everything would be worth at a price is the same from the levels as from the cash
    assert ledger.unrealized_atoms(2 * 777, 1) + ledger.realized_atoms == cash + position * 777
