"""`generate-data` and `export-data`, as a person calls them."""

import json
import zipfile

import pytest
from click.testing import CliRunner

from services.cli.main import main
from shared.columns import Columns


def called(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def made(tmp_path):
    path = tmp_path / "made.columns"
    done = called(
        "generate-data",
        path,
        "--events",
        "3k",
        "--levels",
        "20",
        "--regime",
        "quiet",
        "--seed",
        "3",
        "--json",
    )
    assert done.exit_code == 0, done.output
    return path, json.loads(done.output)


@pytest.mark.req("OP-13", "BT-7")
def test_generated_data_are_a_column_file_and_say_their_seed(made):
    path, told = made

    with Columns.open(path, verify=True) as columns:
        assert told["rows"] == columns.count
        assert told["sha256"] == columns.header.sha256
    assert (told["seed"], told["regime"], told["symbol"]) == (3, "quiet", "binance_usdm:BTCUSDT")


@pytest.mark.req("OP-13")
def test_a_market_goes_to_every_format_and_comes_back(made, tmp_path):
    path, told = made
    for target in ("npz", "tardis", "parquet"):
        done = called("export-data", path, "--to", target)
        assert done.exit_code == 0, done.output
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "made.columns",
        "made.incremental_book_L2.csv.gz",
        "made.npz",
        "made.parquet",
        "made.trades.csv.gz",
    ]

    back = called(
        "import",
        tmp_path / "made.npz",
        "--out",
        tmp_path / "in",
        "--symbol",
        "binance_usdm:BTCUSDT",
        "--rules",
        "tick=0.1,lot=0.001",
        "--json",
    )
    assert back.exit_code == 0, back.output
    assert json.loads(back.output)["files"][0]["sha256"] == told["sha256"]
    tardis = called("import", *tmp_path.glob("*.csv.gz"), "--out", tmp_path / "tardis", "--json")
    assert tardis.exit_code == 0, tardis.output
    assert json.loads(tardis.output)["files"][0]["symbol"] == "binance_usdm:BTCUSDT"


def test_parquet_holds_the_columns_as_they_are(made, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    path, told = made
    called("export-data", path, "--to", "parquet", "--out", tmp_path / "x.parquet")

    table = parquet.read_table(tmp_path / "x.parquet")
    with Columns.open(path) as columns:
        assert table.num_rows == told["rows"]
        for name in ("ts_exch_ns", "ts_local_ns", "price_ticks", "lots", "kind", "side"):
            assert table.column(name).to_pylist() == list(getattr(columns, name))
    header = json.loads(table.schema.metadata[b"quotemesh"])
    assert (header["symbol"], header["rules"]["tick_size"]) == ("binance_usdm:BTCUSDT", "0.1")


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("generate-data", "x.txt"), 2, "x.txt: a column file ends in .columns"),
        (("generate-data", "x.columns", "--events", "many"), 2, "--events 'many': must be a count"),
        (("generate-data", "x.columns", "--events", "0.5"), 2, "--events '0.5': must be a count"),
        (("generate-data", "x.columns", "--price", "1"), 1, "start_ticks 10: must be"),
        (("export-data", "none.columns", "--to", "npz"), 1, "none.columns cannot be read"),
        (
            ("export-data", "none.columns", "--to", "tardis", "--shift-local-ns", "5"),
            2,
            "is for npz, not for tardis",
        ),
    ],
)
def test_a_wrong_word_is_answered_with_what_to_write(tmp_path, monkeypatch, words, code, text):
    monkeypatch.chdir(tmp_path)

    done = called(*words)

    assert done.exit_code == code
    assert text in done.output
    assert list(tmp_path.iterdir()) == []


def test_an_export_says_what_the_format_cannot(made, tmp_path):
    path, told = made
    done = called("export-data", path, "--to", "tardis", "--out", tmp_path / "other.csv", "--json")

    report = json.loads(done.output)
    assert report["paths"] == [
        str(tmp_path / f"other.{kind}.csv.gz") for kind in ("incremental_book_L2", "trades")
    ]
    # Generated times are whole nanoseconds, the format holds microseconds.
    assert report["cut_count"] > 0.9 * told["rows"]
    with zipfile.ZipFile(tmp_path / "none.npz", "w"):
        pass
    assert (
        "is no whole .npz file"
        in called("import", tmp_path / "none.npz", "--symbol", "a:B", "--rules", "tick=1,lot=1").output
    )
