"""Orders of one account through ccxt: each command one answer, no create ever twice."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import ccxt

from services.ccxt_venue.dialect import dialect_of
from services.ccxt_venue.errors import is_network, reason_of, verdict_of
from services.ccxt_venue.exchanges import LEAVE_BY_S
from services.ccxt_venue.follower import Say
from services.ccxt_venue.lookup import Lookup
from services.ccxt_venue.mapping import Mapper
from services.ccxt_venue.rights import rights_of
from services.ccxt_venue.user_stream import UserStream
from shared.execution.commands import (
    AnyCommand,
    AskAccount,
    AskFills,
    AskKeyRights,
    AskOpenOrders,
    AskOrder,
    Cancel,
    CancelAll,
    Countdown,
    Place,
)
from shared.execution.reports import (
    AccountTold,
    Acted,
    AnyReport,
    Done,
    Doubtful,
    Fills,
    OpenOrders,
    OrderFound,
    Reachable,
    RefusalKind,
    Refused,
    Unreachable,
)
from shared.messages.orders import OrderType, TimeInForce
from shared.units import NS_PER_MS, Side
from shared.venues.ids import to_venue
from shared.venues.registry import ENTRIES, LINEAR, kind_of
from shared.venues.remote_words import Setup, Told

PROBE_S = 2.0
PLACE_WAIT_S = 1.0
_TIFS = (TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK)


class NotOfferedError(Exception):
    """What was asked is not offered by this venue: refused before anything is sent."""


class Trader:
    """One account. Counts the requests of each call, to know whether a failed one had left."""

    def __init__(self, setup: Setup, exchange: Any, say: Say) -> None:
        self._setup = setup
        self._entry = ENTRIES[setup.venue]
        self._words = dialect_of(setup.venue)
        self._exchange = exchange
        self._say = say
        self._mapper = Mapper(self._entry, exchange)
        self._lookup = Lookup(self._entry, exchange, self._mapper)
        self._stream = UserStream(setup, exchange, self._mapper, self._lookup, self._tell)
        self._is_reachable = False
        self._is_linear = bool(setup.symbols) and all(kind_of(symbol) == LINEAR for symbol in setup.symbols)

    def _tell(self, report: AnyReport) -> None:
        self._say(Told(report))

    def _reason(self, error: Exception) -> str:
        return reason_of(error, self._setup.key.values())

    # ---- life

    async def start(self) -> None:
        """Load the markets, try the key, then say that orders may come; again and again until it works."""
        told = ""
        while True:
            try:
                await self._exchange.load_markets()
                await self._exchange.fetch_balance()
            except ccxt.AuthenticationError as error:
                self._tell(Unreachable(f"the venue refuses the key: {self._reason(error)}", is_final=True))
                return
            except Exception as error:  # noqa: BLE001  the venue, the network or ccxt: tried again
                if (reason := self._reason(error)) != told:
                    self._tell(Unreachable(reason))
                    told = reason
                await self._exchange.sleep(PROBE_S * 1000)
                continue
            break
        self._is_reachable = True
        self._tell(Reachable())
        if self._setup.has_user_stream:
            self._stream.start()

    def stop(self) -> None:
        """Say nothing more."""
        self._stream.stop()

    async def _return_to_reach(self) -> None:
        """Ask until the venue answers again."""
        while not self._is_reachable:
            await self._exchange.sleep(PROBE_S * 1000)
            try:
                await self._exchange.fetch_balance()
            except Exception:  # noqa: BLE001, S112  whatever it was, it is asked again
                continue
            self._is_reachable = True
            self._tell(Reachable())

    # ---- commands

    async def carry_out(self, command: AnyCommand) -> None:
        """Do one command and tell its outcome, whatever happens."""
        sent = _Sent(self._exchange)
        try:
            self._tell(await self._do(command))
        except NotOfferedError as error:
            kind = RefusalKind.INVALID
            self._tell(Refused(command.request_id, kind, "not_offered", str(error), is_sent=False))
        except Exception as error:  # noqa: BLE001  ccxt raises anything, its own bugs included
            self._tell(self._failed(command, error, sent))
            if is_network(error) and self._is_reachable:
                self._is_reachable = False
                self._tell(Unreachable(self._reason(error)))
                await self._return_to_reach()

    def _failed(self, command: AnyCommand, error: Exception, sent: "_Sent") -> AnyReport:
        is_create, secrets = isinstance(command, Place), self._setup.key.values()
        verdict = verdict_of(error, is_sent=sent.is_sent, is_create=is_create, secrets=secrets)
        if verdict.kind is None:
            return Doubtful(command.request_id, verdict.reason)
        return Refused(command.request_id, verdict.kind, verdict.code, verdict.reason, is_sent=sent.is_sent)

    async def _do(self, command: AnyCommand) -> AnyReport:
        work: Callable[[Any], Awaitable[AnyReport]] = _WORK[type(command)].__get__(self)
        return await work(command)

    async def _place(self, place: Place) -> AnyReport:
        LEAVE_BY_S.set(asyncio.get_running_loop().time() + PLACE_WAIT_S)
        symbol = self._symbol(place.symbol)
        steps = self._mapper.steps(symbol)
        params = self._params(place, kind_of(symbol))
        price = None if place.order_type is OrderType.MARKET else _float(place.price_ticks * steps.tick)
        amount = _float(place.qty_lots * steps.step)
        kind, side = place.order_type.value, "buy" if place.side is Side.BUY else "sell"
        answer = await self._exchange.create_order(symbol, kind, side, amount, price, params)
        self._lookup.remember(place.client_order_id, str(answer.get("id") or ""))
        return Acted(place.request_id, self._mapper.placed(answer, place))

    def _params(self, place: Place, kind: str) -> dict[str, Any]:
        """Return what ccxt needs beside price and amount; raises `NotOfferedError`."""
        facts, name = self._entry.facts, self._entry.name
        if kind not in self._entry.orders:
            raise NotOfferedError(
                f"{name} takes no orders here for {kind} markets: {self._entry.limits or 'data only'}"
            )
        if place.stop_ticks or place.expire_ns or place.tif not in _TIFS:
            raise NotOfferedError(f"stops and orders that expire at a time are not offered on {name}")
        if place.is_post_only and kind not in facts.post_only:
            raise NotOfferedError(f"{name} has no post-only orders through ccxt")
        if place.is_reduce_only and kind not in facts.reduce_only:
            raise NotOfferedError(f"{name} has no reduce-only orders in {kind} markets")
        if place.order_type is OrderType.MARKET and kind != LINEAR and place.side is Side.BUY:
            raise NotOfferedError(
                f"a market order to buy counts in quote on {name}: send a limit order with IOC"
            )
        try:
            params: dict[str, Any] = {self._words.create: to_venue(self._entry.ids, place.client_order_id)}
        except ValueError as error:
            raise NotOfferedError(str(error)) from None
        if place.is_post_only:
            params |= self._words.post_only
        elif place.order_type is OrderType.LIMIT and place.tif is not TimeInForce.GTC:
            params["timeInForce"] = place.tif.value.upper()
        if place.is_reduce_only:
            params["reduceOnly"] = True
        return params

    async def _cancel(self, cancel: Cancel) -> AnyReport:
        symbol = self._symbol(cancel.symbol)
        order_id, params = await self._lookup.name_to_cancel(symbol, cancel)
        await self._exchange.cancel_order(order_id, symbol, params)
        found = await self._lookup.find(symbol, cancel.client_order_id, cancel.venue_order_id)
        if found is None:
            return Doubtful(cancel.request_id, "canceled, but the venue does not tell what was filled before")
        return Acted(cancel.request_id, found)

    async def _cancel_all(self, command: CancelAll) -> AnyReport:
        symbol = self._symbol(command.symbol)
        if self._entry.facts.has_cancel_all:
            with contextlib.suppress(ccxt.OrderNotFound):  # Binance says so when none is open
                await self._exchange.cancel_all_orders(symbol)
        else:
            for order in await self._exchange.fetch_open_orders(symbol):
                await self._exchange.cancel_order(order["id"], symbol)
        return Done(command.request_id)

    async def _ask_order(self, ask: AskOrder) -> AnyReport:
        symbol = self._symbol(ask.symbol)
        found = await self._lookup.find(symbol, ask.client_order_id, ask.venue_order_id)
        if found is None:
            kind = RefusalKind.NOT_FOUND
            return Refused(ask.request_id, kind, "not_listed", "no list of the venue holds this order")
        return OrderFound(ask.request_id, found)

    async def _ask_open_orders(self, ask: AskOpenOrders) -> AnyReport:
        asked_ns = self._exchange.milliseconds() * NS_PER_MS
        symbols = [self._symbol(ask.symbol)] if ask.symbol else self._setup.symbols
        orders = []
        for symbol in symbols:
            orders += [self._mapper.order(o, "open") for o in await self._exchange.fetch_open_orders(symbol)]
        return OpenOrders(ask.request_id, ask.symbol, orders, asked_ns)

    async def _ask_fills(self, ask: AskFills) -> AnyReport:
        asked_ns = self._exchange.milliseconds() * NS_PER_MS
        fills = await self._lookup.fills(self._symbol(ask.symbol), ask.after_trade_id, ask.since_ns)
        return Fills(ask.request_id, ask.symbol, fills, asked_ns)

    async def _ask_account(self, ask: AskAccount) -> AnyReport:
        asked_ns = self._exchange.milliseconds() * NS_PER_MS
        told = await self._exchange.fetch_balance()
        balances = self._mapper.wallets(told) if self._is_linear else self._mapper.balances(told)
        held = await self._exchange.fetch_positions(list(self._setup.symbols)) if self._is_linear else []
        return AccountTold(ask.request_id, balances, self._mapper.positions(held), asked_ns)

    async def _ask_key_rights(self, ask: AskKeyRights) -> AnyReport:
        told = await rights_of(self._exchange, ask.request_id)
        if told is None:
            raise NotOfferedError(
                f"ccxt does not tell what a key of {self._entry.name} may do: look at the venue's page"
            )
        return told

    async def _countdown(self, command: Countdown) -> AnyReport:
        if not self._entry.facts.has_dead_man:
            raise NotOfferedError(f"{self._entry.name} has no dead-man's switch through ccxt")
        await self._exchange.cancel_all_orders_after(command.countdown_ms)
        return Done(command.request_id)

    def _symbol(self, name: str) -> str:
        venue, _, symbol = name.partition(":")
        if venue != self._entry.name or symbol not in self._setup.symbols:
            raise NotOfferedError(
                f"{name} is none of the markets of this account: {', '.join(self._setup.symbols)}"
            )
        return symbol


class _Sent:
    """Whether a request has left since this was made."""

    def __init__(self, exchange: Any) -> None:
        self._exchange = exchange
        self._before = exchange.sent_count

    @property
    def is_sent(self) -> bool:
        return bool(self._exchange.sent_count != self._before)


def _float(number: Decimal) -> float:
    """Return the float that ccxt writes as this decimal; raises `NotOfferedError` beyond 15 digits."""
    value = float(number)
    if Decimal(repr(value)) != number:
        raise NotOfferedError(f"{number} has more digits than ccxt keeps")
    return value


_WORK: dict[type, Any] = {
    Place: Trader._place,
    Cancel: Trader._cancel,
    CancelAll: Trader._cancel_all,
    AskOrder: Trader._ask_order,
    AskOpenOrders: Trader._ask_open_orders,
    AskFills: Trader._ask_fills,
    AskAccount: Trader._ask_account,
    AskKeyRights: Trader._ask_key_rights,
    Countdown: Trader._countdown,
}
