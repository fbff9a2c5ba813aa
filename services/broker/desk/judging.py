"""Money and positions of the account against the log: what nothing of ours explains came from outside (I-19).

A difference is believed when every answer has shown the same one for `account_lag_ms`: what a venue tells of
executions may lag behind what it tells of the account, and then it goes by itself. It is then adopted: money
as `AccountAdjusted`, a position as one execution of the strategy `external`.
"""

from decimal import ROUND_HALF_EVEN, Decimal

from services.broker.desk.state import DeskState, ms
from services.broker.live_account import EXPONENT, units, units_text
from services.broker.live_knowledge import LiveKnowledge
from services.broker.live_order import SYNTHETIC
from shared.execution.reports import AccountTold
from shared.messages.market import InstrumentRules
from shared.messages.orders import Fill
from shared.messages.venue import EXTERNAL, AccountAdjusted
from shared.units import Side

E8 = 10 ** (EXPONENT - 8)
Differences = tuple[tuple[str, int, int], ...]


class Judging:
    """Compares answers about the account with what the log says it should be."""

    def __init__(self, state: DeskState) -> None:
        self._state = state
        self._former: tuple[tuple[str, int], ...] = ()
        self._since_ns = 0
        self.known: LiveKnowledge | None = None

    def is_settled(self, told: AccountTold, now_ns: int) -> bool:
        """Return whether account and log agree, or agree after what was found twice has been adopted."""
        known = self.known
        assert known is not None, "the desk was not started"
        found = self._differences(told, known)
        is_opening = self._state.venue not in known.wallets.opened
        if not found and not is_opening:
            self._former = ()
            return True
        if found and not self._is_believed(found, now_ns, is_opening=is_opening):
            return False
        self._former = ()
        positions = [row for row in found if row[0] in self._state.rules]
        if positions:
            self._adopt_positions(positions, told, known, now_ns)
            return False
        self._adopt_money(found, is_opening=is_opening, told_ns=now_ns)
        return True

    def _is_believed(self, found: Differences, now_ns: int, *, is_opening: bool) -> bool:
        gaps = tuple((what, theirs - ours) for what, ours, theirs in found)
        if gaps != self._former:
            self._former, self._since_ns = gaps, now_ns
            return False
        return is_opening or now_ns - self._since_ns >= ms(self._state.settings.account_lag_ms)

    def _differences(self, told: AccountTold, known: LiveKnowledge) -> Differences:
        positions = self._position_differences(told, known)
        return positions or self._money_differences(told, known)

    def _position_differences(self, told: AccountTold, known: LiveKnowledge) -> Differences:
        theirs = {one.symbol: one.position_lots for one in told.positions}
        found = []
        for symbol, rules in sorted(self._state.rules.items()):
            if not rules.is_derivative:
                continue
            ours = known.account.holdings_lots.get(symbol, 0)
            if theirs.get(symbol, 0) != ours:
                found.append((symbol, ours, theirs.get(symbol, 0)))
        return tuple(found)

    def _money_differences(self, told: AccountTold, known: LiveKnowledge) -> Differences:
        theirs = {one.asset: units(one.free) + units(one.locked) for one in told.balances}
        is_margin = any(rules.is_derivative for rules in self._state.rules.values())
        for position in told.positions:
            rules = self._state.rules.get(position.symbol)
            if rules is not None:
                cost = _cost(position.entry_price, position.position_lots, rules)
                theirs[rules.quote_asset] = theirs.get(rules.quote_asset, 0) - cost
        ours = known.wallets.expected(self._state.venue)
        tolerance = self._state.settings.balance_tolerance_e8 * E8 if is_margin else 0
        found = []
        for asset in sorted(ours.keys() | theirs.keys()):
            mine, other = ours.get(asset, 0), theirs.get(asset, 0)
            if abs(mine - other) > tolerance:
                found.append((asset, mine, other))
        return tuple(found)

    # ---- adopting

    def _adopt_money(self, found: Differences, *, is_opening: bool, told_ns: int) -> None:
        state = self._state
        reason = "opening" if is_opening else "external"
        for asset, ours, theirs in found:
            amount, balance = units_text(theirs - ours), units_text(theirs)
            if not is_opening:
                state.differ(
                    "balance", f"{state.venue}:", "", units_text(ours), f"{balance} {asset}", "adopted"
                )
            state.say(AccountAdjusted(state.venue, asset, amount, balance, reason, told_ns))
        if is_opening and not found:
            state.say(AccountAdjusted(state.venue, "", "0", "0", reason, told_ns))

    def _adopt_positions(
        self, found: list[tuple[str, int, int]], told: AccountTold, known: LiveKnowledge, now_ns: int
    ) -> None:
        """Book each as one execution at the venue's entry price; its id is a function of what is known."""
        state = self._state
        entries = {one.symbol: one.entry_price for one in told.positions}
        for symbol, ours, theirs in found:
            rules = state.rules[symbol]
            lots = theirs - ours
            trade_id = f"{SYNTHETIC}{known.fill_count}-{ours}-{theirs}"
            price_ticks = _ticks(entries.get(symbol, "0"), rules) or _mark_ticks(known, symbol)
            fill = Fill(
                f"{SYNTHETIC}{symbol.partition(':')[2].lower()}",
                EXTERNAL,
                symbol,
                trade_id=trade_id,
                side=Side.BUY if lots > 0 else Side.SELL,
                price_ticks=price_ticks,
                qty_lots=abs(lots),
                filled_lots=abs(lots),
                leaves_lots=0,
                fee_atoms=0,
                fee_asset=rules.quote_asset,
                is_maker=False,
                ts_venue_ns=now_ns,
            )
            state.memory(symbol).add(trade_id)
            state.say(fill)
            state.differ(
                "position",
                symbol,
                fill.client_order_id,
                f"{ours} lots",
                f"{theirs} lots",
                f"{abs(lots)} lots booked under {EXTERNAL} at the entry price, the market pauses",
                is_halted=True,
            )


def _cost(entry_price: str, lots: int, rules: InstrumentRules) -> int:
    """Return what a position stands at, in 10^-18 of the quote asset."""
    ticks = Decimal(entry_price or "0") / Decimal(rules.tick_size)
    atoms = ticks * lots * rules.tick_lot_atoms
    return int(atoms.scaleb(EXPONENT - rules.quote_exponent).to_integral_value(ROUND_HALF_EVEN))


def _ticks(price: str, rules: InstrumentRules) -> int:
    return int((Decimal(price or "0") / Decimal(rules.tick_size)).to_integral_value(ROUND_HALF_EVEN))


def _mark_ticks(known: LiveKnowledge, symbol: str) -> int:
    book = known.place(symbol).book
    return max(1, int(book.bid_ticks))
