"""The margin of each derivatives venue, watched: a warning, then only reducing orders (RK-23)."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from services.risk.ask import MONEY_EXPONENT
from services.risk.guard import Hold, QuietGuard
from services.risk.margin import Margin, MarginPosition, margin_of, tiers_of
from services.risk.monitor_settings import MarginSettings
from shared.instrument import venue_of
from shared.messages import Event, Message, orders, system
from shared.messages.guards import GuardRaised, GuardReleased, MarginStatus
from shared.messages.market import InstrumentRules
from shared.units import INT64_MAX, NS_PER_S, PPM

if TYPE_CHECKING:
    from services.risk.knowledge import RiskKnowledge

CODE = "margin"
WARNING_CODE = "margin_warning"
STATES = ("ok", "warning", "reduce")
SAY_EVERY_NS = 60 * NS_PER_S
E8: int = 10 ** (MONEY_EXPONENT - 8)
"""Messages carry money in 10^-8 of the currency."""

EASED_NUMERATOR, EASED_DENOMINATOR = 9, 10
"""A level is left only when the ratio is a tenth below it and the distance as much above."""


class Said(msgspec.Struct, array_like=True):
    """What was said last of a venue."""

    state: str
    symbols: list[str]
    said_ns: int


class _State(msgspec.Struct, array_like=True):
    said: dict[str, Said] = {}
    now_ns: int = 0
    second: int = 0


_encoder = msgspec.msgpack.Encoder(order="sorted")
_decoder = msgspec.msgpack.Decoder(_State)


def level_of(margin: Margin, settings: MarginSettings, former: str) -> str:
    """Return ok, warning or reduce; a level is reached at its limit and left a tenth away from it."""
    nearest_ppm = min(margin.distance_ppm, default=PPM)

    def level(ratio_ppm: int, distance_ppm: int) -> int:
        if ratio_ppm >= settings.reduce_ppm or distance_ppm <= settings.distance_reduce_ppm:
            return 2
        if ratio_ppm >= settings.warning_ppm or distance_ppm <= settings.distance_warning_ppm:
            return 1
        return 0

    raised = level(margin.ratio_ppm, nearest_ppm)
    eased_ratio = margin.ratio_ppm * EASED_DENOMINATOR // EASED_NUMERATOR
    eased_distance = nearest_ppm * EASED_NUMERATOR // EASED_DENOMINATOR
    kept = min(STATES.index(former), level(eased_ratio, eased_distance))
    return STATES[max(raised, kept)]


class MarginGuard(QuietGuard):
    """Says the margin of a venue at each change and each minute; holds its markets at the reduce level."""

    name = "margin"
    watches = frozenset({system.Tick, orders.Fill})
    folds = frozenset({MarginStatus})

    def __init__(self) -> None:
        self._state = _State()
        self._is_due = False

    def observe(self, event: Event, known: "RiskKnowledge") -> None:
        """Note that it is time to look: each second, and after each fill."""
        state = self._state
        state.now_ns = known.now_ns
        second = known.now_ns // NS_PER_S
        self._is_due = isinstance(event.message, orders.Fill) or second != state.second
        state.second = second

    def decide(self, event: Event, known: "RiskKnowledge") -> Iterable[Message]:  # noqa: ARG002
        """Say the margin of each venue that has positions, or had."""
        if not self._is_due:
            return
        by_venue = positions_of(known)
        for venue in sorted(by_venue.keys() | self._state.said.keys()):
            yield from self._of_venue(venue, by_venue.get(venue, []), known)

    def _of_venue(
        self, venue: str, positions: list[MarginPosition], known: "RiskKnowledge"
    ) -> Iterable[Message]:
        if any(one.mark_centiticks <= 0 for one in positions):
            return  # without a price nothing can be said; the book check holds new risk back meanwhile
        settings = known.settings.margin
        said = self._state.said.get(venue, Said("ok", [], 0))
        margin = margin_of(venue_equity_money(venue, known), positions)
        level = level_of(margin, settings, said.state) if positions else "ok"
        symbols = [one.symbol for one in positions]
        is_late = bool(symbols) and known.now_ns - said.said_ns >= SAY_EVERY_NS
        if (level, symbols) == (said.state, said.symbols) and not is_late:
            return
        yield MarginStatus(
            venue=venue,
            state=level,
            equity_money=_e8(margin.equity_money),
            maintenance_money=_e8(margin.maintenance_money),
            ratio_ppm=margin.ratio_ppm,
            symbols=symbols,
            liquidation_ticks=margin.liquidation_ticks,
            distance_ppm=margin.distance_ppm,
        )
        if said.state == "reduce" and level != "reduce":
            yield GuardReleased(
                CODE, "", "", "risk", f"the margin of {venue} is at {_percent(margin.ratio_ppm)}"
            )
        if STATES.index(level) > STATES.index(said.state):
            yield _raised(venue, level, margin, settings)

    def fold(self, message: Message) -> None:
        """Take what was said."""
        if not isinstance(message, MarginStatus):
            return
        if message.symbols:
            said = Said(message.state, list(message.symbols), self._state.now_ns)
            self._state.said[message.venue] = said
        else:
            self._state.said.pop(message.venue, None)

    def holds(self, known: "RiskKnowledge") -> Sequence[Hold]:
        """Hold back new risk in every derivatives market of a venue at the reduce level."""
        venues = {venue for venue, said in self._state.said.items() if said.state == "reduce"}
        if not venues:
            return ()
        found = []
        for symbol, place in sorted(known.markets.items()):
            venue = venue_of(symbol)
            if venue in venues and place.rules is not None and place.rules.is_derivative:
                reason = f"the margin of {venue} is at its reduce level"
                found.append(Hold("", symbol, "reducing", CODE, reason))
        return found

    def dump(self) -> bytes:
        """Return the state."""
        return _encoder.encode(self._state)

    def load(self, data: bytes) -> None:
        """Take the state."""
        self._state = _decoder.decode(data)


def positions_of(known: "RiskKnowledge") -> dict[str, list[MarginPosition]]:
    """Return the open positions in derivatives that are counted in the account currency, by venue."""
    found: dict[str, list[MarginPosition]] = {}
    for symbol in sorted(known.ledger.by_symbol):
        lots = known.ledger.position_lots(symbol)
        place = known.markets.get(symbol)
        if not lots or place is None or not _is_margined(place.rules, known):
            continue
        rules = place.rules
        assert rules is not None, f"{symbol} has a position but no rules"
        lot_money = rules.tick_lot_atoms * 10 ** (MONEY_EXPONENT - rules.quote_exponent) // 100
        tiers = tiers_of(symbol, known.settings.margin)
        position = MarginPosition(symbol, lots, place.mark_centiticks or 0, lot_money, tiers)
        found.setdefault(venue_of(symbol), []).append(position)
    return found


def venue_equity_money(venue: str, known: "RiskKnowledge") -> int:
    """Return the wallet of a venue with the profit of all its derivatives, 10^-18 of the currency."""
    total = int(known.settings.prepared.wallet_balance.scaleb(MONEY_EXPONENT))
    for symbol in known.ledger.by_symbol:
        place = known.markets.get(symbol)
        if venue_of(symbol) != venue or place is None or not _is_margined(place.rules, known):
            continue
        assert place.rules is not None, f"{symbol} has fills but no rules"
        profit = known.ledger.profit_atoms(symbol, place.mark_centiticks)
        atom_money: int = 10 ** (MONEY_EXPONENT - place.rules.quote_exponent)
        total += profit * atom_money
    return total


def _is_margined(rules: InstrumentRules | None, known: "RiskKnowledge") -> bool:
    return (
        rules is not None
        and rules.is_derivative
        and rules.quote_asset == known.settings.currency
        and rules.quote_exponent <= MONEY_EXPONENT - 2
    )


def _raised(venue: str, level: str, margin: Margin, settings: MarginSettings) -> GuardRaised:
    is_reduce = level == "reduce"
    limit_ppm = settings.reduce_ppm if is_reduce else settings.warning_ppm
    nearest = min(margin.distance_ppm, default=PPM)
    text = (
        f"{venue}: maintenance margin is {_percent(margin.ratio_ppm)} of the equity (limit "
        f"{_percent(limit_ppm)}), the nearest liquidation price is {_percent(nearest)} away; "
        + ("only reducing orders pass" if is_reduce else "close a part of the positions, or add money")
    )
    code = CODE if is_reduce else WARNING_CODE
    return GuardRaised(code, "", "", text, margin.ratio_ppm, limit_ppm, is_tripped=is_reduce)


def _percent(ppm: int) -> str:
    return f"{ppm // 10_000}.{ppm % 10_000 // 100:02d} %"


def _e8(money: int) -> int:
    return max(-INT64_MAX, min(INT64_MAX, money // E8))
