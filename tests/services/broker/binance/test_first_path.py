"""Place, cancel and ask at the simulated venue, with each kind of key, over both ways."""

import pytest

from shared.execution import commands, reports
from shared.units import Side

KINDS = ("hmac", "ed25519", "rsa")
VENUES = ("binance", "binance_usdm")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("venue", VENUES)
def test_an_order_is_placed_told_by_the_stream_and_canceled(joined, only, venue, kind):
    line = joined(venue, kind).up()

    said = line.ask(line.place(1, "e-a-b1-1"))

    (acted,) = only(reports.Acted, said)
    assert (acted.request_id, acted.order.client_order_id) == (1, "e-a-b1-1")
    assert acted.order.state is reports.VenueState.NEW
    (changed,) = only(reports.OrderChanged, said)
    assert changed.order.client_order_id == "e-a-b1-1"
    assert "order.place" in line.methods()

    said = line.ask(commands.Cancel(2, line.symbol, "e-a-b1-1", acted.order.venue_order_id))
    (canceled,) = only(reports.Acted, said)
    assert canceled.order.state is reports.VenueState.CANCELED
    assert canceled.order.client_order_id == "e-a-b1-1"
    (changed,) = only(reports.OrderChanged, said)
    assert (changed.order.client_order_id, changed.order.state) == ("e-a-b1-1", reports.VenueState.CANCELED)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("venue", VENUES)
def test_while_the_websocket_api_does_not_stand_orders_go_over_rest(joined, only, venue, kind):
    line = joined(venue, kind, has_user_stream=venue == "binance_usdm")
    line.is_api_refused = True
    line.start().run(500)

    said = line.ask(line.place(1, "e-a-b1-1"))
    assert [report.request_id for report in only(reports.Acted, said)] == [1]
    assert [path for path in line.paths() if path.endswith("/order")]

    said = line.ask(
        commands.AskOrder(3, line.symbol, "e-a-b1-1"), commands.Cancel(2, line.symbol, "e-a-b1-1")
    )
    assert {report.request_id for report in only(reports.Acted, said)} == {2}
    assert [report.request_id for report in only(reports.OrderFound, said)] == [3]


@pytest.mark.parametrize("venue", VENUES)
def test_a_taker_is_told_its_executions_once_by_id(joined, only, venue):
    line = joined(venue, "ed25519").up()

    said = line.ask(line.place(1, "e-a-b1-1", away=-50))

    (acted,) = only(reports.Acted, said)
    fills = {report.fill.trade_id: report.fill for report in only(reports.Filled, said)}
    assert sum(fill.qty_lots for fill in fills.values()) == acted.order.qty_lots
    assert all(not fill.is_maker and fill.fee_asset for fill in fills.values())
    assert only(reports.BalancesChanged, said)

    (told,) = only(reports.Fills, line.ask(commands.AskFills(2, line.symbol)))
    assert {fill.trade_id for fill in told.fills} == set(fills)
    last = max(fills, key=int)
    (told,) = only(reports.Fills, line.ask(commands.AskFills(3, line.symbol, last)))
    assert told.fills == []


@pytest.mark.parametrize("venue", VENUES)
def test_open_orders_account_and_rights_are_told(joined, only, venue):
    line = joined(venue).up()
    line.ask(line.place(1, "e-a-b1-1"), line.place(2, "e-a-s1-1", side=Side.SELL))

    said = line.ask(
        commands.AskOpenOrders(3, line.symbol),
        commands.AskAccount(4),
        commands.AskKeyRights(5),
        commands.AskOpenOrders(6),
    )

    for told in only(reports.OpenOrders, said):
        assert {order.client_order_id for order in told.orders} == {"e-a-b1-1", "e-a-s1-1"}
    (account,) = only(reports.AccountTold, said)
    assert {balance.asset for balance in account.balances} >= {"USDT"}
    (rights,) = only(reports.KeyRightsTold, said)
    assert (rights.can_trade, rights.can_withdraw) == (True, False)

    said = line.ask(commands.CancelAll(7, line.symbol))
    assert reports.Done(7) in said
    (told,) = only(reports.OpenOrders, line.ask(commands.AskOpenOrders(8, line.symbol)))
    assert told.orders == []
    assert reports.Done(9) in line.ask(commands.CancelAll(9, line.symbol))
