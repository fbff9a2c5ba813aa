"""`backup` while the mesh trades and `restore` into a new directory: exact, checked, and it goes on."""

import contextlib
import gzip
import io
import json
import tarfile

import apsw
import pytest

from services.replay.invariants import check_log
from services.replay.verify_log import verify_log
from shared.messages.system import EpochStarted
from shared.runtime.journal import JournalReader, Row, row_crc, segments

pytestmark = [pytest.mark.mesh, pytest.mark.timeout(300)]


def rows(data, until_seq=None):
    return list(JournalReader(data / "journal").rows(until_seq=until_seq))


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.req("JR-17", "JR-5", "OP-10")
def test_a_backup_of_a_running_mesh_is_restored_exactly_and_goes_on(make_mesh, tmp_path):
    # Given a mesh that trades, with short segments
    mesh = make_mesh(BUS__SEGMENT_SECONDS=3)
    mesh.must("up")
    mesh.wait(lambda _: len(segments(mesh.data / "journal")) >= 3, 120)

    # When it is backed up while it runs, and goes on afterwards
    file = tmp_path / "one.tar.gz"
    made = json.loads(mesh.must("backup", "--out", file, "--json"))
    mesh.wait_head(made["head_seq"] + 100)
    mesh.must("down")

    # Then the restored log is the same up to its end, row by row
    other = make_mesh("other")
    assert f"seq 1 to {made['head_seq']} restored" in other.must("restore", file)
    assert rows(other.data) == rows(mesh.data, made["head_seq"])
    assert (other.data / "config/quotemesh.yaml").read_bytes() == (
        mesh.data / "config/quotemesh.yaml"
    ).read_bytes()

    # And the mesh on it opens a new epoch, trades on without a hole, and a re-run says the same
    other.must("up")
    other.wait_head(made["head_seq"] + 300)
    other.must("down")
    events = list(JournalReader(other.data / "journal").events())
    epochs = [event.message.epoch for event in events if isinstance(event.message, EpochStarted)]
    assert len(epochs) == len(set(epochs)) == 2
    assert check_log(events).problems == []
    verdict = verify_log(other.data / "journal")
    assert verdict["equal"], verdict["problems"]


@pytest.fixture
def small(make_mesh, tmp_path):
    """A data directory with a log of 500 rows at rest, a latch, and its backup."""
    from shared.messages import Header, body_of, encode_header
    from shared.messages.system import Tick
    from shared.runtime.journal_writer import JournalWriter
    from shared.runtime.paths import DataDir

    mesh = make_mesh("small")
    data = DataDir(mesh.data)
    data.prepare()
    (data.latch / "kill").write_text('{"by": "me", "reason": "why"}')
    writer = JournalWriter(data.journal)
    for half in (range(1, 251), range(251, 501)):
        made = []
        for seq in half:
            header = encode_header(Header(seq, seq * 10**8, seq * 10**8, 5, "bus", 5, seq, 0))
            body = body_of(Tick(seq))
            made.append(Row(seq, header, b".tick", body, row_crc(seq, header, b".tick", body)))
        writer.append(made)
        writer.roll()
    writer.close()
    file = tmp_path / "small.tar.gz"
    mesh.must("backup", "--out", file)
    return mesh, file


def repacked(file, target, change):
    """Write the archive again with `change(name, content)`; None leaves a member out."""
    with tarfile.open(file) as old, tarfile.open(target, "w:gz", compresslevel=1) as new:
        for member in old:
            content = change(member.name, old.extractfile(member).read())
            if content is not None:
                added = tarfile.TarInfo(member.name)
                added.size = len(content)
                new.addfile(added, io.BytesIO(content))
    return target


def flipped(content):
    where = len(content) // 2
    return content[:where] + bytes([content[where] ^ 1]) + content[where + 1 :]


DAMAGES = {
    "a flipped byte": (
        lambda name, content: flipped(content) if name.endswith("251.sqlite") else content,
        "segment-00000000000000000251.sqlite is not what was backed up",
    ),
    "a missing file": (
        lambda name, content: None if name == "latch/kill" else content,
        "latch/kill is not what was backed up",
    ),
    "no manifest": (lambda name, content: None if name == "manifest.json" else content, "was cut off"),
    "no json": (
        lambda name, content: b"{" if name == "manifest.json" else content,
        "is damaged or no backup",
    ),
}


@pytest.mark.req("JR-17")
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_changed_archive_is_refused_and_what_is_wrong_is_named(small, make_mesh, tmp_path, damage):
    _, file = small
    change, words = DAMAGES[damage]
    bad = repacked(file, tmp_path / "bad.tar.gz", change)
    target = make_mesh("target")

    refused = target.run("restore", bad)

    assert refused.returncode == 1
    assert words in refused.stderr
    assert "nothing was restored" in refused.stderr
    assert files_below(target.data) == []


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_an_archive_that_was_cut_off_is_refused(small, make_mesh, tmp_path, share):
    _, file = small
    whole = file.read_bytes()
    bad = tmp_path / "cut.tar.gz"
    bad.write_bytes(whole[: int(len(whole) * share)])
    target = make_mesh("target")

    refused = target.run("restore", bad)

    assert refused.returncode == 1
    assert "nothing was restored" in refused.stderr
    assert files_below(target.data) == []


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "run/token", "journal/lock"])
def test_a_forged_archive_writes_nothing_elsewhere(small, make_mesh, tmp_path, name):
    _, file = small
    bad = tmp_path / "forged.tar.gz"
    with gzip.open(file) as packed, gzip.open(bad, "wb") as out:
        with tarfile.open(fileobj=out, mode="w") as new:
            member = tarfile.TarInfo(name)
            member.size = 4
            new.addfile(member, io.BytesIO(b"evil"))
        out.write(packed.read())
    target = make_mesh("target")

    refused = target.run("restore", bad)

    assert refused.returncode == 1
    assert "which no backup does" in refused.stderr
    assert files_below(target.data) == []


def test_a_directory_that_holds_anything_is_not_overwritten(small):
    mesh, file = small
    before = rows(mesh.data)

    refused = mesh.run("restore", file)

    assert refused.returncode == 1
    assert "is not empty" in refused.stderr
    assert rows(mesh.data) == before


def test_a_restored_latch_still_stops_trading(small, make_mesh):
    _, file = small
    target = make_mesh("target")

    target.must("restore", file)

    assert (target.data / "latch" / "kill").read_text() == '{"by": "me", "reason": "why"}'
    assert oct((target.data / "run").stat().st_mode)[-3:] == "700"


@pytest.mark.req("JR-17")
def test_a_damaged_log_is_not_backed_up_but_named(small, tmp_path):
    mesh, _ = small
    with contextlib.closing(apsw.Connection(str(segments(mesh.data / "journal")[1]))) as db:
        db.execute("update events set body = x'00' where seq = 300")
    file = tmp_path / "never.tar.gz"

    refused = mesh.run("backup", "--out", file)

    assert refused.returncode == 1
    assert "seq 300 is damaged" in refused.stderr
    assert [path for path in tmp_path.iterdir() if "never" in path.name or "backup" in path.name] == []


def test_no_backup_is_written_over_another_file(small):
    mesh, file = small
    before = file.read_bytes()

    refused = mesh.run("backup", "--out", file)

    assert refused.returncode == 1
    assert "exists" in refused.stderr
    assert file.read_bytes() == before
    assert mesh.run("restore", file.with_name("absent")).returncode in {1, 6}
