"""What goes wrong reaches each client as its own class of error: wrong keys and clocks, bans, faults."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytestmark = [pytest.mark.mesh, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
ccxt = pytest.importorskip("ccxt")
common = pytest.importorskip("binance_common.configuration")
errors = pytest.importorskip("binance_common.errors")
spot_sdk = pytest.importorskip("binance_sdk_spot.spot")

SYMBOLS = {"spot": "BTC/USDT", "usdm": "BTC/USDT:USDT"}
MARKETS = ["spot", "usdm"]

Make = Callable[..., Any]


@pytest.fixture
def exchange(venue: Any, keys: Any, point_ccxt: Any) -> Make:
    def make(market: str, **config: Any) -> Any:
        key = keys["hmac"]
        kind = ccxt.binance if market == "spot" else ccxt.binanceusdm
        own = {"apiKey": key.api_key, "secret": key.secret, "enableRateLimit": False} | config
        client = point_ccxt(kind(own), venue)
        client.load_markets()
        return client

    return make


@pytest.fixture
def sdk(venue: Any, keys: Any) -> Any:
    """Return the REST part of the official spot client, without its own repetitions of reads."""
    key = keys["hmac"]
    config = common.ConfigurationRestAPI(
        key.api_key, key.secret, base_path=f"http://{venue.host('binance')}", timeout=20_000, retries=0
    )
    return spot_sdk.Spot(config_rest_api=config).rest_api


@contextmanager
def done(venue: Any, act: dict[str, Any], undo: dict[str, Any]) -> Iterator[None]:
    """Carry out an act and take it back."""
    venue.command("/sim/acts", act)
    try:
        yield
    finally:
        venue.command("/sim/acts", undo)


@pytest.mark.parametrize("market", MARKETS)
def test_a_wrong_secret_and_an_unknown_key_are_errors_of_authentication(exchange: Make, market: str) -> None:
    for config in ({"secret": "wrong"}, {"apiKey": "unknown"}):
        with pytest.raises(ccxt.AuthenticationError):
            exchange(market, **config).fetch_balance()


@pytest.mark.parametrize("market", MARKETS)
def test_a_revoked_key_is_an_error_of_authentication_until_it_is_restored(
    exchange: Make, venue: Any, market: str
) -> None:
    client = exchange(market)
    revoked = {"act": "key", "account": "hmac", "values": {"is_revoked": True}}
    restored = revoked | {"values": {"is_revoked": False}}
    with done(venue, revoked, restored), pytest.raises(ccxt.AuthenticationError):
        client.fetch_balance()
    assert client.fetch_balance()["USDT"]["total"] > 0


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("skew_ms", [-30_000, 30_000])
def test_a_clock_that_is_off_is_an_invalid_nonce(
    exchange: Make, venue: Any, market: str, skew_ms: int
) -> None:
    client = exchange(market)
    skewed = {"act": "clock_skew", "skew_ms": skew_ms}
    with done(venue, skewed, {"act": "clock_skew"}):
        with pytest.raises(ccxt.InvalidNonce):
            client.fetch_balance()
        client.load_time_difference()
        client.options["adjustForTimeDifference"] = True
        assert client.fetch_balance()["USDT"]["total"] > 0


@pytest.mark.parametrize("market", MARKETS)
def test_too_much_money_too_small_an_order_and_an_id_twice_are_their_own_errors(
    exchange: Make, market: str
) -> None:
    client, symbol = exchange(market), SYMBOLS[market]
    low = client.fetch_order_book(symbol, 5)["bids"][0][0] * 0.97
    # ccxt knows the classes of USD-M by the real host, so there it raises the general one.
    kind = ccxt.InsufficientFunds if market == "spot" else ccxt.ExchangeError
    with pytest.raises(kind, match=r"insufficient"):
        client.create_order(symbol, "limit", "buy", 100 if market == "spot" else 600, low)
    order = client.create_order(symbol, "limit", "buy", 0.01, low, {"clientOrderId": "same"})
    with pytest.raises(ccxt.ExchangeError, match=r"Duplicate order sent|-4116"):
        client.create_order(symbol, "limit", "buy", 0.01, low, {"clientOrderId": "same"})
    client.cancel_order(order["id"], symbol)
    with pytest.raises(ccxt.OrderNotFound):
        client.fetch_order("123456", symbol)


@pytest.mark.parametrize("market", MARKETS)
def test_a_halted_market_refuses_orders_and_takes_them_again(exchange: Make, venue: Any, market: str) -> None:
    client, symbol = exchange(market), SYMBOLS[market]
    low = client.fetch_order_book(symbol, 5)["bids"][0][0] * 0.97
    name = "binance" if market == "spot" else "binance_usdm"
    halt = {"act": "halt", "venue": name, "symbol": "BTCUSDT"}
    with done(venue, halt, halt | {"status": "TRADING"}):
        with pytest.raises(ccxt.ExchangeError):
            client.create_order(symbol, "limit", "buy", 0.01, low)
        assert not client.load_markets(True)[symbol]["active"]
    client.load_markets(True)
    order = client.create_order(symbol, "limit", "buy", 0.01, low)
    client.cancel_order(order["id"], symbol)


@pytest.mark.parametrize("market", MARKETS)
def test_limits_and_bans_are_told_as_such(exchange: Make, venue: Any, market: str) -> None:
    client = exchange(market)
    name = "binance" if market == "spot" else "binance_usdm"
    ban = {"act": "ban", "venue": name, "duration_ms": 60_000}
    with done(venue, ban, {"act": "lift_bans"}), pytest.raises(ccxt.DDoSProtection):
        client.fetch_balance()
    assert client.fetch_balance()["USDT"]["total"] > 0


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"kind": "error_after", "status": 503}, "OperationFailed"),
        ({"kind": "error_after", "status": 408}, "RequestTimeout"),
        ({"kind": "error_before", "status": 504}, "RequestTimeout"),
        ({"kind": "error_before", "status": 500}, "OperationFailed"),
        ({"kind": "cut_after"}, "NetworkError"),
    ],
)
def test_whether_an_order_lives_after_a_fault_is_asked_for(
    exchange: Make, venue: Any, market: str, fault: dict[str, Any], kind: str
) -> None:
    client, symbol = exchange(market), SYMBOLS[market]
    low = client.fetch_order_book(symbol, 5)["bids"][0][0] * 0.97
    before = len(client.fetch_open_orders(symbol))
    venue.command("/sim/faults", fault | {"call": "place"})
    with pytest.raises(getattr(ccxt, kind)):
        client.create_order(symbol, "limit", "buy", 0.01, low)
    lives = len(client.fetch_open_orders(symbol)) - before
    assert lives == (0 if fault["kind"].endswith("before") else 1)
    if lives:
        client.cancel_all_orders(symbol)


def test_the_official_client_raises_its_own_errors(sdk: Any, venue: Any) -> None:
    ban = {"act": "ban", "venue": "binance", "duration_ms": 60_000}
    with done(venue, ban, {"act": "lift_bans"}), pytest.raises(errors.RateLimitBanError):
        sdk.get_account()
    venue.command("/sim/faults", {"kind": "error_before", "call": "account", "status": 503, "count": 9})
    with pytest.raises(errors.ServerError):
        sdk.get_account()
    venue.command("/sim/faults")
    with pytest.raises(errors.BadRequestError):
        sdk.get_order(symbol="BTCUSDT", order_id=123456)
    used = int(sdk.get_account().rate_limits[0].count)
    assert used > 0


def test_the_weight_used_up_is_429_for_the_official_client(sdk: Any, venue: Any) -> None:
    limit = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1}
    few = {"act": "limits", "venue": "binance", "limits": [limit | {"limit": 10}]}
    many = {"act": "limits", "venue": "binance", "limits": [limit | {"limit": 6_000}]}
    with done(venue, few, many), pytest.raises(errors.TooManyRequestsError):
        sdk.get_account()
