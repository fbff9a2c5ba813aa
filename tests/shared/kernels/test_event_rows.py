"""Events to rows and back, a block at a time, compiled or not."""

import struct
from array import array

import pytest

from shared.columns import CLEAR, INVALID, LAST, LEVEL, MARK, TRADE
from shared.kernels import event_rows
from shared.kernels.event_order import mark_cuts, venue_times
from shared.kernels.event_rows import EventReader
from shared.kernels.event_writer import EventWriter

EXCH, LOCAL, BUY, SELL = 1 << 31, 1 << 30, 1 << 29, 1 << 28
BOTH = EXCH | LOCAL
TICK, LOT = (5, 1), (1, 3)


def columns(count):
    return [array(code, bytes(array(code).itemsize * count)) for code in "qqiqBB"]


def read(*blocks):
    """Return the rows of blocks of events (ev, exch_ts, local_ts, px, qty), and the reader."""
    reader, rows = EventReader(TICK, LOT), []
    for events in blocks:
        block = memoryview(b"".join(struct.pack("<QqqddQqd", *event, 0, 0, 0.0) for event in events))
        made = columns(2 * len(events) + 1)
        used = reader.read(block.cast("q"), block.cast("d"), *made)
        rows += zip(*(column[:used] for column in made), strict=True)
    made = columns(1)
    used = reader.finish(*made)
    return [*rows, *zip(*(column[:used] for column in made), strict=True)], reader


def written(rows, seen=3, shift_ns=0):
    """Return the events of rows, and the writer."""
    writer = EventWriter(TICK, LOT, shift_ns)
    block = memoryview(bytearray(64 * len(rows)))
    given = [array(code, column) for code, column in zip("qqiqBB", zip(*rows, strict=True), strict=True)]
    used = writer.write(*given, array("B", [seen] * len(rows)), block.cast("q"), block.cast("d"))
    return [struct.unpack_from("<QqqddQqd", block, 64 * at) for at in range(used)], writer


SNAPSHOT = [(4 | BOTH | BUY, 9, 10, 100.0, 1.5), (4 | BOTH | SELL, 9, 10, 100.5, 0.25)]


def test_a_message_may_go_on_in_the_next_block():
    whole = [
        *SNAPSHOT,
        (1 | BOTH | SELL, 11, 12, 100.5, 0.0),
        (1 | BOTH | SELL, 11, 12, 101.0, 2.0),
        (2 | BOTH | BUY, 11, 12, 100.5, 0.001),
    ]
    rows, _ = read(whole)

    assert rows == [
        (9, 10, 0, 0, CLEAR, 0),
        (9, 10, 200, 1_500, LEVEL, 0),
        (9, 10, 201, 250, LEVEL | LAST, 1),
        (11, 12, 201, 0, LEVEL, 1),
        (11, 12, 202, 2_000, LEVEL | LAST, 1),
        (11, 12, 201, 1, TRADE | LAST, 0),
    ]
    for cut in range(len(whole) + 1):
        assert read(whole[:cut], whole[cut:])[0] == rows


def test_reading_stops_at_the_first_bad_event_with_its_row_and_reason():
    _, reader = read([*SNAPSHOT, (1 | BOTH | BUY, 11, 12, 100.25, 1.0), (9, 9, 9, 9.0, 9.0)])

    assert (reader.bad_row, reader.bad_code) == (2, event_rows.OFF_TICK)


def test_quantities_off_the_lot_are_rounded_down_and_noise_of_floats_is_none():
    rows, reader = read(
        [*SNAPSHOT, (1 | BOTH | BUY, 11, 12, 100.0, 0.0019), (1 | BOTH | BUY, 11, 13, 100.0, 0.1 + 0.2)]
    )

    assert [row[3] for row in rows[3:]] == [1, 300]
    assert (reader.floored_count, reader.floored_row) == (1, 3)


def test_a_row_becomes_an_event_with_exact_decimals():
    rows = [
        (9, 10, 0, 0, CLEAR, 0),
        (9, 10, 3, 1, LEVEL | LAST, 0),
        (0, 11, 7, 3, TRADE | LAST, 1),
        (12, 13, 0, 0, INVALID | LAST, 0),
        (14, 15, 3, 0, MARK | LAST, 0),
        (14, 15, 7, 3, LEVEL | LAST, 1),
    ]
    events, writer = written(rows, shift_ns=100)

    assert [event[:5] for event in events] == [
        (3 | BOTH, 9, 110, 0.0, 0.0),
        (4 | BOTH | BUY, 9, 110, 1.5, 0.001),
        (2 | BOTH | SELL, 111, 111, 3.5, 0.003),
        (3 | BOTH, 12, 113, 0.0, 0.0),
        (1 | BOTH | SELL, 14, 115, 3.5, 0.003),
    ]
    assert (writer.left_out_count, writer.timeless_count, writer.bad_row) == (1, 1, -1)
    assert written(rows[:1], seen=1)[0][0][0] == 3 | EXCH
    assert written(rows[:1], seen=2)[0][0][0] == 3 | LOCAL


def test_lots_that_a_float_cannot_hold_stop_the_writer():
    events, writer = written([(9, 10, 3, 2**53 - 1, LEVEL, 0), (9, 10, 3, 2**53, LEVEL | LAST, 0)])

    assert len(events) == 1
    assert writer.bad_row == 1


def test_the_order_can_be_cut_where_nothing_before_is_later():
    times = array("q", [5, 3, 4, 6, 8, 7, 9])
    is_cut = array("B", bytes(7))

    mark_cuts(times, 3, 9, array("q", bytes(56)), is_cut)
    assert list(is_cut) == [1, 0, 0, 1, 1, 0, 1]
    mark_cuts(times, 4, 6, array("q", bytes(56)), is_cut)
    assert list(is_cut) == [0, 0, 0, 1, 1, 0, 0]


def test_unknown_venue_times_are_the_shifted_local_ones():
    out = array("q", bytes(24))

    assert venue_times(array("q", [5, 0, 9]), array("q", [6, 7, 8]), 1, out)
    assert list(out) == [5, 8, 9]
    assert not venue_times(array("q", [5, 4, 9]), array("q", [6, 7, 8]), 0, out)


@pytest.mark.parametrize("kind", [0, 6, 10, 13, 255])
def test_other_kinds_of_events_are_refused(kind):
    assert read([(kind | BOTH | BUY, 1, 1, 1.0, 1.0)])[1].bad_code == event_rows.BAD_KIND
