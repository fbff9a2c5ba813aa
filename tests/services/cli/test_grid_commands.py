"""`quotemesh grid preview` over configurations, without a running mesh."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from services.cli.main import main

ROOT = Path(__file__).resolve().parents[3]
PAPER = (ROOT / "deploy" / "paper.yaml").read_text()


@pytest.fixture
def preview(tmp_path):
    """Return a function that runs the command on the default configuration, changed by words."""

    def run(*arguments, env=None, text=PAPER):
        path = tmp_path / "mesh.yaml"
        path.write_text(text)
        words = ["grid", "preview", *arguments, "--config", str(path), "--data", str(tmp_path / "data")]
        return CliRunner().invoke(main, words, env=env)

    return run


@pytest.mark.req("ST-35")
def test_the_default_grid_is_shown_with_four_falls_and_its_break_even(preview) -> None:
    result = preview()

    assert result.exit_code == 0
    assert "grid_eth: long grid on binance_usdm:ETHUSDT at 3000.00" in result.output
    # 0.033 ETH at 3000: two maker fees of 0.02 % are 1.2003, on ticks of 0.01
    assert "break-even 1.21 (4.01 bps) at a maker fee of 0.02 %" in result.output
    assert [line.split()[0] for line in result.output.splitlines() if " % " in line][-4:] == [
        "-5",
        "-10",
        "-20",
        "-33",
    ]


@pytest.mark.req("ST-35")
def test_programs_get_money_and_prices_as_texts(preview) -> None:
    result = preview("grid_eth", "--price", "1500", "--json")

    found = json.loads(result.output)["grid_eth"]
    assert (found["price"], found["interval"], found["break_even_interval"]) == ("1500.00", "0.90", "0.61")
    # 0.066 ETH: 0.90 * 0.066 less 0.02 % of 99.00 and of 99.0594
    assert found["profit_per_cycle"] == "0.01978812"
    assert [fall["move_pct"] for fall in found["falls"]] == [-5, -10, -20, -33]
    assert found["problems"] == []


@pytest.mark.req("ST-35")
def test_a_grid_that_loses_ends_with_code_4_and_the_number_that_would_not(preview) -> None:
    result = preview(env={"QUOTEMESH__STRATEGIES__GRID_ETH__PARAMS__INTERVAL_BPS": "4"})

    assert result.exit_code == 4
    assert "refused: interval_bps 4 loses" in result.output
    assert "set at least 4.01" in result.output
    mended = preview(env={"QUOTEMESH__STRATEGIES__GRID_ETH__PARAMS__INTERVAL_BPS": "4.01"})
    assert mended.exit_code == 0


@pytest.mark.req("ST-35")
def test_the_fees_of_the_configuration_count(preview) -> None:
    result = preview(env={"QUOTEMESH__VENUES__BINANCE_USDM__MAKER_FEE_PPM": "400"})

    assert result.exit_code == 4
    assert "a buy and a sell cost 8 bps of maker fees" in result.output


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("grid_btc",), 6, "there is no grid 'grid_btc'; its grids are: grid_eth"),
        (("--price", "abc"), 2, "--price abc: a price of binance_usdm:ETHUSDT is a number of ticks of 0.01"),
        (("--price", "-5"), 2, "above 0"),
        (("--price", "3000.001"), 2, "ticks of 0.01"),
        (("--price", "nan"), 2, "ticks of 0.01"),
    ],
)
def test_mistakes_are_told_with_what_to_do(preview, arguments, code, text) -> None:
    result = preview(*arguments)

    assert result.exit_code == code
    assert text in result.output


def test_a_configuration_without_a_grid_is_told(preview) -> None:
    result = preview(text=PAPER.replace("kind: grid", "kind: imbalance").replace("interval_bps: 6", ""))

    assert result.exit_code in (4, 6)
    assert "grid" in result.output
