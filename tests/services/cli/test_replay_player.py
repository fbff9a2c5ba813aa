"""The keys and lines of the replay player."""

import pytest
from click.testing import CliRunner

from services.cli.main import main
from services.cli.replay_player import go_to, press
from services.fused.mesh import FusedMesh
from services.fused.store import BatchedStore
from services.replay.player import MAX, Player
from shared.errors import JournalError
from shared.runtime.journal import JournalReader
from shared.runtime.journal_writer import JournalWriter
from shared.runtime.paths import DataDir

START_NS = 1_700_000_000 * 10**9


@pytest.fixture
def data(tmp_path):
    """A data directory with a log of two events at the start and 20 ticks."""
    data = DataDir(tmp_path / "data")
    data.prepare()
    writer = JournalWriter(data.journal)
    writer.open_epoch(1)
    with BatchedStore(writer) as store:
        mesh = FusedMesh([], {}, build="test", epoch=1, store=store.put)
        mesh.start(START_NS, others=("market_data",))
        for tick in range(1, 21):
            mesh.tick(START_NS + tick * 100_000_000)
    return data


def replay(data, *words):
    return CliRunner().invoke(main, ["replay", "--data", str(data.root), *words])


@pytest.mark.req("JR-9")
def test_a_log_is_played_from_and_to_a_place(data):
    done = replay(data, "--from", "5", "--until", "7")

    assert done.exit_code == 0, done.output
    assert [line.split()[0] for line in done.output.splitlines()] == ["5", "6", "7"]
    assert "number=3" in done.output


@pytest.mark.req("JR-9")
def test_topics_choose_what_is_shown(data):
    done = replay(data, "--topic", ".service")

    assert len(done.output.splitlines()) == 1
    assert "service_started" in done.output


def test_what_is_no_speed_or_place_is_said(data):
    assert "neither max, real nor a number" in replay(data, "--speed", "fast").output
    assert "is no place in a log" in replay(data, "--from", "yesterday").output
    assert "holds 1 to 22" in replay(data, "--from", "23").output
    assert "use it at a terminal" in replay(data, "--batch", "5").output


@pytest.mark.req("JR-9")
def test_keys_pause_step_seek_and_end(data, capsys):
    player = Player(JournalReader(data.journal), MAX)

    assert not press(" ", player, str)
    assert player.is_paused
    assert not press("n", player, str)
    assert (player.seq, player.is_paused) == (1, True)
    press("g", player, lambda: "2023-11-14T22:13:21")
    assert player.take().message.number == 10
    press("+", player, str)
    press("+", player, str)
    assert player.speed == 4
    press("m", player, str)
    assert player.speed == MAX
    press("g", player, lambda: "99")
    assert "is not in the log" in capsys.readouterr().err
    assert press("q", player, str)


def test_a_long_number_is_a_time(data):
    player = Player(JournalReader(data.journal), MAX)

    go_to(player, str(START_NS + 250_000_000))

    assert player.take().message.number == 3
    with pytest.raises(JournalError, match="after the last event"):
        go_to(player, str(START_NS + 9 * 10**9))
