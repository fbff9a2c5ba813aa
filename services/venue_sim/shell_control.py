"""The control port of the simulated venue: status, and faults on command, for programs of this host."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, TypeVar, get_args

import msgspec

from services.venue_sim.acts import Act, ActKind, Acts
from services.venue_sim.faults import FaultyVenue
from services.venue_sim.ledger_view import ledger_page
from services.venue_sim.relay import RelayAction, RelayCommand
from services.venue_sim.settings import FaultKind, FaultSettings
from services.venue_sim.shell_asgi import AsgiReceive, AsgiSend, Scope, answer, read_body
from services.venue_sim.shell_relay import RelayServer
from services.venue_sim.trading_faults import TRADING_KINDS, TradingFault, TradingFaults
from services.venue_sim.venue import VENUES
from shared.errors import UNDECODABLE

LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
WRONG_COMMANDS = (*UNDECODABLE, ValueError)

Command = Callable[[bytes], dict[str, Any]]
Command_ = TypeVar("Command_", FaultSettings, TradingFault, Act, RelayCommand)
FAULT_KINDS = (*get_args(FaultKind), *sorted(TRADING_KINDS))
KINDS: dict[type, tuple[str, ...]] = {
    FaultSettings: FAULT_KINDS,
    TradingFault: FAULT_KINDS,
    Act: get_args(ActKind),
    RelayCommand: get_args(RelayAction),
}


class ControlPort:
    """`GET /sim/status`, `GET /sim/ledger`, and `POST /sim/faults`, `/sim/acts`, `/sim/relay`, in JSON.

    `status` tells what `/sim/status` shows. A command that raises ValueError is answered with 400 and
    its text.
    """

    def __init__(
        self,
        sim: FaultyVenue,
        trading: TradingFaults,
        status: Callable[[], dict[str, Any]],
        acts: Acts,
        now_ns: Callable[[], int],
        relays: Sequence[RelayServer] = (),
    ) -> None:
        self._sim = sim
        self._trading = trading
        self._status = status
        self._act_of = acts
        self._now_ns = now_ns
        self._relays = relays
        self.commands: dict[str, Command] = {
            "/sim/faults": self._faults,
            "/sim/acts": self._acts,
            "/sim/relay": self._relay,
        }

    async def app(self, scope: Scope, receive: AsgiReceive, send: AsgiSend) -> None:
        """Serve one request; only for programs of this host."""
        if scope["type"] != "http":
            return
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1").rpartition(":")[0]
        if host not in LOCAL_HOSTS:
            await answer(send, 403, _error("only http://127.0.0.1 may be asked"))
        elif (scope["method"], scope["path"]) == ("GET", "/sim/status"):
            await answer(send, 200, msgspec.json.encode(self._told()))
        elif (scope["method"], scope["path"]) == ("GET", "/sim/ledger"):
            await answer(send, *self._command(self._ledger, scope["query_string"]))
        elif scope["method"] == "POST" and scope["path"] in self.commands:
            if headers.get(b"content-type", b"").partition(b";")[0] != b"application/json":
                await answer(send, 415, _error("send application/json"))
                return
            await answer(send, *self._command(self.commands[scope["path"]], await read_body(receive)))
        else:
            paths = ", ".join(f"POST {path}" for path in self.commands)
            await answer(send, 404, _error(f"there are GET /sim/status, GET /sim/ledger and {paths}"))

    def _command(self, command: Command, body: bytes) -> tuple[int, bytes]:
        try:
            return 200, msgspec.json.encode(command(body))
        except WRONG_COMMANDS as error:
            return 400, _error(str(error))

    def _faults(self, body: bytes) -> dict[str, Any]:
        """Begin the faults of the body, all or none of them; an empty list ends all faults."""
        faults = [_fault(item) for item in _items(body)]
        if not faults:
            self._sim.clear()
            self._trading.clear()
        for fault in faults:
            if isinstance(fault, TradingFault):
                self._trading.command(fault)
            else:
                self._sim.command(fault)
        return {"accepted": len(faults), "pending": self._sim.pending + self._trading.pending}

    def _acts(self, body: bytes) -> dict[str, Any]:
        """Carry out the acts of the body in order, up to the first that cannot be."""
        return {"done": [self._act_of.do(_read(item, Act), self._now_ns()) for item in _items(body)]}

    def _relay(self, body: bytes) -> dict[str, Any]:
        """Carry out the commands of the body at the relays, all or none of them."""
        if not self._relays:
            raise ValueError("there is no relay: set simulator.relay to true and start the venue again")
        commands = [_read(item, RelayCommand) for item in _items(body)]
        problem = next((command.problem() for command in commands if command.problem()), "")
        if problem:
            raise ValueError(problem)
        for command in commands:
            for relay in self._relays:
                relay.command(command)
        return {"accepted": len(commands)}

    def _ledger(self, query: bytes) -> dict[str, Any]:
        return ledger_page(self._sim.exchange.ledger, query.decode("latin-1"))

    def _told(self) -> dict[str, Any]:
        relays = {
            server.relay.venue: {"open": server.relay.open_count, "counts": dict(server.relay.counts)}
            for server in self._relays
        }
        return {**self._status(), "acts": dict(self._act_of.counts), "relays": relays}


def _items(body: bytes) -> list[dict[str, Any]]:
    wanted = msgspec.json.decode(body, type=dict[str, Any] | list[dict[str, Any]])
    return wanted if isinstance(wanted, list) else [wanted]


def _fault(item: dict[str, Any]) -> FaultSettings | TradingFault:
    """Return a fault of the streams or of trading, told by its kind; raises ValueError."""
    if item.get("kind") in TRADING_KINDS:
        fault = _read(item, TradingFault)
        problem = fault.problem()
        if problem:
            raise ValueError(problem)
        return fault
    stream_fault = _read(item, FaultSettings)
    if stream_fault.count < 1 or stream_fault.skip < 0 or stream_fault.delay_ms < 0:
        raise ValueError(f"count, skip or delay_ms is wrong in {stream_fault}")
    if stream_fault.venue not in {"", *VENUES}:
        known = " or ".join(VENUES)
        raise ValueError(f"venue {stream_fault.venue!r} is unknown; send {known}, or leave it out")
    return stream_fault


def _read(item: dict[str, Any], type_: type[Command_]) -> Command_:
    known = [field.name for field in fields(type_)]
    unknown = item.keys() - set(known)
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))} unknown; send {', '.join(known)}")
    try:
        return msgspec.convert(item, type=type_)
    except UNDECODABLE as error:
        kinds = ", ".join(KINDS[type_])
        raise ValueError(f"cannot be read ({error}); {known[0]} is one of {kinds}") from None


def _error(text: str) -> bytes:
    return msgspec.json.encode({"error": text})
