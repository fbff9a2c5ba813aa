"""The kill latch is written, with its reason, also where no byte is free any more."""

import errno
import os

import msgspec
import pytest

from shared.runtime import latch
from shared.runtime.latch import SPARE_BYTES, SPARE_NAME, latch_kill, prepare_latch
from shared.runtime.paths import DataDir


@pytest.fixture
def data(tmp_path):
    made = DataDir(tmp_path)
    made.prepare()
    return made


@pytest.fixture
def full_disk(monkeypatch):
    """Nothing new can be written: only what lies within files that have their space already."""
    real = os.write

    def write(fd, content):
        if os.fstat(fd).st_size < len(content):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, content)

    monkeypatch.setattr(latch.os, "write", write)


@pytest.mark.req("I-28")
def test_on_a_full_disk_the_latch_stands_with_its_reason(data, full_disk):
    (data.latch / SPARE_NAME).write_bytes(b" " * SPARE_BYTES)

    assert latch_kill(data, "bus", "the disk is full")

    said = msgspec.json.decode((data.latch / "kill").read_bytes())
    assert (said["by"], said["reason"]) == ("bus", "the disk is full")


def test_without_its_spare_the_latch_stands_all_the_same(data, full_disk):
    assert latch_kill(data, "bus", "the disk is full")

    assert (data.latch / "kill").exists()


def test_the_spare_is_made_once_and_made_again_after_it_was_used(data):
    prepare_latch(data)
    assert (data.latch / SPARE_NAME).stat().st_size == SPARE_BYTES
    (data.latch / SPARE_NAME).unlink()

    prepare_latch(data)
    prepare_latch(data)

    assert (data.latch / SPARE_NAME).stat().st_size == SPARE_BYTES


def test_an_earlier_latch_keeps_its_reason(data):
    assert latch_kill(data, "me", "first")
    assert latch_kill(data, "bus", "second")

    assert msgspec.json.decode((data.latch / "kill").read_bytes())["reason"] == "first"
