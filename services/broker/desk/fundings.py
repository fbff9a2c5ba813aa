"""Funding that a venue paid or took for a whole position, told per strategy (BR-13, RK-29)."""

from decimal import Decimal

from services.broker.desk.state import DeskState
from services.broker.live_knowledge import LiveKnowledge, funding_key
from shared.execution.reports import FundingBooked
from shared.messages.orders import FundingPaid
from shared.messages.venue import EXTERNAL
from shared.units import round_down

SEEN_MAX = 500


class Fundings:
    """Splits a payment by the positions of the strategies; the parts sum to it, to the atom."""

    def __init__(self, state: DeskState) -> None:
        self._state = state
        self._known: LiveKnowledge | None = None
        self._seen: dict[str, None] = {}

    def start(self, known: LiveKnowledge) -> None:
        """Begin with what the log knows."""
        self._known = known

    def take(self, booked: FundingBooked) -> None:
        """Say a payment, once; of a position that no strategy holds it is `external`."""
        known, rules = self._known, self._state.rules.get(booked.symbol)
        key = f"{booked.symbol} {booked.ts_venue_ns}"
        if known is None or rules is None or key in self._seen:
            self._state.counts["funding_not_booked"] += 1
            return
        self._seen[key] = None
        if len(self._seen) > SEEN_MAX:
            del self._seen[next(iter(self._seen))]
        amount = atoms_of(booked.amount, rules.quote_exponent)
        for strategy, lots, part in split(amount, known.account.positions(booked.symbol)):
            if funding_key(booked.symbol, booked.ts_venue_ns, strategy) in known.fundings:
                continue
            self._state.say(
                FundingPaid(
                    strategy=strategy,
                    symbol=booked.symbol,
                    funding_ns=booked.ts_venue_ns,
                    rate_e8=0,
                    mark_centiticks=0,
                    position_lots=lots,
                    amount_atoms=part,
                    quote_asset=rules.quote_asset,
                )
            )


def atoms_of(amount: str, exponent: int) -> int:
    """Return a decimal text in atoms, rounded down: against us."""
    return round_down(Decimal(amount).scaleb(exponent), Decimal(1))


def split(amount: int, positions: list[tuple[str, int]]) -> list[tuple[str, int, int]]:
    """Return (strategy, lots, part) by share of the net position; the last takes what rounding left."""
    net = sum(lots for _, lots in positions)
    if not net:
        holder = positions[0] if positions else (EXTERNAL, 0)
        return [(holder[0], holder[1], amount)]
    parts = [(strategy, lots, amount * lots // net) for strategy, lots in positions]
    rest = amount - sum(part for _, _, part in parts)
    strategy, lots, part = parts[-1]
    return [*parts[:-1], (strategy, lots, part + rest)]
