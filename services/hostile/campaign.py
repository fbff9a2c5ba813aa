"""Run one target: count what is accepted and refused, and notice what crashes, hangs or grows."""

import ctypes
import gc
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import msgspec

CASE_LIMIT_S = 10.0
WARM_SHARE = 0.2
GROWTH_MAX_BYTES = 8 * 2**20
FAULTS_KEPT = 20
SHOWN_CHARACTERS = 2000


class Verdict(Enum):
    """What became of a case. A part may refuse aloud or leave out what it was told already."""

    ACCEPTED = "accepted"
    REFUSED = "refused"


class HangError(Exception):
    """A case took longer than `CASE_LIMIT_S`."""


class Target(Protocol):
    """One part that reads something from outside.

    `attempt()`  make the next case, give it to the part, check what it did, and return what became of it.
                 Whatever it raises is a fault: documented refusals are caught in it.
    `shown()`    the last case, for the report.
    `close()`    check the counters of the whole run (raises `AssertionError`), give everything back.
    `rss_bytes()` memory of the process that the part runs in.
    """

    name: str

    def attempt(self) -> Verdict: ...  # noqa: D102

    def shown(self) -> str: ...  # noqa: D102

    def close(self) -> None: ...  # noqa: D102

    def rss_bytes(self) -> int: ...  # noqa: D102


class Report(msgspec.Struct, kw_only=True):
    """What a run of one target found; `sent` is always accepted + refused + crashed."""

    target: str
    seed: int
    sent: int = 0
    accepted: int = 0
    refused: int = 0
    crashed: int = 0
    faults: list[str] = []
    seconds: float = 0.0
    slowest_ms: float = 0.0
    slowest_case: int = 0
    slowest_shown: str = ""
    growth_bytes: int = 0

    @property
    def is_clean(self) -> bool:
        """Return whether nothing crashed, hung, grew or was miscounted."""
        is_counted = self.sent == self.accepted + self.refused + self.crashed
        return not self.faults and not self.crashed and is_counted and self.growth_bytes <= GROWTH_MAX_BYTES


def rss_of(pid: int | None = None) -> int:
    """Return the resident bytes of a process, by default this one."""
    pages = Path(f"/proc/{pid or os.getpid()}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def alarmed() -> Iterator[None]:
    """Turn SIGALRM into `HangError` while it lasts."""

    def hang(_number: int, _frame: FrameType | None) -> None:
        raise HangError(f"no end after {CASE_LIMIT_S:g} s")

    before = signal.signal(signal.SIGALRM, hang)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def run(target: Target, cases: int, seed: int) -> Report:
    """Try `cases` cases on `target` and return what was seen; memory counts from a fifth of the way on."""
    report = Report(target=target.name, seed=seed)
    warm_at = int(cases * WARM_SHARE)
    before_bytes = 0
    started_s = time.perf_counter()
    with alarmed():
        for number in range(cases):
            if number == warm_at:
                _give_back()
                before_bytes = target.rss_bytes()
            _attempt(target, number, report)
    report.seconds = round(time.perf_counter() - started_s, 2)
    _give_back()
    report.growth_bytes = max(0, target.rss_bytes() - before_bytes)
    try:
        target.close()
    except Exception as error:
        _note(report, f"at the end: {_text(error)}")
    return report


def _give_back() -> None:
    """Return free memory to the system: holes between objects are no growth (glibc only)."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _attempt(target: Target, number: int, report: Report) -> None:
    signal.setitimer(signal.ITIMER_REAL, CASE_LIMIT_S)
    started_s = time.perf_counter()
    verdict: Verdict | None = None
    try:
        verdict = target.attempt()
    except Exception as error:
        _note(report, f"case {number}: {_text(error)}; {target.shown()[:SHOWN_CHARACTERS]}")
    took_ms = (time.perf_counter() - started_s) * 1000
    signal.setitimer(signal.ITIMER_REAL, 0)
    report.sent += 1
    report.accepted += verdict is Verdict.ACCEPTED
    report.refused += verdict is Verdict.REFUSED
    report.crashed += verdict is None
    if took_ms > report.slowest_ms:
        report.slowest_ms, report.slowest_case = round(took_ms, 2), number
        report.slowest_shown = target.shown()[:300]


def _note(report: Report, fault: str) -> None:
    if len(report.faults) < FAULTS_KEPT:
        report.faults.append(fault)


def _text(error: Exception) -> str:
    place: Any = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f" at {Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}" if place else ""
    return f"{type(error).__name__}: {str(error)[:300]}{where}"
