"""Order entry of USD-M: positions, wallet and margin, and the answers of the venue."""

from collections.abc import Sequence

from services.venue_sim.exchange.accounts import BOTH, LONG, SHORT
from services.venue_sim.exchange.amounts import E18, decimal_of, fee_of
from services.venue_sim.exchange.desk import Paid
from services.venue_sim.exchange.floor import Floor
from services.venue_sim.exchange.ledger import FEES, STREET
from services.venue_sim.exchange.margin import Margins
from services.venue_sim.exchange.orders import OrderState, OrderStore, opposite
from services.venue_sim.exchange.positions import apply_fill
from services.venue_sim.exchange.queries import END_OF_TIME_MS
from services.venue_sim.exchange.records import (
    SIDES,
    AccountUpdate,
    Fill,
    Income,
    NewOrder,
    PlacedOrder,
    WalletChange,
)
from services.venue_sim.exchange.rules import MarketRules
from services.venue_sim.exchange.sides import MarketSide
from services.venue_sim.market import Execution
from services.venue_sim.matching import BUY
from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.venue import USDM

CONDITIONAL = frozenset({"STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"})
STP_MODES = ("EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH")
STP_DEFAULT = "EXPIRE_MAKER"
GTD_LEAST_MS = 600_000
GTD_MOST_MS = 253_402_300_799_000
SECOND_MS = 1_000
NO_RECORD = "The order will not be recorded in the order history"
# priceMatch: (own side?, level counted from 1); OPPONENT_10 and _20 are switched off (binance.md 4.2).
PRICE_MATCH = {
    "OPPONENT": (False, 1),
    "OPPONENT_5": (False, 5),
    "QUEUE": (True, 1),
    "QUEUE_5": (True, 5),
    "QUEUE_10": (True, 10),
    "QUEUE_20": (True, 20),
}


class UsdmDesk(Margins):
    """The USD-M venue."""

    venue = USDM

    def __init__(
        self, floor: Floor, sides: Sequence[MarketSide], rules: dict[str, MarketRules], store: OrderStore
    ) -> None:
        super().__init__(floor, sides, rules, store)
        self._next_end_ms = 0
        self._uncovered: dict[tuple[str, str], None] = {}

    def _made(self, account: str, rules: MarketRules, new: NewOrder, now_ms: int) -> OrderState:
        if new.type in CONDITIONAL:
            text = (
                "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."
            )
            raise VenueRefusal(-4120, text)
        if new.type not in {"LIMIT", "MARKET"}:
            raise VenueRefusal(-1116, "Invalid orderType.")
        if rules.status != "TRADING":
            raise VenueRefusal(-4140, "Invalid symbol status for opening position.")
        if new.close_position:
            raise VenueRefusal(-4136, f"Target strategy invalid for orderType {new.type},closePosition true")
        side = SIDES[new.side]
        position_side = self.position_side_of(account, new)
        lots = self._lots(rules, new)
        price_ticks = self.price_of(rules, new, side)
        order_id, client_order_id = self._new_order_id(new)
        order = OrderState(
            order_id=order_id,
            account=account,
            symbol=new.symbol,
            side=side,
            type=new.type,
            tif=(new.time_in_force or "GTC") if new.type == "LIMIT" else "GTC",
            client_order_id=client_order_id,
            lots=lots,
            price_ticks=price_ticks,
            created_ms=now_ms,
            updated_ms=now_ms,
            stp=self._stp_of(new),
            position_side=position_side,
            is_reduce_only=new.reduce_only or self._is_hedge_close(side, position_side),
            price_match=new.price_match or "NONE",
            good_till_ms=self._good_till(new, now_ms),
            working_type=new.working_type or "CONTRACT_PRICE",
            is_price_protected=new.price_protect,
        )
        self._check_value(order, rules)
        return order

    def _is_hedge_close(self, side: int, position_side: str) -> bool:
        return position_side != BOTH and (side == BUY) != (position_side == LONG)

    def position_side_of(self, account: str, new: NewOrder) -> str:
        """Return the position an order is for; refuses a side that does not fit the account's mode."""
        is_hedge = self.floor.account(account).is_hedge
        wanted = new.position_side or BOTH
        if is_hedge != (wanted in {LONG, SHORT}):
            raise VenueRefusal(-4061, "Order's position side does not match user's setting.")
        if is_hedge and new.reduce_only:
            raise VenueRefusal(-1106, "Parameter 'reduceonly' sent when not required.")
        return wanted

    def _lots(self, rules: MarketRules, new: NewOrder) -> int:
        if new.quantity is None:
            raise VenueRefusal(
                -1102, "Mandatory parameter 'quantity' was not sent, was empty/null, or malformed."
            )
        return rules.lots_of(new.quantity, is_market=new.type == "MARKET")

    def price_of(self, rules: MarketRules, new: NewOrder, side: int) -> int:
        """Return the price in ticks, 0 of a market order; `priceMatch` takes it from the book."""
        if new.type == "MARKET":
            return 0
        if not new.price_match or new.price_match == "NONE":
            if new.price is None:
                raise VenueRefusal(
                    -1102, "Mandatory parameter 'price' was not sent, was empty/null, or malformed."
                )
            return rules.ticks_of(new.price)
        if new.price is not None or new.price_match not in PRICE_MATCH:
            raise VenueRefusal(-5037, "Invalid price match")
        is_own, level = PRICE_MATCH[new.price_match]
        levels = self.sides[new.symbol].walk(side if is_own else opposite(side))
        for n, (price_ticks, _) in enumerate(levels, 1):
            if n == level:
                return price_ticks
        raise VenueRefusal(-5041, "No depth matches this BBO order")

    def _stp_of(self, new: NewOrder) -> str:
        if new.stp and new.stp not in (*STP_MODES, "NONE"):
            raise VenueRefusal(-5039, "Invalid self trade prevention mode")
        return new.stp or STP_DEFAULT

    def _good_till(self, new: NewOrder, now_ms: int) -> int:
        """Return the end of a GTD order, cut to seconds as the venue does; 0 for the others."""
        if new.time_in_force != "GTD":
            return 0
        if not now_ms + GTD_LEAST_MS < new.good_till_ms < GTD_MOST_MS:
            raise VenueRefusal(
                -5040,
                "The goodTillDate timestamp must be greater than the current time plus 600 seconds and "
                "smaller than 253402300799000",
            )
        return new.good_till_ms - new.good_till_ms % SECOND_MS

    def _check_value(self, order: OrderState, rules: MarketRules) -> None:
        side = self.sides[order.symbol]
        mark_e18 = side.mark_e18()
        if order.price_ticks:
            rules.check_band(order.side, order.price_ticks, mark_e18)
            value_e18 = rules.units.value_e18(order.price_ticks, order.lots)
        else:
            best_ticks = side.best(opposite(order.side))
            if best_ticks == 0:
                raise VenueRefusal(-2020, "Unable to fill.")
            self._check_market_band(order, rules, best_ticks, mark_e18)
            value_e18 = order.lots * rules.units.lot_e18 * mark_e18 // E18
        rules.check_value(value_e18, is_market=not order.price_ticks, is_reduce_only=order.is_reduce_only)

    def _check_market_band(self, order: OrderState, rules: MarketRules, best: int, mark_e18: int) -> None:
        try:
            rules.check_band(order.side, best, mark_e18)
        except VenueRefusal:
            text = "The counterparty's best price does not meet the PERCENT_PRICE filter limit."
            raise VenueRefusal(-4131, text) from None

    def _refuse_post_only(self) -> VenueRefusal:
        text = "Due to the order could not be executed as maker, the Post Only order will be rejected. "
        return VenueRefusal(-5022, text + NO_RECORD)

    def _refuse_duplicate(self) -> VenueRefusal:
        return VenueRefusal(-4116, "ClientOrderId is duplicated.")

    def _check_fok(self, order: OrderState, side: MarketSide) -> None:
        if order.tif == "FOK" and not self.can_fill(order, side):
            text = "Due to the order could not be filled immediately, the FOK order has been rejected. "
            raise VenueRefusal(-5021, text + NO_RECORD)

    # ---- money

    def _admit(self, order: OrderState, rules: MarketRules, now_ms: int) -> None:  # noqa: ARG002
        if order.is_reduce_only:
            self._check_reduce(order)
        else:
            self.check_margin(order, rules)

    def check_change(self, order: OrderState) -> None:
        """Refuse an open order that was given a price or quantity that nothing covers."""
        if order.is_reduce_only:
            self._check_reduce(order)
        elif self.available_e18(order.account, self.rules[order.symbol].quote) < 0:
            raise VenueRefusal(-2019, "Margin is insufficient.")

    def enter(self, order: OrderState, rules: MarketRules, now_ms: int) -> list[Fill]:
        """Let an order in, and remember when it ends."""
        fills = super().enter(order, rules, now_ms)
        if order.good_till_ms:
            self._next_end_ms = min(self._next_end_ms, order.good_till_ms)
        return fills

    def expire(self, now_ms: int) -> None:
        """End the GTD orders whose time has come."""
        if now_ms < self._next_end_ms:
            return
        dated = [order for order in self.store.open.values() if order.good_till_ms]
        self._next_end_ms = min(
            (o.good_till_ms for o in dated if o.good_till_ms > now_ms), default=END_OF_TIME_MS
        )
        for order in dated:
            if order.good_till_ms <= now_ms:
                self.end(order, "EXPIRED", "GTD", now_ms)
        self.finish(now_ms)

    def _limit_of(self, order: OrderState, side: MarketSide) -> int:
        """Return the worst price of an order: a market order goes no further than the price band."""
        worst = super()._limit_of(order, side)
        if order.price_ticks:
            return worst
        rules = self.rules[order.symbol]
        key = "multiplierUp" if order.side == BUY else "multiplierDown"
        bound = side.mark_e18() * rules.limit("PERCENT_PRICE", key) // E18 // rules.units.tick_e18
        if not bound:
            return worst
        return min(worst, bound) if order.side == BUY else max(worst, bound)

    def _trade_kind(self, order: OrderState) -> str:
        return "CALCULATED" if order.original_type == "LIQUIDATION" else "TRADE"

    def _check_reduce(self, order: OrderState) -> None:
        """Refuse what could open or turn the position, together with the reducing orders that rest."""
        position = self.floor.account(order.account).position(order.symbol, order.position_side)
        resting = sum(
            other.left_lots
            for other in self.store.of_market(order.account, order.symbol)
            if other is not order
            and other.is_reduce_only
            and (other.side, other.position_side) == (order.side, order.position_side)
        )
        reducible = -position.lots if order.side == BUY else position.lots
        if order.left_lots + resting > reducible:
            raise VenueRefusal(-2022, "ReduceOnly Order is rejected.")

    def _pay(self, order: OrderState, execution: Execution, now_ms: int, *, is_maker: bool) -> Paid:
        rules = self.rules[order.symbol]
        account = self.floor.account(order.account)
        settings = account.usdm(order.symbol)
        position = account.position(order.symbol, order.position_side)
        signed_lots = execution.lots if order.side == BUY else -execution.lots
        per_lot_e18 = rules.units.value_e18(execution.price_ticks, 1)
        lots_before = abs(position.lots)
        done = apply_fill(position, signed_lots, per_lot_e18)
        position.updated_ms = now_ms
        if settings.is_isolated:
            if done.closed_lots:
                position.isolated_e18 -= position.isolated_e18 * done.closed_lots // lots_before
            position.isolated_e18 += done.opened_lots * per_lot_e18 // settings.leverage
        rate_ppm = account.fees.usdm_maker_ppm if is_maker else account.fees.usdm_taker_ppm
        fee_e18 = fee_of(per_lot_e18 * execution.lots, rate_ppm)
        position.fees_e18 += fee_e18
        trade_id = execution.trade_id
        self.book(
            order.account, rules.quote, done.realized_e18, "REALIZED_PNL", now_ms, order.symbol, trade_id
        )
        self.book(order.account, rules.quote, -fee_e18, "COMMISSION", now_ms, order.symbol, trade_id)
        return Paid(fee_e18, rules.quote, done.realized_e18)

    def book(
        self,
        account: str,
        asset: str,
        amount_e18: int,
        kind: str,
        now_ms: int,
        symbol: str = "",
        trade_id: int = 0,
    ) -> None:
        """Change a wallet and write it as income."""
        if amount_e18 == 0:
            return
        wallet = self.floor.account(account).wallet
        wallet[asset] = wallet.get(asset, 0) + amount_e18
        party = {"REALIZED_PNL": STREET, "COMMISSION": FEES}.get(kind, kind.lower())
        self.floor.ledger.pay(USDM, account, asset, amount_e18, party, now_ms, kind)
        self.floor.ids.income += 1
        income = Income(
            id=self.floor.ids.income,
            time_ms=now_ms,
            kind=kind,
            symbol=symbol,
            asset=asset,
            amount=decimal_of(amount_e18),
            trade_id=trade_id,
        )
        self.keep_income(account, income)

    def _before_trade_event(self, order: OrderState, now_ms: int) -> None:
        rules = self.rules[order.symbol]
        self.say_account(order.account, "ORDER", now_ms, (rules.quote,), order.symbol)

    def say_account(
        self,
        account: str,
        reason: str,
        now_ms: int,
        assets: tuple[str, ...],
        symbol: str = "",
        change_e18: int = 0,
    ) -> None:
        """Say wallets and, for a symbol, its positions."""
        kept = self.floor.account(account)
        balances = tuple(
            WalletChange(
                asset,
                decimal_of(kept.wallet.get(asset, 0)),
                decimal_of(self.cross_wallet_e18(account, asset)),
                decimal_of(change_e18),
            )
            for asset in assets
        )
        positions = self.positions_of(account, symbol) if symbol else ()
        event = AccountUpdate(
            venue=USDM,
            time_ms=now_ms,
            reason=reason,
            balances=balances,
            positions=tuple(positions),
            symbol=symbol,
        )
        self.floor.say(account, event)

    def place(self, account: str, new: NewOrder, now_ms: int, *, is_test: bool = False) -> PlacedOrder:
        """Take a new order; see `Desk.place`."""
        placed = super().place(account, new, now_ms, is_test=is_test)
        self.trim(now_ms)
        return placed

    def _settled(self, account: str, symbol: str, now_ms: int) -> None:  # noqa: ARG002
        self._uncovered[account, symbol] = None

    def trim(self, now_ms: int) -> None:
        """Expire reducing orders that the position no longer covers, the newest first.

        Not between two fills of one moment: the second of them has happened already.
        """
        uncovered, self._uncovered = self._uncovered, {}
        for account, symbol in uncovered:
            reducing = [o for o in self.store.of_market(account, symbol) if o.is_reduce_only]
            left: dict[tuple[str, int], int] = {}
            for order in reducing:
                key = order.position_side, order.side
                if key not in left:
                    held = self.floor.account(account).position(symbol, order.position_side).lots
                    left[key] = max(0, -held if order.side == BUY else held)
                left[key] -= order.left_lots
                if left[key] < 0:
                    left[key] += order.left_lots
                    self.end(order, "EXPIRED", "REDUCE_ONLY", now_ms)
            self.touched.clear()
