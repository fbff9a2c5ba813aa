"""The pre-start check: each point with its numbers, on a fresh place, with positions, and against a venue."""

import copy
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from services.cli import config
from services.cli.prestart import gather, hard_failures, run_check
from services.cli.prestart_facts import account_facts
from services.cli.prestart_money import appetite_of
from services.risk.core import RiskCore
from services.venue_sim.build import make_venue
from services.venue_sim.settings import VenueSimSettings
from shared.hosting import CoreHost
from shared.instrument import quote_exponent, tick_lot_atoms
from shared.messages import Header, body_of, encode_header
from shared.messages.market import InstrumentRules
from shared.messages.orders import Fill
from shared.runtime.journal import Row, row_crc
from shared.runtime.journal_writer import JournalWriter
from shared.runtime.latch import latch_kill
from shared.runtime.paths import DataDir
from shared.runtime.snapshots import Snapshot, SnapshotStore, state_hash
from shared.units import NS_PER_MS, Side

DEFAULT = Path(config.__file__).resolve().parents[2] / "deploy" / "paper.yaml"
TREE = yaml.load(DEFAULT.read_text(), Loader=yaml.BaseLoader)
ETH = "binance_usdm:ETHUSDT"


@pytest.fixture
def data(tmp_path):
    place = DataDir(tmp_path / "data")
    place.prepare()
    return place


def configured(**changes):
    """Return the default configuration; a key is a dotted path with `__` for each dot."""
    tree = copy.deepcopy(TREE)
    for key, value in changes.items():
        *path, last = key.split("__")
        holder = tree
        for part in path:
            holder = holder.setdefault(part, {})
        holder[last] = value
    return config.loads("test.yaml", json.dumps(tree), {})


def items_of(cfg, data, now_ns=None):
    found = run_check(gather(cfg, data, time.time_ns() if now_ns is None else now_ns))
    return {item.name: item for item in found}


def states(items, state):
    return sorted(name for name, item in items.items() if item.state == state)


def fill(n, strategy, symbol, side, price_ticks, lots):
    return Fill(
        client_order_id=f"1-{strategy}-s-{n}",
        strategy=strategy,
        symbol=symbol,
        trade_id=f"t{n}",
        side=side,
        price_ticks=price_ticks,
        qty_lots=lots,
        filled_lots=lots,
        leaves_lots=0,
        fee_atoms=0,
        fee_asset="USDT",
        is_maker=True,
        ts_venue_ns=0,
    )


def eth_rules(symbol=ETH):
    exponent = quote_exponent("0.01", "0.001")
    return InstrumentRules(
        symbol=symbol,
        base_asset="ETH",
        quote_asset="USDT",
        tick_size="0.01",
        lot_size="0.001",
        quote_exponent=exponent,
        tick_lot_atoms=tick_lot_atoms("0.01", "0.001", exponent),
        min_qty_lots=1,
        max_qty_lots=0,
        min_notional_atoms=0,
        min_price_ticks=0,
        max_price_ticks=0,
        maker_fee_ppm=200,
        taker_fee_ppm=500,
        is_derivative=symbol.startswith("binance_usdm"),
    )


def log_of(data, *messages):
    writer = JournalWriter(data.journal)
    rows = []
    for seq, message in enumerate(messages, 1):
        header, body = encode_header(Header(seq, seq, seq, 1, "x", 1, seq, 0)), body_of(message)
        rows.append(Row(seq, header, message.topic, body, row_crc(seq, header, message.topic, body)))
    writer.append(rows)
    writer.close()


@pytest.mark.req("RK-15", "RK-16")
def test_the_default_configuration_passes_on_a_fresh_place(data):
    items = items_of(configured(), data)

    assert states(items, "fail") == states(items, "warning") == []
    assert "does not run yet" in items["venue binance_usdm"].text
    assert items["positions"].text == "none on the log"
    assert {"wallet binance USDT", "safety grid_eth", "grid grid_eth", "limits as_btc"} <= set(
        states(items, "pass")
    )


@pytest.mark.req("RK-15")
def test_a_wallet_holds_one_fifth_more_than_its_largest_positions(data):
    # The maker may come to hold 1,000, the grid 50 levels of 100: 6,000 / 3 = 2,000, times 1.2 is 2,400.
    risk = {"risk__margin": {"leverage": "3"}}
    enough = items_of(configured(broker__initial_balance="2400", **risk), data)
    short = items_of(configured(broker__initial_balance="2399.99", **risk), data)

    name = "wallet binance_usdm USDT"
    assert (enough[name].state, enough[name].value, enough[name].limit) == ("pass", "2400.00", "2400.00")
    assert (short[name].state, short[name].value, short[name].limit) == ("fail", "2399.99", "2400.00")
    assert "1.2 times 2000.00 of the largest positions at leverage 3" in short[name].text
    assert short[name].is_hard


@pytest.mark.req("RK-15")
def test_leverage_has_a_limit(data):
    assert items_of(configured(risk__margin={"leverage": "10"}), data)["leverage"].state == "pass"
    item = items_of(configured(risk__margin={"leverage": "10.5"}), data)["leverage"]

    assert (item.state, item.value, item.limit, item.is_hard) == ("fail", "10.5", "10", True)


@pytest.mark.req("RK-15")
def test_balance_and_leverage_pay_a_hundred_orders(data):
    # 10,000 * 1 / 100 is 100 orders; of 100.1 they are 99.
    leverage = {"risk__margin": {"leverage": "1"}}
    cfg = configured(strategies__grid_eth__params__order_notional="100.1", **leverage)
    item = items_of(cfg, data)["safety grid_eth"]

    assert items_of(configured(**leverage), data)["safety grid_eth"].value == "100"
    assert (item.state, item.value, item.limit, item.is_hard) == ("fail", "99", "100", True)
    assert "set order_notional to at most 100.00" in item.text
    off = {"risk__prestart": {"safety_count": "0"}}
    assert "safety grid_eth" not in items_of(configured(**off), data)


@pytest.mark.req("RK-15")
def test_a_grid_that_loses_after_fees_fails_with_the_interval_that_would_not(data):
    item = items_of(configured(strategies__grid_eth__params__interval_bps="3.9"), data)["grid grid_eth"]

    assert (item.state, item.is_hard) == ("fail", True)
    assert item.value.startswith("-")
    assert "set at least 4.01" in item.text


@pytest.mark.req("RK-15")
@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("risk__limits__order_notional_max", "more than risk.limits.order_notional_max 99"),
        ("risk__limits__position_notional_max", "more than risk.limits.position_notional_max 99"),
        ("risk__portfolio_notional_max", "more than risk.portfolio_notional_max 99"),
    ],
)
def test_a_limit_under_one_order_contradicts_it(data, key, said):
    item = items_of(configured(**{key: "99"}), data)["limits grid_eth"]

    assert (item.state, item.value, item.limit) == ("fail", "100", "99")
    assert said in item.text


@pytest.mark.req("RK-15")
def test_an_order_under_the_least_of_the_venue_fails(data):
    item = items_of(configured(strategies__as_btc__params__order_notional="50"), data)["limits as_btc"]

    assert item.state == "fail"
    assert "0 lots, under the least order of binance_usdm:BTCUSDT" in item.text


@pytest.mark.req("RK-15")
def test_a_market_that_the_venue_does_not_list_fails(data):
    cfg = configured()
    cfg = config.for_replay(cfg, ["binance_usdm:BTCUSDT", "binance_usdm:NOPEUSDT"])[0]
    generated = configured().venue_sim
    import dataclasses

    items = items_of(dataclasses.replace(cfg, venue_sim=generated), data)

    assert items["market binance_usdm:NOPEUSDT"].state == "fail"
    assert "the venue does not list it" in items["market binance_usdm:NOPEUSDT"].text


@pytest.mark.req("RK-15")
def test_a_latched_kill_is_shown_and_lets_the_mesh_start(data):
    latch_kill(data, "operator", "looked wrong")
    item = items_of(configured(), data)["kill"]

    assert (item.state, item.is_hard) == ("fail", False)
    assert "by operator: looked wrong" in item.text


@pytest.mark.req("RK-15")
def test_a_disk_without_space_fails_with_the_numbers(data):
    item = items_of(configured(risk__prestart={"disk_free_min_mb": str(10**12)}), data)["disk"]

    assert (item.state, item.limit, item.is_hard) == ("fail", str(10**12), True)


@pytest.mark.req("RK-16")
def test_positions_are_shown_and_counted_and_the_check_still_runs(data):
    # 4 ETH at 3,000 are worth 12,000: more than the 5,000 of the grid's levels. (1,000 + 12,000) / 3 * 1.2.
    log_of(data, eth_rules(), fill(1, "grid_eth", ETH, Side.BUY, 300_000, 4000))
    items = items_of(configured(risk__margin={"leverage": "3"}), data)

    position = items[f"position grid_eth {ETH}"]
    assert (position.state, position.value) == ("info", "4.000")
    assert "worth 1199" in position.text or "worth 1200" in position.text
    wallet = items["wallet binance_usdm USDT"]
    assert abs(float(wallet.limit) - 5200) < 1
    assert "safety grid_eth" in items


@pytest.mark.req("RK-16")
def test_a_position_that_no_strategy_manages_is_warned_of_and_counted(data):
    log_of(data, eth_rules(), fill(1, "gone", ETH, Side.SELL, 300_000, 40_000))
    items = items_of(configured(risk__margin={"leverage": "3"}), data)

    assert items[f"position gone {ETH}"].state == "warning"
    assert "no enabled strategy" in items[f"position gone {ETH}"].text
    assert items["wallet binance_usdm USDT"].state == "fail"


@pytest.mark.req("RK-16")
def test_an_account_that_has_traded_is_asked_for_the_safety_count_as_well(data):
    # Bought at 3,100 and sold at 3,000: 10 ETH lost 1,000 of 10,000.
    log_of(
        data,
        eth_rules(),
        fill(1, "grid_eth", ETH, Side.BUY, 310_000, 10_000),
        fill(2, "grid_eth", ETH, Side.SELL, 300_000, 10_000),
    )
    items = items_of(configured(risk__margin={"leverage": "1"}), data)
    with_leverage = items_of(configured(risk__margin={"leverage": "3"}), data)

    assert items["positions"].text == "none on the log"
    safety = items["safety grid_eth"]
    assert (safety.state, safety.value, safety.is_hard) == ("fail", "90", True)
    assert "up --skip-check" in safety.text
    assert (with_leverage["safety grid_eth"].state, with_leverage["safety grid_eth"].value) == ("pass", "270")
    assert items["wallet binance_usdm USDT"].value == "9000.00"


@pytest.mark.req("RK-16")
def test_a_damaged_log_is_told_and_left_to_the_bus(data):
    log_of(data, fill(1, "grid_eth", ETH, Side.BUY, 300_000, 10))  # a fill of a market without rules
    items = items_of(configured(), data)

    assert (items["log"].state, items["log"].is_hard) == ("fail", False)
    assert "KeyError" in items["log"].text


def test_what_a_strategy_wants_comes_from_its_settings(data):
    cfg = configured()
    from services.strategy.registry import settings_of

    wants = {
        name: appetite_of(settings_of(one.kind, one.params)) for name, one in cfg.strategy.instances.items()
    }

    assert wants["grid_eth"] == (100, 5000, True)
    assert wants["as_btc"] == (100, 1000, True)
    assert wants["imb_btc"] == (1000, 2000, False)
    assert appetite_of(object()) == (None, None, False)


class SimulatedVenue:
    """The simulated venue behind a real socket, with a clock that may be wrong."""

    def __init__(self):
        self.offset_ms = 0
        self.venue = make_venue(VenueSimSettings())
        self.venue.advance(self.venue.origin_ns)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                now_ns = time.time_ns() + outer.offset_ms * NS_PER_MS
                if not self.path.endswith("/time"):
                    now_ns = outer.venue.origin_ns
                venue = "binance_usdm" if self.path.startswith("/fapi") else "binance"
                status, body = outer.venue.request(venue, "GET", self.path, now_ns)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def venue():
    served = SimulatedVenue()
    yield served
    served.close()


def at(url):
    return configured(venues__binance__url=url, venues__binance_usdm__url=url)


@pytest.mark.req("RK-15")
def test_a_venue_that_answers_tells_its_markets_and_its_clock(data, venue, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    items = items_of(at(venue.url), data)

    assert states(items, "fail") == []
    assert f"{venue.url} answers in" in items["venue binance"].text
    assert items["market binance_usdm:ETHUSDT"].text.startswith("trading, price 2999.99")
    assert abs(int(items["clock binance"].value)) < 1000


@pytest.mark.req("RK-15")
@pytest.mark.parametrize("offset_ms", [-30_000, 30_000])
def test_a_clock_that_is_half_a_minute_off_fails_with_the_number(data, venue, offset_ms, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    venue.offset_ms = offset_ms
    item = items_of(at(venue.url), data)["clock binance_usdm"]

    assert (item.state, item.limit, item.is_hard) == ("fail", "1000", True)
    assert abs(int(item.value) - offset_ms) < 5000
    assert "NTP" in item.text


@pytest.mark.req("RK-15")
def test_a_venue_that_nobody_answers_for_fails(data, venue, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    url = venue.url
    venue.server.server_close()
    items = items_of(at(url), data)

    assert items["venue binance"].state == "fail"
    assert "does not answer" in hard_failures(list(items.values()))
    assert items["grid grid_eth"].state == "info"


@pytest.mark.req("RK-16")
def test_positions_come_from_risks_newest_snapshot_and_the_fills_after_it(data):
    log_of(
        data,
        eth_rules(),
        fill(1, "grid_eth", ETH, Side.BUY, 300_000, 4000),
        fill(2, "grid_eth", ETH, Side.SELL, 300_000, 1000),
    )
    core = RiskCore()
    core.known.place(ETH).rules = eth_rules()
    core.known.ledger.register_rules(eth_rules())
    core.known.ledger.apply(fill(1, "grid_eth", ETH, Side.BUY, 300_000, 4000))
    state = CoreHost(core).snapshot()
    store = SnapshotStore(data.snapshots, "risk")
    store.name(store.write(Snapshot(1, "risk", 1, 2, "build", b"", state, state_hash(state))))

    account = account_facts(data)

    assert account.error == ""
    assert account.positions() == [("grid_eth", ETH, 3000)]
