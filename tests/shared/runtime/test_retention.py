"""Old segments go; what money and people did stays, whatever happens in between."""

import os

import apsw
import pytest

from shared.errors import JournalError
from shared.messages import Header, body_of, encode_header
from shared.messages.control import KillRequested
from shared.messages.orders import OrderCanceled
from shared.messages.system import Tick
from shared.runtime import retention
from shared.runtime.journal import JournalReader, Row, row_crc, segments
from shared.runtime.journal_writer import JournalWriter
from shared.runtime.retention import history, ledger_path, prune, snapshot_floor


def stored(seq):
    """Every tenth event is an order's end, the 15th of each 30 a kill, the others are ticks."""
    message = Tick(seq)
    if seq % 10 == 0:
        message = OrderCanceled(f"id-{seq}", "grid", "binance:BTCUSDT", 0)
    elif seq % 30 == 15:
        message = KillRequested("me", str(seq))
    header = encode_header(Header(seq, seq, seq, 5, "x", 5, seq, 0))
    body = body_of(message)
    return Row(seq, header, message.topic, body, row_crc(seq, header, message.topic, body))


KEPT = [seq for seq in range(1, 101) if seq % 10 == 0 or seq % 30 == 15]


@pytest.fixture
def place(tmp_path):
    """A log of five segments of 25 events, and one snapshot each of two services at 101 and 80."""
    journal, snapshots = tmp_path / "journal", tmp_path / "snapshots"
    journal.mkdir()
    writer = JournalWriter(journal)
    for first in range(1, 126, 25):
        writer.append([stored(seq) for seq in range(first, first + 25)])
        writer.roll()
    writer.append([stored(126)])
    for name, seq in (("risk", 101), ("broker", 80)):
        (snapshots / name).mkdir(parents=True)
        (snapshots / name / f"{5:012d}-{seq:020d}.snap").touch()
    yield journal, snapshots
    writer.close()


def log_and_ledger(journal):
    return [event.header.seq for event in history(journal)]


@pytest.mark.req("JR-18", "JR-19", "BR-5")
def test_segments_go_only_up_to_the_oldest_snapshot_and_orders_stay(place):
    journal, snapshots = place

    pruned = prune(journal, snapshots, keep_bytes=0, keep_seconds=10**9)

    assert snapshot_floor(snapshots) == 80
    assert len(pruned) == 3
    assert JournalReader(journal).first_seq() == 76
    assert log_and_ledger(journal) == [seq for seq in KEPT if seq <= 75] + list(range(76, 127))


def test_what_is_neither_too_old_nor_too_much_stays(place):
    journal, snapshots = place

    assert prune(journal, snapshots, keep_bytes=10**9, keep_seconds=10**9) == []
    assert not ledger_path(journal).exists()


def test_a_segment_goes_by_age(place):
    journal, snapshots = place
    os.utime(segments(journal)[0], (0, 0))

    pruned = prune(journal, snapshots, keep_bytes=10**9, keep_seconds=3600)

    assert [path.name for path in pruned] == ["segment-00000000000000000001.sqlite"]


def test_a_service_without_a_snapshot_keeps_the_whole_log(place):
    journal, snapshots = place
    (snapshots / "gateway").mkdir()

    assert prune(journal, snapshots, keep_bytes=0, keep_seconds=0) == []


@pytest.mark.req("JR-18")
def test_killed_between_copy_and_removal_the_next_call_does_the_rest(place):
    journal, snapshots = place
    retention._copy(journal, 1, 25)

    prune(journal, snapshots, keep_bytes=0, keep_seconds=10**9)

    assert log_and_ledger(journal) == [seq for seq in KEPT if seq <= 75] + list(range(76, 127))


def test_a_copy_that_fails_removes_nothing(place):
    journal, snapshots = place
    before = segments(journal)
    ledger_path(journal).mkdir()

    with pytest.raises(apsw.CantOpenError):
        prune(journal, snapshots, keep_bytes=0, keep_seconds=0)

    assert segments(journal) == before


def test_a_reader_of_a_pruned_range_is_told(place):
    journal, snapshots = place
    prune(journal, snapshots, keep_bytes=0, keep_seconds=0)

    with pytest.raises(JournalError, match="seq 1 is missing, the next one kept is 76"):
        list(JournalReader(journal).events())


def test_a_damaged_row_of_the_ledger_is_named(place):
    journal, snapshots = place
    prune(journal, snapshots, keep_bytes=0, keep_seconds=0)
    db = apsw.Connection(str(ledger_path(journal)))
    db.execute("update events set body = x'00' where seq = 10")
    db.close()

    with pytest.raises(JournalError, match="seq 10 is damaged"):
        list(history(journal))
