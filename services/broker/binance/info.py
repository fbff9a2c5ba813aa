"""What the venue publishes of its markets and limits: read at the start, by time, and after a surprise."""

from decimal import Decimal

import msgspec

from services.broker.binance.answers import UNREADABLE
from services.broker.binance.budget import Cost, Purpose
from services.broker.binance.calls import Lost, Out, Outcome, Request, Security, Take
from services.broker.binance.errors import BAD_SYMBOL
from services.broker.binance.filters import Filters, filters_of, info_of
from services.broker.binance.markets import Market
from services.broker.binance.settings import SPOT
from services.broker.binance.signing import Param
from services.broker.binance.transport import Transport, counts_of
from shared.units import NS_PER_MS, NS_PER_S

RETRY_NS = 2 * NS_PER_S
# After a surprise the rules are read again at once, but not for each of a flood of refusals.
AGAIN_NS = 5 * NS_PER_S
PRICE_AGE_MAX_NS = 120 * NS_PER_S


class _Price(msgspec.Struct):
    """`avgPrice` of spot, `premiumIndex` of USD-M."""

    price: str = ""
    markPrice: str = ""  # noqa: N815


_price = msgspec.json.Decoder(_Price)


class MarketInfo:
    """Filters by market, and the price that price bands refer to. `is_known`: every market was asked for."""

    def __init__(self, transport: Transport, markets: dict[str, Market]) -> None:
        self._transport = transport
        self._settings = transport.settings
        self._markets = markets
        self._is_spot = self._settings.venue == SPOT
        self.filters: dict[str, Filters] = {}
        self.unlisted: dict[str, str] = {}
        self.note = ""
        self._prices: dict[str, tuple[int, Decimal]] = {}
        self._due_ns: dict[str, int] = {}
        self._asked_ns: dict[str, int] = {}
        self._asking: set[str] = set()
        self._price_due_ns = 0

    def names(self) -> list[str]:
        """Return the markets to know of: those of the settings and those with rules on the log."""
        wanted = [symbol.partition(":")[2] or symbol for symbol in self._settings.symbols]
        return list(dict.fromkeys([*wanted, *self._markets]))

    @property
    def is_known(self) -> bool:
        """Return whether the venue has said something of every market."""
        return all(name in self.filters or name in self.unlisted for name in self.names())

    def why_not(self, market: Market) -> tuple[str, str]:
        """Return (code, reason) why a market takes no orders, two empty texts when it does."""
        filters = self.filters.get(market.name)
        if filters is None:
            return "unlisted", self.unlisted.get(
                market.name, f"exchangeInfo of {market.name} is not read yet"
            )
        difference = filters.difference(market)
        if difference:
            return "mismatch", f"{market.symbol}: {difference}; no orders before both agree"
        return "", ""

    def reference(self, name: str, now_ns: int) -> Decimal | None:
        """Return the price that the venue measures bands by, None when none is fresh."""
        told_ns, price = self._prices.get(name, (0, Decimal(0)))
        return price if price and now_ns - told_ns <= PRICE_AGE_MAX_NS else None

    def again(self, name: str, now_ns: int) -> None:
        """Read the filters of a market again soon: the venue refused what passed them."""
        soon_ns = max(now_ns, self._asked_ns.get(name, 0) + AGAIN_NS)
        self._due_ns[name] = min(self._due_ns.get(name, 0), soon_ns)
        self._price_due_ns = min(self._price_due_ns, now_ns + AGAIN_NS)

    # ---- asking

    def pass_time(self, now_ns: int, out: Out) -> None:
        """Ask for what is due."""
        due = [n for n in self.names() if n not in self._asking and now_ns >= self._due_ns.get(n, 0)]
        if due and self._is_spot:
            for name in due:
                self._ask((name,), {"symbol": name}, Cost(20), now_ns, out)
        elif due:
            self._ask(tuple(self.names()), {}, Cost(1), now_ns, out)
        if now_ns >= self._price_due_ns and self.is_known:
            self._price_due_ns = now_ns + self._settings.price_interval_ms * NS_PER_MS
            self._ask_prices(now_ns, out)

    def _ask(
        self, names: tuple[str, ...], params: dict[str, Param], cost: Cost, now_ns: int, out: Out
    ) -> None:
        path = ("/api/v3" if self._is_spot else "/fapi/v1") + "/exchangeInfo"
        request = Request(Purpose.UPKEEP, cost, "GET", path, params, security=Security.NONE)

        def take(outcome: Outcome, at_ns: int, _: Out) -> None:
            self._take(names, outcome, at_ns)

        held = self._transport.ask(request, take, now_ns, out)
        for name in names:
            self._due_ns[name] = held.retry_ns if held is not None else now_ns + RETRY_NS
        if held is None:
            self._asking.update(names)
            self._asked_ns.update(dict.fromkeys(names, now_ns))

    def _take(self, names: tuple[str, ...], outcome: Outcome, now_ns: int) -> None:
        self._asking.difference_update(names)
        retry_ns = now_ns + RETRY_NS
        if isinstance(outcome, Lost) or not outcome.is_ok:
            if not isinstance(outcome, Lost) and outcome.code == BAD_SYMBOL:
                self._unlist(names, now_ns)
                return
            self.note = f"exchangeInfo: {outcome.reason if isinstance(outcome, Lost) else outcome.text}"[:200]
            self._due_ns.update(dict.fromkeys(names, retry_ns))
            return
        try:
            info = info_of(outcome.body)
        except UNREADABLE as error:
            self.note = f"exchangeInfo cannot be read: {error}"[:200]
            self._due_ns.update(dict.fromkeys(names, retry_ns))
            return
        self.note = ""
        self._transport.budget.learn(counts_of(info.rateLimits), now_ns)
        next_ns = now_ns + self._settings.info_interval_ms * NS_PER_MS
        self._due_ns.update(dict.fromkeys(names, next_ns))
        listed = {symbol.symbol: symbol for symbol in info.symbols}
        for name in names:
            if name not in listed:
                self._unlist((name,), now_ns)
                continue
            try:
                self.filters[name] = filters_of(listed[name], is_derivative=not self._is_spot)
                self.unlisted.pop(name, None)
            except UNREADABLE as error:
                self.filters.pop(name, None)
                self.unlisted[name] = f"the filters of {name} cannot be read: {error}"[:200]

    def _unlist(self, names: tuple[str, ...], now_ns: int) -> None:
        for name in names:
            self.filters.pop(name, None)
            self.unlisted[name] = f"the venue does not list {name}"
            self._due_ns[name] = now_ns + self._settings.info_interval_ms * NS_PER_MS

    # ---- reference prices

    def _ask_prices(self, now_ns: int, out: Out) -> None:
        path = "/api/v3/avgPrice" if self._is_spot else "/fapi/v1/premiumIndex"
        cost = Cost(2 if self._is_spot else 1)
        for name in self.filters:
            request = Request(Purpose.QUERY, cost, "GET", path, {"symbol": name}, security=Security.NONE)
            self._transport.ask(request, self._price_taker(name), now_ns, out)

    def _price_taker(self, name: str) -> Take:
        def take(outcome: Outcome, now_ns: int, _: Out) -> None:
            if isinstance(outcome, Lost) or not outcome.is_ok:
                return
            try:
                told = _price.decode(outcome.body)
                price = Decimal(told.price if self._is_spot else told.markPrice)
            except UNREADABLE:
                return  # without a price only the bands are not checked here: the venue does
            if price.is_finite() and price > 0:
                self._prices[name] = (now_ns, price)

        return take
