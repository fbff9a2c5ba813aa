"""Which ticks risk has to hear: between two of those nothing changes for it but numbers that it reads anew.

Risk looks at equity each tick (its peak of the day, falls, losses) and at everything else each second. So a
tick is heard

- each second counted from the first tick, and first in each whole second (windows, margin, sessions, pauses);
- each time while a rejection storm or unusual volume holds, a guard failed, a ramp is about to begin, with
  positions in several markets;
- each time at which the mark lies outside a band: beyond one end equity has a new peak, beyond the other a
  limit may be reached.

The band is worked out from the numbers that the breakers use, rounded to the narrow side.
"""

from typing import NamedTuple

from services.backtest.array_cores import HostedRisk
from services.risk.ask import E8, MONEY_EXPONENT
from services.risk.breakers import BPS, Breakers
from services.risk.candle_monitor import CODE as VOLUME
from services.risk.ramp import NOT_YET, Ramp
from services.risk.session import Session, today_of
from services.risk.storm import RejectStorm
from shared.units import INT64_MAX, NS_PER_S

EVERY_TICK = 0
WHOLE_NS = 60 * NS_PER_S
"""A tick is heard by all guards at least so often: what they keep is cleared out then."""
MARGIN_E8 = 4
"""What roundings of profit (down, of each market and sum) may hide, in 10^-8 of the currency."""


class Band(NamedTuple):
    """Marks (bid + ask) of one market that need no tick, both ends included."""

    symbol: str
    low: int
    high: int


class RiskTicks:
    """The plan of ticks of one risk core; `plan` after each event that risk has heard."""

    def __init__(self, risk: HostedRisk, first_tick_ns: int) -> None:
        self._known = risk.known
        self._first_tick_ns = first_tick_ns
        guards = risk.known.guards.all
        self._breakers = next(one for one in guards if isinstance(one, Breakers))
        self._ramp = next(one for one in guards if isinstance(one, Ramp))
        self._storm = next(one for one in guards if isinstance(one, RejectStorm))
        self._session = next(one for one in guards if isinstance(one, Session))
        self._whole_ns = 0

    def is_plain(self, now_ns: int, *, is_within: bool) -> bool:
        """Return whether the tick at `now_ns` is only for the guards that look each second.

        `is_within` tells that the marks lie within the band. Asked once for each tick that risk hears.
        """
        known = self._known
        is_plain = (
            is_within
            and now_ns - self._whole_ns < WHOLE_NS
            and not known.guards.held
            and not known.settings.calendar.is_used
            and not known.settings.surprises.holds
            and today_of(known.settings, now_ns) == self._session.date
        )
        if not is_plain:
            self._whole_ns = now_ns
        return is_plain

    def due_ns(self, now_ns: int) -> int:
        """Return from which time on the next tick has to be heard, `EVERY_TICK` for each."""
        known = self._known
        is_watching = any(hold.code == VOLUME for hold in known.guards.held)
        if self._storm.trips or known.guards.failed or is_watching:
            return EVERY_TICK
        if not self._breakers.is_begun or NOT_YET in self._ramp.since_ns.values():
            return EVERY_TICK
        whole_ns = (now_ns // NS_PER_S + 1) * NS_PER_S
        counted = max(0, (now_ns - self._first_tick_ns) // NS_PER_S + 1)
        return min(whole_ns, self._first_tick_ns + counted * NS_PER_S)

    def band(self) -> Band | None:
        """Return the marks that need no tick, None when each tick is needed (several positions)."""
        known = self._known
        open_in = [symbol for symbol, one in known.ledger.by_symbol.items() if one.position_lots]
        if not open_in:
            return Band("", 0, INT64_MAX)
        symbol = open_in[0]
        place = known.markets[symbol]
        if len(open_in) > 1 or place.rules is None or not place.mark_half_ticks:
            return None
        lots = int(known.ledger.by_symbol[symbol].position_lots)
        # A half tick of the mark is worth 50 centiticks; in 10^-8 of the currency, rounded up.
        scale = 10 ** (MONEY_EXPONENT - place.rules.quote_exponent)
        slope = -(-abs(lots) * place.rules.tick_lot_atoms * scale // (2 * 10 ** (MONEY_EXPONENT - 8))) + 1
        up_e8, down_e8 = self._rooms_e8()
        up, down = (up_e8 - MARGIN_E8) // slope, (down_e8 - MARGIN_E8) // slope
        if up_e8 < 0 or down_e8 <= MARGIN_E8:
            return Band(symbol, 1, 0)
        up, down = max(0, up), max(0, down)
        mark = place.mark_half_ticks
        return Band(symbol, mark - down, mark + up) if lots > 0 else Band(symbol, mark - up, mark + down)

    def _rooms_e8(self) -> tuple[int, int]:
        """Return by how much profit may rise without a new peak, and fall without reaching a limit."""
        known, breakers = self._known, self._breakers
        limits = known.settings.breakers
        pnl_e8 = known.pnl_e8()
        start_e8 = int(known.settings.initial_equity * E8)
        rooms = [INT64_MAX]
        if not known.mood.is_loss_said and not known.mood.is_killed:
            loss_e8 = known.loss_money() // 10 ** (MONEY_EXPONENT - 8)
            rooms.append(int(known.settings.loss_max * E8) - loss_e8 - 1)
        is_open = {code: not breakers.is_tripped(code) for code in breakers.CODES}
        if limits.session_drawdown_bps and is_open["session_drawdown"]:
            # The least fall whose share of the peak, rounded down, reaches the limit.
            peak_e8 = start_e8 + breakers.peak_e8
            fall_e8 = -(-limits.session_drawdown_bps * peak_e8 // BPS)
            rooms.append(fall_e8 - (breakers.peak_e8 - pnl_e8))
        if limits.total_drawdown_bps and is_open["total_drawdown"]:
            loss_e8 = -(-limits.total_drawdown_bps * start_e8 // BPS)
            rooms.append(loss_e8 - (breakers.total_base_e8 - pnl_e8))
        if limits.session_loss_max and is_open["session_loss"]:
            rooms.append(int(limits.session_loss_max * E8) - (breakers.session_base_e8 - pnl_e8))
        return breakers.peak_e8 - pnl_e8, min(rooms)
