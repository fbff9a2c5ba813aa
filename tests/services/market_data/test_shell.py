"""The real process against the real bus and the simulated venue, over sockets, playing a real capture."""

import csv
import gzip
import os
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest

from services.market_data.settings import FeedVenue, MarketDataSettings
from services.market_data.verify import verify
from services.venue_sim.build import make_venue
from services.venue_sim.settings import VenueSimSettings
from shared.errors import JournalError, ProtocolError
from shared.kernels.book import Book
from shared.messages.market import (
    Basis,
    BookInvalid,
    BookSnapshot,
    BookUpdate,
    Candle,
    FeedStatus,
    FundingRate,
    Liquidation,
    OpenInterest,
    Regime,
)
from shared.runtime.client import BusClient
from shared.runtime.clock import MeshClock
from shared.runtime.journal import JournalReader
from shared.runtime.paths import DataDir
from shared.settings import pack

ROOT = Path(__file__).resolve().parents[3]
SYMBOL = "binance_usdm:BTCUSDT"


class Processes:
    """Bus, venue and feed on one data directory."""

    def __init__(self, root, venue, feed, speed_milli):
        self.data = DataDir(root)
        self.data.prepare()
        self.running = {}
        self.read = []
        origin_ns = make_venue(venue, None).origin_ns
        MeshClock.create(self.data, origin_ns, speed_milli, held=True)
        self.data.settings("venue_sim").write_bytes(pack(venue))
        self.data.settings("market_data").write_bytes(pack(feed))

    def start(self, *names):
        environment = {**os.environ, "QUOTEMESH_DATA": str(self.data.root)}
        for name in names:
            with (self.data.logs / f"{name}.log").open("ab") as log:
                self.running[name] = subprocess.Popen(
                    [sys.executable, "-m", f"services.{name}.main"],
                    env=environment, cwd=ROOT, stdout=log, stderr=log,
                )  # fmt: skip

    def stop(self):
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            process.wait(20)

    def events(self):
        return list(JournalReader(self.data.journal).events())

    def wait(self, claim, limit_s=90):
        """Return the events for which `claim` holds; the limit is not a measure."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            try:
                with BusClient(self.data) as client:
                    while new := client.read(len(self.read), 2000):
                        self.read += new
                if claim(self.read):
                    return self.read
            except (JournalError, ProtocolError):
                pass
            time.sleep(0.3)
        logs = "\n".join(path.read_text()[-2000:] for path in self.data.logs.iterdir())
        raise AssertionError(f"waited {limit_s} s in vain\n{logs}")

    def recording(self, name=""):
        for path in sorted(self.data.market.glob(f"{name}*.raw.gz" if name else "*.raw.gz")):
            with gzip.open(path) as file:
                for line in file:
                    ts, _, frame = line.rstrip().partition(b" ")
                    yield int(ts), frame


@pytest.fixture
def processes(tmp_path, captures):
    made = []

    def make(venue=None, feed=None, speed_milli=10_000):
        capture = str(captures / "binance_hft" / "usdm_btcusdt_20240808.raw.gz")
        one = Processes(
            tmp_path / "data",
            venue or VenueSimSettings(mode="capture", files=(capture,)),
            feed
            or MarketDataSettings(
                venues=(FeedVenue(name="binance_usdm", symbols=("BTCUSDT",)),), record=True
            ),
            speed_milli,
        )
        made.append(one)
        return one

    yield make
    for one in made:
        one.stop()


def states(events):
    return [e.message.state for e in events if isinstance(e.message, FeedStatus)]


def of(events, kind):
    return [e.message for e in events if isinstance(e.message, kind)]


@pytest.mark.mesh
@pytest.mark.timeout(300)
@pytest.mark.req("MD-1", "MD-4", "MD-20", "MD-24", "I-31")
def test_a_capture_through_sockets_is_on_the_log_as_the_oracle_says_and_as_it_was_recorded(
    processes, captures, kit
):
    mesh = processes()
    mesh.start("bus", "venue_sim", "market_data")
    mesh.wait(lambda events: "live" in states(events))
    MeshClock(mesh.data).start()
    mesh.wait(lambda events: len(of(events, BookUpdate)) > 2000)
    mesh.stop()
    events = mesh.events()

    last_id = of(events, BookUpdate)[-1].last_update_id
    with (captures / "binance_hft" / "top_of_book_usdm_btcusdt.csv").open() as file:
        oracle = {
            int(row["depth_u"]): tuple(Decimal(row[k]) for k in ("bid_px", "bid_qty", "ask_px", "ask_qty"))
            for row in csv.DictReader(file)
            if int(row["depth_u"]) <= last_id
        }
    (rules,) = of(events, kit.InstrumentRules)
    consumer, touches = kit.LogBook(SYMBOL, rules.tick_size, rules.lot_size), {}
    for event in events:
        if consumer.take(event.message):
            touches[consumer.last_id] = consumer.touch()
    assert len(oracle) >= 40
    assert {u: touches.get(u) for u in oracle} == oracle
    assert len(of(events, kit.Trade)) > 3000
    assert verify("binance_usdm", mesh.recording(), events) == []


@pytest.mark.mesh
@pytest.mark.timeout(200)
@pytest.mark.req("MD-24", "I-31")
def test_a_killed_feed_comes_back_with_a_sound_book_and_a_readable_recording(processes):
    mesh = processes()
    mesh.start("bus", "venue_sim", "market_data")
    mesh.wait(lambda events: "live" in states(events))
    MeshClock(mesh.data).start()
    mesh.wait(lambda events: len(of(events, BookUpdate)) > 300)

    mesh.running["market_data"].send_signal(signal.SIGKILL)
    mesh.running["market_data"].wait()
    mesh.start("market_data")
    mesh.wait(
        lambda events: (
            [m.reason for m in of(events, BookSnapshot)].count("start") == 2
            and len(of(events, BookUpdate)) > 600
        )
    )
    mesh.stop()
    events = mesh.events()

    assert len(list(mesh.data.market.glob("*.raw.gz"))) == 2
    assert sum(1 for _ in mesh.recording()) > 600
    differences = verify("binance_usdm", mesh.recording(), events)
    # The last second before the kill was not written; nothing else may differ.
    unwritten = [
        d for d in differences if "has no recorded frame" not in d and "is not in the recording" not in d
    ]
    assert unwritten == []


@pytest.mark.mesh
@pytest.mark.req("MD-4", "MD-20")
def test_a_market_that_the_venue_does_not_list_ends_the_process_with_a_clear_error(processes):
    feed = MarketDataSettings(venues=(FeedVenue(name="binance_usdm", symbols=("BTCUSDT", "NOPEUSDT")),))
    mesh = processes(feed=feed)
    mesh.start("bus", "venue_sim", "market_data")

    code = mesh.running["market_data"].wait(60)

    assert code == 4
    assert "does not list NOPEUSDT" in (mesh.data.logs / "market_data.log").read_text()
    assert "failed" in states(mesh.events())


@pytest.mark.mesh
@pytest.mark.timeout(200)
@pytest.mark.req("MD-2", "MD-4", "I-31")
def test_a_killed_venue_and_a_killed_bus_close_books_and_open_them_again(processes):
    feed = MarketDataSettings(venues=(FeedVenue(name="binance_usdm", symbols=("BTCUSDT",)),))
    mesh = processes(feed=feed, speed_milli=2000)
    mesh.start("bus", "venue_sim", "market_data")
    mesh.wait(lambda events: "live" in states(events))
    MeshClock(mesh.data).start()
    mesh.wait(lambda events: len(of(events, BookUpdate)) > 100)
    (mesh.data.run / "record").touch()

    mesh.running["venue_sim"].kill()
    mesh.running["venue_sim"].wait()
    mesh.wait(lambda events: [m.reason for m in of(events, BookInvalid)].count("disconnected") == 2)
    mesh.start("venue_sim")
    mesh.wait(lambda events: [m.reason for m in of(events, BookSnapshot)] == ["start", "gap"])
    mesh.running["bus"].kill()
    mesh.running["bus"].wait()
    mesh.start("bus")
    mesh.wait(lambda events: "epoch" in [m.reason for m in of(events, BookSnapshot)])
    count = len(of(mesh.read, BookUpdate))
    mesh.wait(lambda events: len(of(events, BookUpdate)) > count + 100)
    mesh.stop()

    book = Book()
    for event in mesh.events():
        message = event.message
        if isinstance(message, BookSnapshot):
            book.snapshot(message.levels, message.bid_count, message.update_n)
        elif isinstance(message, BookInvalid):
            book.invalidate()
        elif isinstance(message, BookUpdate):
            assert book.update(message.levels, message.bid_count, message.update_n)
    assert book.is_trusted
    assert verify("binance_usdm", mesh.recording(), mesh.events()) == []
    assert sum(1 for _ in mesh.recording()) > 100


@pytest.mark.mesh
@pytest.mark.timeout(120)
@pytest.mark.req("MD-15")
def test_a_start_without_a_first_price_in_time_fails_and_says_which_market_and_what_to_check(processes):
    # A port that nobody listens to: what a wrong address or a dead network looks like.
    dead = FeedVenue(name="binance_usdm", symbols=("BTCUSDT",), url="http://127.0.0.1:9")
    mesh = processes(VenueSimSettings(), MarketDataSettings(venues=(dead,), first_price_s=2), 1000)
    MeshClock(mesh.data).start()
    mesh.start("bus", "market_data")

    code = mesh.running["market_data"].wait(60)

    log = (mesh.data.logs / "market_data.log").read_text()
    assert code == 1
    assert "no first price within 2 s of binance_usdm:BTCUSDT (feed connecting)" in log
    assert "check the network, the venue's `url`" in log


@pytest.mark.mesh
@pytest.mark.timeout(120)
@pytest.mark.req("MD-16", "MD-17", "MD-19", "MD-24")
def test_the_generated_venue_gives_candles_and_facts_that_the_recording_confirms(processes):
    venues = tuple(FeedVenue(name=name, symbols=("BTCUSDT",)) for name in ("binance_usdm", "binance"))
    mesh = processes(VenueSimSettings(regime="jump"), MarketDataSettings(venues=venues, record=True), 10_000)
    MeshClock(mesh.data).start()
    mesh.start("bus", "venue_sim", "market_data")
    kinds = (Candle, FundingRate, OpenInterest, Liquidation, Basis, Regime)
    mesh.wait(lambda events: all(of(events, kind) for kind in kinds) and len(of(events, Candle)) > 200)
    mesh.stop()
    events = mesh.events()

    for name in ("binance_usdm", "binance"):
        closed = [c.open_ns for c in of(events, Candle) if c.is_closed and c.symbol == f"{name}:BTCUSDT"]
        assert len(closed) >= 60
        assert closed == list(range(closed[0], closed[-1] + 1, 60 * 10**9))
        assert verify(name, mesh.recording(f"{name}-"), events) == []
