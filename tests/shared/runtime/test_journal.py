"""Writing and reading the stored log: order, checks, segments, damage."""

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import JournalError
from shared.messages import Header, body_of, encode_header
from shared.messages.system import Tick
from shared.runtime.journal import JournalReader, Row, row_crc, segments
from shared.runtime.journal_writer import JournalWriter, SourceRow


def row(seq, number=0):
    header = encode_header(Header(seq, seq * 10, seq * 10, 5, "bus", 5, seq, 0))
    topic, body = b".tick", body_of(Tick(number or seq))
    return Row(seq, header, topic, body, row_crc(seq, header, topic, body))


def rows(first, last):
    return [row(seq) for seq in range(first, last + 1)]


@pytest.fixture
def folder(tmp_path):
    return tmp_path


@pytest.fixture
def writer(folder):
    made = JournalWriter(folder)
    yield made
    made.close()


@pytest.mark.req("JR-1", "JR-3")
def test_a_reader_beside_the_writer_sees_each_commit(folder, writer):
    reader = JournalReader(folder)
    assert (reader.head_seq(), list(reader.events())) == (0, [])

    writer.append(rows(1, 3))
    writer.append(rows(4, 4))

    assert reader.head_seq() == 4
    assert [event.message.number for event in reader.events(1, 3)] == [2, 3]
    assert reader.header_at(4).ts_ns == 40
    assert reader.header_at(5) is None


def test_a_writer_goes_on_where_the_log_ended_and_knows_the_sources(folder):
    first = JournalWriter(folder)
    first.open_epoch(9)
    first.append(rows(1, 7), [SourceRow("risk", "risk", 2, 7)], [("risk", 2)])
    first.close()

    again = JournalWriter(folder)

    assert (again.epoch, again.head_seq, again.last_ts_ns) == (9, 7, 70)
    assert again.sources == {"risk": SourceRow("risk", "risk", 2, 7)}
    assert again.services == {"risk": 2}
    again.close()


@pytest.mark.req("I-29")
def test_two_writers_cannot_have_one_log(folder, writer):
    with pytest.raises(JournalError, match="in use by another bus"):
        JournalWriter(folder)


def test_a_hole_is_never_written(writer):
    writer.append(rows(1, 2))

    with pytest.raises(AssertionError, match="4 after 2"):
        writer.append(rows(4, 5))


def test_a_batch_that_fails_leaves_nothing_behind(folder, writer):
    writer.append(rows(1, 2))

    with pytest.raises(apsw.ConstraintError):
        writer.append([row(3), row(3)], [SourceRow("risk", "risk", 1, 1)])

    assert JournalReader(folder).head_seq() == 2
    assert writer.sources == {}
    writer.append([row(3)])
    assert JournalReader(folder).head_seq() == 3


@pytest.mark.req("JR-2")
@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.integers(0, 250), st.integers(0, 250))
@settings(max_examples=20, deadline=None)
def test_whatever_the_segments_a_range_is_read_whole(tmp_path_factory, sizes, after_seq, until_seq):
    folder = tmp_path_factory.mktemp("journal")
    writer = JournalWriter(folder)
    head = 0
    for size in sizes:
        writer.append(rows(head + 1, head + size))
        head += size
        writer.roll()
    writer.append(rows(head + 1, head + 1))
    head += 1

    found = [event.header.seq for event in JournalReader(folder).events(after_seq, until_seq)]

    writer.close()
    assert found == list(range(after_seq + 1, min(until_seq, head) + 1))
    assert len(segments(folder)) == len(sizes) + 1


def test_sources_and_epoch_go_along_into_a_new_segment(folder):
    writer = JournalWriter(folder)
    writer.open_epoch(9)
    writer.append(rows(1, 2), [SourceRow("risk", "risk", 2, 7)], [("risk", 2)])
    writer.roll()
    writer.close()

    again = JournalWriter(folder)

    assert (again.epoch, again.head_seq, again.services) == (9, 2, {"risk": 2})
    assert again.last_ts_ns == 20
    again.append(rows(3, 3))
    assert JournalReader(folder).head_seq() == 3
    again.close()


def test_a_segment_whose_making_was_interrupted_is_forgotten(folder):
    writer = JournalWriter(folder)
    writer.append(rows(1, 2))
    writer.close()
    apsw.Connection(str(folder / "segment-00000000000000000003.sqlite")).close()
    (folder / "segment-00000000000000000003.sqlite").touch()

    assert JournalReader(folder).head_seq() == 2
    again = JournalWriter(folder)

    assert again.head_seq == 2
    again.append(rows(3, 3))
    assert [event.header.seq for event in JournalReader(folder).events()] == [1, 2, 3]
    again.close()


def damage(folder, sql):
    db = apsw.Connection(str(segments(folder)[0]))
    db.execute(sql)
    db.close()


@pytest.mark.req("JR-11", "I-19")
@pytest.mark.parametrize(
    "change",
    [
        "update events set body = x'92a47469636b07' where seq = 2",
        "update events set topic = '.tock' where seq = 2",
        "update events set header = zeroblob(9) where seq = 2",
        "update events set crc = crc + 1 where seq = 2",
    ],
)
def test_a_damaged_row_is_named(folder, writer, change):
    writer.append(rows(1, 3))
    damage(folder, change)

    with pytest.raises(JournalError, match="seq 2 is damaged"):
        list(JournalReader(folder).events())


@pytest.mark.req("JR-11")
def test_a_hole_is_named(folder, writer):
    writer.append(rows(1, 3))
    damage(folder, "delete from events where seq = 2")

    with pytest.raises(JournalError, match="seq 2 is missing, the next one kept is 3"):
        list(JournalReader(folder).events())


def test_a_swapped_pair_is_damaged(folder, writer):
    writer.append(rows(1, 3))
    damage(folder, "update events set seq = 9 where seq = 2")
    damage(folder, "update events set seq = 2 where seq = 3")

    with pytest.raises(JournalError, match="seq 2 is damaged"):
        list(JournalReader(folder).events())


def test_a_file_that_is_no_database_is_named(folder):
    writer = JournalWriter(folder)
    writer.append(rows(1, 300))
    path = writer.segment
    writer.close()
    path.write_bytes(b"not a database" * 1000)

    with pytest.raises(JournalError, match="is damaged"):
        list(JournalReader(folder).events())
    with pytest.raises(JournalError, match="is damaged"):
        JournalWriter(folder)


def test_topics_are_chosen_by_prefix(folder, writer):
    writer.append(rows(1, 3))

    assert list(JournalReader(folder).rows(prefixes=(b".book",))) == []
    assert len(list(JournalReader(folder).rows(prefixes=(b".book", b".ti")))) == 3
