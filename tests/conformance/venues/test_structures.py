"""Example answers of each venue, as ccxt's source documents them, through its parser and our mapping.

A structure either maps exactly, or is refused with a `ValueError` that says what is missing: the answers to a
cancel and to some creates hold little but an id.
"""

import asyncio
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from services.ccxt_venue.mapping import WALLETS, Mapper
from services.ccxt_venue.markets import exact
from shared.execution.reports import VenueState
from shared.venues.registry import LINEAR

FINE = Decimal("1e-18")
LISTED = {VenueState.NEW: "open", VenueState.FILLED: "closed"}


@pytest.fixture
def mapper(stepped) -> Mapper:
    return Mapper(stepped.entry, stepped.exchange)


def parsed(offline, parsers, examples_of) -> list[dict[str, Any]]:
    found = []
    for name in parsers:
        for example in examples_of(offline.entry.ccxt_id, name):
            try:
                made = getattr(offline.exchange, name)(example, offline.exchange.markets[offline.symbol])
            except (ccxt.BaseError, TypeError, KeyError, ValueError, IndexError, AttributeError):
                continue  # an example of another form than its parser reads
            found.append({**made, "symbol": offline.symbol})
    return found


@pytest.mark.req("MD-26")
def test_orders_map_exactly_or_say_what_is_missing(stepped, mapper, documented) -> None:
    mapped = []
    for order in parsed(stepped, documented.parsers["order"], documented.examples):
        try:
            made = mapper.order(order)
        except ValueError:
            continue
        mapped.append(made)
        if order["price"] is not None:
            assert made.price_ticks * FINE == exact(order["price"])
        if order["amount"] is not None:
            assert made.qty_lots * FINE == exact(order["amount"])
        assert made.filled_lots <= made.qty_lots or order["amount"] is None
        assert made.venue_order_id == str(order["id"] or "")
        if order["status"] in LISTED.values():
            assert made.state.is_open == (order["status"] == "open")

    few = {"phemex", "kraken", "whitebit", "bitvavo"}  # documented elsewhere than in the parser, or in parts
    assert mapped or stepped.entry.name in few


@pytest.mark.req("MD-26")
def test_executions_map_exactly_with_their_fees(stepped, mapper, documented) -> None:
    mapped = []
    for trade in parsed(stepped, documented.parsers["trade"], documented.examples):
        try:
            made = mapper.fill(trade)
        except ValueError:
            continue
        mapped.append(made)
        assert made.price_ticks * FINE == exact(trade["price"])
        assert made.qty_lots * FINE == exact(trade["amount"])
        assert made.trade_id == str(trade["id"])
        if (trade.get("fee") or {}).get("cost") is not None:
            assert Decimal(made.fee) == exact(trade["fee"]["cost"])

    assert mapped or stepped.entry.name == "coinbaseexchange"


@pytest.mark.req("MD-26")
def test_positions_are_signed_by_their_side(stepped, mapper, documented) -> None:
    for position in parsed(stepped, documented.parsers["position"], documented.examples):
        found = mapper.positions([position])
        lots = mapper.steps(stepped.symbol).lots(position["contracts"])
        if position["contracts"] is not None and lots:
            assert [abs(one.position_lots) for one in found] == [abs(lots)]
            assert (found[0].position_lots < 0) == (position["side"] == "short")
        else:
            assert found == []


@pytest.mark.req("MD-26")
def test_balances_map_to_the_unit(stepped, mapper, documented) -> None:
    mapped = 0
    for example in documented.examples(stepped.entry.ccxt_id, "fetch_balance"):

        async def answer(*_: Any, body: Any = example, **__: Any) -> Any:
            return body

        stepped.exchange.fetch = answer
        try:
            told = asyncio.run(stepped.exchange.fetch_balance())
        except (ccxt.BaseError, TypeError, KeyError, ValueError, IndexError, AttributeError):
            continue  # the answer of another kind of account
        held = {asset: total for asset, total in told["total"].items() if total}
        found = {one.asset: Decimal(one.free) + Decimal(one.locked) for one in mapper.balances(told)}
        assert found.keys() == held.keys()
        for asset, total in held.items():
            free, used = told[asset]["free"], told[asset]["used"]
            whole = exact(total) if free is None else exact(free) + exact(used or 0)
            assert found[asset] == whole
        mapped += 1

    assert mapped or not documented.examples(stepped.entry.ccxt_id, "fetch_balance")


@pytest.mark.req("MD-26")
def test_a_structure_with_fields_of_wrong_types_is_refused_and_never_guessed(stepped, mapper) -> None:
    whole = {
        "symbol": stepped.symbol,
        "id": "1",
        "side": "buy",
        "price": 1.5,
        "amount": 2.0,
        "filled": 0.0,
        "status": "open",
    }

    assert mapper.order(whole).state is VenueState.NEW
    for field, value in (
        ("side", 7),
        ("side", None),
        ("status", "?"),
        ("price", "many"),
        ("amount", float("nan")),
    ):
        with pytest.raises(ValueError, match=r"."):
            mapper.order({**whole, field: value})


@pytest.mark.req("MD-26")
def test_wallets_of_perpetuals_hold_no_profit_of_open_positions(stepped, mapper, documented) -> None:
    if LINEAR not in stepped.entry.orders:
        assert mapper.entry.ccxt_id not in WALLETS
        return
    place = WALLETS[stepped.entry.ccxt_id]

    for method in ("fetch_balance", "parse_balance"):
        for example in documented.examples(stepped.entry.ccxt_id, method):
            try:
                told = mapper.wallets({"info": example})
            except (KeyError, TypeError, IndexError):
                continue  # the answer of another kind of account
            for step in place.path:
                example = example[step]  # noqa: PLW2901
            amounts = {
                Decimal(str(one[place.amount])) for one in example if Decimal(str(one[place.amount] or 0))
            }
            assert {Decimal(one.free) for one in told} == amounts
            return
    pytest.fail("no example of this venue holds a wallet")
