"""The latch file: synced, readable whoever made it, gone only when cleared."""

import os
from pathlib import Path

import pytest

from services.broker.shell_latch import LatchFile


@pytest.mark.req("I-22")
def test_the_first_reason_stays_and_setting_again_is_harmless(tmp_path):
    latch = LatchFile(tmp_path)
    assert not latch.is_set

    latch.set("me", "first")
    latch.set("you", "second")

    assert latch.is_set
    assert latch.note() == ("me", "first")


@pytest.mark.req("I-22")
def test_file_and_folder_are_synced_before_it_returns(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(str(Path(f"/proc/self/fd/{fd}").readlink())))

    LatchFile(tmp_path).set("me", "why")
    LatchFile(tmp_path).set("me", "again")

    assert synced == [str(tmp_path / "kill"), str(tmp_path)] * 2


@pytest.mark.req("I-24")
@pytest.mark.parametrize("text", [b"", b"stop it", b"\xff\xfe", b'{"by": 1}', b"[1]"])
def test_any_file_is_a_kill_whatever_stands_in_it(tmp_path, text):
    (tmp_path / "kill").write_bytes(text)

    latch = LatchFile(tmp_path)

    assert latch.is_set
    assert latch.note().by == "file"


def test_a_latch_that_cannot_be_synced_is_an_error_not_a_promise(tmp_path, monkeypatch):
    def fails(_fd):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)

    with pytest.raises(OSError, match="Input/output"):
        LatchFile(tmp_path).set("me", "why")


@pytest.mark.req("RK-12")
def test_clearing_removes_it_and_may_be_done_twice(tmp_path):
    latch = LatchFile(tmp_path)
    latch.set("me", "why")

    latch.clear()
    latch.clear()

    assert not latch.is_set
