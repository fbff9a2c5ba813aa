"""The dashboard's files and the routes it reads: no build step, nothing from another host, no inline code."""

from collections.abc import Callable
from importlib import resources
from typing import Annotated, NamedTuple

from fastapi import APIRouter, FastAPI, HTTPException, Query
from fastapi.responses import Response

from services.gateway import overview
from services.gateway.accounts_answers import AccountLine
from services.gateway.overview import Overview, Pulse, Trades
from services.gateway.view import GatewayView

HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
    ),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
"""The page may run its own scripts and speak with its own gateway, and nothing else: a text that slips
through every other guard still runs nothing."""

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class PageFile(NamedTuple):
    """One file of the page as it is sent."""

    content: bytes
    media_type: str


def _read_files() -> dict[str, PageFile]:
    found = {}
    for entry in resources.files("services.gateway").joinpath("static").iterdir():
        media_type = _TYPES.get("." + entry.name.rpartition(".")[2])
        if media_type is not None:
            path = "/" if entry.name == "index.html" else f"/static/{entry.name}"
            found[path] = PageFile(entry.read_bytes(), media_type)
    return found


FILES = _read_files()
"""Every file of the page by its path, read once: no request reaches the file system.

They need no token: the page holds nothing before it has one.
"""


def add_page(app: FastAPI) -> None:
    """Add one route for each file of the page."""
    for path, file in FILES.items():
        app.add_api_route(path, _sender(file), include_in_schema=False)


def _sender(file: PageFile) -> Callable[[], Response]:
    def send() -> Response:
        return Response(file.content, media_type=file.media_type)

    return send


def page_routes(view: GatewayView, pulse: Callable[[], Pulse]) -> APIRouter:
    """Return the routes that the page reads besides those of programs."""
    router = APIRouter(tags=["read"])

    @router.get("/overview")
    async def read_overview() -> Overview:
        """Return everything that a page needs to begin."""
        return overview.overview_of(view, pulse())

    @router.get("/account")
    async def read_account() -> AccountLine:
        """Return the mode, each account at a venue, orders in doubt and the last comparison."""
        return pulse().account

    @router.get("/trades")
    async def trades(symbol: Annotated[str, Query(max_length=64)]) -> Trades:
        """Return the newest public executions of one market, oldest first."""
        rules = view.rules.get(symbol)
        if rules is None:
            raise HTTPException(404, f"no market {symbol!r}; known: {', '.join(sorted(view.rules))}")
        return overview.trades_of(symbol, list(view.history.trades.get(symbol, ())), rules)

    return router
