"""Order entry of spot: what an order locks, what a fill moves, and the answers of the venue."""

from services.venue_sim.exchange.amounts import E18, PPM, decimal_of, e18_of, fee_of
from services.venue_sim.exchange.desk import Desk, Paid
from services.venue_sim.exchange.ledger import FEES, STREET
from services.venue_sim.exchange.orders import OrderState, opposite
from services.venue_sim.exchange.records import SIDES, AssetBalance, NewOrder, SpotBalances
from services.venue_sim.exchange.rules import MarketRules, filter_failure
from services.venue_sim.market import Execution
from services.venue_sim.matching import BUY
from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.venue import SPOT

TYPES = frozenset(
    {
        "LIMIT",
        "LIMIT_MAKER",
        "MARKET",
        "STOP_LOSS",
        "STOP_LOSS_LIMIT",
        "TAKE_PROFIT",
        "TAKE_PROFIT_LIMIT",
    }
)
STP_MODES = ("NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH")
STP_DEFAULT = "EXPIRE_MAKER"
TIFS = frozenset({"GTC", "IOC", "FOK"})
INSUFFICIENT = -2010, "Account has insufficient balance for requested action."
WOULD_TAKE = -2010, "Order would immediately match and take."
DUPLICATE = -2010, "Duplicate order sent."
BNB = "BNB"


class SpotDesk(Desk):
    """The spot venue."""

    venue = SPOT
    prevention_kind = "TRADE_PREVENTION"

    def _made(self, account: str, rules: MarketRules, new: NewOrder, now_ms: int) -> OrderState:
        if rules.status != "TRADING":
            raise VenueRefusal(-1013, "Market is closed.")
        if new.type not in TYPES:
            raise VenueRefusal(-1116, "Invalid orderType.")
        is_market = new.type in {"MARKET", "STOP_LOSS", "TAKE_PROFIT"}
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
            strategy_id=new.strategy_id,
            strategy_type=new.strategy_type,
        )
        self._check_value(order, rules)
        return order

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
        left, lots, last = quote_e18, 0, 0
        for price_ticks, level_lots in self.sides[rules.market.name].walk(opposite(side)):
            last = rules.units.value_e18(price_ticks, 1)
            taken = min(level_lots, left // last)
            lots += taken
            left -= taken * last
            if taken < level_lots:
                break
        step_lots = max(1, rules.limit("LOT_SIZE", "stepSize") // rules.units.lot_e18)
        lots -= lots % step_lots
        if lots == 0:
            raise filter_failure("LOT_SIZE") if last else VenueRefusal(-1013, "Market is closed.")
        return lots

    def _check_value(self, order: OrderState, rules: MarketRules) -> None:
        side = self.sides[order.symbol]
        last_ticks = side.last_ticks()
        price_ticks = order.price_ticks or order.stop_ticks or last_ticks
        value_e18 = order.quote_order_e18 or rules.units.value_e18(price_ticks, order.lots)
        if order.price_ticks:
            rules.check_band(order.side, order.price_ticks, last_ticks * rules.units.tick_e18)
        rules.check_value(value_e18, is_market=not order.price_ticks)

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
        if order.price_ticks or order.stop_ticks:
            return rules.quote, units.value_e18(order.price_ticks or order.stop_ticks, order.left_lots)
        own = {other.price_ticks: 0 for other in self._own_crossing(order, 2**62)}
        side = self.sides[order.symbol]
        for other in self._own_crossing(order, 2**62):
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
