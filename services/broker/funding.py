"""Funding of perpetuals on paper: owed at each funding time, booked once, worked out against us (RK-29).

amount = -position * mark * rate, rounded down. Position is what the fills before that time left a strategy;
mark and rate are the last that the venue said for that time. A time that passes while nobody tells its rate
(the mesh is down, or the feed) is booked with the last rate heard for it; a time never heard of is not.
"""

from collections.abc import Callable

import msgspec

from shared.double_entry import in_64_bits
from shared.messages.market import FundingRate, InstrumentRules
from shared.messages.orders import FundingPaid
from shared.units import NS_PER_S

ROLL_NS = 60 * NS_PER_S
"""The venue may name the next time so long before ours reaches this one; earlier, it moved this one."""
RATE_E8_MAX = 10**7
"""A rate beyond 10 % of the position is no rate of a venue (they end at 3 or 4 %) and is not heard."""
NEVER_NS = 2**63 - 1

Positions = Callable[[str], list[tuple[str, int]]]
Rules = Callable[[str], InstrumentRules | None]


class Rate(msgspec.Struct, array_like=True, frozen=True):
    """The last rate heard for one funding time of a market."""

    symbol: str
    funding_ns: int
    rate_e8: int
    mark_centiticks: int


class FundingState(msgspec.Struct, array_like=True, frozen=True):
    """A dump of a `FundingClock`."""

    rates: list[Rate] = []
    owed: list[FundingPaid] = []
    passed: list[tuple[str, int]] = []


def funding_amount(position_lots: int, mark_centiticks: int, tick_lot_atoms: int, rate_e8: int) -> int:
    """Return what a position receives in atoms, negative when it pays: longs pay a positive rate.

    A centitick is a hundredth of a tick and the rate is in 10^-8; the result is rounded down, against us.
    """
    return -position_lots * mark_centiticks * tick_lot_atoms * rate_e8 // (100 * 10**8)


class FundingClock:
    """Rates to come, and payments owed since their time passed but not yet said."""

    def __init__(self) -> None:
        self.due_ns = NEVER_NS
        self.owed: list[FundingPaid] = []
        self._rates: dict[tuple[str, int], Rate] = {}
        self._passed: dict[str, int] = {}

    def hear(self, message: FundingRate, now_ns: int) -> None:
        """Take a rate; one without a mark, beyond all reason or for a time that passed changes nothing."""
        symbol, funding_ns = message.symbol, message.next_funding_ns
        if message.mark_centiticks <= 0 or abs(message.rate_e8) > RATE_E8_MAX:
            return
        if funding_ns <= max(now_ns, self._passed.get(symbol, 0)):
            return
        for key in [key for key in self._rates if key[0] == symbol and key[1] - now_ns > ROLL_NS]:
            del self._rates[key]
        self._rates[symbol, funding_ns] = Rate(symbol, funding_ns, message.rate_e8, message.mark_centiticks)
        self._set_due()

    def accrue(self, now_ns: int, positions: Positions, rules: Rules) -> None:
        """Let every time up to `now_ns` pass: what each position owes or receives stands in `owed`."""
        for key in sorted(self._rates, key=lambda each: (each[1], each[0])):
            rate = self._rates[key]
            terms = rules(rate.symbol)
            if rate.funding_ns > now_ns:
                break
            del self._rates[key]
            self._passed[rate.symbol] = rate.funding_ns
            if terms is None or not terms.is_derivative:
                continue
            for strategy, lots in positions(rate.symbol):
                amount = funding_amount(lots, rate.mark_centiticks, terms.tick_lot_atoms, rate.rate_e8)
                self.owed.append(
                    FundingPaid(
                        strategy=strategy,
                        symbol=rate.symbol,
                        funding_ns=rate.funding_ns,
                        rate_e8=rate.rate_e8,
                        mark_centiticks=rate.mark_centiticks,
                        position_lots=lots,
                        amount_atoms=in_64_bits(amount),
                        quote_asset=terms.quote_asset,
                    )
                )
        self._set_due()

    def settle(self, paid: FundingPaid) -> None:
        """Take a payment that was said off what is owed."""
        place = (paid.strategy, paid.symbol, paid.funding_ns)
        self.owed = [each for each in self.owed if (each.strategy, each.symbol, each.funding_ns) != place]

    def _set_due(self) -> None:
        self.due_ns = min((rate.funding_ns for rate in self._rates.values()), default=NEVER_NS)

    def dump(self) -> FundingState:
        """Return the whole state."""
        rates = [self._rates[key] for key in sorted(self._rates)]
        return FundingState(rates, list(self.owed), sorted(self._passed.items()))

    def load(self, state: FundingState) -> None:
        """Replace everything by a dump."""
        self._rates = {(rate.symbol, rate.funding_ns): rate for rate in state.rates}
        self.owed = list(state.owed)
        self._passed = dict(state.passed)
        self._set_due()
