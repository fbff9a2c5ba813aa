"""exchangeInfo as both venues serve it."""


def test_exchange_info_tells_the_limits_that_are_counted(bench):
    told = bench.client("binance_usdm").public("/fapi/v1/exchangeInfo").json

    assert told["rateLimits"] == bench.limits["binance_usdm"].exchange_info()


def test_other_limits_are_told_as_soon_as_they_are_counted(bench, spot):
    limits = bench.limits["binance"]
    limits.change((limits.rules[0]._replace(limit=77), *limits.rules[1:]))

    assert spot.public("/api/v3/exchangeInfo").json["rateLimits"][0]["limit"] == 77


def test_one_market_may_be_asked_for(spot):
    told = spot.public("/api/v3/exchangeInfo?symbol=BTCUSDT").json["symbols"]

    assert [each["symbol"] for each in told] == ["BTCUSDT"]
    assert spot.public("/api/v3/exchangeInfo?symbol=NOPE").code == -1121
    assert spot.public('/api/v3/exchangeInfo?symbols=["BTCUSDT"]').json["symbols"] == told
