"""Log files are shown to their end and followed over a rotation."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from services.cli.logs import Tail


@pytest.fixture
def closed_later() -> Iterator[Callable[[Tail], Tail]]:
    with ExitStack() as stack:
        yield lambda tail: stack.enter_context(closing(tail))


def test_the_newest_lines_come_first_and_then_only_new_ones(tmp_path: Path, closed_later) -> None:
    log = tmp_path / "risk.log"
    log.write_text("one\ntwo\nthree\nhalf a li")
    tail = closed_later(Tail(log, "risk "))

    newest = tail.newest(2)
    with log.open("a") as file:
        file.write("ne\nfive\n")
    more = tail.more()

    assert newest == ["risk two", "risk three"]
    assert more == ["risk half a line", "risk five"]


def test_a_rotated_file_is_read_to_its_end_and_then_the_new_one(tmp_path: Path, closed_later) -> None:
    log = tmp_path / "risk.log"
    log.write_text("old\n")
    tail = closed_later(Tail(log, ""))
    tail.newest(10)

    with log.open("a") as file:
        file.write("last of the old\n")
    log.rename(tmp_path / "risk.log.1")
    log.write_text("first of the new\n")
    seen = tail.more() + tail.more()

    assert seen == ["last of the old", "first of the new"]


def test_a_log_that_comes_later_is_found(tmp_path: Path, closed_later) -> None:
    log = tmp_path / "risk.log"
    tail = closed_later(Tail(log, ""))

    before = tail.newest(10)
    log.write_text("here\n")

    assert before == []
    assert tail.more() == ["here"]
