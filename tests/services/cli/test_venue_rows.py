"""What a venue says beside what our log says."""

from services.broker.settings import VenueAccess
from services.canceller.cancel import Cancelled
from services.canceller.truth import Truth
from services.cli.farewell import left_lines
from services.cli.prestart_live import AccountTruth
from services.cli.venue_rows import balance_rows, order_rows, position_rows, problems
from shared.execution.reports import Balance, VenueOrder, VenuePosition, VenueState
from shared.messages import Event, Header
from shared.messages.market import InstrumentRules
from shared.messages.orders import Fill
from shared.messages.venue import AccountAdjusted
from shared.units import Side

SYMBOL = "binance_usdm:BTCUSDT"
RULES = InstrumentRules(
    symbol=SYMBOL,
    base_asset="BTC",
    quote_asset="USDT",
    tick_size="0.1",
    lot_size="0.001",
    quote_exponent=4,
    tick_lot_atoms=1,
    min_qty_lots=1,
    max_qty_lots=0,
    min_notional_atoms=0,
    min_price_ticks=0,
    max_price_ticks=0,
    maker_fee_ppm=0,
    taker_fee_ppm=0,
    is_derivative=True,
)


def order(client_order_id, filled_lots=0):
    return VenueOrder(SYMBOL, client_order_id, "7", VenueState.NEW, Side.BUY, 600_000, 5, filled_lots)


def account(orders=(), positions=(), balances=(), error=""):
    access = VenueAccess(name="binance_usdm", symbols=("BTCUSDT",), network="sim")
    truth = None if error else Truth(None, list(balances), list(positions), list(orders))
    return AccountTruth(access=access, truth=truth, error=error, rules={SYMBOL: RULES})


def line(client_order_id, filled_qty="0.000", state="accepted"):
    return {
        "client_order_id": client_order_id,
        "symbol": SYMBOL,
        "side": "buy",
        "price": "60000.0",
        "qty": "0.005",
        "filled_qty": filled_qty,
        "state": state,
    }


def events(*messages):
    return [Event(Header(n, n, n, 1, "x", 1, n, 0), message) for n, message in enumerate(messages, 1)]


def test_an_order_that_both_know_alike_has_no_note():
    (row,) = order_rows([line("a-b-c-1", "0.002")], [account([order("a-b-c-1", 2)])])

    assert (row["note"], row["price"], row["filled_qty"], row["venue_filled_qty"]) == (
        "",
        "60000.0",
        "0.002",
        "0.002",
    )


def test_orders_of_one_side_only_and_different_fills_are_noted():
    rows = order_rows(
        [line("a-b-c-1"), line("a-b-c-2", state="unknown")],
        [account([order("a-b-c-1", 1), order("by_hand")])],
    )

    assert {row["client_order_id"]: row["note"] for row in rows} == {
        "a-b-c-1": "differs",
        "by_hand": "only at the venue",
        "a-b-c-2": "only on our log (unknown)",
    }


def test_a_venue_that_is_silent_says_nothing_about_our_orders():
    silent = account(error="no answer")

    assert order_rows([line("a-b-c-1")], [silent]) == []
    assert problems([silent]) == {"binance_usdm": "no answer"}


def test_positions_of_all_strategies_together_equal_the_one_at_the_venue():
    ours = [{"symbol": SYMBOL, "qty": "0.004"}, {"symbol": SYMBOL, "qty": "-0.001"}]

    (same,) = position_rows(ours, [account(positions=[VenuePosition(SYMBOL, 3, "60000")])])
    (other,) = position_rows(ours, [account()])

    assert (same["note"], same["qty"], same["venue_qty"]) == ("", "0.003", "0.003")
    assert (other["note"], other["venue_qty"]) == ("differs", "0")


def test_a_wallet_of_derivatives_agrees_when_the_cost_of_open_positions_is_added():
    opened = AccountAdjusted("binance_usdm", "USDT", "1000", "1000", "opening")
    fill = Fill(
        client_order_id="a-b-c-1",
        strategy="b",
        symbol=SYMBOL,
        trade_id="1",
        side=Side.BUY,
        price_ticks=600_000,
        qty_lots=2,
        filled_lots=2,
        leaves_lots=0,
        fee_atoms=100,
        fee_asset="USDT",
        is_maker=True,
        ts_venue_ns=0,
    )
    position = VenuePosition(SYMBOL, 2, "60000")

    (row,) = balance_rows(
        events(RULES, opened, fill), [account(positions=[position], balances=[Balance("USDT", "999.99")])]
    )
    (wrong,) = balance_rows(
        events(RULES, opened, fill), [account(positions=[position], balances=[Balance("USDT", "998.99")])]
    )

    assert (row["note"], float(row["ours"])) == ("", 999.99)
    assert wrong["note"] == "differs"


def test_after_a_stop_what_was_left_and_what_stays_is_told():
    truth = Truth(None, [], [VenuePosition(SYMBOL, -3)], [order("1k-b-c-1"), order("by_hand")])
    done = Cancelled("binance_usdm", [order("1k-b-c-1")], [], [order("by_hand")])

    cancelled = left_lines("binance_usdm", truth, done, {SYMBOL: RULES})
    kept = left_lines("binance_usdm", truth, None, {SYMBOL: RULES})

    assert cancelled == [
        "binance_usdm: 0 of our orders and 1 of others are open there; 1 that the broker had left were "
        "cancelled now",
        f"  position: {SYMBOL} -0.003 stays",
    ]
    assert kept[0] == "binance_usdm: 1 of our orders and 1 of others are open there"
    assert kept[1] == f"  left: {SYMBOL} buy 0.005 at 60000.0 (1k-b-c-1)"
