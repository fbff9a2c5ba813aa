"""What the dashboard shows at one glance: `/api/v1/overview`, and each second on the channel `status`."""

from typing import Any

from services.gateway import answers
from services.gateway.accounts_answers import AccountLine, account_of
from services.gateway.answers import Answer, Integer
from services.gateway.history import TradeRecord
from services.gateway.readiness import BUS_SILENT_MS_MAX, age_of_book_ms
from services.gateway.stages import Stages
from services.gateway.view import GatewayView
from services.gateway.watch import Sight
from shared.instrument import venue_of
from shared.messages.market import InstrumentRules
from shared.units import Side, atoms_text, decimal_text

SERVICES = ("bus", "venue_sim", "market_data", "strategy", "risk", "broker", "gateway")
CANCELLER = "canceller"
NEWEST = 60


class ServiceSight(Answer):
    """One process: `health` is ok, starting, silent, down or unknown; the digest is of `digest_seq`."""

    service: str
    health: str
    detail: str
    pid: int
    run: int
    build: str
    applied_seq: Integer | None
    behind: int | None
    digest: str
    digest_seq: Integer | None
    rss_bytes: int


class BookSight(Answer):
    """Whether the book of a market may be relied on, and why not; `age_ms` in mesh time."""

    symbol: str
    trusted: bool
    reason: str
    age_ms: int


class StageSight(Answer):
    """How long one stage takes, as upper bounds in ms."""

    stage: str
    text: str
    count: int
    p50_ms: float
    p99_ms: float


class Money(Answer):
    """Profit and loss after fees in one quote asset, open positions included."""

    asset: str
    profit: str


class Pulse(Answer):
    """All that may change without an event of its own: said each second."""

    status: answers.Status
    positions: list[answers.Position]
    profits: list[Money]
    services: list[ServiceSight]
    books: list[BookSight]
    account: AccountLine
    stages: list[StageSight]
    events_per_s: float
    bus_silent_ms: int
    is_bus_heard: bool
    is_caught_up: bool
    now_ns: Integer


class Trade(Answer):
    """One public execution; `side` is the aggressor's."""

    trade_id: Integer
    price: str | None
    qty: str | None
    side: str
    seq: Integer
    ts_ns: Integer


class Trades(Answer):
    """Public executions of one market, oldest first."""

    symbol: str
    items: list[Trade]


class Curve(Answer):
    """Profit and loss after fees over time, as (ts_ns, decimal text)."""

    asset: str
    points: list[tuple[Integer, str]]


class Overview(Answer):
    """What a page needs to begin; all later comes over the WebSocket."""

    pulse: Pulse
    orders: list[answers.Order]
    fills: list[answers.Fill]
    curves: list[Curve]


def pulse_of(view: GatewayView, status: answers.Status, sight: Sight, stages: Stages) -> Pulse:
    """Return what is said each second."""
    is_bus_heard = sight.bus is not None and sight.bus_silent_ms <= BUS_SILENT_MS_MAX
    exponents = exponent_by_asset(view)
    profits = view.history.profit_atoms(view.positions.values(), view.rules, view.books)
    return Pulse(
        status=status,
        positions=[answers.position_of(view.positions[key], view) for key in sorted(view.positions)],
        profits=[
            Money(asset=asset, profit=atoms_text(atoms, exponents[asset]))
            for asset, atoms in sorted(profits.items())
            if asset in exponents
        ],
        services=[_service(name, view, sight, is_bus_heard=is_bus_heard) for name in _names(view)],
        books=[
            BookSight(
                symbol=symbol,
                trusted=bool(view.books[symbol].is_trusted),
                reason=_book_problem(symbol, view, sight.now_ns),
                age_ms=age_of_book_ms(mark, sight.now_ns),
            )
            for symbol, mark in sorted(view.marks.items())
        ],
        account=account_of(view, sight.processes, sight.now_ns),
        stages=stages_of(stages),
        events_per_s=round(stages.events_per_s(), 1),
        bus_silent_ms=sight.bus_silent_ms,
        is_bus_heard=is_bus_heard,
        is_caught_up=sight.is_live,
        now_ns=sight.now_ns,
    )


def overview_of(view: GatewayView, pulse: Pulse) -> Overview:
    """Return the pulse, the open and the newest finished orders, the newest fills and the curves."""
    finished = list(view.finished.values())[-NEWEST:]
    found = sorted([*finished, *view.live.values()], key=lambda record: record.seq)
    exponents = exponent_by_asset(view)
    return Overview(
        pulse=pulse,
        orders=[answers.order_of(record, view.rules.get(record.symbol)) for record in found],
        fills=[
            answers.fill_of(record, view.rules.get(record.symbol)) for record in list(view.fills)[-NEWEST:]
        ],
        curves=[
            Curve(
                asset=asset,
                points=[(ts_ns, atoms_text(atoms, exponents[asset])) for ts_ns, atoms in points],
            )
            for asset, points in sorted(view.history.curves.items())
            if asset in exponents
        ],
    )


def trades_of(symbol: str, records: list[TradeRecord], rules: InstrumentRules | None) -> Trades:
    """Return public executions as people read them."""
    return Trades(
        symbol=symbol,
        items=[
            Trade(
                trade_id=record.trade_id,
                price=None if rules is None else decimal_text(record.price_ticks, rules.tick_size),
                qty=None if rules is None else decimal_text(record.qty_lots, rules.lot_size),
                side=Side(record.side).name.lower(),
                seq=record.seq,
                ts_ns=record.ts_ns,
            )
            for record in records
        ],
    )


def stages_of(stages: Stages) -> list[StageSight]:
    """Return the stages that were seen at least once, in the order in which an order passes them."""
    found = []
    for name, histogram in stages.histograms.items():
        count, p50_ns, p99_ns = histogram.percentiles()
        if count:
            found.append(
                StageSight(
                    stage=name,
                    text=stages.text_of(name),
                    count=count,
                    p50_ms=p50_ns / 1e6,
                    p99_ms=p99_ns / 1e6,
                )
            )
    return found


def exponent_by_asset(view: GatewayView) -> dict[str, int]:
    """Return how many decimals the money of each quote asset has."""
    return {rules.quote_asset: rules.quote_exponent for rules in view.rules.values()}


def _service(name: str, view: GatewayView, sight: Sight, *, is_bus_heard: bool) -> ServiceSight:
    said: dict[str, Any] = {}
    if sight.bus is not None:
        said = sight.bus if name == "bus" else sight.bus["services"].get(name, {})
    known, digest = view.services.get(name), view.history.digests.get(name)
    process = sight.processes.get(name)
    pid = process.pid if process is not None else int(said.get("pid", 0))
    health, detail = _health(name, view, sight, said, is_bus_heard=is_bus_heard)
    applied_seq = _applied_seq(name, sight, said)
    # Both as of the same look at the bus: signs of life come four times a second.
    head_seq = sight.bus["head_seq"] if sight.bus is not None else sight.applied_seq
    return ServiceSight(
        service=name,
        health=health,
        detail=detail,
        pid=pid,
        run=known.run if known is not None else 0,
        build=known.build if known is not None else str(said.get("build", "")),
        applied_seq=applied_seq,
        behind=None if applied_seq is None else max(0, head_seq - applied_seq),
        digest=digest.digest.hex() if digest is not None else "",
        digest_seq=digest.at_seq if digest is not None else None,
        rss_bytes=process.rss_bytes if process is not None else int(said.get("rss_bytes", 0)),
    )


def _names(view: GatewayView) -> tuple[str, ...]:
    """Return the processes of this mesh; the canceller watches the broker where orders leave this host."""
    return SERVICES if view.accounts.settings.mode == "paper" else (*SERVICES, CANCELLER)


def _applied_seq(name: str, sight: Sight, said: dict[str, Any]) -> int | None:
    """Return how far a process has come; the bus itself stands at the head, the outside world nowhere."""
    if name == "gateway":
        return sight.applied_seq
    if name == "bus":
        return sight.bus["head_seq"] if sight.bus is not None else None
    return said.get("applied_seq") or None


def _health(
    name: str, view: GatewayView, sight: Sight, said: dict[str, Any], *, is_bus_heard: bool
) -> tuple[str, str]:
    """Return one word and, when it is not well, why."""
    if sight.processes and name not in sight.processes:
        return "down", "no such process runs"
    if name in {"venue_sim", CANCELLER}:
        return ("ok", "outside of the log") if sight.processes else ("unknown", "outside of the log")
    if name == "gateway":
        return ("ok", "") if sight.is_live else ("starting", "catching up with the log")
    if not is_bus_heard:
        text = f"nothing heard for {sight.bus_silent_ms / 1000:.1f} s"
        return ("silent", text) if name == "bus" else ("unknown", "the bus does not answer")
    if name == "bus":
        return "ok", ""
    known = view.services.get(name)
    if known is None:
        return "starting", "not yet on the log"
    if known.silent_since_ns or said.get("silent"):
        return "silent", "no sign of life"
    state = str(said.get("state", ""))
    return ("ok", "") if state == "live" else ("starting", state.replace("_", " "))


def _book_problem(symbol: str, view: GatewayView, now_ns: int) -> str:
    """Return why the book of a market is not to be relied on, empty when it is."""
    mark = view.marks[symbol]
    if mark.invalid_reason:
        return mark.invalid_reason
    if venue_of(symbol) in view.finished_venues:
        return "the capture has been played to its end"
    age_ms = age_of_book_ms(mark, now_ns)
    if age_ms > view.settings.data_stale_ms:
        return f"nothing new for {age_ms / 1000:.1f} s"
    return "" if view.books[symbol].is_trusted else "not trusted"
