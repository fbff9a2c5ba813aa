"""Control routes for orders of people: one order, a route over several markets, cancel, flatten (GW-2)."""

from typing import Annotated, Literal

from fastapi import APIRouter, Body, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from services.gateway import answers
from services.gateway.mesh import BY, Mesh, OptionalReason, Which
from shared.errors import ConfigError
from shared.messages import Message, control
from shared.wishes import Wish, known, order_requested, route_requested

Number = Annotated[str, Field(max_length=40)]


class OrderWish(BaseModel):
    """One order; `price` empty for a market order. Numbers are texts, so that none is rounded."""

    model_config = ConfigDict(extra="forbid")

    symbol: Annotated[str, Field(max_length=64)]
    side: Literal["buy", "sell"]
    quantity: Number
    price: Number = ""
    stop: Number = ""
    tif: Literal["", "gtc", "ioc", "fok", "gtd"] = ""
    good_for_s: Annotated[int, Field(ge=0, le=31_536_000)] = 0
    is_post_only: bool = False
    is_reduce_only: bool = False
    reason: Annotated[str, Field(max_length=500)] = ""


class RouteWish(BaseModel):
    """A quantity of the base asset, from the best of several markets of one pair."""

    model_config = ConfigDict(extra="forbid")

    symbols: Annotated[list[str], Field(min_length=1, max_length=50)]
    side: Literal["buy", "sell"]
    quantity: Number
    style: Literal["best_venue", "vwap", "twap", "sweep"] = "sweep"
    limit: Number = ""
    slices: Annotated[int, Field(ge=1, le=10_000)] = 1
    interval_ms: Annotated[int, Field(ge=0, le=86_400_000)] = 0
    reason: Annotated[str, Field(max_length=500)] = ""


def people_routes(mesh: Mesh) -> APIRouter:
    """Return the routes; each answers when its request is durable, what becomes of it is told on the log."""
    router = APIRouter(tags=["control"])

    async def stored(message: Message, text: str = "") -> answers.Stored:
        return answers.Stored(seq=await mesh.ask(message), is_durable=True, text=text)

    @router.post("/order")
    async def order(wish: OrderWish) -> answers.Stored:
        """Send one order as strategy `manual`; it passes risk like any other."""
        try:
            asked = order_requested(Wish(**wish.model_dump()), mesh.view.rules, BY, mesh.view.ts_ns)
        except ConfigError as error:
            raise HTTPException(422, str(error)) from None
        return await stored(asked, "its parent is told in the family `route`")

    @router.post("/route")
    async def route(wish: RouteWish) -> answers.Stored:
        """Split a quantity over the best of several markets."""
        try:
            asked = route_requested(rules=mesh.view.rules, by=BY, **wish.model_dump())
        except ConfigError as error:
            raise HTTPException(422, str(error)) from None
        return await stored(asked, "its parent is told in the family `route`")

    @router.post("/cancel")
    async def cancel(
        name: Annotated[str, Body(min_length=1, max_length=64, embed=True)], reason: OptionalReason = ""
    ) -> answers.Stored:
        """Cancel a manual order by its id, or a route by that of its parent."""
        return await stored(control.OrderCancelRequested(name, BY, reason))

    @router.post("/flatten")
    async def flatten(
        symbol: Which = "",
        style: Annotated[Literal["limit", "market"], Body(embed=True)] = "limit",
        patience_ms: Annotated[int, Body(ge=0, le=3_600_000, embed=True)] = 10_000,
        reason: OptionalReason = "",
    ) -> answers.Stored:
        """Pause the strategies of a market, or all, and close what they hold."""
        if symbol:
            try:
                known(symbol, mesh.view.rules)
            except ConfigError as error:
                raise HTTPException(404, str(error)) from None
        return await stored(control.FlattenRequested(symbol, style, BY, reason, patience_ms))

    return router
