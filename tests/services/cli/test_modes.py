"""One log keeps its mode, and live needs a second setting."""

import pytest

from services.cli import config, modes
from services.cli.exits import CommandError
from services.cli.up import refuse_mode
from shared.runtime.paths import DataDir

BOTH = "symbols: [binance:BTCUSDT, binance_usdm:BTCUSDT]\n"
TESTNET = "mode: testnet\n" + BOTH
LIVE = (
    'mode: live\nsymbols: [binance:BTCUSDT]\nvenues: {binance: {url: "https://venue.example", key: mine}}\n'
)
ARMED = {modes.LIVE_VARIABLE: modes.LIVE_WORD}


def load(text):
    return config.loads("test.yaml", text, {})


@pytest.fixture
def data(tmp_path):
    made = DataDir(tmp_path / "data")
    made.prepare()
    return made


def begin_log(data):
    (data.journal / "segment-00000000000000000001.sqlite").write_bytes(b"")


def refusal(cfg, data):
    with pytest.raises(CommandError) as refused:
        modes.refuse_other_mode(cfg, data)
    return refused.value.message


@pytest.mark.req("BR-2")
def test_a_log_of_paper_is_not_continued_with_orders_at_a_venue(data):
    begin_log(data)

    text = refusal(load(TESTNET), data)

    assert "was begun in mode paper, and the configuration says mode testnet" in text
    assert f"--data {data.root}-testnet" in text
    modes.refuse_other_mode(load(BOTH), data)


def test_a_log_of_testnet_goes_on_in_testnet_and_in_no_other_mode(data):
    modes.keep_mode(load(TESTNET), data)
    begin_log(data)

    modes.refuse_other_mode(load(TESTNET), data)
    assert "begun in mode testnet" in refusal(load(LIVE), data)
    assert "begun in mode testnet" in refusal(load(BOTH), data)


def test_a_log_never_moves_to_another_network_of_its_venue(data):
    modes.keep_mode(load(TESTNET), data)
    begin_log(data)
    moved = load(TESTNET + 'venues: {binance: {url: "", key: k}}\n')

    text = refusal(moved, data)

    assert "traded binance on network sim, and the configuration says testnet" in text


def test_a_venue_that_is_left_out_for_a_while_stays_remembered(data):
    modes.keep_mode(load(TESTNET), data)
    begin_log(data)
    modes.keep_mode(load("mode: testnet\nsymbols: [binance_usdm:BTCUSDT]\n"), data)

    moved = load(TESTNET + 'venues: {binance: {url: "", key: k}}\n')

    assert "traded binance on network sim" in refusal(moved, data)


def test_a_directory_without_a_log_takes_any_mode(data):
    modes.keep_mode(load(TESTNET), data)

    modes.refuse_other_mode(load(LIVE), data)


def test_a_mode_that_cannot_be_read_is_no_mode(data):
    begin_log(data)
    (data.config / modes.FILE_NAME).write_text('{"mode": "yes"}')

    assert "so the mode of this log is not known" in refusal(load(BOTH), data)


@pytest.mark.parametrize("environ", [{}, {modes.LIVE_VARIABLE: ""}, {modes.LIVE_VARIABLE: "1"}])
def test_live_without_its_second_setting_is_refused(environ):
    with pytest.raises(CommandError, match="QUOTEMESH_LIVE=I-UNDERSTAND"):
        modes.refuse_unarmed(load(LIVE), environ)


def test_live_with_both_settings_and_paper_with_none_may_start():
    modes.refuse_unarmed(load(LIVE), ARMED)
    modes.refuse_unarmed(load(BOTH), {})


def test_the_second_setting_alone_arms_nothing():
    assert load(BOTH).mode == "paper"


def test_live_is_never_started_unchecked_and_no_capture_is_played_with_orders(data, monkeypatch):
    monkeypatch.setenv(modes.LIVE_VARIABLE, modes.LIVE_WORD)

    with pytest.raises(CommandError, match="leave --skip-check out"):
        refuse_mode(load(LIVE), data, is_replay=False, is_unchecked=True)
    with pytest.raises(CommandError, match="plays a capture on paper"):
        refuse_mode(load(TESTNET), data, is_replay=True, is_unchecked=False)
