"""One backtest from its job to its run: which path, over which data, and what the run says of itself."""

import hashlib
import importlib
import os
import platform
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

from services.backtest.array_needs import unmodelled
from services.backtest.exact import SERVICES, ExactRun
from services.backtest.exact_feed import MarketFeed
from services.backtest.exact_record import RunFold
from services.backtest.marking import mark
from services.backtest.record import Counts, DataFile, Meta, Run, Strategy
from services.fused.mesh import Stored
from services.market_data.settings import MarketDataSettings
from shared.columns import Columns, ColumnsError
from shared.errors import ConfigError
from shared.messages import Event
from shared.messages.control import InstanceFailed
from shared.messages.market import InstrumentRules
from shared.runtime.build import build_id
from shared.runtime.paths import DataDir
from shared.settings import pack
from shared.units import INT64_MAX

AUTO, EXACT, ARRAY = "auto", "exact", "array"
INTERRUPTED = "stopped by a person"
GENERATED = "generated"
"""How `ColumnsHeader.source` begins for data that nobody recorded."""
RECENT = 64
"""Events kept to show what a strategy raised at."""
SHOWN_MAX = 400


class Progress(NamedTuple):
    """How far a run is: `rows_done` of `rows_total` rows of the data walked."""

    events: int
    rows_done: int
    rows_total: int
    seconds: float


class MarketData(NamedTuple):
    """One market of a job: the rules with the fees of this run, and its files in the order of time."""

    rules: InstrumentRules
    files: tuple[Path, ...]


class Job(NamedTuple):
    """One backtest with everything decided; it can be pickled.

    `sections` holds the settings of each service as objects, `markets` only those that a strategy trades.
    Rows with a local time in [from_ns, until_ns] are played; what lies before builds the books. `journal`
    keeps the log in that data directory, which makes the path exact.
    """

    sections: Mapping[str, Any]
    markets: tuple[MarketData, ...]
    path: str = AUTO
    from_ns: int = 0
    until_ns: int = INT64_MAX
    journal: Path | None = None
    notes: tuple[str, ...] = ()


class Engine(Protocol):
    """What both paths offer; see `ExactRun`."""

    # ruff: noqa: D102  the properties are described there
    failure: Event | None
    first_ns: int

    @property
    def now_ns(self) -> int: ...
    @property
    def message_count(self) -> int: ...
    @property
    def row_count(self) -> int: ...
    @property
    def is_over(self) -> bool: ...
    def start(self, from_ns: int, until_ns: int) -> None: ...
    def run(self, stop: Callable[[], bool]) -> None: ...


def execute(
    job: Job,
    progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
    watch: Callable[[Event], None] | None = None,
) -> Run:
    """Run a job and return its run; `meta.stopped` says why it ended before its data, when it did.

    `watch` sees the events that the path tells: all on the exact one, on the array one those of the cores.

    Raises `ColumnsError` for data that cannot be walked, `ConfigError` when the path cannot do what is asked.
    """
    opened = [[Columns.open(path) for path in each.files] for each in job.markets]
    run = _empty_run(job, opened)
    run.meta.path = chosen_path(job, run.meta.notes)
    watched = _Watched(run, watch)
    with ExitStack() as opening:
        engine = _engine(job, run.meta.path, opened, watched, opening)
        _walk(job, run, engine, progress, stop)
    run.meta.digest = result_digest(run)
    if engine.failure is not None:
        run.meta.stopped = watched.failure_text(engine.failure)
    mark(run, {each.rules.symbol: files for each, files in zip(job.markets, opened, strict=True)})
    return run


def chosen_path(job: Job, notes: list[str]) -> str:
    """Return `exact` or `array`, noting why; raises `ConfigError` when the array path cannot do the job."""
    if job.path == EXACT:
        return EXACT
    reasons = unmodelled(job.sections)
    if job.journal is not None:
        reasons = ["--journal keeps a log, which only the exact path has", *reasons]
    if not reasons:
        return ARRAY
    if job.path == ARRAY:
        raise ConfigError(f"--path array cannot do this: {'; '.join(reasons)}; use --path exact")
    notes.append(f"exact path: {'; '.join(reasons)}")
    return EXACT


def _engine(
    job: Job, path: str, opened: Sequence[Sequence[Columns]], watched: "_Watched", opening: ExitStack
) -> Engine:
    """Return the engine of a path; what it holds open is closed with `opening`."""
    pairs = list(zip(job.markets, opened, strict=True))
    if path == ARRAY:
        # The exact path does without it.
        array_run = importlib.import_module("services.backtest.array_run")
        markets = [array_run.ArrayMarket(each.rules, files) for each, files in pairs]
        array: Engine = array_run.ArrayRun(job.sections, markets, build=build_id(), watch=watched.see)
        return array
    settings = job.sections["market_data"]
    feeds = [MarketFeed(files, each.rules, has_candles(settings, each.rules.symbol)) for each, files in pairs]
    put = None
    if job.journal is not None:
        put = _journal(DataDir(job.journal), opening)
    return ExactRun(job.sections, feeds, build=build_id(), watch=watched.see, store=put)


def has_candles(settings: MarketDataSettings, symbol: str) -> bool:
    """Return whether the configuration follows the candles of a market."""
    return settings.candles and (not settings.candle_symbols or symbol in settings.candle_symbols)


def _walk(
    job: Job,
    run: Run,
    engine: Engine,
    progress: Callable[[Progress], None] | None,
    stop: Callable[[], bool],
) -> None:
    """Let the engine go through its data, and write down what it says of itself."""
    rows_total = sum(file.rows for file in run.data)
    started_s = time.perf_counter()

    def is_to_stop() -> bool:
        if progress is not None:
            seconds = time.perf_counter() - started_s
            progress(Progress(engine.message_count, engine.row_count, rows_total, seconds))
        return stop()

    try:
        engine.start(job.from_ns, job.until_ns)
        engine.run(is_to_stop)
    except ValueError as error:
        raise ColumnsError(
            f"the data cannot be walked beyond {engine.now_ns} ns, after {engine.message_count} messages: "
            f"{error}; import them again"
        ) from error
    meta = run.meta
    meta.seconds = time.perf_counter() - started_s
    meta.from_ns, meta.until_ns = engine.first_ns, engine.now_ns
    run.counts.events = engine.message_count
    if engine.failure is None and not engine.is_over:
        meta.stopped = INTERRUPTED


class _Watched:
    """Folds the events of a run into its tables, and keeps the last ones for what a strategy raised at."""

    def __init__(self, run: Run, watch: Callable[[Event], None] | None) -> None:
        self._fold = RunFold(run).apply
        self._watch = watch
        self._recent: deque[Event] = deque(maxlen=RECENT)

    def see(self, event: Event) -> None:
        """Take the next event."""
        self._recent.append(event)
        self._fold(event)
        if self._watch is not None:
            self._watch(event)

    def failure_text(self, failure: Event) -> str:
        """Return which strategy raised what, and at which event."""
        failed: InstanceFailed = failure.message
        seq = failure.header.cause_seq
        cause = next((event for event in self._recent if event.header.seq == seq), None)
        where = f"event {seq} of the run, {failure.header.ts_ns} ns"
        shown = "" if cause is None else f"\n  the event: {repr(cause.message)[:SHOWN_MAX]}"
        return f"strategy {failed.strategy} raised at {where}: {failed.error}{shown}"


def _journal(directory: DataDir, opening: ExitStack) -> Callable[[Stored], None]:
    """Return what stores an event in a new log; it is closed with `opening`."""
    # SQLite is loaded by those who keep a log.
    writers = importlib.import_module("shared.runtime.journal_writer")
    stores = importlib.import_module("services.fused.store")
    directory.prepare()
    writer = writers.JournalWriter(directory.journal)
    if writer.head_seq:
        writer.close()
        raise ConfigError(f"--journal: {directory.root} holds another log; name an empty directory")
    writer.open_epoch(1)
    put: Callable[[Stored], None] = opening.enter_context(stores.BatchedStore(writer)).put
    return put


def result_digest(run: Run) -> str:
    """Return 32 digits over all orders, fills and funding: the same for both paths and for every repeat.

    The mids are no part of it, nor the numbers of events, which a path that skips some counts otherwise.
    """
    digest = hashlib.blake2b(digest_size=16)
    for table in (run.orders, run.fills, run.funding):
        columns = table.to_bytes()
        for name in sorted(columns):
            if name != "seq" and "mid_" not in name:
                digest.update(f"{name} {len(columns[name])}\n".encode() + columns[name])
    return digest.hexdigest()


def _empty_run(job: Job, opened: Sequence[Sequence[Columns]]) -> Run:
    """Return the run before anything happened, with all that identifies it."""
    data = [
        _data_file(path, columns)
        for each, files in zip(job.markets, opened, strict=True)
        for path, columns in zip(each.files, files, strict=True)
    ]
    packed = b"".join(pack(job.sections[name]) for name in SERVICES)
    rules = [each.rules for each in job.markets]
    meta = Meta(
        source="backtest",
        path=EXACT,
        commit=build_id(),
        settings_hash=hashlib.sha256(packed + msgspec.msgpack.encode(rules)).hexdigest()[:16],
        data_hash=hashlib.sha256("".join(file.sha256 for file in data).encode()).hexdigest()[:16],
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
