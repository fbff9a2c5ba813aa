import pytest
from prometheus_client.parser import text_string_to_metric_families

from shared.messages import control, market, orders

SYMBOL = "binance_usdm:BTCUSDT"


def samples(client):
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    found = {}
    for family in text_string_to_metric_families(answer.text):
        assert family.documentation
        for sample in family.samples:
            key = (sample.name, *sorted(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


@pytest.mark.req("OB-2", "OB-3", "MD-22")
def test_a_scrape_tells_log_services_trading_and_money(client, feed, stages):
    feed.everything()
    feed.say(orders.OrderRefused("c", "as_btc", SYMBOL, "position", "too large"), "risk")
    feed.say(market.BookInvalid(SYMBOL, "gap"))

    found = samples(client)

    assert found[("quotemesh_log_durable_seq",)] == len(feed.events)
    assert found[("quotemesh_log_head_seq",)] == 25
    assert found["quotemesh_service_behind_events", ("service", "risk")] == 5
    assert found["quotemesh_service_up", ("service", "risk")] == 1
    assert found["quotemesh_process_resident_bytes", ("service", "venue_sim")] == 2**20
    assert found[("quotemesh_orders_total",)] == 2
    assert found[("quotemesh_fills_total",)] == 1
    assert found["quotemesh_orders_refused_total", ("code", "position")] == 1
    assert found[("quotemesh_book_gaps_total",)] == 1
    assert found["quotemesh_profit", ("asset", "USDT")] == pytest.approx(-0.000002)
    assert found["quotemesh_feed_live", ("venue", "binance_usdm")] == 1
    for name in ("messages_total", "lag_seconds", "silent_seconds"):
        assert found[f"quotemesh_feed_{name}", ("venue", "binance_usdm")] >= 0
    assert found["quotemesh_trading_state", ("state", "active")] == 1
    assert found[("quotemesh_killed",)] == 0
    assert found["quotemesh_log_events_total", ("family", "fill")] == 1


@pytest.mark.req("OB-1")
def test_the_latency_of_each_stage_is_a_histogram_whose_buckets_grow_to_its_count(client, feed, stages):
    feed.everything()

    found = samples(client)

    for stage in stages.histograms:
        buckets = sorted(
            (float(dict(key[1:])["le"]), value)
            for key, value in found.items()
            if key[0] == "quotemesh_stage_seconds_bucket" and dict(key[1:])["stage"] == stage
        )
        counts = [value for _, value in buckets]
        assert counts == sorted(counts)
        assert len(buckets) == 26
        assert counts[-1] == found["quotemesh_stage_seconds_count", ("stage", stage)]
    assert found["quotemesh_stage_seconds_count", ("stage", "order_to_accept")] == 2
    # The feeder writes one event per millisecond: accepted one after sent.
    assert found["quotemesh_stage_seconds_sum", ("stage", "order_to_accept")] == pytest.approx(0.002)


@pytest.mark.req("OB-3")
def test_a_scrape_works_before_anything_is_known_and_after_a_kill(client, feed, sight, stages):
    sight[0] = sight[0]._replace(bus=None, processes={}, bus_silent_ms=5000)
    empty = samples(client)
    feed.everything()
    feed.say(control.KillLatched("operator", 'a "quoted"\nreason', "log"), "broker")

    assert empty[("quotemesh_ready",)] == 1
    assert empty["quotemesh_service_up", ("service", "bus")] == 0
    assert samples(client)[("quotemesh_killed",)] == 1


@pytest.mark.req("GW-3")
def test_metrics_need_the_token(anyone):
    assert anyone.get("/metrics").status_code == 401


def test_hostile_names_are_escaped(client, feed, stages):
    feed.everything()
    feed.say(control.StrategyStatus('x"} 1\nevil 2', "quoting"), "strategy/x")

    found = samples(client)

    assert found["quotemesh_strategy_state", ("state", "quoting"), ("strategy", 'x"} 1\nevil 2')] == 1
    assert not [key for key in found if key[0] == "evil"]
