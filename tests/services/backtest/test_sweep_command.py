"""`quotemesh sweep` as a person types it, over generated flow."""

import json

import pytest
from click.testing import CliRunner

from services.backtest.generate import Flow, generate
from services.cli.main import main

CONFIG = """
symbols: [binance_usdm:BTCUSDT]
warmup_s: 0
warmup_points: 0
strategies:
  one:
    kind: avellaneda_stoikov
    symbol: binance_usdm:BTCUSDT
    params: {order_notional: 100, max_inventory_notional: 1000}
"""
HALF = "strategies.one.params.half_spread_bps"


@pytest.fixture(scope="module")
def flow_file(tmp_path_factory):
    """20,000 rows of generated flow."""
    path = tmp_path_factory.mktemp("flow") / "flow.columns"
    generate(Flow(event_count=20_000, level_count=20, seed=3), path)
    return path


@pytest.fixture
def typed(tmp_path, monkeypatch, flow_file):
    """A caller of `sweep`; results are kept in the folder of the test."""
    monkeypatch.setenv("QUOTEMESH_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(CONFIG)

    def call(*words):
        command = ["sweep", "config.yaml", "--data", str(flow_file), *map(str, words)]
        return CliRunner().invoke(main, command)

    return call


def told(done):
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    return found, {row["text"]: (row["net_pnl"], row["fills"], row["sharpe_annual"]) for row in found["rows"]}


@pytest.mark.req("BT-9", "OP-13")
def test_processes_give_what_one_gives_and_a_second_call_runs_nothing(typed):
    words = ("--vary", f"{HALF}=0.5,1,3", "--folds", 1, "--json")

    one, rows_of_one = told(typed(*words, "--jobs", 1, "--out", "one.jsonl"))
    two, rows_of_two = told(typed(*words, "--jobs", 2, "--out", "two.jsonl"))
    again, rows_again = told(typed(*words, "--jobs", 2, "--out", "two.jsonl"))

    assert rows_of_one == rows_of_two == rows_again
    assert (one["runs"], one["runs_now"], two["runs_now"], again["runs_now"]) == (6, 6, 6, 0)
    assert any(fills for _, fills, _ in rows_of_one.values())


@pytest.mark.req("BT-9")
def test_what_was_tried_before_on_the_data_counts(typed):
    told(typed("--vary", f"{HALF}=0.5,1", "--folds", 0, "--jobs", 1, "--json"))

    found, _ = told(typed("--vary", f"{HALF}=2,3,4", "--folds", 0, "--jobs", 1, "--json"))

    assert found["trials"] == 5
    assert found["walk_forward"] is None


@pytest.mark.req("BT-9")
def test_a_search_is_the_same_on_any_number_of_processes(typed):
    words = ("--vary", f"{HALF}=0.5..4.0", "--optuna", 4, "--folds", 0, "--json")

    _, one = told(typed(*words, "--jobs", 1, "--out", "one.jsonl"))
    _, two = told(typed(*words, "--jobs", 2, "--out", "two.jsonl"))

    assert one == two
    assert len(one) == 4


@pytest.mark.req("BT-9", "BT-10")
def test_people_get_a_table_a_warning_a_page_and_a_picture(typed, tmp_path):
    done = typed(
        "--vary", f"{HALF}=1,3", "--vary", "strategies.one.params.order_notional=100,200", "--jobs", 1,
        "--folds", 1, "--html", "s.html", "--png", "s.png",
    )  # fmt: skip

    assert done.exit_code == 0, done.output
    assert "walk-forward: chosen on the parts before" in done.output
    assert "looks good by luck alone" in done.output
    page = (tmp_path / "s.html").read_text()
    assert "Plotly.react" in page
    assert 'http-equiv="Content-Security-Policy"' in page
    assert "Net P&amp;L over two settings" in page
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")


def test_a_combination_that_cannot_work_is_named_and_the_others_are_ranked(typed):
    found, rows = told(typed("--vary", f"{HALF}=1,-5", "--jobs", 1, "--folds", 0, "--json"))

    assert len(rows) == 1
    assert found["failed"][0]["point"] == {HALF: "-5"}
    assert "half_spread_bps" in found["failed"][0]["why"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "nothing is varied"),
        (("--vary", "strategies.two.params.x=1,2"), "there is no such strategy"),
        (("--vary", f"{HALF}=1..4"), "search it with --optuna"),
        (("--vary", f"{HALF}=1,2", "--folds", 99), "--folds 99"),
    ],
)
def test_a_mistake_is_told_before_anything_runs(typed, tmp_path, words, says):
    done = typed(*words)

    assert done.exit_code != 0
    assert says in done.output
    assert not list(tmp_path.glob("*.jsonl")) or not (next(tmp_path.glob("*.jsonl"))).read_bytes()
