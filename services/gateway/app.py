"""The FastAPI application: every route reads the replica; control routes say a fact and wait for the log."""

from collections.abc import Callable, Collection, Iterable
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import APIRouter, FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from services.gateway import answers, overview, profit_answers, ws
from services.gateway.desk import NotStoredError
from services.gateway.guard import WEBSOCKET, Guard, problem
from services.gateway.mesh import BY, PAGE_MAX, After, Limit, Mesh, Name, OptionalReason, Reason, Which
from services.gateway.metrics import metrics_answer
from services.gateway.page import add_page, page_routes
from services.gateway.people import people_routes
from services.gateway.view import GatewayView
from shared.messages import Message, control


def make_app(mesh: Mesh, token: str, hosts: Collection[str]) -> ASGIApp:
    """Return the application behind its guard.

    `token` opens everything but the health routes; `hosts` may be named besides loopback.
    """
    return Guard(make_routes(mesh, token), token, hosts)


def make_routes(mesh: Mesh, token: str) -> FastAPI:
    """Return the application without its guard."""
    app = FastAPI(
        title="quotemesh",
        version="1",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.include_router(_health(mesh))
    app.include_router(_trading(mesh.view), prefix="/api/v1")
    app.include_router(_profits(mesh.view), prefix="/api/v1")
    app.include_router(_watching(mesh), prefix="/api/v1")
    app.include_router(_killing(mesh), prefix="/api/v1")
    app.include_router(_control(mesh), prefix="/api/v1")
    app.include_router(people_routes(mesh), prefix="/api/v1")
    app.include_router(page_routes(mesh.view, lambda: pulse_of(mesh)), prefix="/api/v1")
    add_page(app)

    async def openapi() -> JSONResponse:
        return JSONResponse(app.openapi())

    async def metrics() -> Response:
        return metrics_answer(mesh.view, pulse_of(mesh), mesh.stages, mesh.hub)

    app.add_api_route("/openapi.json", openapi, include_in_schema=False)
    app.add_api_route("/metrics", metrics, include_in_schema=False)

    async def websocket(socket: WebSocket) -> None:
        await ws.serve(socket, mesh.hub, token)

    app.add_api_websocket_route(WEBSOCKET, websocket)
    app.add_exception_handler(StarletteHTTPException, _http_problem)
    app.add_exception_handler(RequestValidationError, _validation_problem)
    app.add_exception_handler(NotStoredError, _not_stored_problem)
    return app


def _health(mesh: Mesh) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/livez", response_model=answers.Health)
    async def livez() -> answers.Health:
        """Return 200 while the process turns its loop."""
        return answers.Health(status="alive")

    @router.get("/readyz", response_model=answers.Health, responses={503: {"model": answers.Health}})
    async def readyz() -> JSONResponse:
        """Return 200 when the mesh may trade, else 503 with the reasons."""
        reasons = mesh.reasons()
        health = answers.Health(status="not_ready" if reasons else "ready", reasons=reasons)
        return JSONResponse(health.model_dump(mode="json"), status_code=503 if reasons else 200)

    return router


def _trading(view: GatewayView) -> APIRouter:
    router = APIRouter(tags=["read"])

    @router.get("/orders")
    async def orders(
        state: Literal["open", "finished", "all"] = "all",
        symbol: Name = "",
        strategy: Name = "",
        after: After = 0,
        limit: Limit = 100,
    ) -> answers.Orders:
        """Return orders by the seq of their intent; finished ones as long as they are kept."""
        found = [] if state == "finished" else list(view.live.values())
        found += [] if state == "open" else list(view.finished.values())
        found.sort(key=lambda record: record.seq)
        page = _page(
            found,
            limit,
            lambda record: record.seq > after and _is_of(record, symbol, strategy),
        )
        return answers.Orders(
            items=[answers.order_of(record, view.rules.get(record.symbol)) for record in page.items],
            next_after=page.next_after,
        )

    @router.get("/fills")
    async def fills(
        symbol: Name = "", strategy: Name = "", after: After = 0, limit: Limit = 100
    ) -> answers.Fills:
        """Return the newest fills that are kept, oldest first."""
        page = _page(
            view.fills, limit, lambda record: record.seq > after and _is_of(record, symbol, strategy)
        )
        return answers.Fills(
            items=[answers.fill_of(record, view.rules.get(record.symbol)) for record in page.items],
            next_after=page.next_after,
        )

    @router.get("/positions")
    async def positions(symbol: Name = "", strategy: Name = "") -> answers.Positions:
        """Return every position with its profit."""
        found = [view.positions[key] for key in sorted(view.positions)]
        return answers.Positions(
            items=[answers.position_of(record, view) for record in found if _is_of(record, symbol, strategy)]
        )

    return router


def _profits(view: GatewayView) -> APIRouter:
    router = APIRouter(tags=["read"])

    @router.get("/round_trips")
    async def round_trips(
        symbol: Name = "", strategy: Name = "", after: After = 0, limit: Limit = 100
    ) -> profit_answers.RoundTrips:
        """Return the newest finished round trips, oldest first."""
        page = _page(
            view.trips, limit, lambda record: record.seq > after and _is_of(record.said, symbol, strategy)
        )
        return profit_answers.RoundTrips(
            items=[profit_answers.trip_of(record, view) for record in page.items],
            next_after=page.next_after,
        )

    @router.get("/profit_parts")
    async def profit_parts(symbol: Name = "", strategy: Name = "") -> profit_answers.ProfitPartsList:
        """Return where the profit of each strategy came from."""
        found = [view.parts[key] for key in sorted(view.parts)]
        return profit_answers.ProfitPartsList(
            items=[
                profit_answers.parts_of(record, view)
                for record in found
                if _is_of(record.said, symbol, strategy)
            ]
        )

    return router


def _watching(mesh: Mesh) -> APIRouter:
    router = APIRouter(tags=["read"])
    view = mesh.view

    @router.get("/status")
    async def status() -> answers.Status:
        """Return the mesh at a glance."""
        return _status(mesh)

    @router.get("/book")
    async def book(symbol: Name, depth: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 20) -> answers.Book:
        """Return the best levels of one market."""
        found = answers.book_of(symbol, depth, view)
        if found is None:
            known = ", ".join(sorted(view.books)) or "none yet"
            raise HTTPException(404, f"no book of {symbol!r}; known: {known}")
        return found

    @router.get("/events")
    async def events(after: After = 0, limit: Limit = 100) -> answers.Events:
        """Return the newest events besides market data, oldest first."""
        page = _page(view.events, limit, lambda record: record.seq > after)
        return answers.Events(
            items=[answers.event_of(record) for record in page.items], next_after=page.next_after
        )

    return router


def _killing(mesh: Mesh) -> APIRouter:
    router = APIRouter(tags=["control"])

    @router.post("/kill")
    async def kill(reason: OptionalReason = "") -> answers.Stored:
        """Stop everything: the latch file first, which needs no bus, then the log."""
        reason = reason.strip() or "no reason given"
        is_latched = await mesh.latch(reason)
        try:
            seq = await mesh.ask(control.KillRequested(BY, reason))
        except NotStoredError as error:
            if not is_latched:
                raise
            text = f"the latch file stands, and the broker obeys it; on the log: {error}"
            return answers.Stored(seq=None, is_durable=False, is_latched=True, text=text)
        return answers.Stored(seq=seq, is_durable=True, is_latched=is_latched)

    @router.post("/kill/clear")
    async def clear_kill(reason: Reason) -> answers.Stored:
        """Allow trading again after a kill; the reason is kept for ever."""
        if not reason.strip():
            raise HTTPException(422, "clearing a kill needs a reason: say what was wrong and is right now")
        seq = await mesh.ask(control.KillClearRequested(BY, reason))
        why = await mesh.refusal(seq)
        if why:
            raise HTTPException(409, f"the kill still stands: {why}")
        text = "the kill is cleared" if why == "" else "the broker has not answered yet; look at the status"
        return answers.Stored(seq=seq, is_durable=True, text=text)

    return router


def _control(mesh: Mesh) -> APIRouter:
    router = APIRouter(tags=["control"])

    async def stored(message: Message, text: str = "") -> answers.Stored:
        return answers.Stored(seq=await mesh.ask(message), is_durable=True, text=text)

    @router.post("/pause")
    async def pause(strategy: Which = "", reason: OptionalReason = "") -> answers.Stored:
        """Pause one strategy, or all when none is named: quotes are withdrawn."""
        _known_strategy(mesh, strategy)
        return await stored(control.PauseRequested(strategy, BY, reason))

    @router.post("/resume")
    async def resume(strategy: Which = "", reason: OptionalReason = "") -> answers.Stored:
        """Let a paused strategy, or all, quote again; what risk holds is released by a reason only."""
        _known_strategy(mesh, strategy)
        text = "" if reason.strip() else "without a reason nothing that risk holds was released"
        return await stored(control.ResumeRequested(strategy, BY, reason), text)

    @router.post("/cancel-all")
    async def cancel_all(symbol: Which = "", reason: OptionalReason = "") -> answers.Stored:
        """Cancel every resting order of a market, or all when none is named."""
        if symbol and symbol not in mesh.view.rules:
            raise HTTPException(404, f"no market {symbol!r}; known: {', '.join(sorted(mesh.view.rules))}")
        return await stored(control.CancelAllRequested(symbol, BY, reason))

    @router.post("/reconcile")
    async def reconcile(reason: OptionalReason = "") -> answers.Stored:
        """Compare orders, fills, balances and positions with every venue now."""
        return await stored(control.ReconcileRequested(BY, reason))

    return router


def _known_strategy(mesh: Mesh, strategy: str) -> None:
    if strategy and strategy not in mesh.view.strategies:
        known = ", ".join(sorted(mesh.view.strategies)) or "none yet"
        raise HTTPException(404, f"no strategy {strategy!r}; known: {known}")


def _status(mesh: Mesh) -> answers.Status:
    view, reasons = mesh.view, mesh.reasons()
    kill = view.kill
    return answers.Status(
        is_ready=not reasons,
        reasons=reasons,
        epoch=view.epoch,
        seq=view.head_seq,
        durable_seq=mesh.durable_seq(),
        ts_ns=view.ts_ns,
        trading_state=view.trading.state,
        trading_reasons=list(view.trading.reasons),
        kill=None if kill is None else answers.Kill(by=kill.by, reason=kill.reason, path=kill.path),
        order_count=view.order_count,
        open_order_count=len(view.live),
        fill_count=view.fill_count,
        gap_count=view.gap_count,
        symbols=sorted(view.rules),
        services=[
            answers.Service(
                service=one.service,
                run=one.run,
                build=one.build,
                started_ts_ns=one.started_ts_ns,
                is_silent=bool(one.silent_since_ns),
            )
            for _, one in sorted(view.services.items())
        ],
        strategies=[
            answers.StrategyLine(
                strategy=one.strategy, state=one.state, reason=one.reason, text=one.text, ts_ns=one.ts_ns
            )
            for _, one in sorted(view.strategies.items())
        ],
        feeds=[
            answers.Feed(
                venue=one.said.venue,
                state=one.said.state,
                reason=one.said.reason,
                reconnect_count=one.said.reconnect_count,
                gap_count=one.said.gap_count,
                bad_frame_count=one.said.bad_frame_count,
                dropped_count=one.said.dropped_count,
            )
            for _, one in sorted(view.feeds.items())
        ],
    )


def pulse_of(mesh: Mesh) -> overview.Pulse:
    """Return what clients of the channel `status` are told each second."""
    return overview.pulse_of(mesh.view, _status(mesh), mesh.sight(), mesh.stages)


class _Page(NamedTuple):
    items: list[Any]
    next_after: int | None


def _page(records: Iterable[Any], limit: int, is_wanted: Callable[[Any], bool]) -> _Page:
    """Return the first `limit` wanted records, and the seq to go on from when there are more."""
    items: list[Any] = []
    for record in records:
        if not is_wanted(record):
            continue
        if len(items) == limit:
            return _Page(items, items[-1].seq)
        items.append(record)
    return _Page(items, None)


def _is_of(record: Any, symbol: str, strategy: str) -> bool:
    return (not symbol or record.symbol == symbol) and (not strategy or record.strategy == strategy)


def _problem(status: int, title: str, detail: str) -> JSONResponse:
    return JSONResponse(problem(status, title, detail), status, media_type="application/problem+json")


async def _http_problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StarletteHTTPException)
    return _problem(error.status_code, "request refused", str(error.detail))


async def _validation_problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    texts = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()]
    return _problem(422, "wrong request", "; ".join(texts)[:1000])


async def _not_stored_problem(_: Request, error: Exception) -> JSONResponse:
    return _problem(503, "not confirmed", str(error))
