"""`quotemesh kill|pause|resume|cancel-all`: what people ask of a running mesh."""

import json
import time
from typing import Any

import click
import msgspec
import zmq

from services.cli.config_model import normal_symbol
from services.cli.exits import CommandError, ExitCode
from services.cli.modes import trading_settings
from services.cli.place import data_option, existing
from shared.errors import QuotemeshError
from shared.messages import Message, control
from shared.runtime.client import BusClient
from shared.runtime.latch import latch_kill
from shared.runtime.paths import DataDir

BY = "operator"
ANSWER_LIMIT_S = 5.0
KILL_BUS_LIMIT_MS = 1000
BROKER_LIMIT_MS = 500
POLL_S = 0.02
BROKER_SOCKET = "broker.sock"
CONTROL_TOPIC = (b".control",)

RESUME_NOTE = "no --reason was given: quoting goes on, but of what risk holds nothing was released"

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@data_option
@json_option
@click.option("--reason", default="", help="Why; needed with --clear.")
@click.option("--clear", "is_clearing", is_flag=True, help="Allow trading again; needs --reason.")
def kill(data: DataDir, as_json: bool, reason: str, is_clearing: bool) -> None:
    """Stop everything: cancel all orders and send none, until `kill --clear --reason TEXT`.

    Writes the latch file, which needs no running process, then tells the broker by the log, or by its own
    socket when the bus is dead. Exit code 0: the broker has acknowledged; 3: only the file stands, which the
    broker obeys as soon as it runs; 1: not even the file could be written.
    """
    existing(data)
    reason = reason.strip()
    if is_clearing:
        _clear(data, reason, as_json)
        return
    reason = reason or "no reason given"
    is_latched = latch_kill(data, BY, reason)
    way = _tell_by_log(data, reason) or _tell_by_socket(data, reason)
    if as_json:
        click.echo(json.dumps({"is_latched": is_latched or bool(way), "acknowledged_by": way}))
    if way:
        if not as_json:
            click.echo(
                f"killed: the broker has latched it (by the {way}); orders are cancelled, none is sent"
            )
        return
    if not is_latched:
        raise CommandError(
            f"NOT killed: {data.latch / 'kill'} cannot be written and the broker does not answer; "
            "stop the processes (quotemesh down, or kill the broker's process)"
        )
    trades = trading_settings(data) is not None
    orders = "; its orders at the venue: `quotemesh cancel-all --direct` (the canceller does so in 2 s)"
    raise CommandError(
        f"latched by file only ({data.latch / 'kill'}): the broker does not answer, and sends nothing "
        f"once it runs again{orders if trades else ''}",
        ExitCode.NOT_RUNNING,
    )


def _tell_by_log(data: DataDir, reason: str) -> str:
    """Ask through the bus and wait until the broker says `KillLatched`; return "log", empty on failure."""
    try:
        with BusClient(data, KILL_BUS_LIMIT_MS) as client:
            seq = client.append(BY, control.KillRequested(BY, reason))
            _wait_for(client, seq, control.KillLatched)
    except QuotemeshError:
        return ""
    return "log"


def _tell_by_socket(data: DataDir, reason: str) -> str:
    """Ask the broker itself, which needs no bus; return "socket", empty on failure."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        with context.socket(zmq.REQ) as socket:
            socket.linger = 0
            socket.connect(data.socket(BROKER_SOCKET))
            socket.send(msgspec.msgpack.encode(["kill", BY, reason]))
            if not socket.poll(BROKER_LIMIT_MS):
                return ""
            answer: list[Any] = msgspec.msgpack.decode(socket.recv())
            return "socket" if answer[:1] == ["ok"] else ""
    finally:
        context.destroy(linger=0)


def _clear(data: DataDir, reason: str, as_json: bool) -> None:
    if not reason:
        raise CommandError(
            "clearing a kill needs --reason: what was wrong, and why it is right now", ExitCode.USAGE
        )
    with mesh_client(data) as client:
        try:
            seq = client.append(BY, control.KillClearRequested(BY, reason))
            answer = _wait_for(client, seq, control.KillCleared, control.KillClearRefused)
        except QuotemeshError as error:
            raise CommandError(f"the kill still stands: {error}", ExitCode.TIMEOUT) from error
    if isinstance(answer, control.KillClearRefused):
        raise CommandError(f"the kill still stands: {answer.reason}", ExitCode.HALTED)
    click.echo(json.dumps({"seq": seq}) if as_json else f"kill cleared (seq {seq})")


def _wait_for(client: BusClient, seq: int, *kinds: type[Message]) -> Message:
    """Return how the broker answers the request at `seq`; raises `QuotemeshError` when it does not."""
    end_s = time.monotonic() + ANSWER_LIMIT_S
    after = seq
    while time.monotonic() < end_s:
        for event in client.read(after, prefixes=CONTROL_TOPIC):
            after = event.header.seq
            message: Message = event.message
            if isinstance(message, kinds):
                return message
        time.sleep(POLL_S)
    raise QuotemeshError(
        f"the request is on the log at seq {seq}, but the broker did not answer within {ANSWER_LIMIT_S:g} s; "
        "look at `quotemesh status` and `quotemesh logs broker`"
    )


@click.command()
@data_option
@json_option
@click.argument("strategy", default="")
@click.option("--reason", default="", help="Why.")
def pause(data: DataDir, as_json: bool, strategy: str, reason: str) -> None:
    """Pause one STRATEGY, or all when none is named: their quotes are withdrawn."""
    _append(data, control.PauseRequested(_strategy(data, strategy), BY, reason), as_json, "paused")


@click.command()
@data_option
@json_option
@click.argument("strategy", default="")
@click.option("--reason", default="", help="Why.")
def resume(data: DataDir, as_json: bool, strategy: str, reason: str) -> None:
    """Let a paused STRATEGY quote again, or all when none is named.

    With --reason it also releases what risk holds (docs/risk.md); without one it says that nothing is.
    """
    note = "" if reason.strip() else RESUME_NOTE
    _append(data, control.ResumeRequested(_strategy(data, strategy), BY, reason), as_json, "resumed", note)


@click.command("cancel-all")
@data_option
@json_option
@click.argument("symbol", default="")
@click.option("--reason", default="", help="Why.")
@click.option(
    "--direct", "is_direct", is_flag=True, help="At the venue itself; needs no process of the mesh."
)
def cancel_all(data: DataDir, as_json: bool, symbol: str, reason: str, is_direct: bool) -> None:
    """Cancel every resting order of SYMBOL, or all when none is named. Strategies go on quoting.

    With --direct the venue is asked without bus, broker or log, for when they are dead: all our orders there
    are cancelled, others stay. Exit code 0: none of ours is left; 1: some are, or a venue did not answer.
    """
    market = normal_symbol(symbol) if symbol else ""
    if market is None:
        raise CommandError(
            f"{symbol!r} is no market; write venue:SYMBOL, as binance_usdm:BTCUSDT", ExitCode.USAGE
        )
    if is_direct:
        from services.cli.direct_cancel import cancel_direct  # noqa: PLC0415 - the adapters: for this way only

        cancel_direct(existing(data), market, as_json)
        return
    _append(data, control.CancelAllRequested(market, BY, reason), as_json, "cancelling all")


def _append(data: DataDir, message: Message, as_json: bool, done: str, note: str = "") -> None:
    with mesh_client(data) as client:
        try:
            seq = client.append(BY, message)
        except QuotemeshError as error:
            raise CommandError(str(error), ExitCode.TIMEOUT) from error
    if as_json:
        click.echo(json.dumps({"seq": seq, "text": note} if note else {"seq": seq}))
        return
    click.echo(f"{done} (seq {seq} on the log)" + (f"\n{note}" if note else ""))


def mesh_client(data: DataDir) -> BusClient:
    """Return a client of the bus that answers; ends the command when none does."""
    client = BusClient(existing(data))
    try:
        client.head_seq()
    except QuotemeshError as error:
        client.close()
        raise CommandError(
            f"no mesh runs on {data.root}, so nobody can be asked ({error})", ExitCode.NOT_RUNNING
        ) from error
    return client


def _strategy(data: DataDir, name: str) -> str:
    """Return `name` when the mesh has such a strategy; ends the command else."""
    if not name:
        return ""
    known: set[str] = set()
    with mesh_client(data) as client:
        known = _strategies(client)
    if name not in known:
        raise CommandError(
            f"no strategy {name!r} runs; running: {', '.join(sorted(known)) or 'none'}", ExitCode.NOT_FOUND
        )
    return name


def _strategies(client: BusClient) -> set[str]:
    """Return the strategies named in the newest settings of the strategy service on the log."""
    names: set[str] = set()
    after = 0
    while events := client.read(after, prefixes=(b".service.strategy",)):
        after = events[-1].header.seq
        settings = msgspec.msgpack.decode(events[-1].message.settings)
        names = set(settings.get("instances", {}))
    return names
