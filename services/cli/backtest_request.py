"""What a backtest is asked to do, as one value that another process can take, and how it becomes a job.

Every mistake of configuration, options and data is found here, before anything runs.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click
import msgspec

from services.backtest.record import Run
from services.backtest.run import ARRAY, AUTO, EXACT, Job, MarketData, Progress, execute
from services.backtest.run_options import RunOptions, fees_of, with_fees, with_options
from services.cli import config as configuration
from services.cli.backtest_data import DataSet, data_set
from services.cli.config_model import Config
from services.cli.config_risk import planned, prepare_risk
from services.strategy.shell_own import allow_own_strategies
from shared.errors import ConfigError
from shared.instrument import venue_of
from shared.messages.market import InstrumentRules
from shared.runtime.paths import DataDir
from shared.units import INT64_MAX, NS_PER_S

OVERRIDE = "QUOTEMESH__"
DIGITS_OF_NS = 15
"""A whole number with more digits counts nanoseconds since 1970, with fewer seconds."""

Command = TypeVar("Command", bound=Callable[..., Any])


class Request(msgspec.Struct, frozen=True):
    """One backtest as it was asked for.

    `name` and `text` are the configuration file, `overrides` the variables `QUOTEMESH__A__B` that stand
    before it. `begin` and `end` limit the data: `+60` is 60 s after its first row, else a time (see
    `time_ns`). `allow` names the defects of the data that are accepted; `root` is the data directory.
    """

    name: str
    text: str
    files: tuple[str, ...]
    overrides: dict[str, str] = {}
    path: str = AUTO
    begin: str = ""
    end: str = ""
    allow: tuple[str, ...] = ()
    options: RunOptions = RunOptions()
    journal: str = ""
    root: str = "data"

    def with_changes(
        self, overrides: Mapping[str, str], from_ns: int | None = None, until_ns: int | None = None
    ) -> "Request":
        """Return the request with more overrides, over another part of its data."""
        return msgspec.structs.replace(
            self,
            overrides={**self.overrides, **overrides},
            begin=self.begin if from_ns is None else str(from_ns),
            end=self.end if until_ns is None else str(until_ns),
        )


class Prepared(NamedTuple):
    """A request whose data are imported and whose configuration is checked.

    `lines` tell a person of the data and of what was left out. `identity` holds all that decides the result
    but data and build.
    """

    request: Request
    job: Job
    lines: list[str]
    from_ns: int
    until_ns: int
    data_hash: str
    identity: bytes
    instances: tuple[str, ...]


def prepare(request: Request) -> Prepared:
    """Import what has to be, check everything, and decide nothing later.

    Raises `ConfigError` for a configuration, an option or data that cannot be used.
    """
    allow_own_strategies(DataDir(request.root))
    cfg = configuration.loads(request.name, request.text, request.overrides)
    data = data_set(request.files, DataDir(request.root), request.allow)
    from_ns = time_ns(request.begin, data.first_ns, "--from") if request.begin else data.first_ns
    until_ns = time_ns(request.end, data.first_ns, "--to") if request.end else data.last_ns
    if from_ns > min(until_ns, data.last_ns) or until_ns < data.first_ns:
        raise ConfigError(
            f"nothing to run between {from_ns} and {until_ns} ns: the data reach from {data.first_ns} to "
            f"{data.last_ns} ns ({shown(data.first_ns)} to {shown(data.last_ns)})"
        )
    fitted, lines = fitted_to(cfg, data, max(from_ns, data.first_ns))
    sections = with_options(configuration.sections(fitted), request.options)
    job = Job(
        sections=sections,
        markets=_markets(fitted, data, request.options),
        path=request.path,
        from_ns=from_ns if from_ns > data.first_ns else 0,
        until_ns=until_ns if until_ns < data.last_ns else INT64_MAX,
        journal=Path(request.journal) if request.journal else None,
        notes=tuple(lines),
    )
    known = msgspec.structs.replace(request, files=tuple(str(file) for file in data.paths))
    asked = [request.text, sorted(request.overrides.items()), request.options, request.path]
    return Prepared(
        request=known,
        job=job,
        lines=[*data.lines, *lines],
        from_ns=max(from_ns, data.first_ns),
        until_ns=min(until_ns, data.last_ns),
        data_hash=data.data_hash,
        identity=msgspec.msgpack.encode(asked),
        instances=tuple(fitted.strategy.instances),
    )


def run_backtest(
    request: Request,
    progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Run:
    """Prepare and run a request; raises `ConfigError` before it starts, `ColumnsError` for damaged data."""
    return execute(prepare(request).job, progress, stop)


def fitted_to(cfg: Config, data: DataSet, now_ns: int) -> tuple[Config, list[str]]:
    """Return `cfg` with the strategies that have data, and a line for everything that was left out.

    Unlike `up --replay`, no strategy is moved to another market: its result would be that of another one.
    """
    symbols = list(data.columns)
    lines, kept = [], {}
    for name, instance in cfg.strategy.instances.items():
        if not instance.enabled:
            lines.append(f"strategy {name} is left out: it is not enabled")
        elif instance.symbol not in symbols:
            lines.append(f"strategy {name} is left out: there are no data of {instance.symbol}")
        else:
            kept[name] = instance
    if not kept:
        wanted = ", ".join(f"{name} ({one.symbol})" for name, one in cfg.strategy.instances.items()) or "none"
        raise ConfigError(
            f"no enabled strategy of the configuration trades a market of the data. Strategies: {wanted}. "
            f"Data: {', '.join(symbols)}. Name data of a strategy's market, or change `symbol` of a strategy"
        )
    traded = [symbol for symbol in symbols if any(one.symbol == symbol for one in kept.values())]
    lines += _warm_up_lines(cfg, data)
    lines += [
        f"data of {symbol} are not used: no strategy trades it" for symbol in symbols if symbol not in traded
    ]
    fitted = dataclasses.replace(
        cfg,
        strategy=dataclasses.replace(cfg.strategy, instances=kept),
        risk=prepare_risk(cfg.risk, traded, cfg.broker.initial_balance),
    )
    return planned(fitted, now_ns), lines


def _warm_up_lines(cfg: Config, data: DataSet) -> list[str]:
    """Return what the warm-up does to these data, nothing without one (ST-6)."""
    warmup_s = cfg.strategy.warmup_s
    if not warmup_s:
        return []
    span_s = (data.last_ns - data.first_ns) // NS_PER_S
    rest = "which is all of these data" if span_s <= warmup_s else "as after every start"
    return [f"nothing is added to a position in the first {warmup_s} s, {rest} (warmup_s: 0 trades at once)"]


def _markets(cfg: Config, data: DataSet, options: RunOptions) -> tuple[MarketData, ...]:
    traded = {one.symbol for one in cfg.strategy.instances.values()}
    return tuple(
        MarketData(_rules(cfg, columns[0].header.rules, options), data.files[symbol])
        for symbol, columns in data.columns.items()
        if symbol in traded
    )


def _rules(cfg: Config, rules: InstrumentRules, options: RunOptions) -> InstrumentRules:
    """Return the rules of a market with the fees of the options, else of its venue in the configuration."""
    fees = fees_of(options.fees)
    if fees is None:
        venue = next((one for one in cfg.market_data.venues if one.name == venue_of(rules.symbol)), None)
        if venue is None:
            return rules
        fees = fees_of(f"{venue.maker_fee_ppm}/{venue.taker_fee_ppm}")
        assert fees is not None
    return with_fees(rules, fees)


def time_ns(text: str, first_ns: int, option: str) -> int:
    """Return a time: `+SECONDS` after `first_ns`, unix seconds or nanoseconds, or ISO 8601 (else UTC).

    Raises `ConfigError` naming the option.
    """
    word = text.strip()
    try:
        if word.startswith("+"):
            return first_ns + round(float(word[1:]) * NS_PER_S)
        if word.isdecimal():
            return int(word) if len(word) > DIGITS_OF_NS else int(word) * NS_PER_S
        at = datetime.fromisoformat(word)
    except (ValueError, OverflowError):
        raise ConfigError(
            f"{option} {text!r} is no time: write +60 (seconds after the first row), 2024-08-08T23:55:00 "
            "(UTC), or seconds or nanoseconds since 1970"
        ) from None
    seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    return round(seconds * 1000) * (NS_PER_S // 1000)


def shown(at_ns: int) -> str:
    """Return a time for people."""
    return datetime.fromtimestamp(at_ns / NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def request_options(command: Command) -> Command:
    """Give a command CONFIG and the options of a backtest; it is called with one `request`.

    A command with an option `from_journal` gets None for it when that is used: a log needs no CONFIG.
    """

    def call(config: str | None, **words: Any) -> Any:
        request = None if words.get("from_journal") else _request(config, words)
        rest = {name: value for name, value in words.items() if name not in _OWN}
        return command(request=request, **rest)

    call.__name__, call.__doc__ = command.__name__, command.__doc__
    call.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    wrapped: Any = call
    for decorate in reversed(_OPTIONS):
        wrapped = decorate(wrapped)
    return wrapped  # type: ignore[no-any-return]


def _request(config: str | None, words: Mapping[str, Any]) -> Request:
    """Return the request of the options in `words`."""
    if not config:
        raise click.UsageError("name the configuration: backtest CONFIG --data FILE")
    path = Path(config)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: there is no such configuration; `quotemesh config init` writes the default one"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as a configuration: {error}") from None
    files = (*words["data_files"], *words["more_files"])
    if not files:
        raise click.UsageError("name the market data: --data FILE [FILE...]")
    return Request(
        name=str(path),
        text=text,
        files=files,
        overrides={key: value for key, value in os.environ.items() if key.startswith(OVERRIDE)},
        path=words["path"],
        begin=words["begin"] or "",
        end=words["end"] or "",
        allow=tuple(word.strip() for word in (words["allow"] or "").split(",") if word.strip()),
        options=RunOptions(words["latency"] or "", words["queue"] or "", words["fees"] or "", words["seed"]),
        journal=words.get("journal") or "",
        root=os.environ.get("QUOTEMESH_DATA") or "data",
    )


_OWN = frozenset(
    {
        "data_files",
        "more_files",
        "path",
        "begin",
        "end",
        "allow",
        "latency",
        "queue",
        "fees",
        "seed",
        "journal",
    }
)
_OPTIONS = (
    click.argument("config", metavar="CONFIG", required=False),
    click.argument("more_files", nargs=-1, metavar="[FILE]..."),
    click.option("--data", "data_files", multiple=True, metavar="FILE...", help="Market data; see above."),
    click.option(
        "--path",
        type=click.Choice([AUTO, EXACT, ARRAY]),
        default=AUTO,
        help="Engine: exact has every feature, array is fast, auto takes array where it can.",
    ),
    click.option(
        "--from", "begin", metavar="TIME", help="Begin here: +60 (s after the first row) or a UTC time."
    ),
    click.option("--to", "end", metavar="TIME", help="End here."),
    click.option("--allow", metavar="WHAT,...", help="Defects of the data to accept: gaps, duplicates, ..."),
    click.option(
        "--latency", metavar="MS[/STD[/LEAST]]", help="Time to the venue, or recorded:FILE; see the guide."
    ),
    click.option("--queue", metavar="MODEL[:N]", help="Where cancels of others happen; see the guide."),
    click.option("--fees", metavar="MAKER/TAKER", help="Fees in parts per million; default: `venues`."),
    click.option("--seed", type=int, help="Seed of the latency draws; default: `broker.seed`."),
)
