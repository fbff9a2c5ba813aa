"""`quotemesh strategy list|check|reset`: the strategies there are, yours too, and whether they conform."""

import contextlib
import inspect
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import click

from services.cli import config_text
from services.cli.config_model import normal_symbol
from services.cli.control_commands import BY, _append, _strategy
from services.cli.exits import CommandError, ExitCode
from services.cli.place import data_option
from services.strategy.calls import BlockedError
from services.strategy.conformance import CHECKS, Candidate, run
from services.strategy.registry import STRATEGIES, flags_of, settings_of, strategy_class
from services.strategy.shell_own import FOLDER
from shared.messages import control, orders
from shared.runtime.paths import DataDir

SYMBOLS = ("binance_usdm:BTCUSDT", "binance:BTCUSDT")
HASH_SEEDS = ("1", "2")
SAME_IN_PROCESSES = "same events, same output in two processes with other hash seeds"
PROBLEMS_SHOWN = 3
RUN_LIMIT_S = 120.0

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def strategy() -> None:
    """List strategies, check your own one, let one begin anew."""


@strategy.command("list")
@data_option
@json_option
def list_strategies(data: DataDir, as_json: bool) -> None:
    """List the built-in strategies, and the files of your own in config/strategies."""
    found = [
        {"kind": kind, "about": (inspect.getdoc(one) or "").split("\n")[0], "flags": sorted(flags_of(kind))}
        for kind, one in STRATEGIES.items()
    ]
    own = sorted(path.stem for path in (data.config / FOLDER).glob("*.py"))
    if as_json:
        click.echo(json.dumps({"built_in": found, "own_modules": own}))
        return
    width = max(len(kind) for kind in STRATEGIES)
    for line in found:
        click.echo(f"{str(line['kind']).ljust(width)}  {line['about']}")
    for module in own:
        click.echo(f"{module}:...  a file of yours in {data.config / FOLDER}")


@strategy.command()
@data_option
@json_option
@click.argument("name")
@click.option("--reason", default="", help="Why.")
def reset(data: DataDir, as_json: bool, name: str, reason: str) -> None:
    """Let the strategy NAME forget its state and begin anew with the position it has.

    Its quotes are withdrawn first. A strategy that failed begins anew too.
    """
    _append(data, control.ResetRequested(_strategy(data, name), BY, reason), as_json, "reset")


@strategy.command()
@data_option
@json_option
@click.argument("kind")
@click.argument("assignments", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--params", type=click.Path(path_type=Path), help="Take settings from this YAML file.")
@click.option("--symbol", default="", help="Only on this market [default: one derivative, one spot].")
@click.option(
    "--seeds", type=click.IntRange(1, 1000), default=3, show_default=True, help="Runs of each check."
)
@click.option("--seed", type=click.IntRange(1), help="Only this seed, to repeat what was found.")
def check(
    data: DataDir,
    as_json: bool,
    kind: str,
    assignments: tuple[str, ...],
    params: Path | None,
    symbol: str,
    seeds: int,
    seed: int | None,
) -> None:
    """Run the conformance suite over the strategy KIND: a built-in name, or my_module:MyStrategy.

    Seeded markets and a venue that refuses, rejects, delays, doubts and fills late. Exit code 0: all
    properties hold; 1: one does not, shown with the seed and the events that led there.
    """
    given = _params(params, assignments)
    try:
        strategy_class(kind)
        settings_of(kind, given)
    except ValueError as error:
        raise CommandError(str(error)) from error
    markets = [_market(symbol)] if symbol else list(SYMBOLS)
    chosen = [seed] if seed is not None else list(range(1, seeds + 1))
    candidates = [Candidate(kind, given, market) for market in markets]
    found = {name: _judged(name, candidates, chosen, data) for name in (*CHECKS, SAME_IN_PROCESSES)}
    traded = {one.symbol: _traded(one, chosen[0]) for one in candidates}
    is_ok = not any(found.values())
    if as_json:
        click.echo(json.dumps({"kind": kind, "ok": is_ok, "problems": found, "traded": traded}))
    else:
        _show(kind, found, traded, chosen)
    if not is_ok:
        raise CommandError(f"{sum(map(bool, found.values()))} of {len(found)} properties do not hold")


def _judged(name: str, candidates: list[Candidate], seeds: list[int], data: DataDir) -> list[dict[str, Any]]:
    """Return what a property found wrong, each with its market and seed."""
    problems: list[dict[str, Any]] = []
    for candidate in candidates:
        for seed in seeds:
            try:
                with _limited():
                    if name == SAME_IN_PROCESSES:
                        texts = _compare_processes(candidate, seed, data)
                    else:
                        texts = CHECKS[name](candidate, seed)
            except BlockedError as error:
                texts = [str(error)]
            problems += [{"symbol": candidate.symbol, "seed": seed, "text": text} for text in texts]
    return problems


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """Raise `BlockedError` in what runs for too long: inside a callback it fails its instance."""

    def alarm(_number: int, _frame: FrameType | None) -> None:
        raise BlockedError(f"no end within {RUN_LIMIT_S:g} s")

    former = signal.signal(signal.SIGALRM, alarm)
    timer = signal.setitimer(signal.ITIMER_REAL, RUN_LIMIT_S, RUN_LIMIT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
        signal.setitimer(signal.ITIMER_REAL, *timer)


def _compare_processes(candidate: Candidate, seed: int, data: DataDir) -> list[str]:
    """Return whether the same run says something else in a process with another hash seed (ST-2)."""
    wanted = json.dumps([candidate.kind, dict(candidate.params), candidate.symbol, seed, str(data.root)])
    prints = []
    for hash_seed in HASH_SEEDS:
        done = subprocess.run(  # noqa: S603 - our own module, no shell
            [sys.executable, "-m", "services.cli.strategy_fingerprint", wanted],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            return [f"it ended with {done.returncode} under hash seed {hash_seed}: {done.stderr[-500:]}"]
        prints.append(done.stdout)
    if prints[0] != prints[1]:
        return ["it says something else under another hash seed: does it loop over a set?"]
    return []


def _traded(candidate: Candidate, seed: int) -> dict[str, int]:
    desk = candidate.desk(seed, 0)
    with _limited():
        run(desk)
    messages = [event.message for event in desk.log]
    return {
        "orders": sum(isinstance(message, orders.OrderIntent) for message in messages),
        "fills": sum(isinstance(message, orders.Fill) for message in messages),
    }


def _show(
    kind: str, found: dict[str, list[dict[str, Any]]], traded: dict[str, dict[str, int]], seeds: list[int]
) -> None:
    click.echo(f"{kind} on {', '.join(traded)}, seeds {seeds[0]}..{seeds[-1]}")
    for name, problems in found.items():
        click.echo(f"{'FAIL' if problems else 'ok  '}  {name}")
        for problem in problems[:PROBLEMS_SHOWN]:
            click.echo(f"        {problem['symbol']}, --seed {problem['seed']}: {problem['text']}")
        if len(problems) > PROBLEMS_SHOWN:
            click.echo(f"        and {len(problems) - PROBLEMS_SHOWN} more")
    for symbol, counts in traded.items():
        click.echo(f"it placed {counts['orders']} orders and had {counts['fills']} fills on {symbol}")
        if not counts["fills"]:
            click.echo("  so little was shown there: give settings with which it trades within 20 seconds")


def _params(file: Path | None, assignments: tuple[str, ...]) -> dict[str, Any]:
    """Return the settings of the file and of the command line, as texts; the latter win."""
    given: dict[str, Any] = {}
    if file is not None:
        try:
            tree = config_text.parse(str(file), file.read_text(encoding="utf-8"), {}).tree
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}", ExitCode.USAGE) from error
        given.update(tree)
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise CommandError(f"{assignment!r}: settings are written KEY=VALUE", ExitCode.USAGE)
        given[key] = value
    return given


def _market(word: str) -> str:
    symbol = normal_symbol(word)
    if symbol is None:
        raise CommandError(
            f"{word!r} is no market; write venue:SYMBOL, as binance_usdm:BTCUSDT", ExitCode.USAGE
        )
    return symbol
