"""Damage of a stored log is found: each flipped byte of a row, each lost or malformed file, a lost end."""

import random
import shutil

import apsw
import pytest

from shared.errors import JournalError
from shared.messages import Header, body_of, encode_header
from shared.messages.system import Tick
from shared.runtime.durable_mark import MARK_NAME, DurableMark, marked_seq
from shared.runtime.journal import JournalReader, Row, first_seq_of, row_crc, segment_path, segments
from shared.runtime.journal_check import QUARANTINE, DamagedLogError, first_bad_seq, refuse_damaged
from shared.runtime.journal_writer import JournalWriter, SourceRow

COLUMNS = ("header", "topic", "body", "crc")
ROWS_PER_SEGMENT = 60


def row(seq):
    header = encode_header(Header(seq, seq * 10**8, seq * 10**8, 5, "bus", 5, seq, 0))
    body = body_of(Tick(seq))
    return Row(seq, header, b".tick", body, row_crc(seq, header, b".tick", body))


@pytest.fixture
def log(tmp_path):
    """A log of three closed segments with 60 rows each, and the mark of a bus that synced all."""
    folder = tmp_path / "journal"
    folder.mkdir()
    writer = JournalWriter(folder)
    for index in range(3):
        if index:
            writer.roll()
        first = index * ROWS_PER_SEGMENT + 1
        writer.append([row(seq) for seq in range(first, first + ROWS_PER_SEGMENT)])
    mark = DurableMark(folder)
    mark.write(writer.head_seq)
    mark.close()
    writer.close()
    return folder


def flipped(value, draw):
    """Return a value that differs in one bit."""
    if isinstance(value, int):
        return value ^ (1 << draw.randrange(32))
    where = draw.randrange(len(value))
    return value[:where] + bytes([value[where] ^ (1 << draw.randrange(8))]) + value[where + 1 :]


@pytest.mark.req("JR-17", "JR-2")
def test_each_flipped_bit_of_a_row_is_found_and_its_seq_named(log):
    draw = random.Random(20240808)
    original = list(JournalReader(log).rows())

    for _ in range(300):
        victim = draw.choice(original)
        column = draw.choice(COLUMNS)
        segment = next(path for path in reversed(segments(log)) if first_seq_of(path) <= victim.seq)
        db = apsw.Connection(str(segment))
        change = f"update events set {column} = ? where seq = ?"
        db.execute(change, (flipped(getattr(victim, column), draw), victim.seq))

        with pytest.raises(JournalError, match=f"seq {victim.seq} is damaged"):
            list(JournalReader(log).rows())
        assert first_bad_seq(segment) == victim.seq

        db.execute(change, (getattr(victim, column), victim.seq))
        db.close()
    assert list(JournalReader(log).rows()) == original


def read_all(folder):
    """Return all events of a log that was checked as the bus does, the words of the refusal else."""
    try:
        refuse_damaged(folder)
        return list(JournalReader(folder).events())
    except JournalError as error:
        return str(error)


@pytest.mark.req("JR-17")
def test_a_flipped_byte_anywhere_in_the_files_changes_nothing_or_is_refused(log, tmp_path):
    draw = random.Random(7)
    original = list(JournalReader(log).events())
    refused = 0

    for number in range(200):
        copy = tmp_path / f"copy-{number}"
        shutil.copytree(log, copy)
        victim = draw.choice(segments(copy))
        content = bytearray(victim.read_bytes())
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        victim.write_bytes(content)

        found = read_all(copy)

        assert found == original or isinstance(found, str), f"flip {number} was not seen"
        refused += isinstance(found, str)
        shutil.rmtree(copy)
    assert refused > 20


@pytest.mark.req("JR-17")
@pytest.mark.parametrize("damage", ["garbage", "empty", "half"])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_malformed_file_is_quarantined_and_every_start_refused_until_it_is_put_back(
    log, tmp_path, which, damage
):
    victim = segments(log)[which]
    good = tmp_path / "good"
    shutil.copy(victim, good)
    whole = victim.read_bytes()
    victim.write_bytes(
        {"garbage": b"\xde\xad" * (len(whole) // 2), "empty": b"", "half": whole[: len(whole) // 2]}[damage]
    )
    first = first_seq_of(victim)

    for _ in range(2):
        with pytest.raises(
            DamagedLogError, match=f"{victim.name} is damaged.*first bad seq is {first}"
        ) as told:
            JournalWriter(log)
    assert "quotemesh restore" in str(told.value)
    assert not victim.exists()
    assert (log / QUARANTINE / victim.name).exists()

    shutil.copy(good, victim)
    shutil.rmtree(log / QUARANTINE)
    writer = JournalWriter(log)
    assert writer.head_seq == 3 * ROWS_PER_SEGMENT
    writer.close()


def test_a_damaged_row_near_the_end_is_named_before_the_bus_writes_on(log):
    segment = segments(log)[-1]
    db = apsw.Connection(str(segment))
    db.execute("update events set body = x'00' where seq = 150")
    db.close()

    with pytest.raises(DamagedLogError, match="first bad seq is 150"):
        JournalWriter(log)


def test_a_table_of_sources_that_differs_from_the_rows_is_named(tmp_path):
    writer = JournalWriter(tmp_path)
    writer.append([row(1), row(2)], [SourceRow("bus", "bus", 5, 2)])
    path = writer.segment
    writer.close()
    refuse_damaged(tmp_path)
    db = apsw.Connection(str(path))
    db.execute("update sources set last_n = 66")
    db.close()

    with pytest.raises(DamagedLogError, match=r"says \(5, 66\) of bus, its rows say \(5, 2\)"):
        JournalWriter(tmp_path)


@pytest.mark.req("JR-17", "I-16")
def test_a_missing_segment_is_named(log):
    segments(log)[1].unlink()

    with pytest.raises(DamagedLogError, match="seq 61 to 120 is missing"):
        JournalWriter(log)


def test_a_first_segment_that_nobody_pruned_is_named(log):
    segments(log)[0].unlink()

    with pytest.raises(DamagedLogError, match="seq 1 to 60 is missing, and no segment was pruned"):
        JournalWriter(log)


def test_a_lost_end_is_named(log):
    segments(log)[2].unlink()

    with pytest.raises(DamagedLogError, match="ends at seq 120, but seq 121 to 180 was on disk"):
        JournalWriter(log)


@pytest.mark.req("I-14")
def test_a_flipped_byte_in_the_write_ahead_file_of_a_killed_bus_is_seen(tmp_path):
    # SQLite drops all that follows the first bad frame without a word: the mark knows better.
    folder, killed = tmp_path / "journal", tmp_path / "killed"
    folder.mkdir()
    writer = JournalWriter(folder)
    mark = DurableMark(folder)
    for seq in range(1, 40):
        writer.append([row(seq)])
        mark.write(seq)
    shutil.copytree(folder, killed)
    mark.close()
    writer.close()
    wal = segment_path(killed, 1).with_name(segment_path(killed, 1).name + "-wal")
    content = bytearray(wal.read_bytes())
    content[len(content) // 2] ^= 1
    wal.write_bytes(content)
    segment_path(killed, 1).with_name(segment_path(killed, 1).name + "-shm").unlink(missing_ok=True)

    with pytest.raises(DamagedLogError, match="was on disk before"):
        JournalWriter(killed)


def test_a_power_cut_that_loses_what_was_never_durable_is_no_damage(log):
    mark = DurableMark(log)
    mark.write(100)
    mark.close()

    refuse_damaged(log)

    assert marked_seq(log) == 100


@pytest.mark.parametrize("content", [b"\0" * 12, b"short", b"x" * 40])
def test_a_damaged_mark_is_named(log, content):
    (log / MARK_NAME).write_bytes(content)

    with pytest.raises(DamagedLogError, match="durable is damaged"):
        JournalWriter(log)
