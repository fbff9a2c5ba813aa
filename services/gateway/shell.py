"""The gateway's outside half: one HTTP server in the loop of the process, fed by the replica."""

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import Coroutine, Iterator

import uvicorn

from services.gateway import readiness
from services.gateway.app import make_app, pulse_of
from services.gateway.desk import ControlDesk
from services.gateway.guard import HEADERS_MAX_BYTES
from services.gateway.hub import BOOK_INTERVAL_S, Hub
from services.gateway.mesh import Mesh
from services.gateway.settings import GatewaySettings
from services.gateway.stages import Stages
from services.gateway.view import GatewayView
from services.gateway.watch import INTERVAL_S, Watch
from shared.errors import ConfigError
from shared.messages import Event, Instruction
from shared.runtime.latch import latch_kill
from shared.runtime.paths import DataDir
from shared.runtime.port import Port
from shared.settings import unpack

TOKEN_CHARACTERS_MIN = 16
FRAME_MAX_BYTES = 16_384


class _Server(uvicorn.Server):
    """A server that leaves the signals to the process it runs in."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class GatewayShell:
    """See `shared.runtime.port.Shell`. Health answers from the start, so that catching up can be watched."""

    def __init__(self, view: GatewayView) -> None:
        self._view = view
        self._hub: Hub | None = None
        self._desk: ControlDesk | None = None
        self._server: _Server | None = None
        self._pushing: list[asyncio.Task[None]] = []
        self._stages = Stages()
        self._tasks: set[asyncio.Task[None]] = set()

    def opened(self, port: Port) -> None:
        """Bind the address, read the token, and begin to answer."""
        settings = unpack(port.settings, GatewaySettings)
        token = read_token(port.data)
        listener = bind(settings.host, settings.port)
        self._desk = desk = ControlDesk(port)
        self._hub = hub = Hub(self._view, settings.clients_max, settings.client_queue_max)
        watch = Watch(port)
        mesh = Mesh(
            view=self._view,
            hub=hub,
            reasons=lambda: readiness.reasons(
                self._view, port, port.clock.now_ns(), is_latched=(port.data.latch / "kill").exists()
            ),
            durable_seq=lambda: port.durable_seq,
            ask=desk.ask,
            refusal=desk.refusal,
            latch=lambda reason: asyncio.to_thread(latch_kill, port.data, "gateway", reason),
            sight=watch.sight,
            stages=self._stages,
        )
        self._server = _Server(
            uvicorn.Config(
                make_app(mesh, token, [settings.host, *settings.allowed_hosts]),
                http="h11",
                ws="websockets-sansio",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                h11_max_incomplete_event_size=HEADERS_MAX_BYTES,
                ws_max_size=FRAME_MAX_BYTES,
                timeout_graceful_shutdown=2,
            )
        )
        self._start(self._server.serve(sockets=[listener]))
        self._pushing = [self._start(_push(hub)), self._start(_push_status(mesh, watch))]

    async def live(self, port: Port) -> None:
        """Do nothing more: answers tell of `port.is_live` themselves."""

    def carry_out(self, instruction: Instruction, event: Event) -> None:
        """Refuse: the replica asks for nothing."""
        raise AssertionError(f"the gateway cannot carry out {instruction!r} of seq {event.header.seq}")

    def seen(self, event: Event) -> None:
        """Measure, tell those who wait for a request, and push to clients."""
        self._stages.seen(event)
        if self._desk is not None and self._hub is not None:
            self._desk.seen(event)
            self._hub.seen(event)

    async def close(self) -> None:
        """Let the server finish what it answers, and stop."""
        if self._server is not None:
            self._server.should_exit = True
        for task in self._pushing:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Coroutine[None, None, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(_end_process_on_failure)
        return task


def _end_process_on_failure(task: "asyncio.Task[None]") -> None:
    """Hand the failure of a task to the loop, which ends the process: supervisord is the recovery."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        task.get_loop().call_exception_handler({"message": "the gateway failed", "exception": error})


async def _push(hub: Hub) -> None:
    while True:
        hub.push_books()
        await asyncio.sleep(BOOK_INTERVAL_S)


async def _push_status(mesh: Mesh, watch: Watch) -> None:
    while True:
        await watch.look()
        mesh.hub.push_status(lambda: pulse_of(mesh))
        await asyncio.sleep(INTERVAL_S)


def read_token(data: DataDir) -> str:
    """Return the token that clients must send, making it when there is none; raises `ConfigError`.

    There is no default and no short token: whoever has it can kill and pause (W-01).
    """
    path = data.run / "token"
    with contextlib.suppress(FileExistsError):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
    token = path.read_text(encoding="utf-8").strip()
    if len(token) < TOKEN_CHARACTERS_MIN or not token.isascii() or not token.isprintable():
        raise ConfigError(
            f"{path} holds no usable token: at least {TOKEN_CHARACTERS_MIN} printable characters are due; "
            "delete the file and start again, a new one is made"
        )
    return token


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket; raises `ConfigError` that says what to do when that is impossible."""
    # Without the protocol asyncio leaves Nagle on: an answer in two parts then takes 40 ms.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"the gateway cannot listen on {host}:{port} ({error.strerror}); stop what uses it, or set "
            "another gateway.port (QUOTEMESH__GATEWAY__PORT)"
        ) from error
    listener.set_inheritable(True)
    return listener
