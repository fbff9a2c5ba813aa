"""The replay player: any pace, pause, batches, seek."""

import pytest

from services.replay.player import MAX, SPEED_MAX, SPEED_MIN, Player
from shared.errors import JournalError
from shared.messages import Event, Header
from shared.messages.system import Tick

S = 10**9


class Log:
    """Ten events, a second apart; seq 5 is the first that is kept."""

    kept = tuple(
        Event(Header(seq, 100 * S + seq * S, 0, 1, "bus", 0, seq, 0), Tick(seq)) for seq in range(5, 15)
    )

    def first_seq(self):
        return 5

    def head_seq(self):
        return 14

    def header_at(self, seq):
        return next((e.header for e in self.kept if e.header.seq == seq), None)

    def events(self, after_seq=0, until_seq=None):
        return (e for e in self.kept if after_seq < e.header.seq <= until_seq)


def taken(player):
    seqs = []
    while player.wait_s(0.0) is not None:
        seqs.append(player.take().header.seq)
    return seqs


@pytest.mark.req("JR-9")
def test_at_full_speed_nothing_is_waited_for():
    player = Player(Log(), MAX)

    assert player.wait_s(0.0) == 0.0
    assert taken(player) == list(range(5, 15))
    assert player.is_over


@pytest.mark.req("JR-9")
def test_at_a_multiple_the_recorded_distances_are_divided():
    player = Player(Log(), 4.0)

    assert player.wait_s(1000.0) == 0.0
    player.take()
    assert player.wait_s(1000.0) == 0.25
    assert player.wait_s(1000.1) == pytest.approx(0.15)
    # Who was late catches up: the second event was due at 1000.25, the third is at 1000.5.
    player.take()
    assert player.wait_s(1000.4) == pytest.approx(0.1)


@pytest.mark.req("JR-9")
def test_a_pause_is_no_time_that_passed():
    player = Player(Log(), 1.0)
    player.wait_s(0.0)
    player.take()

    player.pause()
    assert player.wait_s(50.0) is None
    player.resume()

    # The next event begins the pace anew.
    assert player.wait_s(100.0) == 0.0
    player.take()
    assert player.wait_s(100.0) == 1.0


@pytest.mark.req("JR-9")
def test_a_batch_ends_with_a_pause():
    player = Player(Log(), MAX, batch=3)

    assert taken(player) == [5, 6, 7]
    assert player.is_paused
    player.resume()
    assert taken(player) == [8, 9, 10]


@pytest.mark.req("JR-9")
def test_any_event_and_any_time_can_be_gone_to():
    player = Player(Log(), MAX)

    player.seek_seq(12)
    assert player.take().header.seq == 12
    player.seek_time(107 * S)
    assert player.take().header.seq == 7
    player.seek_time(107 * S + 1)
    assert player.take().header.seq == 8
    player.seek_time(0)
    assert player.take().header.seq == 5


def test_a_place_outside_the_log_is_refused_and_the_player_stays():
    player = Player(Log(), MAX)
    player.take()

    with pytest.raises(JournalError, match="holds 5 to 14"):
        player.seek_seq(4)
    with pytest.raises(JournalError, match="after the last event"):
        player.seek_time(115 * S)

    assert player.take().header.seq == 6


def test_a_speed_stays_within_its_limits():
    player = Player(Log(), 1.0)

    player.change_speed(1e9)
    assert player.speed == SPEED_MAX
    player.change_speed(1e-9)
    assert player.speed == SPEED_MIN
    player.change_speed(MAX)
    assert player.speed == MAX
