"""`quotemesh up`: from a data directory to a running mesh, or to one clear message."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import click

from services.cli import config as configuration
from services.cli.config_commands import DEFAULT, FILE_NAME
from services.cli.config_model import Config
from services.cli.config_risk import planned
from services.cli.exits import CommandError, ExitCode
from services.cli.live_plan import plan_text
from services.cli.mesh import CANCELLER, Ready, kill_mesh, last_lines, start_stages, stop_mesh
from services.cli.mesh_time import mesh_now_ns
from services.cli.modes import keep_mode, refuse_other_mode, refuse_unarmed
from services.cli.place import ROOT, data_option
from services.cli.processes import processes_of
from services.cli.replaying import Playback, Record, prepare_playback, resumed
from services.cli.secrets import put_secrets, remove_secrets, take_secrets
from services.cli.supervise import SUPERVISOR_ERRORS, Supervisor, is_locked, start_supervisord, take_lock
from services.venue_sim.exchange.keys import keys_of
from shared.errors import ConfigError, QuotemeshError
from shared.kernels import compiled_directory
from shared.runtime.client import BusClient
from shared.runtime.paths import DataDir
from shared.settings import pack

SPEED_MAX = 100
WATCH_S = 0.5
CAPTURE_TOPIC = b".capture"
SIMULATED_KEY = "sim"


def _speed(context: click.Context, parameter: click.Parameter, value: str) -> str:  # noqa: ARG001
    if value != "max" and not (value.isdecimal() and 1 <= int(value) <= SPEED_MAX):
        raise click.BadParameter(f"{value!r} is neither a whole number from 1 to {SPEED_MAX} nor max")
    return value


@click.command()
@data_option
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="Use this YAML file.")
@click.option("--foreground", is_flag=True, help="Stay, and stop the mesh on SIGTERM or SIGINT.")
@click.option("--wait", "is_waiting", is_flag=True, help="Return when the capture has been played.")
@click.option("--replay", multiple=True, metavar="FILE...", help="Play recorded captures, in this order.")
@click.option(
    "--speed", callback=_speed, metavar="1|10|max", default="1", help="How fast a capture is played."
)
@click.option("--skip-check", is_flag=True, help="Start even if the pre-start check fails.")
@click.option("--exchange-info", default="", help="Take tick and lot sizes from this exchangeInfo answer.")
@click.argument("more_files", nargs=-1, metavar="")
def up(
    data: DataDir,
    config_file: Path | None,
    foreground: bool,
    is_waiting: bool,
    replay: tuple[str, ...],
    speed: str,
    skip_check: bool,
    exchange_info: str,
    more_files: tuple[str, ...],
) -> None:
    """Start the mesh and return when all of it is ready.

    Without a configuration of its own, a data directory gets the default one: three strategies that trade
    on paper on a simulated venue, without a key or a network.
    """
    if more_files and not replay:
        raise click.UsageError(f"unexpected {more_files[0]!r}: files are played with --replay FILE...")
    if is_waiting and not replay:
        raise click.UsageError("--wait waits for the end of a capture: it needs --replay FILE...")
    files = tuple(str(Path(name).resolve()) for name in (*replay, *more_files))
    prepare(data)
    secrets_given = take_secrets(os.environ)
    if build_kernels() and speed == "max":
        # This process has loaded the uncompiled ones: begin again.
        command = [sys.executable, "-P", "-m", "services.cli.main", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, "PYTHONPATH": str(ROOT)})  # noqa: S606
    try:
        config = configuration.load(config_file or default_config(data), os.environ)
        refuse_mode(config, data, is_replay=bool(files), is_unchecked=skip_check)
        playback = None
        if files:
            record = Record(files, speed, str(Path(exchange_info).resolve()) if exchange_info else "")
            playback = prepare_playback(config, data, record)
            config = playback.config
        else:
            config = resumed(config, data)
        config = planned(config, playback.origin_ns if playback is not None else mesh_now_ns(data))
    except ConfigError as error:
        raise CommandError(str(error), ExitCode.BAD_CONFIG) from error
    if speed == "max":
        from services.fused.run import run_capture  # noqa: PLC0415

        sys.exit(run_capture(configuration.sections(config), data))
    put_secrets(data, with_simulated(secrets_given, config))
    try:
        examine(config, data, is_checked=not skip_check and playback is None)
    except BaseException:
        remove_secrets(data)
        raise
    run_mesh(data, config, playback, foreground, is_waiting)


def examine(config: Config, data: DataDir, *, is_checked: bool) -> None:
    """Raise `CommandError` for what would keep the mesh from starting; tell what it will do with money."""
    check_port(config.gateway.host, config.gateway.port)
    if is_checked:
        from services.cli.check_commands import refuse_failing  # noqa: PLC0415 - after the kernels are built

        refuse_failing(config, data)
    if config.mode != "paper":
        from services.cli.venue_truth import fingerprints  # noqa: PLC0415 - pyrage and the adapters: not on paper

        click.echo(plan_text(config, fingerprints(config.broker.venues, data)))


def with_simulated(secrets_given: Mapping[str, str], config: Config) -> dict[str, str]:
    """Return the secrets and, for a rehearsal, the key of the simulated venue's first account."""
    found = dict(secrets_given)
    names = {access.key for access in config.broker.venues if access.network == "sim"}
    if SIMULATED_KEY in names - found.keys():
        key = keys_of(config.venue_sim)[0]
        found[SIMULATED_KEY] = json.dumps({"api_key": key.api_key, "secret": key.secret})
    return found


def refuse_mode(config: Config, data: DataDir, *, is_replay: bool, is_unchecked: bool) -> None:
    """Raise `CommandError` when this start may not trade as the configuration's mode says."""
    if config.mode != "paper" and is_replay:
        raise CommandError(
            f"--replay plays a capture on paper, and the configuration says mode {config.mode}: no venue "
            "takes orders of another time",
            ExitCode.USAGE,
        )
    refuse_unarmed(config, os.environ)
    if config.mode == "live" and is_unchecked:
        raise CommandError(
            "mode live starts with a passing check only: leave --skip-check out", ExitCode.USAGE
        )
    refuse_other_mode(config, data)


def default_config(data: DataDir) -> Path:
    """Return the configuration of the data directory; a new one gets a copy of the default."""
    path = data.config / FILE_NAME
    if not path.exists():
        write_private(path, DEFAULT.read_bytes())
        click.echo(f"configuration written to {path}")
    return path


def prepare(data: DataDir) -> None:
    """Make the folders of the data directory and refuse one on which a mesh runs."""
    try:
        data.prepare()
        if not os.access(data.run, os.W_OK):
            raise ConfigError(f"data directory {data.root} is not yours to write; name another with --data")
        is_taken = is_locked(data)
    except (ConfigError, OSError) as error:
        raise CommandError(str(error)) from error
    if is_taken:
        take_lock(data)
    left = processes_of(data)
    if left:
        names = ", ".join(f"{process.name} ({process.pid})" for process in left)
        raise CommandError(
            f"processes of an earlier mesh still run on {data.root}: {names}; stop them with down"
        )


def run_mesh(
    data: DataDir,
    config: Config,
    playback: Playback | None,
    foreground: bool,
    is_waiting: bool,
) -> None:
    """Start everything; stop what was started and raise when one part does not become ready."""
    lock = take_lock(data)  # from here on nobody else starts or writes anything there
    data.settings(CANCELLER).unlink(missing_ok=True)
    for name, settings in configuration.sections(config).items():
        write_private(data.settings(name), pack(settings))
    token_file = ensure_token(data)
    keep_mode(config, data)
    if playback is not None:
        playback.hold_clock(data)
    with StopSignals(data) as asked:
        try:
            supervisor = start_supervisord(data, lock)
            start_stages(data, supervisor, tell, asked.go_on)
            if config.seeds:
                from services.cli.seeding import seed_accounts  # noqa: PLC0415 - as in `examine`

                for line in seed_accounts(config, data):
                    click.echo(line)
            if playback is not None:
                playback.start_clock(data)
        except BaseException:
            stop_mesh(data)
            raise
        click.echo(
            addresses(config.gateway.host, config.gateway.port, token_file, is_terminal=sys.stdout.isatty())
        )
        venue_count = playback.venue_count if is_waiting and playback is not None else None
        if not foreground and venue_count is None:
            return
        try:
            is_over = watch(data, supervisor, asked, venue_count)
        finally:
            if foreground:
                stop_mesh(data, click.echo)
    if not is_over and not foreground:
        raise CommandError(f"interrupted before the end of the capture; the mesh on {data.root} runs on")


def addresses(host: str, port: int, token_file: Path, *, is_terminal: bool) -> str:
    """Return the lines that tell where the gateway and its dashboard are.

    A person at a terminal gets a link that logs in: the token is in its fragment, which no browser sends to
    a server. What is not a terminal may be kept in a log, so it never gets the token.
    """
    name = f"[{host}]" if ":" in host else host
    lines = [f"gateway      http://{name}:{port}   token in {token_file}"]
    if is_terminal:
        token = quote(token_file.read_text().strip(), safe="")
        lines.append(f"dashboard    http://{name}:{port}/#token={token}")
    return "\n".join(lines)


def build_kernels() -> bool:
    """Compile the kernels when these sources are not yet, and return whether that changed anything.

    Without a compiler the build says so, and the kernels run uncompiled.
    """
    if compiled_directory() is not None or os.environ.get("QUOTEMESH_KERNELS") == "python":
        return False
    subprocess.run([sys.executable, "-m", "shared.kernels.build"], cwd=ROOT, check=False)
    return compiled_directory() is not None


class StopSignals:
    """Context manager: a first SIGTERM or SIGINT is noted, to stop in order; a second one forces it."""

    def __init__(self, data: DataDir) -> None:
        self._data = data
        self._count = 0

    def __enter__(self) -> "StopSignals":
        self._before = {
            number: signal.signal(number, self._note) for number in (signal.SIGTERM, signal.SIGINT)
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, action in self._before.items():
            signal.signal(number, action)

    def _note(self, *_: object) -> None:
        self._count += 1
        if self._count > 1:
            kill_mesh(self._data)

    @property
    def has_come(self) -> bool:
        """Whether we were asked to stop."""
        return self._count > 0

    def go_on(self) -> None:
        """Raise when we were asked to stop."""
        if self.has_come:
            raise CommandError("stopped while it started")


def tell(ready: Ready) -> None:
    """Print one line for a process that became ready."""
    click.echo(f"{ready.name:<12} ready (pid {ready.pid}, {ready.after_s:.1f} s)")


def watch(data: DataDir, supervisor: Supervisor, asked: StopSignals, venue_count: int | None) -> bool:
    """Return false when asked to stop, true when `venue_count` venues have played their capture to its end.

    A service that supervisord has given up raises: nothing would bring it back.
    """
    finished_seq, after_seq = 0, 0
    finished: set[str] = set()
    while not asked.has_come:
        time.sleep(WATCH_S)
        refuse_given_up(data, supervisor)
        if venue_count is None:
            continue
        try:
            with BusClient(data) as client:
                events = client.read(after_seq, prefixes=(CAPTURE_TOPIC,))
                status = client.status()
        except QuotemeshError:  # the bus is being restarted
            continue
        for event in events:
            after_seq = finished_seq = event.header.seq
            finished.add(event.message.venue)
        are_all_there = all(one["applied_seq"] >= finished_seq for one in status["services"].values())
        if len(finished) >= venue_count and are_all_there:
            return True
    return False


def refuse_given_up(data: DataDir, supervisor: Supervisor) -> None:
    """Raise when a service, or the supervisor itself, does not run any more."""
    try:
        programs = supervisor.programs()
    except SUPERVISOR_ERRORS as error:
        raise CommandError(f"the supervisor of {data.root} is gone ({error}): down, then up again") from error
    for program in programs.values():
        if program.state in {"FATAL", "EXITED"}:
            raise CommandError(
                f"{program.name} does not run any more ({program.detail})\n{last_lines(data, program.name)}"
            )


def check_port(host: str, port: int) -> None:
    """Raise `CommandError` when the gateway could not listen there."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise CommandError(
            f"the gateway cannot listen on {host} port {port} ({error.strerror}): stop what uses it, or set "
            f"another one, e.g. QUOTEMESH__GATEWAY__PORT={port + 1}"
        ) from error


def ensure_token(data: DataDir) -> Path:
    """Return the file with the gateway's token; it is made once and kept over restarts."""
    path = data.run / "token"
    if not path.exists() or not path.read_text().strip():
        write_private(path, secrets.token_urlsafe(32).encode() + b"\n")
    return path


def write_private(path: Path, content: bytes) -> None:
    """Replace a file by `content`, readable by its owner only; never half written."""
    draft = path.with_name(path.name + ".part")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    draft.replace(path)
