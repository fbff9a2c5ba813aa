"""Commands on an account, with ccxt's calls answered by the test: one answer each, no create twice."""

import asyncio
from typing import Any

import ccxt
import pytest

from services.ccxt_venue.offline import Offline
from services.ccxt_venue.trading import Trader
from shared.execution.commands import (
    AskAccount,
    AskFills,
    AskKeyRights,
    AskOpenOrders,
    AskOrder,
    Cancel,
    CancelAll,
    Countdown,
    Place,
)
from shared.execution.reports import (
    AccountTold,
    Acted,
    Done,
    Doubtful,
    Fills,
    OpenOrders,
    OrderFound,
    Reachable,
    RefusalKind,
    Refused,
    Unreachable,
    VenueState,
)
from shared.units import Side
from shared.venues.ids import to_venue
from shared.venues.registry import ENTRIES
from shared.venues.remote_words import Setup

OURS = "t0v-maker-b0-1"


class Account:
    """A trader over an exchange whose calls return what `answers` holds, by their names."""

    def __init__(self, name: str, kind: str = "spot", **answers: Any) -> None:
        self.offline = Offline(ENTRIES[name], kind)
        self.symbol = self.offline.symbol
        self.market = f"{name}:{self.symbol}"
        self.told: list[Any] = []
        self.calls: list[tuple[str, tuple]] = []
        exchange = self.offline.exchange
        exchange.sent_count = 0
        setup = Setup(name, "live", key={"apiKey": "k", "secret": "sesame"}, symbols=(self.symbol,))
        self.trader = Trader(setup, exchange, lambda word: self.told.append(word.report))
        self.trader._is_reachable = False
        for call, answer in answers.items():
            setattr(exchange, call, self._answering(call, answer))

    def _answering(self, call: str, answer: Any):
        async def answered(*arguments: Any, **_: Any) -> Any:
            self.calls.append((call, arguments))
            self.offline.exchange.sent_count += 1
            found = answer.pop(0) if isinstance(answer, list) and call != "fetch_open_orders" else answer
            if isinstance(found, Exception):
                raise found
            return found

        return answered

    def do(self, kind, *arguments, **fields) -> Any:
        asyncio.run(self.trader.carry_out(kind(1, *arguments, **fields)))
        answers = [one for one in self.told if getattr(one, "request_id", 0) == 1]
        assert len(answers) == 1, "a command is answered exactly once"
        self.told.clear()
        return answers[0]

    def order(self, **fields: Any) -> dict[str, Any]:
        whole = {
            "id": "77",
            "clientOrderId": to_venue(self.offline.entry.ids, OURS),
            "symbol": self.symbol,
            "side": "buy",
            "type": "limit",
            "price": 100.0,
            "amount": 3.0,
            "filled": 0.0,
            "status": "open",
            "timestamp": 5,
        }
        return {**whole, **fields}

    def place(self, **fields: Any) -> Any:
        return self.do(Place, OURS, self.market, Side.BUY, 200, 3, **fields)


@pytest.mark.req("MD-26", "BR-1")
def test_a_create_is_answered_with_the_order_even_when_the_venue_tells_only_its_id() -> None:
    account = Account("okx", create_order={"id": "77", "status": None, "filled": None})

    acted = account.place()

    assert isinstance(acted, Acted)
    assert (acted.order.venue_order_id, acted.order.state, acted.order.qty_lots) == ("77", VenueState.NEW, 3)
    assert account.calls[0][1][3:5] == (3.0, 100.0)


@pytest.mark.req("MD-26", "I-05")
@pytest.mark.parametrize(
    "error",
    [ccxt.RequestTimeout("t"), ccxt.ExchangeNotAvailable("503"), ccxt.ExchangeError("odd"), KeyError("bug")],
    ids=lambda error: type(error).__name__,
)
def test_a_create_with_a_doubtful_end_is_sent_once_and_told_as_doubtful(error) -> None:
    account = Account("okx", create_order=error, fetch_balance={})

    assert isinstance(account.place(), Doubtful)
    assert [call for call, _ in account.calls if call == "create_order"] == ["create_order"]


def test_a_refusal_says_its_kind_and_a_bug_before_sending_is_no_doubt() -> None:
    account = Account("okx", create_order=ccxt.InsufficientFunds("no money"))
    assert account.place().kind is RefusalKind.BALANCE

    account.trader._exchange.create_order = None
    refused = account.place()
    assert (refused.kind, refused.is_sent) == (RefusalKind.INVALID, False)


def test_what_is_not_offered_and_a_market_of_others_are_refused_unsent() -> None:
    account = Account("okx")

    other = account.do(Place, OURS, "okx:ETH/USDT", Side.BUY, 1, 1)
    late = account.do(AskOrder, "kraken:A/B", OURS)

    assert (other.code, other.is_sent) == ("not_offered", False)
    assert late.code == "not_offered"


@pytest.mark.req("MD-26")
def test_a_cancel_tells_the_state_that_the_venue_holds_afterwards() -> None:
    account = Account("okx", cancel_order={"id": "77"})
    account.offline.exchange.fetch_order = account._answering(
        "fetch_order", account.order(status="canceled", filled=1.0)
    )

    acted = account.do(Cancel, account.market, OURS)

    assert isinstance(acted, Acted)
    assert (acted.order.state, acted.order.filled_lots) == (VenueState.CANCELED, 1)


def test_a_cancel_whose_outcome_no_list_tells_is_doubtful() -> None:
    nothing: dict[str, Any] = dict.fromkeys(
        ("fetch_open_orders", "fetch_closed_orders", "fetch_canceled_orders"), ()
    )
    account = Account("okx", cancel_order={}, fetch_order=ccxt.OrderNotFound("gone"), **nothing)

    assert isinstance(account.do(Cancel, account.market, OURS), Doubtful)


@pytest.mark.req("MD-26", "I-06")
def test_an_order_is_searched_in_the_lists_of_a_venue_that_cannot_be_asked_by_our_id() -> None:
    account = Account("kraken", fetch_open_orders=[])
    found = account.order(status="closed", filled=3.0)
    account.offline.exchange.fetch_closed_orders = account._answering("fetch_closed_orders", (found,))

    told = account.do(AskOrder, account.market, OURS)

    assert isinstance(told, OrderFound)
    assert (told.order.client_order_id, told.order.state) == (OURS, VenueState.FILLED)


def test_an_order_in_no_list_is_not_found_and_a_cancel_of_it_too() -> None:
    account = Account("kraken", fetch_open_orders=[], fetch_closed_orders=())

    assert account.do(AskOrder, account.market, OURS).kind is RefusalKind.NOT_FOUND
    account = Account("bitstamp", fetch_open_orders=[])
    assert account.do(Cancel, account.market, OURS).kind is RefusalKind.NOT_FOUND


def test_open_orders_of_others_are_listed_under_their_own_names() -> None:
    account = Account("okx")
    listed = [account.order(), account.order(id="78", clientOrderId="web1", status=None)]
    account.offline.exchange.fetch_open_orders = account._answering("fetch_open_orders", listed)

    told = account.do(AskOpenOrders, "")

    assert isinstance(told, OpenOrders)
    assert [one.client_order_id for one in told.orders] == [OURS, "web1"]
    assert all(one.state is VenueState.NEW for one in told.orders)


def trade(number: int, ts_ms: int, **fields: Any) -> dict[str, Any]:
    whole = {"symbol": "BTC/USDT", "id": str(number), "order": "77", "side": "buy", "price": 100.0}
    return {**whole, "amount": 1.0, "timestamp": ts_ms, "takerOrMaker": "maker", **fields}


@pytest.mark.req("MD-26")
def test_fills_are_paged_by_time_until_nothing_new_comes() -> None:
    pages = [
        [trade(1, 1000), trade(2, 1001)],
        [trade(2, 1001), trade(3, 5000, fee={"cost": 0.1, "currency": "USDT"})],
        [trade(3, 5000)],
    ]
    account = Account("okx", fetch_my_trades=pages)

    told = account.do(AskFills, account.market, "1", since_ns=10**9)

    assert isinstance(told, Fills)
    assert [(one.trade_id, one.fee, one.is_maker) for one in told.fills] == [
        ("2", "0", True),
        ("3", "0.1", True),
    ]


def test_spot_balances_and_wallets_of_perpetuals_are_told_to_the_unit() -> None:
    spot = {"total": {"BTC": 1.5, "USDT": 0.0}, "BTC": {"free": 1.0, "used": 0.5}}
    told = Account("okx", fetch_balance=spot).do(AskAccount)
    assert isinstance(told, AccountTold)
    assert [(one.asset, one.free, one.locked) for one in told.balances] == [("BTC", "1", "0.5")]

    info = {"data": [{"details": [{"ccy": "USDT", "cashBal": "10.50"}, {"ccy": "BTC", "cashBal": "0"}]}]}
    short = {"symbol": "BTC/USDT:USDT", "contracts": 2.0, "side": "short", "entryPrice": 5.0}
    linear = Account("okx", "linear", fetch_balance={"info": info, "total": {"USDT": 99.0}})
    linear.offline.exchange.fetch_positions = linear._answering("fetch_positions", (short,))
    told = linear.do(AskAccount)
    assert [(one.asset, one.free) for one in told.balances] == [("USDT", "10.5")]
    assert [one.position_lots for one in told.positions] == [-2]


def test_cancel_all_and_the_countdown_use_the_calls_of_the_venue() -> None:
    account = Account("okx", fetch_open_orders=[{"id": "1"}, {"id": "2"}], cancel_order={})
    assert isinstance(account.do(CancelAll, account.market), Done)
    assert [call for call, _ in account.calls] == ["fetch_open_orders", "cancel_order", "cancel_order"]

    account = Account("kraken", cancel_all_orders=ccxt.OrderNotFound("none"), cancel_all_orders_after={})
    assert isinstance(account.do(CancelAll, account.market), Done)
    assert isinstance(account.do(Countdown, account.market, 60_000), Done)
    assert Account("gate").do(Countdown, "gate:BTC/USDT", 1).code == "not_offered"


def test_rights_that_nobody_tells_are_no_guess() -> None:
    assert Account("gate").do(AskKeyRights).code == "not_offered"


def test_a_start_says_reachable_and_a_wrong_key_is_final() -> None:
    account = Account("okx", load_markets={}, fetch_balance={})
    account.trader._setup = Setup("okx", "live", key={"apiKey": "k"}, has_user_stream=False)
    asyncio.run(account.trader.start())
    assert account.told == [Reachable()]

    account = Account("okx", load_markets={}, fetch_balance=ccxt.AuthenticationError("bad sesame"))
    asyncio.run(account.trader.start())
    assert isinstance(account.told[0], Unreachable)
    assert account.told[0].is_final
    assert "sesame" not in account.told[0].reason


def test_a_lost_network_is_said_until_the_venue_answers_again() -> None:
    account = Account("okx", fetch_balance=[ccxt.RequestTimeout("t"), ccxt.RequestTimeout("t"), {}])
    account.trader._is_reachable = True

    async def no_pause(_: float) -> None:
        return None

    account.offline.exchange.sleep = no_pause
    asyncio.run(account.trader.carry_out(AskAccount(1)))

    assert [type(one) for one in account.told] == [Doubtful, Unreachable, Reachable]


def test_a_refused_command_that_is_of_no_use_to_the_venue_has_a_reason() -> None:
    refused = Account("phemex", "linear").do(Place, OURS, "phemex:BTC/USDT:USDT", Side.BUY, 1, 1)

    assert isinstance(refused, Refused)
    assert "wallet" in refused.reason
