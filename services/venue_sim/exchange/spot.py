"""Order entry of spot: what an order locks, what a fill moves, and the answers of the venue."""

from collections.abc import Sequence
from decimal import Decimal

from services.venue_sim.exchange.amounts import E18, PPM, decimal_of, e18_of, fee_of
from services.venue_sim.exchange.desk import MARKET_TYPES, Desk, Paid
from services.venue_sim.exchange.floor import Floor
from services.venue_sim.exchange.ledger import FEES, STREET
from services.venue_sim.exchange.orders import OrderState, OrderStore, opposite
from services.venue_sim.exchange.queries import NO_SUCH_ORDER
from services.venue_sim.exchange.records import (
    SIDES,
    AssetBalance,
    Fill,
    NewOrder,
    SpotBalances,
    VenueOrder,
)
from services.venue_sim.exchange.rules import MarketRules, filter_failure
from services.venue_sim.exchange.sides import MarketSide
from services.venue_sim.exchange.triggers import Trigger, Triggers
from services.venue_sim.market import Execution
from services.venue_sim.matching import BUY
from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.venue import SPOT

STOP_TYPES = frozenset({"STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"})
TYPES = STOP_TYPES | {"LIMIT", "LIMIT_MAKER", "MARKET"}
STP_MODES = ("NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH")
STP_DEFAULT = "EXPIRE_MAKER"
INSUFFICIENT = -2010, "Account has insufficient balance for requested action."
WOULD_TAKE = -2010, "Order would immediately match and take."
DUPLICATE = -2010, "Duplicate order sent."
BNB = "BNB"


class SpotDesk(Desk):
    """The spot venue. Stops lock their money when they enter and wait in `triggers` for the last price."""

    venue = SPOT
    prevention_kind = "TRADE_PREVENTION"
    names_cancels = True

    def __init__(
        self, floor: Floor, sides: Sequence[MarketSide], rules: dict[str, MarketRules], store: OrderStore
    ) -> None:
        super().__init__(floor, sides, rules, store)
        self.triggers = Triggers()

    def _made(self, account: str, rules: MarketRules, new: NewOrder, now_ms: int) -> OrderState:
        if rules.status != "TRADING":
            raise VenueRefusal(-1013, "Market is closed.")
        if new.type not in TYPES:
            raise VenueRefusal(-1116, "Invalid orderType.")
        if new.trailing_delta is not None:
            raise VenueRefusal(-1013, "Trailing stop orders are not supported for this symbol.")
        is_market = new.type in MARKET_TYPES
        side = SIDES[new.side]
        price_ticks = rules.ticks_of(new.price) if new.price is not None and not is_market else 0
        quote_e18 = 0
        if new.quantity is not None:
            lots = rules.lots_of(new.quantity, is_market=is_market)
        else:
            quote_e18 = self._quote_of(new)
            lots = self._lots_for(rules, side, quote_e18)
        order_id, client_order_id = self._new_order_id(new)
        order = OrderState(
            order_id=order_id,
            account=account,
            symbol=new.symbol,
            side=side,
            type=new.type,
            tif=new.time_in_force or "GTC",
            client_order_id=client_order_id,
            lots=lots,
            price_ticks=price_ticks,
            created_ms=now_ms,
            updated_ms=now_ms,
            stp=self._stp_of(new),
            quote_order_e18=quote_e18,
            iceberg_lots=self._iceberg_of(account, new, rules, lots),
            strategy_id=new.strategy_id,
            strategy_type=new.strategy_type,
        )
        if new.type in STOP_TYPES:
            self._make_stop(order, new, rules)
        self._check_value(order, rules)
        return order

    def _make_stop(self, order: OrderState, new: NewOrder, rules: MarketRules) -> None:
        """Let an order wait for its trigger; refuses one that is reached already."""
        if new.stop_price is None:
            raise VenueRefusal(
                -1102, "Mandatory parameter 'stopPrice' was not sent, was empty/null, or malformed."
            )
        order.stop_ticks = rules.ticks_of(new.stop_price, "stopPrice")
        order.is_working = False
        # A stop loss sells below and buys above the price; a take profit the other way round.
        order.is_falling_stop = (order.side != BUY) == new.type.startswith("STOP_LOSS")
        last_ticks = self.sides[order.symbol].last_ticks()
        if last_ticks <= order.stop_ticks if order.is_falling_stop else last_ticks >= order.stop_ticks:
            raise VenueRefusal(-2010, "Order would trigger immediately.")

    def _iceberg_of(self, account: str, new: NewOrder, rules: MarketRules, lots: int) -> int:
        """Return the shown part of an iceberg order in lots, 0 for other orders."""
        if new.iceberg_qty is None or not new.iceberg_qty:
            return 0
        if new.type not in {"LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"}:
            raise VenueRefusal(-1106, "Parameter 'icebergQty' sent when not required.")
        if new.time_in_force not in {"", "GTC"}:
            raise VenueRefusal(-1013, "Iceberg orders must be GTC.")
        shown = rules.lots_of(new.iceberg_qty, is_market=False, name="icebergQty")
        most = rules.limit("ICEBERG_PARTS", "limit")
        if shown > lots or (most and -(-lots // shown) > most):
            raise filter_failure("ICEBERG_PARTS")
        most = rules.limit("MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders")
        if most and sum(o.iceberg_lots > 0 for o in self.store.of_market(account, new.symbol)) >= most:
            raise filter_failure("MAX_NUM_ICEBERG_ORDERS")
        return shown if shown < lots else 0

    def _stp_of(self, new: NewOrder) -> str:
        if new.stp and new.stp not in STP_MODES:
            raise VenueRefusal(-1013, "This symbol does not allow the specified self-trade prevention mode.")
        return new.stp or STP_DEFAULT

    def _quote_of(self, new: NewOrder) -> int:
        quote_e18 = e18_of(new.quote_qty) if new.quote_qty is not None else None
        if quote_e18 is None or quote_e18 <= 0:
            raise VenueRefusal(-1013, "Invalid quote order qty.")
        return quote_e18

    def _lots_for(self, rules: MarketRules, side: int, quote_e18: int) -> int:
        """Return the lots that an amount of the quote asset buys, or that must be sold for it."""
        if not self.sides[rules.market.name].best(opposite(side)):
            raise VenueRefusal(-1013, "Market is closed.")
        lots = self._affordable_lots(rules, side, quote_e18)
        if lots == 0:
            raise filter_failure("LOT_SIZE")
        return lots

    def _affordable_lots(self, rules: MarketRules, side: int, quote_e18: int) -> int:
        """Return the lots that the other side of the book gives for an amount, on the step of the filter."""
        left, lots = quote_e18, 0
        for price_ticks, level_lots in self.sides[rules.market.name].walk(opposite(side)):
            value_e18 = rules.units.value_e18(price_ticks, 1)
            taken = min(level_lots, left // value_e18)
            lots += taken
            left -= taken * value_e18
            if taken < level_lots:
                break
        step_lots = max(1, rules.limit("LOT_SIZE", "stepSize") // rules.units.lot_e18)
        return lots - lots % step_lots

    def _check_value(self, order: OrderState, rules: MarketRules) -> None:
        side = self.sides[order.symbol]
        last_ticks = side.last_ticks()
        price_ticks = order.price_ticks or order.stop_ticks or last_ticks
        value_e18 = order.quote_order_e18 or rules.units.value_e18(price_ticks, order.lots)
        if order.price_ticks:
            rules.check_band(order.side, order.price_ticks, last_ticks * rules.units.tick_e18)
        rules.check_value(value_e18, is_market=not order.price_ticks)

    # ---- stops

    def enter(self, order: OrderState, rules: MarketRules, now_ms: int) -> list[Fill]:
        """Let an order in; a stop waits."""
        fills = super().enter(order, rules, now_ms)
        if not order.is_working:
            self._wait(order)
        return fills

    def _wait(self, order: OrderState) -> None:
        if order.symbol not in self.triggers.of_symbol:
            # What was traded before nobody waited starts nothing.
            self.sides[order.symbol].trade_range()
        price_e18 = order.stop_ticks * self.rules[order.symbol].units.tick_e18
        self.triggers.add(order.symbol, order.order_id, Trigger(price_e18, order.is_falling_stop))

    def close(self, order: OrderState, status: str, reason: str, now_ms: int) -> None:
        """End an order, waiting or not."""
        self.triggers.remove(order.symbol, order.order_id)
        super().close(order, status, reason, now_ms)

    def advance(self, now_ms: int) -> None:
        """Start the stops whose price was traded, and refill icebergs."""
        for symbol in list(self.triggers.of_symbol):
            side = self.sides[symbol]
            low, high = side.trade_range()
            tick_e18 = self.rules[symbol].units.tick_e18
            for order_id in self.triggers.due(symbol, low * tick_e18, high * tick_e18):
                order = self.store.open[order_id]
                order.is_working = True
                order.working_ms = order.updated_ms = now_ms
                self.say(order, "NEW", now_ms)
                if self._can_pay(order):
                    self.work(order, side, now_ms)
                else:
                    self.end(order, "EXPIRED", "MARKET", now_ms)
                self.finish(now_ms)
        self.refill(now_ms)

    def _can_pay(self, order: OrderState) -> bool:
        """Set aside what a market stop to buy costs now; with less money it buys less, or nothing."""
        if order.side != BUY or order.price_ticks:
            return True
        rules = self.rules[order.symbol]
        account = self.floor.account(order.account)
        self._release(order)
        budget_e18 = account.free_e18(rules.quote)
        _, cost_e18 = self._cost(order, rules)
        if cost_e18 > budget_e18:
            order.lots = self._affordable_lots(rules, BUY, budget_e18) or order.lots
            _, cost_e18 = self._cost(order, rules)
        if cost_e18 > budget_e18:
            return False
        order.locked_e18 = cost_e18
        account.lock(rules.quote, cost_e18)
        return True

    def restore(self) -> None:
        """Let the stops of a loaded store wait again."""
        for order in self.store.open.values():
            if not order.is_working:
                self._wait(order)

    # ---- amend

    def amend(
        self,
        account: str,
        symbol: str,
        order_id: int,
        client_order_id: str,
        quantity: Decimal,
        now_ms: int,
        new_client_order_id: str = "",
    ) -> tuple[VenueOrder, int]:
        """Lower the quantity of an order, which keeps its place; returns it and the execution id (-2038)."""
        rules = self.rules_of(symbol)
        order = self.store.find_open(account, symbol, order_id, client_order_id)
        if order is None:
            raise VenueRefusal(*NO_SUCH_ORDER)
        lots = rules.lots_of(quantity, is_market=False, name="newQty")
        if not order.filled_lots < lots < order.lots:
            raise VenueRefusal(-2038, "The requested action would change no state; rejecting.")
        most = rules.limit("MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends")
        if most and order.amends >= most:
            raise VenueRefusal(-2038, f"Order amend rejected: at most {most} amends of an order.")
        new_id = new_client_order_id or f"sima{order.order_id:x}n{order.amends + 1}"
        if new_id != order.client_order_id and self.store.is_duplicate(account, symbol, new_id):
            raise self._refuse_duplicate()
        rules.check_value(rules.units.value_e18(order.price_ticks, lots), is_market=not order.price_ticks)
        self.store.rename(order, new_id)
        order.lots, order.updated_ms = lots, now_ms
        order.amends += 1
        side = self.sides[symbol]
        shown = side.visible_lots(order.book_id)
        if shown > order.left_lots:
            side.shrink(order.book_id, order.left_lots, now_ms)
        asset, needed_e18 = self._cost(order, rules)
        self.floor.account(account).lock(asset, needed_e18 - order.locked_e18)
        order.locked_e18 = needed_e18
        self.touched[account, symbol] = None
        self.say(order, "REPLACED", now_ms)
        self.finish(now_ms)
        return order.record(self.venue, rules.units), self.floor.ids.execution

    # ---- refusals

    def _refuse_post_only(self) -> VenueRefusal:
        return VenueRefusal(*WOULD_TAKE)

    def _refuse_duplicate(self) -> VenueRefusal:
        return VenueRefusal(*DUPLICATE)

    # ---- money

    def _admit(self, order: OrderState, rules: MarketRules, now_ms: int) -> None:  # noqa: ARG002
        asset, amount_e18 = self._cost(order, rules)
        account = self.floor.account(order.account)
        if account.free_e18(asset) < amount_e18:
            raise VenueRefusal(*INSUFFICIENT)
        account.lock(asset, amount_e18)
        order.locked_e18 = amount_e18

    def _cost(self, order: OrderState, rules: MarketRules) -> tuple[str, int]:
        """Return (asset, amount) that an order sets aside: of a market buy what the book asks now."""
        units = rules.units
        if order.side != BUY:
            return rules.base, order.left_lots * units.lot_e18
        price_ticks = order.price_ticks or (0 if order.is_working else order.stop_ticks)
        if price_ticks:
            return rules.quote, units.value_e18(price_ticks, order.left_lots)
        own = {other.price_ticks: 0 for other in self.own_crossing(order, 2**62)}
        side = self.sides[order.symbol]
        for other in self.own_crossing(order, 2**62):
            own[other.price_ticks] += side.visible_lots(other.book_id)
        left, cost_e18 = order.left_lots, 0
        for price_ticks, lots in side.walk(opposite(BUY)):
            taken = min(left, lots - own.get(price_ticks, 0))
            cost_e18 += units.value_e18(price_ticks, taken)
            left -= taken
            if not left:
                break
        return rules.quote, cost_e18

    def _pay(self, order: OrderState, execution: Execution, now_ms: int, *, is_maker: bool) -> Paid:
        rules = self.rules[order.symbol]
        units = rules.units
        account = self.floor.account(order.account)
        base_e18 = execution.lots * units.lot_e18
        value_e18 = units.value_e18(execution.price_ticks, execution.lots)
        is_buy = order.side == BUY
        paid_asset, paid_e18 = (rules.quote, value_e18) if is_buy else (rules.base, base_e18)
        got_asset, got_e18 = (rules.base, base_e18) if is_buy else (rules.quote, value_e18)
        if is_buy and order.price_ticks:
            # What a price better than the limit saves is free again at once.
            saved_e18 = units.value_e18(order.price_ticks, execution.lots) - value_e18
            account.lock(paid_asset, -saved_e18)
            order.locked_e18 -= saved_e18
        account.spend_locked(paid_asset, paid_e18)
        order.locked_e18 -= paid_e18
        fee_asset, fee_e18 = self._fee(order, rules, got_asset, got_e18, value_e18, is_maker=is_maker)
        account.add(got_asset, got_e18 - (fee_e18 if fee_asset == got_asset else 0))
        if fee_asset != got_asset:
            account.add(fee_asset, -fee_e18)
        ledger = self.floor.ledger
        other_id = execution.taker_id if is_maker else execution.maker_id
        # Of a trade between two accounts each side's money is the other's; nobody else has a part in it.
        note = f"trade {execution.trade_id}" + ("" if other_id > 0 else " between accounts")
        ledger.pay(SPOT, order.account, paid_asset, -paid_e18, STREET, now_ms, note)
        ledger.pay(SPOT, order.account, got_asset, got_e18, STREET, now_ms, note)
        ledger.pay(SPOT, order.account, fee_asset, -fee_e18, FEES, now_ms, note)
        return Paid(fee_e18, fee_asset)

    def _fee(
        self,
        order: OrderState,
        rules: MarketRules,
        got_asset: str,
        got_e18: int,
        value_e18: int,
        *,
        is_maker: bool,
    ) -> tuple[str, int]:
        """Return (asset, commission): of what is received, or in BNB at its last price against the quote."""
        account = self.floor.account(order.account)
        fees = account.fees
        rate_ppm = fees.spot_maker_ppm if is_maker else fees.spot_taker_ppm
        bnb = self.sides.get(BNB + rules.quote)
        if fees.pays_in_bnb and bnb is not None and rate_ppm > 0 and bnb.last_ticks():
            price_e18 = bnb.last_ticks() * self.rules[BNB + rules.quote].units.tick_e18
            fee_e18 = fee_of(value_e18 * E18 // price_e18, rate_ppm * fees.bnb_left_ppm // PPM)
            held = account.free_e18(BNB) + (got_e18 if got_asset == BNB else 0)
            if held >= fee_e18:
                return BNB, fee_e18
        return got_asset, fee_of(got_e18, rate_ppm)

    def _release(self, order: OrderState) -> None:
        if order.locked_e18:
            rules = self.rules[order.symbol]
            asset = rules.quote if order.side == BUY else rules.base
            self.floor.account(order.account).lock(asset, -order.locked_e18)
            order.locked_e18 = 0

    def reopen(self, order: OrderState, lots: int) -> None:
        """Lock what a late fill will take; ValueError when it is not free any more."""
        rules = self.rules[order.symbol]
        is_buy = order.side == BUY
        asset = rules.quote if is_buy else rules.base
        needed_e18 = rules.units.value_e18(order.price_ticks, lots) if is_buy else lots * rules.units.lot_e18
        account = self.floor.account(order.account)
        if account.free_e18(asset) < needed_e18:
            raise ValueError(
                f"{account.name} has not enough {asset} for a late fill of order {order.order_id}"
            )
        account.lock(asset, needed_e18)
        order.locked_e18 = needed_e18

    def _settled(self, account: str, symbol: str, now_ms: int) -> None:
        rules = self.rules[symbol]
        assets = [rules.base, rules.quote]
        fees = self.floor.account(account).fees
        if fees.pays_in_bnb and BNB not in assets:
            assets.append(BNB)
        balances = tuple(self.balance(account, asset) for asset in assets)
        self.floor.say(account, SpotBalances(venue=SPOT, time_ms=now_ms, balances=balances))

    def balance(self, account: str, asset: str) -> AssetBalance:
        """Return one balance."""
        free, locked = self.floor.account(account).spot.get(asset, (0, 0))
        return AssetBalance(asset, decimal_of(free), decimal_of(locked))

    def balances(self, account: str) -> list[AssetBalance]:
        """Return all balances in the order of their first use."""
        return [self.balance(account, asset) for asset in self.floor.account(account).spot]
