"""One backtest from its job to its run: which path, over which data, and what the run says of itself."""

import hashlib
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from services.backtest.exact import SERVICES, ExactRun
from services.backtest.exact_feed import MarketFeed
from services.backtest.exact_record import RunFold
from services.backtest.record import Counts, DataFile, Meta, Run, Strategy
from services.fused.store import BatchedStore
from shared.columns import Columns
from shared.errors import ConfigError
from shared.messages import Event
from shared.messages.control import InstanceFailed
from shared.messages.market import InstrumentRules
from shared.runtime.build import build_id
from shared.runtime.journal_writer import JournalWriter
from shared.settings import pack
from shared.units import INT64_MAX

AUTO, EXACT, ARRAY = "auto", "exact", "array"
INTERRUPTED = "stopped by a person"
GENERATED = "generated"
"""How `ColumnsHeader.source` begins for data that nobody recorded."""


class Progress(NamedTuple):
    """How far a run is: `rows_done` of `rows_total` rows of the data walked."""

    events: int
    rows_done: int
    rows_total: int
    seconds: float


class MarketData(NamedTuple):
    """One market of a job: its files in the order of time, and the rules with the fees of this run."""

    rules: InstrumentRules
    files: tuple[Path, ...]


class Job(NamedTuple):
    """One backtest with everything decided; it can be pickled.

    `sections` holds the settings of each service as objects, `markets` only those that a strategy trades.
    Rows with a local time in [from_ns, until_ns] are played; what lies before builds the books. `journal`
    keeps the log in that directory, which makes the path exact.
    """

    sections: Mapping[str, Any]
    markets: tuple[MarketData, ...]
    path: str = AUTO
    from_ns: int = 0
    until_ns: int = INT64_MAX
    journal: Path | None = None
    notes: tuple[str, ...] = ()


class StrategyError(Exception):
    """A strategy raised; `run` is what happened before, the text says where."""

    def __init__(self, text: str, run: Run) -> None:
        super().__init__(text)
        self.run = run


def execute(
    job: Job,
    progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Run:
    """Run a job and return its run; `meta.stopped` says why it ended before its data, when it did.

    Raises `ColumnsError` for data that cannot be walked and `ConfigError` when the path cannot do what is
    asked.
    """
    opened = [[Columns.open(path) for path in each.files] for each in job.markets]
    run = _empty_run(job, opened)
    feeds = [
        MarketFeed(files, each.rules, job.sections["market_data"].candles)
        for each, files in zip(job.markets, opened, strict=True)
    ]
    _exact(job, run, feeds, progress, stop)
    return run


def _exact(
    job: Job,
    run: Run,
    feeds: Sequence[MarketFeed],
    progress: Callable[[Progress], None] | None,
    stop: Callable[[], bool],
) -> None:
    fold = RunFold(run)
    rows_total = sum(file.rows for file in run.data)
    started_s = time.perf_counter()
    exact: ExactRun

    def is_to_stop() -> bool:
        if progress is not None:
            rows = sum(feed.row for feed in feeds)
            progress(Progress(exact.message_count, rows, rows_total, time.perf_counter() - started_s))
        return stop()

    writer = _journal(job.journal)
    store = None if writer is None else BatchedStore(writer)
    try:
        exact = ExactRun(
            job.sections,
            feeds,
            build=build_id(),
            watch=fold.apply,
            store=None if store is None else store.put,
        )
        exact.start(job.from_ns, job.until_ns)
        exact.run(is_to_stop)
    finally:
        if store is not None:
            store.__exit__(None, None, None)
    meta = run.meta
    meta.seconds = time.perf_counter() - started_s
    meta.from_ns, meta.until_ns = exact.first_ns, exact.now_ns
    run.counts.events = exact.message_count
    if exact.first_ns:
        meta.digest = exact.digest()
    if exact.failure is not None:
        meta.stopped = failure_text(exact)
    elif not exact.is_over:
        meta.stopped = INTERRUPTED


def failure_text(exact: ExactRun) -> str:
    """Return which strategy raised what, and at which event."""
    failure = exact.failure
    assert failure is not None, "no strategy raised"
    failed: InstanceFailed = failure.message
    cause = exact.event_at(failure.header.cause_seq)
    where = f"event {failure.header.cause_seq} of the run, {failure.header.ts_ns} ns"
    shown = "" if cause is None else f"\n  {_shown(cause)}"
    return f"strategy {failed.strategy} raised at {where}: {failed.error}{shown}"


def _shown(event: Event) -> str:
    text = repr(event.message)
    return text if len(text) <= 400 else f"{text[:400]}..."


def _journal(directory: Path | None) -> JournalWriter | None:
    if directory is None:
        return None
    directory.mkdir(parents=True, exist_ok=True)
    writer = JournalWriter(directory)
    if writer.head_seq:
        writer.close()
        raise ConfigError(f"--journal: {directory} holds another log; name an empty directory")
    writer.open_epoch(1)
    return writer


def _empty_run(job: Job, opened: Sequence[Sequence[Columns]]) -> Run:
    data = [_data_file(path, columns) for path, columns in _pairs(job, opened)]
    packed = b"".join(pack(job.sections[name]) for name in SERVICES)
    rules = [each.rules for each in job.markets]
    hashes = "".join(file.sha256 for file in data).encode()
    meta = Meta(
        source="backtest",
        path=EXACT,
        commit=build_id(),
        settings_hash=hashlib.sha256(packed + msgspec.msgpack.encode(rules)).hexdigest()[:16],
        data_hash=hashlib.sha256(hashes).hexdigest()[:16],
        machine=machine_text(),
        python=platform.python_version(),
        capital_atoms=_capital_atoms(job),
        notes=list(job.notes),
    )
    instances = job.sections["strategy"].instances
    strategies = [
        Strategy(name, each.kind, "", {key: str(value) for key, value in each.params.items()})
        for name, each in instances.items()
    ]
    return Run(meta, rules, strategies, data, Counts())


def _pairs(job: Job, opened: Sequence[Sequence[Columns]]) -> list[tuple[Path, Columns]]:
    return [
        pair
        for each, files in zip(job.markets, opened, strict=True)
        for pair in zip(each.files, files, strict=True)
    ]


def _data_file(path: Path, columns: Columns) -> DataFile:
    header = columns.header
    return DataFile(
        name=path.name,
        sha256=header.sha256,
        rows=header.count,
        first_ns=header.first_local_ns,
        last_ns=header.last_local_ns,
        is_generated=header.source.startswith(GENERATED),
        source=header.source,
    )


def _capital_atoms(job: Job) -> int | None:
    if not job.markets:
        return None
    balance = job.sections["broker"].initial_balance
    return int(balance.scaleb(job.markets[0].rules.quote_exponent))


def machine_text() -> str:
    """Return processor and cores of this machine in one line, without its name."""
    model = platform.machine()
    try:
        with Path("/proc/cpuinfo").open(encoding="ascii", errors="replace") as lines:
            found = next((line for line in lines if line.startswith("model name")), "")
        model = found.partition(":")[2].strip() or model
    except OSError:
        pass
    return f"{model}, {os.cpu_count()} cores"
