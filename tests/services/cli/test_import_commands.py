"""`quotemesh import` prints what the data cover, and leaves whole files or none."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from services.backtest.importing import format_of
from services.cli.main import main
from shared.columns import Columns, ColumnsError

ROOT = Path(__file__).resolve().parents[3]
T0 = 1_723_161_255 * 10**9


def run(*arguments):
    return CliRunner().invoke(main, ["import", *map(str, arguments)])


def frame(stream, **data):
    return json.dumps({"stream": f"btcusdt@{stream}", "data": data}, separators=(",", ":"))


def diff(u):
    return frame("depth", e="depthUpdate", E=5, s="BTCUSDT", U=u, u=u, b=[["1.00", "0.1"]], a=[])


def trade(n):
    return frame("trade", e="trade", E=5, s="BTCUSDT", t=n, p="1.01", q="0.2", T=5, m=True)


BOOK = '{"lastUpdateId":1,"bids":[["1.00","0.3"]],"asks":[["1.02","0.4"]]}'
TICKER = frame("bookTicker", u=1, s="BTCUSDT", b="1.00", B="0.1", a="1.02", A="0.1", filler="x" * 200)


def recording(path, *frames):
    with gzip.open(path, "wt", compresslevel=1) as file:
        for n, text in enumerate(frames):
            file.write(f"{T0 + n * 1000} {text}\n")
    return path


@pytest.mark.req("BT-8", "OP-13")
def test_an_import_prints_coverage_and_the_files_it_made(tmp_path):
    path = recording(tmp_path / "a.gz", diff(1), BOOK, diff(2), trade(1))

    done = run(path, "--out", tmp_path / "out")
    said = json.loads(
        run(path, "--out", tmp_path / "again", "--json", "--rules", "tick=0.001,lot=0.1").stdout
    )

    assert done.exit_code == 0, done.output
    assert "binance:BTCUSDT" in done.stdout
    assert "100.000%" in done.stdout
    (made,) = (tmp_path / "out").iterdir()
    assert f"{made}  5 rows, tick 0.01000000, lot 0.10000000" in done.stdout
    (one,) = said["files"]
    assert (one["symbol"], one["rows"], one["diffs"], one["trades"], one["lines"]) == (
        "binance:BTCUSDT",
        5,
        1,
        1,
        4,
    )
    with Columns.open(one["path"]) as columns:
        assert columns.header.rules.tick_size == "0.00100000"
        assert list(columns.price_ticks) == [0, 1000, 1020, 1000, 1010]


@pytest.mark.req("BT-8")
def test_unsound_data_are_shown_and_refused_until_they_are_allowed(tmp_path):
    path = recording(tmp_path / "a.gz", diff(1), BOOK, diff(2), trade(1), trade(5))

    refused = run(path, "--out", tmp_path / "out")
    allowed = run(path, "--out", tmp_path / "out", "--allow", "gaps")

    assert refused.exit_code == 1
    assert "3 trades before 5" in refused.stdout
    assert "--allow gaps" in refused.stderr
    assert allowed.exit_code == 0
    assert len(list((tmp_path / "out").iterdir())) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--allow", "all"], "must be of gaps"),
        (["--rules", "tick=0.1"], "tick and lot belong together"),
        (["--rules", "tick=0,lot=1"], "must lie in"),
        (["--rules", "tick=1,lot=1,maker_ppm=x"], "--rules: invalid literal"),
        (["--rules", "step=1"], "must be of tick="),
        (["--rules", "nowhere.json"], "No such file"),
        (["--symbol", "XRPUSDT"], "they hold binance:BTCUSDT"),
        (["--format", "avro"], "must be of journal"),
        (["--shift-local-ns", "1 s"], "must be a whole number of ns, or auto"),
    ],
)
def test_what_cannot_be_meant_is_said(tmp_path, arguments, said):
    path = recording(tmp_path / "a.gz", diff(1), BOOK, diff(2))

    done = run(path, "--out", tmp_path / "out", *arguments)

    assert done.exit_code in {1, 2}
    assert said in done.stderr
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize(("shift", "least_ns"), [("auto", 0), ("-7", -1_000_007), ("0", -1_000_000)])
def test_a_clock_that_was_behind_is_set_right_when_asked_for(tmp_path, shift, least_ns):
    # The venue stamps in ms: this one says 1 ms after the receipt.
    late = trade(1).replace('"T":5', f'"T":{T0 // 10**6 + 1}')
    path = tmp_path / "a.raw"
    path.write_text(f"{T0} {BOOK}\n{T0} {diff(2)}\n{T0} {late}\n")

    done = run(path, "--out", tmp_path / "out", "--json", "--shift-local-ns", shift)

    (one,) = json.loads(done.stdout)["files"]
    assert one["latency_min_ns"] == least_ns
    assert one["first_local_ns"] == T0 + least_ns + 1_000_000


def test_rules_of_an_exchange_info_answer_are_taken(tmp_path):
    filters = [
        {"filterType": "PRICE_FILTER", "tickSize": "0.01000000", "minPrice": "0.01", "maxPrice": "1000"},
        {"filterType": "LOT_SIZE", "stepSize": "0.00001", "minQty": "0.1", "maxQty": "100"},
    ]
    symbol = {
        "symbol": "BTCUSDT",
        "baseAsset": "BTC",
        "quoteAsset": "USDT",
        "status": "TRADING",
        "filters": filters,
    }
    info = tmp_path / "info.json"
    info.write_text(json.dumps({"symbols": [symbol]}))
    path = recording(tmp_path / "a.gz", diff(1), BOOK, diff(2))

    done = run(path, "--out", tmp_path / "out", "--rules", info, "--rules", "maker_ppm=-50")
    info.write_text(json.dumps({"symbols": []}))
    unlisted = run(path, "--out", tmp_path / "out", "--rules", info)

    assert done.exit_code == 0, done.output
    (made,) = (tmp_path / "out").iterdir()
    with Columns.open(made) as columns:
        rules = columns.header.rules
    assert (rules.lot_size, rules.min_qty_lots, rules.maker_fee_ppm, rules.taker_fee_ppm) == (
        "0.00001",
        10_000,
        -50,
        1000,
    )
    assert "it is not listed" in unlisted.stderr


def test_a_file_of_no_known_format_is_named(tmp_path):
    path = tmp_path / "a.pdf"
    path.write_bytes(b"%PDF-1.7")

    with pytest.raises(ColumnsError, match=r"of no known format .it begins with b'%PDF"):
        format_of(path)


CHILD = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = int(sys.argv[1])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
from services.cli.main import main
try:
    main(["import", *sys.argv[2:]])
finally:
    print("peak_kb", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def child(limit_bytes, *arguments):
    return subprocess.run(
        [sys.executable, "-c", CHILD, str(limit_bytes), *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.req("BT-8")
def test_a_disk_that_fills_up_while_importing_leaves_nothing(tmp_path):
    path = recording(tmp_path / "a.gz", diff(1), BOOK, *(trade(n) for n in range(1, 20_000)))

    done = child(50_000, path, "--out", tmp_path / "out")

    assert done.returncode == 1
    assert "could not be written (File too large)" in done.stderr
    assert "make space" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "out").iterdir())


def test_memory_does_not_grow_with_the_recording(tmp_path):
    small = recording(tmp_path / "a.gz", diff(1), BOOK, diff(2), trade(1))
    # 100,000 lines of 300 bytes
    large = recording(tmp_path / "b.gz", diff(1), BOOK, diff(2), trade(1), *[TICKER] * 100_000)

    peaks_kb = []
    for path in (small, large):
        done = child(0, path, "--out", tmp_path / path.stem)
        assert done.returncode == 0, done.stderr
        peaks_kb.append(int(done.stdout.split("peak_kb")[1]))

    assert large.stat().st_size > 0
    assert peaks_kb[1] - peaks_kb[0] < 8_000
