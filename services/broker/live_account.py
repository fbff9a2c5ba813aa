"""Wallets at venues as the log tells them: what every asset of an account should stand at.

A spot wallet holds each asset that was traded; one of derivatives holds margin, and its open positions stand
at what they cost. Both are kept by cash flow alone, in units of 10^-18, so that they are exact whatever the
venue rounds.
"""

from decimal import Decimal

from shared.double_entry import Wide, asset_exponent, fee_in_quote, terms_of, wide
from shared.instrument import venue_of
from shared.messages.market import InstrumentRules
from shared.messages.orders import Fill, FundingPaid
from shared.messages.venue import AccountAdjusted

EXPONENT = 18
Key = tuple[str, str]


def units(text: str) -> int:
    """Return a decimal text of an asset in 10^-18, rounded down; raises `ValueError` when it is no number."""
    try:
        value = Decimal(text)
        if not value.is_finite():
            raise ValueError
        return int(value.scaleb(EXPONENT).to_integral_value(rounding="ROUND_FLOOR"))
    except (ArithmeticError, ValueError) as error:
        raise ValueError(f"{text!r} is no amount of an asset") from error


def units_text(amount: int) -> str:
    """Return 10^-18 as a plain decimal text without trailing zeros."""
    text = format(Decimal(amount).scaleb(-EXPONENT), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


class Wallets:
    """Expected balance of each (venue, asset), and of which venues the opening is known."""

    def __init__(self) -> None:
        self.amounts: dict[Key, int] = {}
        self.opened: dict[str, None] = {}

    def expected(self, venue: str) -> dict[str, int]:
        """Return what the assets of a venue should stand at."""
        return {asset: amount for (place, asset), amount in self.amounts.items() if place == venue}

    def book(self, fill: Fill, rules: InstrumentRules) -> None:
        """Book one fill: what went, what came, and the fee in its own asset."""
        venue, terms = venue_of(fill.symbol), terms_of(rules)
        notional = fill.price_ticks * fill.qty_lots * rules.tick_lot_atoms
        self._add(venue, rules.quote_asset, _scaled(-fill.side.sign * notional, rules.quote_exponent))
        if not rules.is_derivative:
            base = fill.side.sign * fill.qty_lots * terms.lot_base_atoms
            self._add(venue, rules.base_asset, _scaled(base, terms.base_exponent))
        fee = _scaled(fill.fee_atoms, asset_exponent(fill.fee_asset, terms))
        self._add(venue, fill.fee_asset, -fee)

    def book_funding(self, paid: FundingPaid, rules: InstrumentRules) -> None:
        """Book one funding payment."""
        self._add(venue_of(paid.symbol), paid.quote_asset, _scaled(paid.amount_atoms, rules.quote_exponent))

    def adjust(self, adjusted: AccountAdjusted) -> None:
        """Book what nothing of ours explains."""
        self.opened[adjusted.venue] = None
        if adjusted.asset:
            self._add(adjusted.venue, adjusted.asset, units(adjusted.amount))

    def dump(self) -> tuple[list[tuple[str, str, Wide]], list[str]]:
        """Return the whole state, sorted."""
        rows = [(venue, asset, wide(amount)) for (venue, asset), amount in sorted(self.amounts.items())]
        return rows, sorted(self.opened)

    def load(self, rows: list[tuple[str, str, Wide]], opened: list[str]) -> None:
        """Replace everything by a dump."""
        self.amounts = {(venue, asset): int(amount) for venue, asset, amount in rows}
        self.opened = dict.fromkeys(opened)

    def _add(self, venue: str, asset: str, amount: int) -> None:
        if amount:
            key = (venue, asset)
            self.amounts[key] = self.amounts.get(key, 0) + amount


def _scaled(atoms: int, exponent: int) -> int:
    return int(atoms) * 10 ** (EXPONENT - exponent) if exponent <= EXPONENT else int(atoms)


def fee_for_profit(fill: Fill, rules: InstrumentRules) -> int | None:
    """Return the fee in atoms of the quote asset as risk counts it; None for one in a third asset."""
    return fee_in_quote(fill, terms_of(rules), None)
