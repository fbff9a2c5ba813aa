"""The process `venue_sim`: `python -m services.venue_sim.main` with QUOTEMESH_DATA set."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import Generator
from pathlib import Path

import msgspec
import uvicorn
from structlog.stdlib import BoundLogger

from services.venue_sim.acts import Acts
from services.venue_sim.build import make_venue
from services.venue_sim.relay import Relay
from services.venue_sim.settings import VenueSimSettings
from services.venue_sim.shell import IDLE_S, VenueServer
from services.venue_sim.shell_asgi import App
from services.venue_sim.shell_control import ControlPort
from services.venue_sim.shell_relay import RelayServer
from services.venue_sim.venue import SPOT, USDM, VENUES
from shared.errors import UNDECODABLE, ConfigError, JournalError
from shared.runtime import logs
from shared.runtime.clock import MeshClock
from shared.runtime.paths import DataDir
from shared.settings import unpack
from shared.units import NS_PER_S

SERVICE = "venue_sim"
EXIT_CONFIG = 4
HOST = "127.0.0.1"
SAVE_S = 1.0
PAUSE_MAX_NS = 60 * NS_PER_S
# (ping interval, pong limit) in real seconds, as the venues do.
PINGS = {SPOT: (20.0, 60.0), USDM: (180.0, 600.0), "control": (20.0, 60.0)}


class _Server(uvicorn.Server):
    """A server among several in one process: signals are ours to take."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def read_settings(data: DataDir) -> VenueSimSettings:
    """Return our settings, the defaults when the launcher wrote none; raises ConfigError."""
    path = data.settings(SERVICE)
    try:
        return unpack(path.read_bytes(), VenueSimSettings)
    except FileNotFoundError:
        return VenueSimSettings()
    except UNDECODABLE as error:
        raise ConfigError(
            f"settings {path} cannot be read ({error}); run `quotemesh restart` to write them anew"
        ) from None


def bind_ports(data: DataDir, settings: VenueSimSettings) -> dict[str, socket.socket]:
    """Return a listening socket per server: on the port of the settings, else the one used last, else any.

    The ports are kept in `run/venue_sim.json`; a port of the settings that is in use is a ConfigError.
    """
    path = data.run / "venue_sim.json"
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, int]])
    except (*UNDECODABLE, OSError):
        kept = {}
    wanted = {SPOT: settings.binance_port, USDM: settings.binance_usdm_port, "control": settings.control_port}
    bound: dict[str, socket.socket] = {}
    for name, port in wanted.items():
        try:
            bound[name] = _bind(port or kept.get(name, {}).get("port", 0))
        except OSError as error:
            if port:
                raise ConfigError(
                    f"simulator.{name}_port {port} cannot be used ({error.strerror}); "
                    "free it, or set 0 to pick one"
                ) from None
            bound[name] = _bind(0)
    ports = {name: {"port": sock.getsockname()[1]} for name, sock in bound.items()}
    replace_file(path, msgspec.json.encode(ports), is_synced=True)
    return bound


def _bind(port: int) -> socket.socket:
    # Without the protocol asyncio leaves Nagle on: an answer in two parts then takes 40 ms.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((HOST, port))
        sock.listen(128)
    except OSError:
        sock.close()
        raise
    return sock


def replace_file(path: Path, content: bytes, *, is_synced: bool) -> None:
    """Write a file so that a reader, or a start after a crash, finds the old or the new content, whole."""
    draft = path.with_name(f"{path.name}.draft")
    with draft.open("wb") as file:
        file.write(content)
        if is_synced:
            file.flush()
            os.fsync(file.fileno())
    draft.replace(path)


def read_state(path: Path) -> bytes | None:
    """Return the state of the last life, None when there is none."""
    return path.read_bytes() if path.exists() else None


async def wait_for_clock(data: DataDir) -> MeshClock:
    """Return the mesh clock as soon as the bus, or the launcher of a replay, has made it."""
    while True:
        try:
            return MeshClock(data)
        except JournalError:
            await asyncio.sleep(IDLE_S)


async def _save(host: VenueServer, path: Path, log: BoundLogger) -> None:
    """Keep the state each second; a full disk is reported and tried again, the venue goes on."""
    while True:
        _keep_state(host, path, log, is_clean=False)
        await asyncio.sleep(SAVE_S)


def _keep_state(host: VenueServer, path: Path, log: BoundLogger, *, is_clean: bool) -> None:
    """Write markets with accounts, then what their clients hold: listen keys, request counts, bans."""
    try:
        replace_file(path, host.sim.state(is_clean=is_clean), is_synced=is_clean)
        replace_file(path.with_suffix(".access"), host.wires.dump(), is_synced=is_clean)
    except OSError as error:
        log.warning("state not saved", path=path.name, reason=str(error))


def _relays(sockets: dict[str, socket.socket]) -> list[RelayServer]:
    """Put a relay on the port of each venue; the venue itself moves to a port that nobody is told."""
    relays = []
    for venue in VENUES:
        inner = _bind(0)
        relays.append(RelayServer(Relay(venue), sockets[venue], HOST, inner.getsockname()[1]))
        sockets[venue] = inner
    return relays


def _server(app: App, name: str) -> _Server:
    interval_s, limit_s = PINGS[name]
    config = uvicorn.Config(
        app,
        http="h11",
        ws="websockets-sansio",
        loop="asyncio",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        ws_max_size=65_536,
        ws_per_message_deflate=False,
        ws_ping_interval=interval_s,
        ws_ping_timeout=limit_s,
        timeout_graceful_shutdown=1,
    )
    return _Server(config)


async def serve(data: DataDir) -> None:
    """Run until SIGTERM or SIGINT; raises ConfigError, and whatever ends the pump."""
    log = logs.configure(SERVICE, data)
    settings = read_settings(data)
    is_generated = settings.mode == "generate"
    state_path = data.market / ("venue_sim.state" if is_generated else "venue_sim.capture.state")
    sim = make_venue(settings, read_state(state_path))
    if sim.notice:
        log.warning(sim.notice)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    clock_task = asyncio.ensure_future(wait_for_clock(data))
    await asyncio.wait([clock_task, asyncio.ensure_future(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
    if stop.is_set():
        return
    skip_after_ns = PAUSE_MAX_NS if is_generated else None
    is_strict = settings.strict_signatures
    host = VenueServer(
        sim, clock_task.result(), settings.client_queue_frames, skip_after_ns, is_strict=is_strict
    )
    access = read_state(state_path.with_suffix(".access"))
    if access is not None and not host.wires.load(access):
        log.warning("listen keys and request counts of the last life cannot be read; they start anew")
    sockets = bind_ports(data, settings)
    ports = {name: sock.getsockname()[1] for name, sock in sockets.items()}
    relays = _relays(sockets) if settings.relay else []
    servers = {name: _server(app, name) for name, app in _apps(host, relays).items()}
    pump = asyncio.ensure_future(host.pump())
    work = [pump, *(asyncio.ensure_future(s.serve([sockets[name]])) for name, s in servers.items())]
    work += [asyncio.ensure_future(relay.serve()) for relay in relays]
    work.append(asyncio.ensure_future(_save(host, state_path, log)))
    log.info("ready", mode=settings.mode, **ports)
    stopped = asyncio.ensure_future(stop.wait())
    gc.freeze()
    done, _ = await asyncio.wait([*work, stopped], return_when=asyncio.FIRST_COMPLETED)
    pump.cancel()
    _keep_state(host, state_path, log, is_clean=stop.is_set())
    for server in servers.values():
        server.should_exit = True
    await asyncio.wait(work[1 : 1 + len(servers)], timeout=2.0)
    for task in done - {stopped}:
        task.result()
    log.info("stopped")


def _apps(host: VenueServer, relays: list[RelayServer]) -> dict[str, App]:
    acts = Acts(host.sim.exchange, host.wires.streams, host.wires.plain, host.trading, host.cut)
    control = ControlPort(host.sim, host.trading, host.status, acts, host.clock.now_ns, relays)
    return {**{venue: host.venue_app(venue) for venue in VENUES}, "control": control.app}


def main() -> int:
    """Run the simulated venue; returns the exit code."""
    try:
        data = DataDir.from_environment()
        asyncio.run(serve(data))
    except ConfigError as error:
        sys.stderr.write(f"{SERVICE}: {error}\n")
        return EXIT_CONFIG
    return 0


if __name__ == "__main__":
    sys.exit(main())
