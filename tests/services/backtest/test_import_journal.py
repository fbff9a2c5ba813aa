"""What the feed said on a log becomes rows at the times of receipt; what is missing is listed."""

import json
import struct

import pytest
from click.testing import CliRunner

from services.backtest.import_journal import JournalImport
from services.backtest.importing import import_files
from services.cli.main import main
from services.fused.drive import VirtualRun
from services.fused.mesh import FusedMesh
from services.market_data.core import MarketData
from services.market_data.settings import FeedVenue, MarketDataSettings
from services.venue_sim.build import make_venue
from services.venue_sim.settings import VenueSimSettings
from shared.columns import CLEAR, FUNDING, INVALID, KIND_MASK, LAST, LEVEL, MARK, TRADE, Columns, ColumnsError
from shared.kernels.book import Book
from shared.messages import Header, body_of, encode_header
from shared.messages.market import BookInvalid, BookSnapshot, BookUpdate, FundingRate, InstrumentRules, Trade
from shared.messages.system import EpochStarted, Tick
from shared.runtime.journal import Row, row_crc
from shared.runtime.journal_writer import JournalWriter
from shared.units import Side

SYMBOL = "binance_usdm:BTCUSDT"
S = 10**9
T0 = 1_700_000_000 * S


def rules(symbol=SYMBOL, tick="0.1"):
    return InstrumentRules(symbol, "BTC", "USDT", tick, "0.001", 8, 10_000, 1, 10**6, 0, 1, 0, 200, 500, True)


def block(*pairs):
    return b"".join(struct.pack("<qq", *pair) for pair in pairs)


def snapshot(at_s, update_n=1, reason="start", symbol=SYMBOL):
    at = T0 + at_s * S
    return BookSnapshot(symbol, update_n, 5, 1, block((100, 7), (102, 3)), reason, at - 1, at)


def update(at_s, update_n, *pairs, symbol=SYMBOL):
    at = T0 + at_s * S
    return BookUpdate(symbol, update_n, 5, 5, len(pairs), block(*pairs), at - 1, at)


def trade(at_s, trade_id, symbol=SYMBOL):
    return Trade(symbol, trade_id, 101, 2, Side.SELL, T0 + at_s * S - 1, T0 + at_s * S)


def funding(at_s, rate_e8, next_s, mark_centiticks):
    at = T0 + at_s * S
    return FundingRate(SYMBOL, rate_e8, T0 + next_s * S, mark_centiticks, mark_centiticks, at, at)


def write_log(folder, *said):
    """Store messages, each with the second at which it was received; return the data directory."""
    journal = folder / "journal"
    journal.mkdir(parents=True)
    writer = JournalWriter(journal)
    writer.open_epoch(1)
    rows = []
    for seq, (at_s, message) in enumerate(said, 1):
        at = T0 + at_s * S
        header = encode_header(Header(seq, at, at, 1, "market_data.io", 1, seq, 0))
        body, topic = body_of(message), message.topic
        rows.append(Row(seq, header, topic, body, row_crc(seq, header, topic, body)))
    writer.append(rows)
    writer.close()
    return folder


def events(path):
    with Columns.open(path, verify=True) as columns:
        views = (columns.ts_local_ns, columns.price_ticks, columns.lots, columns.kind, columns.side)
        rows = list(zip(*(view.tolist() for view in views), strict=True))
    return [
        ((at - T0) // S, price, lots, kind & KIND_MASK, side, bool(kind & LAST))
        for at, price, lots, kind, side in rows
    ]


@pytest.mark.req("BT-1", "BT-8")
def test_books_updates_trades_and_gaps_of_a_log_become_rows(tmp_path):
    data = write_log(
        tmp_path / "data",
        (0, EpochStarted(1, "b")),
        (0, rules()),
        (1, snapshot(1)),
        (2, update(2, 2, (100, 0), (99, 4))),
        (2, Tick(1)),
        (3, trade(3, 50)),
        (4, BookInvalid(SYMBOL, "gap", "expected 6, got 9")),
        (4, BookInvalid(SYMBOL, "gap", "still closed")),
        (6, snapshot(6, 5, "gap")),
        (7, trade(7, 51)),
    )

    with pytest.raises(ColumnsError, match=r"gaps .1.: .*gap: expected 6, got 9"):
        import_files([data], tmp_path / "out")
    assert not list(tmp_path.glob("out/*"))
    (made,) = import_files([data], tmp_path / "out", {"gaps"})

    assert events(made.path) == [
        (1, 0, 0, CLEAR, 0, False),
        (1, 100, 7, LEVEL, 0, False),
        (1, 102, 3, LEVEL, 1, True),
        (2, 100, 0, LEVEL, 0, False),
        (2, 99, 4, LEVEL, 0, True),
        (3, 101, 2, TRADE, 1, True),
        (4, 0, 0, INVALID, 0, True),
        (6, 0, 0, CLEAR, 0, False),
        (6, 100, 7, LEVEL, 0, False),
        (6, 102, 3, LEVEL, 1, True),
        (7, 101, 2, TRADE, 1, True),
    ]
    assert [((gap.from_ns - T0) // S, (gap.to_ns - T0) // S) for gap in made.header.gaps] == [(4, 6)]
    assert made.header.rules == rules()
    assert made.path.name == "binance_usdm-BTCUSDT-20231114T221320.columns"


@pytest.mark.req("BT-8")
@pytest.mark.parametrize(
    ("said", "kind", "why"),
    [
        ([(2, update(2, 4))], "gaps", "book updates 2..3 are not on the log"),
        ([(2, trade(2, 5)), (3, trade(3, 8))], "gaps", "2 trades before 8"),
        ([(2, trade(2, 5)), (3, trade(3, 5))], "duplicates", "trade 5"),
        ([(9, snapshot(9, 1, "start"))], "gaps", "market data stopped"),
        ([(0, trade(0, 5))], "unordered", "seq 3"),
    ],
)
def test_what_is_missing_or_twice_on_a_log_is_refused_by_its_name(tmp_path, said, kind, why):
    data = write_log(tmp_path / "data", (0, rules()), (1, snapshot(1)), *said)

    with pytest.raises(ColumnsError, match=f"{kind} .1.: .*{why}"):
        import_files([data], tmp_path / "out")

    (made,) = import_files([data], tmp_path / "out", {kind})
    assert made.coverage.findings.keys() == {kind}


def test_a_log_without_a_book_has_no_book(tmp_path):
    data = write_log(tmp_path / "data", (0, rules()), (2, trade(2, 5)))

    with pytest.raises(ColumnsError, match="no-book"):
        import_files([data], tmp_path / "out")


def test_marks_and_funding_are_rows_when_their_time_has_come(tmp_path):
    data = write_log(
        tmp_path / "data",
        (0, rules()),
        (1, snapshot(1)),
        (2, funding(2, 1000, 5, 10_140)),
        (3, funding(3, -2000, 5, 10_190)),
        (6, funding(6, 3000, 9, 10_310)),
    )

    (made,) = import_files([data], tmp_path / "out")

    assert events(made.path)[3:] == [
        (2, 101, 0, MARK, 0, True),
        (6, 101, -2000, FUNDING, 0, True),
        (6, 103, 0, MARK, 0, True),
    ]


def test_other_steps_begin_another_file_and_other_markets_are_apart(tmp_path):
    other = "binance:ETHUSDT"
    data = write_log(
        tmp_path / "data",
        (0, rules()),
        (0, rules(other)),
        (1, snapshot(1)),
        (1, snapshot(1, symbol=other)),
        (5, rules(tick="1")),
        (6, snapshot(6)),
    )

    made = import_files([data], tmp_path / "out")
    (only,) = import_files([data / "journal"], tmp_path / "only", symbols=("binance:ETHUSDT",))

    assert [(one.header.symbol, one.header.rules.tick_size) for one in made] == [
        (SYMBOL, "0.1"),
        (other, "0.1"),
        (SYMBOL, "1"),
    ]
    assert only.header.sha256 == made[1].header.sha256


def test_a_damaged_log_and_a_folder_without_one_are_refused(tmp_path):
    data = write_log(tmp_path / "data", (0, rules()), (1, snapshot(1)))
    (segment,) = (data / "journal").glob("segment-*.sqlite")
    content = bytearray(segment.read_bytes())
    content[:16] = b"\0" * 16
    segment.write_bytes(content)

    with pytest.raises(ColumnsError, match="damaged"):
        import_files([data], tmp_path / "out")
    with pytest.raises(ColumnsError, match="holds no log"):
        JournalImport([tmp_path], tmp_path / "out").read()
    with pytest.raises(ColumnsError, match="no market data of XRPUSDT"):
        import_files([write_log(tmp_path / "new", (0, rules()))], tmp_path / "out", symbols=("XRPUSDT",))


@pytest.mark.req("JR-10")
def test_the_sessions_of_a_log_are_listed_and_filtered_by_the_command(tmp_path):
    data = write_log(tmp_path / "data", (0, EpochStarted(1, "b")), (0, rules()), (3, trade(3, 5)))
    (data / "run").mkdir()

    def run(*arguments):
        return CliRunner().invoke(main, ["sessions", "--data", str(data), *arguments])

    whole = json.loads(run("--json").stdout)
    assert whole["summary"]["types"] == {"epoch_started": 1, "instrument": 1, "trade": 1}
    assert whole["sessions"][0]["last_seq"] == 3
    filtered = run(
        "--type", "trade", "--symbol", "usdm:btc/usdt", "--from", "2023-11-14T22:13:21", "--to", "2024-01-01"
    )
    assert "1 sessions, 3 s, 1 events, 0 orders, 0 fills" in filtered.stdout
    assert "0 sessions" in run("--to", "2023-01-01").stdout
    assert "no such type" in run("--type", "trades").stderr
    assert "is no time" in run("--from", "yesterday").stderr
    assert "write binance:BTCUSDT" in run("--symbol", "BTC").stderr


@pytest.mark.req("BT-1", "BT-8")
def test_a_log_of_the_live_feed_and_the_capture_it_was_fed_with_give_the_same_books(captures, tmp_path):
    # Given the feed of the live mesh on two minutes of a capture
    path = captures / "binance_hft" / "spot_btcusdt_20240808.raw.gz"
    said = []
    mesh = FusedMesh([], {}, build="test", epoch=1, store=lambda stored: said.append(stored.event))
    venue = FeedVenue(name="binance", symbols=("BTCUSDT",), maker_fee_ppm=1000, taker_fee_ppm=1000)
    feed = MarketData(MarketDataSettings(venues=(venue,)))
    run = VirtualRun(mesh, make_venue(VenueSimSettings(mode="capture", files=(str(path),))), feed)
    run.start()
    run.run(run.now_ns + 120 * S)

    # When its log and the capture are imported
    (logged,) = import_files([write_events(tmp_path / "data", said)], tmp_path / "log")
    (recorded,) = import_files([path], tmp_path / "raw")

    # Then every touch after a diff, and every trade, of the log is one of the capture
    assert logged.header.rules == recorded.header.rules
    touches, trades = told(logged.path)
    expected_touches, expected_trades = told(recorded.path)
    assert len(touches) > 1000
    assert len(trades) > 1000
    # The simulated venue gives the book of the capture to who asks before its line has come.
    early = {exch for exch in touches if exch < min(expected_touches)}
    assert len(early) < 10
    assert {at: touch for at, touch in touches.items() if at not in early}.items() <= expected_touches.items()
    first = expected_trades.index(trades[0])
    assert trades == expected_trades[first : first + len(trades)]


def write_events(folder, said):
    """Store events as they were said; return the data directory."""
    (folder / "journal").mkdir(parents=True)
    writer = JournalWriter(folder / "journal")
    writer.open_epoch(1)
    rows = []
    for header, message in said:
        packed, body, topic = encode_header(header), body_of(message), message.topic
        rows.append(Row(header.seq, packed, topic, body, row_crc(header.seq, packed, topic, body)))
    writer.append(rows)
    writer.close()
    return folder


def told(path):
    """Return the touch by the venue's time after each diff, and the trades in their order."""
    touches, trades, levels, book, n = {}, [], [], Book(), 0
    with Columns.open(path) as columns:
        views = (columns.ts_exch_ns, columns.price_ticks, columns.lots, columns.kind, columns.side)
        for exch, price, lots, kind, side in zip(*(view.tolist() for view in views), strict=True):
            if kind & KIND_MASK == CLEAR:
                book.snapshot(b"", 0, 0)
                n = 0
            elif kind & KIND_MASK == TRADE:
                trades.append((exch, price, lots, side))
            elif kind & KIND_MASK == LEVEL:
                levels.append((price, lots, side))
            if kind & LAST and levels:
                n += 1
                sides = [block(*((p, q) for p, q, s in levels if s == wanted)) for wanted in (0, 1)]
                book.update(sides[0] + sides[1], len(sides[0]) // 16, n)
                if n > 1:
                    touches[exch] = (book.bid_ticks, book.bid_lots, book.ask_ticks, book.ask_lots)
                levels = []
    return touches, trades
