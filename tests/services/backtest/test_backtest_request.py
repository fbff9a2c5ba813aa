"""A request for a backtest: what it needs, what it leaves out, and what is wrong with it."""

import pickle

import pytest

from services.backtest.run_options import RunOptions
from services.cli.backtest_request import Request, prepare, time_ns
from shared.columns import ColumnsError
from shared.errors import ConfigError

CONFIG = """
venues:
  binance_usdm: {url: sim, maker_fee_ppm: 150, taker_fee_ppm: 450}
symbols: [binance_usdm:BTCUSDT, binance_usdm:ETHUSDT]
strategies:
  one: {kind: avellaneda_stoikov, symbol: binance_usdm:BTCUSDT}
  two: {kind: grid, symbol: binance_usdm:ETHUSDT}
  off: {kind: grid, symbol: binance_usdm:BTCUSDT, enabled: false}
"""
START_NS = 1_700_000_000 * 10**9
S = 10**9


@pytest.fixture
def asked(column_file, tmp_path):
    """A maker of requests over 100 s of BTCUSDT."""

    def ask(**changes):
        fields = {
            "name": "x.yaml",
            "text": CONFIG,
            "files": (str(column_file),),
            "root": str(tmp_path / "data"),
        }
        return Request(**{**fields, **changes})

    return ask


@pytest.mark.req("BT-1")
def test_strategies_without_data_are_left_out_and_named(asked):
    prepared = prepare(asked())

    assert prepared.instances == ("one",)
    assert "strategy two is left out: there are no data of binance_usdm:ETHUSDT" in prepared.lines
    assert "strategy off is left out: it is not enabled" in prepared.lines
    assert [each.rules.symbol for each in prepared.job.markets] == ["binance_usdm:BTCUSDT"]


def test_a_warm_up_that_takes_all_of_the_data_is_told(asked):
    told = "nothing is added to a position in the first 300 s, which is all of these data (warmup_s: 0 "
    assert any(line.startswith(told) for line in prepare(asked()).lines)
    assert "as after every start" in " ".join(prepare(asked(text=CONFIG + "warmup_s: 30\n")).lines)
    assert "first" not in " ".join(prepare(asked(text=CONFIG + "warmup_s: 0\n")).lines[1:])


def test_fees_are_those_of_the_configuration_unless_asked_otherwise(asked):
    rules = prepare(asked()).job.markets[0].rules
    other = prepare(asked(options=RunOptions(fees="-10/300"))).job.markets[0].rules

    assert (rules.maker_fee_ppm, rules.taker_fee_ppm) == (150, 450)
    assert (other.maker_fee_ppm, other.taker_fee_ppm) == (-10, 300)


def test_options_stand_in_place_of_the_configuration(asked):
    options = RunOptions(latency="80/5/20", queue="behind", seed=7)
    sections = prepare(asked(options=options)).job.sections

    for settings in (sections["broker"], sections["strategy"].shadow):
        assert (settings.latency_ms, settings.latency_std_ms, settings.latency_min_ms) == (80, 5, 20)
        assert (settings.latency_spike_ppm, settings.queue_model, settings.seed) == (0, "behind", 7)
    assert sections["broker"].approval_ttl_ms == 500


@pytest.mark.parametrize(
    ("queue", "expected"),
    [
        ("log", ("log", 300, 1_000_000)),
        ("power2:2.5", ("power2", 250, 1_000_000)),
        ("pro_rata:0.77", ("pro_rata", 300, 770_000)),
    ],
)
def test_a_queue_model_is_named_with_its_number(asked, queue, expected):
    sections = prepare(asked(options=RunOptions(queue=queue))).job.sections

    for settings in (sections["broker"], sections["strategy"].shadow):
        found = (settings.queue_model, settings.queue_power_pct, settings.queue_ahead_ppm)
        assert found == expected


def test_recorded_latencies_are_read_from_a_file(asked, tmp_path):
    file = tmp_path / "latencies.txt"
    file.write_text("51000\n48200\n\n250000\n")

    sections = prepare(asked(options=RunOptions(latency=f"recorded:{file}"))).job.sections

    assert sections["broker"].latency_recorded_us == (51_000, 48_200, 250_000)
    for text in ("", "12.5\n", "-1\n", "3600000001\n", "x\n"):
        file.write_text(text)
        with pytest.raises(ConfigError, match="one whole number of microseconds"):
            prepare(asked(options=RunOptions(latency=f"recorded:{file}")))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (RunOptions(latency="fast"), "--latency 'fast': write milliseconds"),
        (RunOptions(latency="1/2/3/4"), "--latency"),
        (RunOptions(latency="-5"), "--latency"),
        (RunOptions(queue="first"), "--queue 'first': write one of behind, pro_rata"),
        (RunOptions(queue="power:0"), "the power of power, power2, power3"),
        (RunOptions(queue="power:nan"), "behind the colon"),
        (RunOptions(queue="pro_rata:1.5"), "share"),
        (RunOptions(queue="behind:1"), "behind the colon"),
        (RunOptions(queue="power:x"), "behind the colon"),
        (RunOptions(latency="recorded:nowhere"), "recorded:nowhere: cannot be read"),
        (RunOptions(fees="2"), "--fees '2': write MAKER/TAKER"),
        (RunOptions(fees="2/x"), "--fees"),
        (RunOptions(fees="200000/1"), "at most 100000"),
        (RunOptions(seed=-1), "--seed -1"),
    ],
)
def test_an_option_that_cannot_be_is_refused_with_its_form(asked, options, text):
    with pytest.raises(ConfigError, match=text):
        prepare(asked(options=options))


def test_a_part_of_the_data_is_named_by_times(asked):
    prepared = prepare(asked(begin="+10", end="2023-11-14T22:14:20"))

    assert prepared.job.from_ns == prepared.from_ns == START_NS + 10 * S
    assert prepared.job.until_ns == START_NS + 60 * S
    assert prepare(asked()).job.from_ns == 0


def test_times_have_four_forms():
    assert time_ns("+1.5", 5 * S, "--from") == 6_500_000_000
    assert time_ns("1700000000", 0, "--from") == START_NS
    assert time_ns("1700000000000000001", 0, "--from") == START_NS + 1
    assert time_ns("2023-11-14T22:13:20", 0, "--from") == START_NS
    assert time_ns("2023-11-14T23:13:20.250+01:00", 0, "--from") == START_NS + S // 4
    with pytest.raises(ConfigError, match="--to 'tomorrow' is no time"):
        time_ns("tomorrow", 0, "--to")


def test_a_part_outside_the_data_is_refused(asked):
    with pytest.raises(ConfigError, match="nothing to run between"):
        prepare(asked(begin="+200"))
    with pytest.raises(ConfigError, match="nothing to run between"):
        prepare(asked(end="2020-01-01"))


def test_no_strategy_with_data_is_refused_naming_both(asked):
    text = CONFIG.replace("symbol: binance_usdm:BTCUSDT}", "symbol: binance_usdm:ETHUSDT}")

    with pytest.raises(ConfigError, match=r"one \(binance_usdm:ETHUSDT\).*Data: binance_usdm:BTCUSDT"):
        prepare(asked(text=text))


def test_mistakes_of_the_configuration_are_listed(asked):
    with pytest.raises(ConfigError, match="magic"):
        prepare(asked(text=CONFIG.replace("avellaneda_stoikov", "magic")))


def test_files_that_are_none_are_refused(asked, tmp_path):
    with pytest.raises(ColumnsError, match="no such market data"):
        prepare(asked(files=(str(tmp_path / "nothing.gz"),)))
    wrong = tmp_path / "wrong.columns"
    wrong.write_bytes(b"something else")
    with pytest.raises(ColumnsError, match="is no column file"):
        prepare(asked(files=(str(wrong),)))


@pytest.mark.req("BT-8")
def test_the_same_data_twice_are_refused_unless_allowed(asked, column_file, tmp_path):
    copy = tmp_path / "copy.columns"
    copy.write_bytes(column_file.read_bytes())
    files = (str(column_file), str(copy))

    with pytest.raises(ColumnsError, match="duplicates; name files that follow"):
        prepare(asked(files=files))


def test_a_request_can_go_to_another_process_and_be_changed(asked):
    request = asked()

    other = request.with_changes({"QUOTEMESH__BROKER__LATENCY_MS": "7"}, START_NS + S, START_NS + 2 * S)
    prepared = prepare(pickle.loads(pickle.dumps(other)))

    assert prepared.job.sections["broker"].latency_ms == 7
    assert (prepared.from_ns, prepared.until_ns) == (START_NS + S, START_NS + 2 * S)
    assert prepared.identity != prepare(request).identity
    assert prepared.data_hash == prepare(request).data_hash


def test_a_folder_stands_for_the_column_files_in_it(asked, column_file):
    prepared = prepare(asked(files=(str(column_file.parent),)))

    assert prepared.job.markets[0].files == (column_file,)


@pytest.mark.req("MD-24")
def test_a_capture_is_imported_once_and_known_by_its_content(captures, asked, tmp_path):
    name = "usdm_btcusdt_20240808.raw.gz"
    moved = tmp_path / "elsewhere" / "other.raw.gz"
    moved.parent.mkdir()
    moved.write_bytes((captures / "binance_hft" / name).read_bytes())

    first = prepare(asked(files=(str(captures / "binance_hft" / name),)))
    made = first.job.markets[0].files[0]
    before_ns = made.stat().st_mtime_ns
    again = prepare(asked(files=(str(moved.parent),)))

    assert again.job.markets[0].files == (made,)
    assert made.stat().st_mtime_ns == before_ns
    assert first.job.markets[0].rules.tick_size == "0.1"
    assert "binance_usdm:BTCUSDT" in first.lines[1]
