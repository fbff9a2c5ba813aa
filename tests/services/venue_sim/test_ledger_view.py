"""The ledger on the control port: plain numbers, pages, and clear refusals."""

from decimal import Decimal

import msgspec
import pytest

from services.venue_sim.exchange.ledger import OUTSIDE, Ledger
from services.venue_sim.exchange.records import Fill
from services.venue_sim.ledger_view import ledger_page


def fill(trade_id: int, account: str) -> Fill:
    return Fill(
        venue="binance",
        symbol="BTCUSDT",
        account=account,
        trade_id=trade_id,
        order_id=1,
        client_order_id="a",
        side="BUY",
        price=Decimal("50000.00"),
        quantity=Decimal("0.01"),
        quote=Decimal("500.0000"),
        commission=Decimal("0E-8"),
        commission_asset="USDT",
        is_maker=True,
        time_ms=5,
    )


@pytest.fixture
def ledger() -> Ledger:
    ledger = Ledger(10)
    ledger.note_fill(fill(1, "sim"), 10)
    ledger.pay("binance", "sim", "USDT", 12 * 10**18 + 5, OUTSIDE, 6, "deposit")
    ledger.act("binance", "other", "halt", 7)
    return ledger


def test_numbers_are_plain_texts_and_the_page_is_json(ledger: Ledger) -> None:
    page = ledger_page(ledger, "")
    assert page["count"] == 3
    assert [entry["kind"] for entry in page["entries"]] == ["FILL", "MONEY", "ACT"]
    assert page["entries"][0]["fill"]["commission"] == "0.00000000"
    assert page["entries"][1]["amount"] == "12.000000000000000005"
    assert page["entries"][1]["counterparty"] == OUTSIDE
    assert page["entries"][2]["note"] == "halt"
    assert msgspec.json.decode(msgspec.json.encode(page))["count"] == 3


def test_a_page_begins_after_the_number_and_is_of_the_account(ledger: Ledger) -> None:
    assert [entry["n"] for entry in ledger_page(ledger, "after=0")["entries"]] == [1, 2]
    assert [entry["n"] for entry in ledger_page(ledger, "account=sim&limit=1")["entries"]] == [0]
    assert ledger_page(ledger, "after=99")["entries"] == []


@pytest.mark.parametrize("query", ["after=x", "limit=-1", "after=1.5", "limit=²"])
def test_a_number_that_is_none_is_refused(ledger: Ledger, query: str) -> None:
    with pytest.raises(ValueError, match="is no whole number"):
        ledger_page(ledger, query)
