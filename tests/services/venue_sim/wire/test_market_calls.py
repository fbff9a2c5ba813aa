"""Public calls: tickers, trades, fundings, of one market, several or all."""

MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010"}


def test_market_calls_tell_the_tape(spot, bench):
    bench.step(60_000)
    trades = spot.public("/api/v3/trades?symbol=BTCUSDT&limit=5").json
    aggregates = spot.public("/api/v3/aggTrades?symbol=BTCUSDT&limit=5").json
    day = spot.public("/api/v3/ticker/24hr?symbol=BTCUSDT").json
    price = spot.public("/api/v3/ticker/price?symbol=BTCUSDT").json

    assert len(trades) == 5
    assert [trade["id"] for trade in trades] == [trade["a"] for trade in aggregates]
    assert price == {"symbol": "BTCUSDT", "price": trades[-1]["price"]}
    assert (day["lastPrice"], day["lastId"]) == (price["price"], trades[-1]["id"])
    assert float(day["lowPrice"]) <= float(day["lastPrice"]) <= float(day["highPrice"])
    assert day["count"] == day["lastId"] - day["firstId"] + 1
    mean = float(spot.public("/api/v3/avgPrice?symbol=BTCUSDT").json["price"])
    assert float(day["lowPrice"]) <= mean <= float(day["highPrice"])
    since = spot.public(f"/api/v3/historicalTrades?symbol=BTCUSDT&fromId={trades[1]['id']}&limit=2").json
    assert since == trades[1:3]


def test_market_calls_take_one_market_several_or_all(spot):
    for name in ("price", "bookTicker", "24hr"):
        one = spot.public(f"/api/v3/ticker/{name}?symbol=BTCUSDT").json
        assert spot.public(f"/api/v3/ticker/{name}").json == [one]
        assert spot.public(f'/api/v3/ticker/{name}?symbols=["BTCUSDT"]').json == [one]
        assert spot.public(f"/api/v3/ticker/{name}?symbol=NOPE").code == -1121
        assert spot.public(f"/api/v3/ticker/{name}?symbols=[]").code == -1130
        assert spot.public(f'/api/v3/ticker/{name}?symbol=BTCUSDT&symbols=["BTCUSDT"]').code == -1128


def test_fundings_are_told_after_they_happened(make_bench):
    bench = make_bench(funding_interval_s=60)
    usdm = bench.client("binance_usdm")
    usdm.send("POST", "/fapi/v1/order", **MARKET)
    bench.step(61_000)

    (funding,) = usdm.public("/fapi/v1/fundingRate?symbol=BTCUSDT").json
    paid = usdm.send("GET", "/fapi/v1/income", incomeType="FUNDING_FEE").json

    assert funding["fundingTime"] % 60_000 == 0
    assert len(paid) == 1
    index = usdm.public("/fapi/v1/premiumIndex?symbol=BTCUSDT").json
    assert usdm.public("/fapi/v1/premiumIndex").json == [index]
    assert index["nextFundingTime"] == funding["fundingTime"] + 60_000


def test_market_calls_tell_times_too(usdm, bench):
    price = usdm.public("/fapi/v1/ticker/price?symbol=BTCUSDT").json
    book = usdm.public("/fapi/v1/ticker/bookTicker?symbol=btcusdt").json

    assert price["time"] == bench.now_ms
    assert (book["bidPrice"], book["askPrice"]) == bench.best("binance_usdm")
