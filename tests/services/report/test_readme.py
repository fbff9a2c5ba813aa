"""Results in a README: real trades only, between the markers only, with their label."""

import pytest

from services.backtest.figures import figures
from services.backtest.record import DataFile
from services.report.readme import BEGIN, END, block, write_block
from shared.errors import ConfigError

TEXT = f"# Title\n\nbefore\n{BEGIN}\nold\n{END}\nafter\n"


@pytest.fixture
def paper_run(traded_run):
    """Return the run as if it were of a paper journal over a recorded capture."""
    traded_run.meta.source = "paper"
    traded_run.data = [DataFile("binance (sim)", "", 0, 0, 0, is_generated=False, source="sim")]
    return traded_run


@pytest.mark.req("BT-11")
def test_the_block_is_replaced_and_nothing_else(paper_run, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(TEXT)

    write_block(readme, paper_run)
    once = readme.read_text()
    write_block(readme, paper_run)

    assert once.startswith(f"# Title\n\nbefore\n{BEGIN}\n| result | |\n")
    assert once.endswith(f"\n{END}\nafter\n")
    assert "**paper** trading on recorded data: binance_usdm:BTCUSDT" in once
    assert "old" not in once
    assert "| net P&L, USDT | -" in once, "a loss is shown as one"
    assert readme.read_text() == once
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


@pytest.mark.req("BT-11")
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda run: setattr(run.meta, "source", "backtest"), "this is a backtest"),
        (lambda run: setattr(run, "data", []), "does not say where its market data came from"),
        (
            lambda run: setattr(run, "data", [DataFile("sim", "", 0, 0, 0, is_generated=True)]),
            "market data of sim were generated",
        ),
        (lambda run: setattr(run, "fills", type(run.fills)()), "has no fill"),
    ],
)
def test_what_is_no_real_trading_is_refused_and_the_file_stays(paper_run, tmp_path, change, says):
    readme = tmp_path / "README.md"
    readme.write_text(TEXT)
    change(paper_run)

    with pytest.raises(ConfigError, match=says):
        write_block(readme, paper_run)

    assert readme.read_text() == TEXT


@pytest.mark.req("BT-11")
@pytest.mark.parametrize("text", ["none", f"{BEGIN} alone", f"{END}\n{BEGIN}", TEXT + TEXT])
def test_a_file_without_one_pair_of_markers_is_left_as_it_is(paper_run, tmp_path, text):
    readme = tmp_path / "README.md"
    readme.write_text(text)

    with pytest.raises(ConfigError, match="needs these two lines"):
        write_block(readme, paper_run)

    assert readme.read_text() == text


def test_a_file_that_is_not_there_is_named(paper_run, tmp_path):
    with pytest.raises(ConfigError, match=r"none\.md cannot be read"):
        write_block(tmp_path / "none.md", paper_run)


def test_texts_of_the_run_cannot_leave_their_cell(paper_run):
    paper_run.meta.commit = f"a|b\n{END}<b>"

    text = block(paper_run, figures(paper_run))

    assert END not in text
    assert "a\\|b &lt;!--" in text
