"""The raw recording: what is written, when a new file begins, and what survives."""

import gzip
import os

import pytest

from services.market_data import shell_recorder
from services.market_data.shell_recorder import HOUR_NS, Recorder, answer_line
from shared.venues import VENUES

NOON = 1_723_161_600_000_000_000


def lines(path):
    with gzip.open(path) as file:
        return [line.rstrip(b"\n").split(b" ", 1) for line in file]


@pytest.mark.req("MD-24")
def test_every_flush_leaves_a_readable_file_with_all_lines(tmp_path):
    recorder = Recorder(tmp_path, "binance", 10**9)
    recorder.take(NOON, b'{"stream":"a",\n"data":{}}')
    recorder.flush()
    recorder.take(NOON + 1, b'{"lastUpdateId":1}')
    recorder.flush()

    (path,) = tmp_path.iterdir()
    assert path.name == f"binance-{NOON}.raw.gz"
    assert lines(path) == [
        [str(NOON).encode(), b'{"stream":"a", "data":{}}'],
        [str(NOON + 1).encode(), b'{"lastUpdateId":1}'],
    ]
    recorder.flush()
    assert recorder.line_count == 2
    recorder.close()


@pytest.mark.req("MD-24")
def test_a_new_file_begins_with_each_hour_and_beyond_the_size(tmp_path):
    recorder = Recorder(tmp_path, "binance", 60)
    for recv_ns in (NOON - 1, NOON, NOON + 1):
        recorder.take(recv_ns, b"{}")
    recorder.flush()
    recorder.take(NOON + 2, os.urandom(100).hex().encode())
    recorder.flush()
    recorder.take(NOON + HOUR_NS // 2, b"{}")
    recorder.flush()
    recorder.close()

    files = sorted(tmp_path.iterdir())
    assert [len(lines(path)) for path in files] == [1, 3, 1]
    assert files[0].name == f"binance-{NOON - 1}.raw.gz"


@pytest.mark.req("MD-24")
def test_a_full_disk_loses_and_counts_lines_but_neither_the_feed_nor_what_was_written(tmp_path, monkeypatch):
    recorder = Recorder(tmp_path, "binance", 10**9)
    recorder.take(NOON, b"{}")
    recorder.flush()
    write = os.write

    def half(fd, data):
        write(fd, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shell_recorder.os, "write", half)
    recorder.take(NOON + 1, b"{}")
    recorder.flush()
    monkeypatch.setattr(shell_recorder.os, "write", write)
    recorder.take(NOON + 2, b"{}")
    recorder.flush()
    recorder.close()

    (path,) = tmp_path.iterdir()
    assert [ts for ts, _ in lines(path)] == [str(NOON).encode(), str(NOON + 2).encode()]
    assert recorder.lost_count == 1
    assert "No space left" in recorder.error


def test_a_folder_that_cannot_be_written_is_said_and_survived(tmp_path):
    recorder = Recorder(tmp_path / "missing", "binance", 10**9)

    recorder.take(NOON, b"{}")
    recorder.flush()

    assert recorder.lost_count == 1
    assert "No such file" in recorder.error


@pytest.mark.req("MD-24")
@pytest.mark.parametrize(
    ("target", "body", "wanted"),
    [
        ("/fapi/v1/depth?symbol=BTCUSDT&limit=5", b'{"lastUpdateId":1}', b'{"lastUpdateId":1}'),
        (
            "/fapi/v1/klines?symbol=BTCUSDT&interval=1m&limit=5",
            b"[[1]]",
            b'{"stream":"btcusdt@klines_1m","data":[[1]]}',
        ),
        (
            "/fapi/v1/openInterest?symbol=ETHUSDT",
            b'{"time":1}',
            b'{"stream":"ethusdt@openInterest","data":{"time":1}}',
        ),
        ("/fapi/v1/exchangeInfo", b"{}", None),
        ("/fapi/v1/klines?symbol=BTCUSDT", b"<html>", None),
        ("/fapi/v1/depth?symbol=BTCUSDT", b"", None),
    ],
)
def test_answers_are_recorded_as_lines_that_can_be_played(target, body, wanted):
    assert answer_line(VENUES["binance_usdm"], target, body) == wanted
