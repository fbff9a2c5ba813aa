"""Going live, as people do it: a venue that is another mesh's simulator stands for the real one."""

import json
import time

import pytest

from services.venue_sim.exchange.keys import keys_of
from services.venue_sim.settings import VenueSimSettings

LIMIT_S = 40.0
CONFIG = """
mode: live
symbols: [binance_usdm:ETHUSDT]
venues:
  binance_usdm:
    url: http://127.0.0.1:{port}
    key: mine
    maker_fee_ppm: 200
    taker_fee_ppm: 500
    leverage: 3
warmup_s: 0
strategies:
  grid:
    kind: grid
    symbol: binance_usdm:ETHUSDT
    params: {{order_notional: 100, interval_bps: 6}}
risk:
  breakers: {{losing_streak_max: 100}}
  margin: {{leverage: 3}}
  throttle: {{requotes_per_min_max: 1200, fills_per_min_max: 600}}
"""

pytestmark = pytest.mark.mesh


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    """A mesh on paper whose simulator is the venue of others."""
    from tests.mesh.conftest import Mesh

    mesh = Mesh(tmp_path_factory.mktemp("venue") / "data")
    mesh.must("up")
    yield mesh
    mesh.run("down")


@pytest.fixture(scope="module")
def make_live(venue, tmp_path_factory):
    """Return a maker of data directories that trade one market of that venue with its one account."""
    from tests.mesh.conftest import Mesh

    made = []
    ports = json.loads((venue.data / "run" / "venue_sim.json").read_bytes())
    key = keys_of(VenueSimSettings())[0]

    def make(name, **changes):
        place = tmp_path_factory.mktemp(name)
        config = place / "live.yaml"
        config.write_text(CONFIG.format(port=ports["binance_usdm"]["port"]))
        mesh = Mesh(place / "data", **changes)
        mesh.config = config
        mesh.environment |= {
            "QUOTEMESH_KEY_MINE": json.dumps({"api_key": key.api_key, "secret": key.secret}),
            "QUOTEMESH_LIVE": "I-UNDERSTAND",
        }
        made.append(mesh)
        return mesh

    yield make
    for mesh in made:
        mesh.run("down")


@pytest.fixture(scope="module")
def live(make_live):
    """A live mesh, and what its start printed."""
    mesh = make_live("live")
    mesh.told = mesh.must("up", "--config", mesh.config)
    return mesh


def test_live_by_the_configuration_alone_starts_nothing(make_live):
    mesh = make_live("unarmed")
    del mesh.environment["QUOTEMESH_LIVE"]

    refused = mesh.run("up", "--config", mesh.config)

    assert refused.returncode == 4
    assert "QUOTEMESH_LIVE=I-UNDERSTAND" in refused.stderr
    assert mesh.run("status").returncode == 3


@pytest.mark.req("BR-2")
def test_a_live_start_tells_what_it_will_do_and_then_does_it(live):
    for expected in [
        "mode LIVE: orders go out with real money",
        "key mine (fingerprint ",
        "grid on binance_usdm:ETHUSDT, orders of 100",
        "1000 USDT kills everything",
        "open orders are cancelled, positions stay",
    ]:
        assert expected in live.told

    deadline = time.monotonic() + LIMIT_S
    rows = []
    while len(rows) < 3:
        assert time.monotonic() < deadline, f"nothing is quoted: {live.must('status')}"
        rows = json.loads(live.must("orders", "--venue", "--json"))["items"]
    assert {row["symbol"] for row in rows} == {"binance_usdm:ETHUSDT"}


@pytest.mark.req("RK-16", "RK-17")
def test_the_check_of_a_live_account_lists_key_orders_and_positions(live):
    done = live.run("check", "--config", live.config, "--json")
    items = {item["name"]: item for item in json.loads(done.stdout)["items"]}

    assert items["account binance_usdm"]["state"] == "pass"
    assert items["key binance_usdm"]["limit"] == "80"
    assert items["wallet binance_usdm USDT"]["state"] == "pass"
    assert items["leverage binance_usdm"]["state"] == "pass"
    assert len(items["version grid"]["value"]) == 12
    assert int(items["own orders binance_usdm"]["value"]) > 0
    assert items["other orders binance_usdm"]["state"] == "pass"


def test_a_second_broker_on_the_account_ends_with_one_clear_message_and_sends_nothing(live, make_live):
    second = make_live("second")

    refused = second.run("up", "--config", second.config)

    assert refused.returncode != 0
    assert "another broker on this host trades on the account" in refused.stderr
    assert "Nothing was sent" in refused.stderr
    assert second.run("status").returncode == 3
    assert json.loads(live.must("status", "--json"))["is_ready"]


def test_a_wrong_key_keeps_the_mesh_down_with_the_words_of_the_venue(make_live):
    mesh = make_live("wrong")
    wrong = {"api_key": "x" * 64, "secret": "y" * 64}
    mesh.environment["QUOTEMESH_KEY_MINE"] = json.dumps(wrong)

    refused = mesh.run("up", "--config", mesh.config)

    assert refused.returncode == 7
    assert "account binance_usdm" in refused.stderr
    assert "y" * 64 not in refused.stderr + refused.stdout
    assert not (mesh.data / "run" / "secrets").exists()


@pytest.mark.req("BR-23")
def test_a_stop_of_a_live_mesh_leaves_no_order_of_ours(live):
    told = live.must("down")

    assert "binance_usdm: 0 of our orders" in told
