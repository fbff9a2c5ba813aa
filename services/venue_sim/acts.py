"""What happens to accounts and venues from outside on command: bans, maintenance, manual trades, deposits...

Each act is carried out at once and answers what came of it; the control port takes them as JSON.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from services.venue_sim.access.limits import Rule
from services.venue_sim.exchange.exchange import Exchange
from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.trading_faults import TradingFaults
from services.venue_sim.venue import SPOT, VENUES
from services.venue_sim.wire.http import VenueWire
from services.venue_sim.wire.user_streams import UserStreams
from shared.units import NS_PER_MS

ActKind = Literal[
    "ban",
    "lift_bans",
    "exhaust",
    "limits",
    "maintenance",
    "halt",
    "filter",
    "clock_skew",
    "cut",
    "expire_listen_key",
    "key",
    "manual_trade",
    "manual_cancel",
    "venue_cancel",
    "fill",
    "deposit",
    "liquidation",
    "funding",
    "fees",
]
NEEDS_VENUE = frozenset(
    {"limits", "halt", "filter", "manual_trade", "manual_cancel", "venue_cancel", "fill", "deposit"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One act; what a kind does not need may be left out, docs/venue_sim.md has a table.

    An empty `account` is the first of the settings, an empty `venue` both where the kind allows it. Amounts,
    quantities, prices and rates are decimal texts.
    """

    act: ActKind
    venue: str = ""
    account: str = ""
    symbol: str = ""
    status: str = ""
    ip: str = ""
    duration_ms: int = 0
    skew_ms: int = 0
    side: str = ""
    quantity: str = ""
    price: str = ""
    order_id: int = 0
    asset: str = ""
    amount: str = ""
    rate: str = ""
    kind: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    limits: tuple[dict[str, Any], ...] = ()


class Acts:
    """Carries acts out on the exchange and the wires of both venues.

    `cut` is called with a venue to drop all its connections. Refusals of the venue are told, not raised.
    """

    def __init__(
        self,
        exchange: Exchange,
        streams: UserStreams,
        wires: dict[str, VenueWire],
        trading: TradingFaults,
        cut: Callable[[str], None],
    ) -> None:
        self._exchange = exchange
        self._streams = streams
        self._wires = wires
        self._trading = trading
        self._cut = cut
        self.counts: Counter[str] = Counter()

    def do(self, act: Act, now_ns: int) -> dict[str, Any]:
        """Carry out an act and return what came of it; raises ValueError for one that cannot be."""
        if act.venue not in {"", *VENUES}:
            raise ValueError(f"venue {act.venue!r} is unknown; send {' or '.join(VENUES)}, or leave it out")
        if act.act in NEEDS_VENUE and not act.venue:
            raise ValueError(f"{act.act} needs venue: {' or '.join(VENUES)}")
        now_ms = now_ns // NS_PER_MS
        self._exchange.advance(now_ms)
        try:
            name = "_do_cut" if act.act == "cut" else f"_{act.act}"
            told: dict[str, Any] = getattr(self, name)(act, now_ms)
        except VenueRefusal as refusal:
            raise ValueError(f"{act.act} is refused: {refusal.code} {refusal.msg}") from None
        finally:
            self._streams.collect(now_ms)
        self.counts[act.act] += 1
        return {"act": act.act, **told}

    def _venues(self, act: Act) -> tuple[str, ...]:
        return (act.venue,) if act.venue else VENUES

    def _account(self, act: Act) -> str:
        name = act.account or next(key.account for key in self._exchange.keys.values())
        self._exchange.account(name)
        return name

    # ---- limits

    def _ban(self, act: Act, now_ms: int) -> dict[str, Any]:
        limits = [self._wires[venue].backend.limits for venue in self._venues(act)]
        return {"banned_until_ms": max(each.ban(act.ip, act.duration_ms, now_ms) for each in limits)}

    def _lift_bans(self, act: Act, now_ms: int) -> dict[str, Any]:  # noqa: ARG002
        for venue in self._venues(act):
            self._wires[venue].backend.limits.lift_bans()
        return {}

    def _exhaust(self, act: Act, now_ms: int) -> dict[str, Any]:
        for venue in self._venues(act):
            self._wires[venue].backend.limits.exhaust(act.ip or "127.0.0.1", now_ms)
        return {}

    def _limits(self, act: Act, now_ms: int) -> dict[str, Any]:  # noqa: ARG002
        try:
            rules = tuple(
                Rule(item["rateLimitType"], item["interval"], int(item["intervalNum"]), int(item["limit"]))
                for item in act.limits
            )
            lengths = [rule.length_ms for rule in rules]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"limits cannot be read ({error!r}); send rateLimits of exchangeInfo") from None
        if not lengths:
            raise ValueError("limits is empty; send rateLimits of exchangeInfo")
        self._wires[act.venue].backend.limits.change(rules)
        return {}

    # ---- the venue

    def _maintenance(self, act: Act, now_ms: int) -> dict[str, Any]:
        if act.status not in {"on", "off"}:
            raise ValueError(f"status {act.status!r} of maintenance is none of on, off")
        is_down = act.status == "on"
        for venue in self._venues(act):
            self._trading.set_down(venue, is_down)
            for symbol in self._exchange.symbols(venue):
                status = _halted(venue) if is_down else "TRADING"
                self._exchange.acts.set_status(venue, symbol, status, now_ms)
            if is_down:
                self._cut(venue)
        return {}

    def _halt(self, act: Act, now_ms: int) -> dict[str, Any]:
        status = act.status or _halted(act.venue)
        self._exchange.acts.set_status(act.venue, act.symbol, status, now_ms)
        return {"status": status}

    def _filter(self, act: Act, now_ms: int) -> dict[str, Any]:
        """Change numbers of one filter (`kind`, `values`) of a market."""
        self._exchange.acts.change_filter(act.venue, act.symbol, act.kind, act.values, now_ms)
        return {"filters": self._exchange.rules(act.venue, act.symbol).filters}

    def _clock_skew(self, act: Act, now_ms: int) -> dict[str, Any]:  # noqa: ARG002
        for venue in self._venues(act):
            self._wires[venue].backend.clock.skew_ms = act.skew_ms
        return {}

    def _do_cut(self, act: Act, now_ms: int) -> dict[str, Any]:  # noqa: ARG002
        for venue in self._venues(act):
            self._cut(venue)
        return {}

    def _expire_listen_key(self, act: Act, now_ms: int) -> dict[str, Any]:
        return {"expired": self._streams.expire_keys_of(self._account(act), now_ms)}

    # ---- keys and accounts

    def _key(self, act: Act, now_ms: int) -> dict[str, Any]:
        """Change rights (`values`) of the keys of an account: is_revoked, can_trade, can_withdraw..."""
        account = self._account(act)
        names = [name for name, key in self._exchange.keys.items() if key.account == account]
        if not act.values or not all(isinstance(value, bool) for value in act.values.values()):
            raise ValueError('key needs values such as {"is_revoked": true}')
        for name in names:
            self._exchange.acts.set_key(name, now_ms, **act.values)
        return {"keys": len(names)}

    def _manual_trade(self, act: Act, now_ms: int) -> dict[str, Any]:
        """Place an order as its owner does in the venue's app: MARKET without a price."""
        placed = self._exchange.acts.manual_trade(
            self._account(act),
            act.venue,
            act.symbol,
            act.side,
            _decimal(act.quantity, "quantity"),
            now_ms,
            _decimal(act.price, "price") if act.price else None,
        )
        return {"order_id": placed.order.order_id, "status": placed.order.status}

    def _manual_cancel(self, act: Act, now_ms: int) -> dict[str, Any]:
        """Cancel an order as its owner does in the venue's app."""
        ended = self._exchange.cancel(self._account(act), act.venue, act.symbol, act.order_id, "", now_ms)
        return {"order_id": ended.order_id, "status": ended.status}

    def _venue_cancel(self, act: Act, now_ms: int) -> dict[str, Any]:
        """Let the venue end an order by itself."""
        ended = self._exchange.acts.cancel(self._account(act), act.venue, act.symbol, act.order_id, now_ms)
        return {"order_id": ended.order_id, "status": ended.status}

    def _fill(self, act: Act, now_ms: int) -> dict[str, Any]:
        """Fill an open order now, or one that is closed: late."""
        quantity = _decimal(act.quantity, "quantity") if act.quantity else None
        fill = self._exchange.acts.fill(
            self._account(act), act.venue, act.symbol, act.order_id, now_ms, quantity
        )
        return {"order_id": fill.order_id, "trade_id": fill.trade_id, "quantity": str(fill.quantity)}

    def _deposit(self, act: Act, now_ms: int) -> dict[str, Any]:
        """Move money into the account; a negative amount is a withdrawal."""
        amount = _decimal(act.amount, "amount")
        self._exchange.acts.move_money(self._account(act), act.venue, act.asset, amount, now_ms)
        return {}

    def _liquidation(self, act: Act, now_ms: int) -> dict[str, Any]:
        self._exchange.acts.liquidate(self._account(act), act.symbol, now_ms)
        return {}

    def _funding(self, act: Act, now_ms: int) -> dict[str, Any]:
        self._exchange.acts.fund(act.symbol, _decimal(act.rate, "rate"), now_ms)
        return {}

    def _fees(self, act: Act, now_ms: int) -> dict[str, Any]:
        """Change commissions (`values`): spot_maker_ppm, spot_taker_ppm, usdm_maker_ppm, usdm_taker_ppm."""
        if not act.values or not all(type(value) is int for value in act.values.values()):
            raise ValueError('fees needs values such as {"spot_maker_ppm": 1000}')
        self._exchange.acts.set_fees(self._account(act), now_ms, **act.values)
        return {}


def _halted(venue: str) -> str:
    return "HALT" if venue == SPOT else "PENDING_TRADING"


def _decimal(text: str, name: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{name} {text!r} is no number; send a decimal text") from None
    if not value.is_finite():
        raise ValueError(f"{name} {text!r} is not finite; send a decimal text")
    return value
