"""Commands that show the log see the ledger of what was pruned, then the log."""

import pytest

from services.cli.exits import CommandError
from services.cli.log_reading import stored_events
from shared.messages import Header, body_of, encode_header
from shared.messages.orders import OrderCanceled
from shared.messages.system import Tick
from shared.runtime.journal import Row, row_crc
from shared.runtime.journal_writer import JournalWriter
from shared.runtime.paths import DataDir
from shared.runtime.retention import prune


def a_row(seq):
    message = OrderCanceled(f"id-{seq}", "grid", "binance:BTCUSDT", 0) if seq % 5 == 0 else Tick(seq)
    header = encode_header(Header(seq, seq, seq, 5, "x", 5, seq, 0))
    body = body_of(message)
    return Row(seq, header, message.topic, body, row_crc(seq, header, message.topic, body))


@pytest.fixture
def data(tmp_path):
    """A log of two segments, the first of them pruned: seqs 1 to 10 and 11 to 20."""
    place = DataDir(tmp_path)
    place.prepare()
    writer = JournalWriter(place.journal)
    for first in (1, 11):
        writer.append([a_row(seq) for seq in range(first, first + 10)])
        writer.roll()
    (place.snapshots / "risk").mkdir(parents=True)
    (place.snapshots / "risk" / f"{5:012d}-{15:020d}.snap").touch()
    assert prune(place.journal, place.snapshots, keep_bytes=0, keep_seconds=10**9)
    yield place
    writer.close()


@pytest.mark.req("JR-17", "JR-18")
def test_pruned_orders_come_before_the_log(data):
    with stored_events(data) as events:
        seqs = [event.header.seq for event in events]

    assert seqs == [5, 10, *range(11, 21)]


@pytest.mark.parametrize(("until_seq", "expected"), [(5, [5]), (12, [5, 10, 11, 12]), (99, 12)])
def test_reading_stops_at_the_seq_asked_for(data, until_seq, expected):
    with stored_events(data, until_seq) as events:
        seqs = [event.header.seq for event in events]

    assert seqs == expected or len(seqs) == expected


def test_a_place_without_a_log_is_one_clear_message(tmp_path):
    with pytest.raises(CommandError, match="there is no log"), stored_events(DataDir(tmp_path)):
        pass
