"""`quotemesh download` over real HTTP: the simulated venue's candles, a busy venue, a break."""

import http.server
import json
import threading

import pytest
from click.testing import CliRunner

from services.cli import download_commands
from services.cli.config_commands import DEFAULT
from services.cli.main import main
from services.venue_sim.build import make_venue
from services.venue_sim.settings import VenueSimSettings

MINUTE_MS = 60_000


class Answers(http.server.BaseHTTPRequestHandler):
    """Passes requests to the core of the simulated venue; `first` are answers that come before."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        server.asked.append(self.path)
        if "klines" in self.path and server.first:
            status, body, headers = server.first.pop(0)
        else:
            status, body = server.venue.request("binance", "GET", self.path, server.now_ns)
            headers = {}
        self.send_response(status)
        for name, value in ({"content-length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def venue(tmp_path, monkeypatch):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.venue = make_venue(VenueSimSettings())
    server.now_ns = server.venue.origin_ns + 5 * 10**9
    server.venue.advance(server.now_ns)
    server.asked, server.first = [], []
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    text = DEFAULT.read_text()
    assert "binance:\n" in text
    monkeypatch.setenv("QUOTEMESH__VENUES__BINANCE__URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(download_commands, "WAIT_S", 0.01)
    monkeypatch.setattr(download_commands, "PACE_S", {})
    monkeypatch.setattr(download_commands, "PACE_USUAL_S", {"candles": 0.0, "trades": 0.0})
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def moment(server, minutes):
    """Return a time of the venue, whole minutes before its last one, as a person writes it."""
    end_ms = server.now_ns // 10**6 // MINUTE_MS * MINUTE_MS - minutes * MINUTE_MS
    return download_commands.datetime.fromtimestamp(end_ms / 1000, download_commands.UTC).strftime(
        "%Y-%m-%dT%H:%M"
    )


def called(tmp_path, *words):
    return CliRunner().invoke(
        main, ["download", *words, "--data", str(tmp_path / "data"), "--out", str(tmp_path)]
    )


@pytest.mark.req("MD-25")
def test_candles_are_downloaded_though_the_venue_is_busy_and_can_be_imported(tmp_path, venue):
    venue.first = [(429, b"{}", {"retry-after": "0"}), (503, b"", {})]

    done = called(
        tmp_path,
        "candles",
        "binance:BTCUSDT",
        "--from",
        moment(venue, 90),
        "--to",
        moment(venue, 30),
        "--json",
    )

    assert done.exit_code == 0, done.output
    report = json.loads(done.output)
    assert (report["rows"], report["gaps"]) == (60, [])
    assert sum("klines" in target for target in venue.asked) == 3
    again = CliRunner().invoke(
        main,
        ["import", report["path"], "--symbol", "binance:BTCUSDT", "--out", str(tmp_path / "in"), "--json"],
    )
    assert again.exit_code == 0, again.output
    assert json.loads(again.output)["files"][0]["lines"] == 60


@pytest.mark.req("MD-25")
def test_a_break_keeps_what_came_and_the_next_call_goes_on(tmp_path, venue, monkeypatch):
    monkeypatch.setattr("services.backtest.download.PAGE_ROWS", 25)
    span = ("candles", "binance:BTCUSDT", "--from", moment(venue, 90), "--to", moment(venue, 30))
    whole = called(tmp_path, *span)
    assert whole.exit_code == 0, whole.output
    (path,) = tmp_path.glob("*.csv")
    expected = path.read_bytes()
    path.unlink()

    # The first page, and then an error of the request itself.
    pages = [
        json.dumps([line.split(",") for line in expected.decode().splitlines()[1:26]])
        .replace('"', "")
        .encode()
    ]
    venue.first = [(200, pages[0], {}), (400, b'{"code":-1}', {})]
    broken = called(tmp_path, *span)
    assert broken.exit_code == 1
    assert "was answered with 400" in broken.output
    assert "what came is kept" in broken.output
    assert not list(tmp_path.glob("*.csv"))
    (draft,) = tmp_path.glob(".*.part")
    # What a kill leaves in the middle of a line is cut off.
    draft.write_bytes(draft.read_bytes() + b"17000")
    venue.asked.clear()

    done = called(tmp_path, *span)

    assert done.exit_code == 0, done.output
    assert [line.split(b",")[0] for line in path.read_bytes().splitlines()] == [
        line.split(b",")[0] for line in expected.splitlines()
    ]
    assert sum("klines" in target for target in venue.asked) == 2
    assert not list(tmp_path.glob(".*.part"))


@pytest.mark.req("MD-25")
def test_what_the_venue_lacks_is_refused_unless_allowed(tmp_path, venue):
    # Generated candles reach back three hours.
    span = ("candles", "binance:BTCUSDT", "--from", moment(venue, 200), "--to", moment(venue, 100))
    refused = called(tmp_path, *span)
    assert refused.exit_code == 1
    assert "the venue lacks" in refused.output
    assert "--allow-gaps" in refused.output
    assert not list(tmp_path.glob("*.csv"))

    taken = called(tmp_path, *span, "--allow-gaps")
    assert taken.exit_code == 0, taken.output
    assert "1 gaps" in taken.output
    assert list(tmp_path.glob("*.csv"))


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("candles", "?", "--from", "2024-01-01", "--to", "2024-01-02"), 2, "is no market"),
        (("candles", "binance:BTCUSDT", "--from", "today", "--to", "2024-01-02"), 2, "'today' is no date"),
        (("candles", "binance:BTCUSDT", "--from", "2024-01-02", "--to", "2024-01-02"), 2, "is not before"),
        (
            ("candles", "binance:BTCUSDT", "--from", "2024-01-01", "--to", "2300-01-02"),
            2,
            "lies ahead of the venue's clock",
        ),
        (("candles", "binance:NOSUCH", "--from", "2020-01-01", "--to", "2020-01-02"), 1, "Invalid symbol"),
        (
            ("trades", "binance:BTCUSDT", "--from", "2020-01-01", "--to", "2020-01-02"),
            1,
            "was answered with 404",
        ),
        (
            ("candles", "binance:BTCUSDT", "--from", "2010-01-01", "--to", "2010-01-02"),
            6,
            "the venue has no candles",
        ),
        (
            ("candles", "binance_usdm:BTCUSDT", "--from", "2020-01-01", "--to", "2020-01-02"),
            3,
            "start it with up",
        ),
    ],
)
def test_what_cannot_be_downloaded_is_said(tmp_path, venue, words, code, text):
    done = called(tmp_path, *words)

    assert done.exit_code == code, done.output
    assert text in done.output
    assert not list(tmp_path.glob("*.csv"))
