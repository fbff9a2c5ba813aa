"""What happens to USD-M accounts with time: ends of orders, dead-man's switches, funding, liquidation."""

from services.venue_sim.exchange.accounts import Account, Position
from services.venue_sim.exchange.algo import AlgoDesk
from services.venue_sim.exchange.amounts import E10, decimal_of
from services.venue_sim.exchange.orders import OrderState
from services.venue_sim.exchange.positions import maintenance_e18, unrealized_e18
from services.venue_sim.exchange.records import MarginCall
from services.venue_sim.exchange.usdm import UsdmDesk
from services.venue_sim.matching import BUY, SELL
from services.venue_sim.venue import USDM

RATE_E8 = 100_000_000
# Beyond this part of the margin a MARGIN_CALL is sent, in millionths.
CALL_PPM = 800_000
PPM = 1_000_000
LIQUIDATION_ID = "autoclose-"


class Clearing:
    """Looks after all USD-M accounts; `advance` is cheap when nobody holds anything."""

    def __init__(self, desk: UsdmDesk, algos: AlgoDesk) -> None:
        self._desk = desk
        self._floor = desk.floor
        self._algos = algos
        # (rate, end) of the running interval by market; None while nobody has anything.
        self._funding: dict[str, tuple[int, int]] | None = None
        self._marks: dict[str, int] = {}
        self._called: set[str] = set()

    def _is_idle(self) -> bool:
        if self._desk.store.open or not self._algos.is_idle:
            return False
        for account in self._floor.accounts.values():
            if account.countdowns or any(
                p.lots for kept in account.symbols.values() for p in kept.positions.values()
            ):
                return False
        return True

    def advance(self, now_ms: int) -> None:
        """Let time pass."""
        if self._is_idle():
            self._funding = None
            return
        self._desk.trim(now_ms)
        self._desk.refill(now_ms)
        self._desk.expire(now_ms)
        for account in self._floor.accounts.values():
            self._run_countdowns(account, now_ms)
        self._algos.advance(now_ms)
        self._pay_funding(now_ms)
        marks = {symbol: side.mark_e18() for symbol, side in self._desk.sides.items()}
        if marks != self._marks:
            self._marks = marks
            for account in self._floor.accounts.values():
                self._check_margin(account, now_ms)

    def _run_countdowns(self, account: Account, now_ms: int) -> None:
        for symbol in [s for s, due_ms in account.countdowns.items() if due_ms <= now_ms]:
            del account.countdowns[symbol]
            self._desk.cancel_all(account.name, symbol, now_ms)
            self._algos.cancel_all(account.name, symbol, now_ms)

    # ---- funding

    def _pay_funding(self, now_ms: int) -> None:
        before, self._funding = self._funding, {s: side.funding() for s, side in self._desk.sides.items()}
        for symbol, (rate_e8, due_ms) in (before or {}).items():
            if 0 < due_ms <= now_ms and self._funding[symbol][1] != due_ms:
                self.fund(symbol, rate_e8, now_ms)

    def fund(self, symbol: str, rate_e8: int, now_ms: int) -> None:
        """Book funding of all positions of a market: lots x mark price x rate, paid by longs."""
        asset = self._desk.rules[symbol].quote
        per_lot_e18 = self._desk.mark_per_lot_e18(symbol)
        for account in self._floor.accounts.values():
            kept = account.symbols.get(symbol)
            for position in kept.positions.values() if kept is not None else ():
                paid_e18 = -position.lots * per_lot_e18 * rate_e8 // RATE_E8 // E10 * E10
                if not paid_e18 or kept is None:
                    continue
                self._desk.book(account.name, asset, paid_e18, "FUNDING_FEE", now_ms, symbol)
                if kept.is_isolated:
                    position.isolated_e18 += paid_e18
                of_symbol = symbol if kept.is_isolated else ""
                self._desk.say_account(
                    account.name, "FUNDING_FEE", now_ms, (asset,), of_symbol, change_e18=paid_e18
                )

    # ---- margin

    def _check_margin(self, account: Account, now_ms: int) -> None:
        """Liquidate what its margin no longer carries."""
        crossed: dict[str, list[tuple[str, str, Position]]] = {}
        for symbol, kept in account.symbols.items():
            for name, position in kept.positions.items():
                if not position.lots:
                    continue
                if not kept.is_isolated:
                    crossed.setdefault(self._desk.rules[symbol].quote, []).append((symbol, name, position))
                    continue
                profit_e18, needed_e18 = self._state_of(symbol, position)
                if position.isolated_e18 + profit_e18 < needed_e18:
                    self.liquidate(account.name, symbol, name, now_ms)
        for asset, held in crossed.items():
            self._check_crossed(account, asset, held, now_ms)

    def _state_of(self, symbol: str, position: Position) -> tuple[int, int]:
        """Return (profit not realised, maintenance margin)."""
        per_lot_e18 = self._desk.mark_per_lot_e18(symbol)
        return unrealized_e18(position, per_lot_e18), maintenance_e18(abs(position.lots) * per_lot_e18)

    def _check_crossed(
        self, account: Account, asset: str, held: list[tuple[str, str, Position]], now_ms: int
    ) -> None:
        states = [self._state_of(symbol, position) for symbol, _, position in held]
        margin_e18 = self._desk.cross_wallet_e18(account.name, asset) + sum(s[0] for s in states)
        needed_e18 = sum(s[1] for s in states)
        if margin_e18 < needed_e18:
            for symbol, name, position in held:
                if position.lots:
                    self.liquidate(account.name, symbol, name, now_ms)
            self._cover(account, asset, now_ms)
            return
        if needed_e18 * PPM <= margin_e18 * CALL_PPM:
            self._called.discard(account.name)
        elif account.name not in self._called:
            self._called.add(account.name)
            positions = [p for symbol, _, _ in held for p in self._desk.positions_of(account.name, symbol)]
            event = MarginCall(
                venue=USDM,
                time_ms=now_ms,
                cross_wallet=decimal_of(self._desk.cross_wallet_e18(account.name, asset)),
                positions=tuple(positions),
            )
            self._floor.say(account.name, event)

    def liquidate(self, account: str, symbol: str, position_side: str, now_ms: int) -> None:
        """Cancel all orders of a market and close a position at the market, as the venue does by itself.

        What the book does not take stays open until it does.
        """
        self._desk.cancel_all(account, symbol, now_ms, "LIQUIDATION")
        self._algos.cancel_all(account, symbol, now_ms)
        position = self._floor.account(account).position(symbol, position_side)
        if not position.lots:
            return
        order_id = self._floor.next_order_id()
        order = OrderState(
            order_id=order_id,
            account=account,
            symbol=symbol,
            side=SELL if position.lots > 0 else BUY,
            type="MARKET",
            tif="IOC",
            client_order_id=f"{LIQUIDATION_ID}{order_id}",
            lots=abs(position.lots),
            price_ticks=0,
            created_ms=now_ms,
            updated_ms=now_ms,
            position_side=position_side,
            is_reduce_only=True,
            original_type="LIQUIDATION",
        )
        self._desk.enter(order, self._desk.rules[symbol], now_ms)
        self._desk.finish(now_ms)

    def _cover(self, account: Account, asset: str, now_ms: int) -> None:
        """Let the insurance fund pay what a liquidation left below zero."""
        holds = any(p.lots for kept in account.symbols.values() for p in kept.positions.values())
        missing_e18 = -account.wallet.get(asset, 0)
        if missing_e18 > 0 and not holds:
            self._desk.book(account.name, asset, missing_e18, "INSURANCE_CLEAR", now_ms)
            self._desk.say_account(account.name, "INSURANCE_CLEAR", now_ms, (asset,), change_e18=missing_e18)
