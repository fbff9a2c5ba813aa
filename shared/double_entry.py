"""Double entry: every movement of value is a set of entries that sum to zero in each asset (I-16).

An entry adds a signed number of atoms to an account of one asset. What comes to us is positive in `cash` and
`held`; the other side of the movement stands in an account that says why. So the sum over all accounts of an
asset is zero at all times, and profit is never more than the movements that made it.

| account    | asset        | holds |
|------------|--------------|-------|
| `cash`     | quote, third | money that came in, less what went out |
| `cost`     | quote        | what the open position has cost (average cost) |
| `realized` | quote        | minus the realized profit, before fees |
| `fees`     | any          | fees paid, less rebates, in the asset they were taken in |
| `funding`  | quote        | minus the funding received |
| `held`     | base         | the asset or contracts held: fills, less fees taken in them |
| `market`   | base         | minus what the market gave us |
| `opening`  | any          | minus what was brought in from outside, tagged in the log |
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from shared.messages.market import InstrumentRules
from shared.messages.orders import Fill
from shared.units import ATOM_EXPONENT_MIN, INT64_MAX, ceil_div

Wide = int | str
"""An integer as it stands in a snapshot: MessagePack ends at 64 bits, so a larger one is a decimal text."""


class Entry(NamedTuple):
    """`atoms` of `asset` more (or fewer, when negative) in `account`."""

    account: str
    asset: str
    atoms: int


class MarketTerms(NamedTuple):
    """What the books need to know of a market. Base atoms are 10^-`base_exponent`, eight decimals or more."""

    base_asset: str
    quote_asset: str
    tick_lot_atoms: int
    quote_exponent: int
    lot_base_atoms: int
    base_exponent: int


def terms_of(rules: InstrumentRules) -> MarketTerms:
    """Return the terms of a market; a derivative holds contracts, counted in its base asset."""
    lot = Decimal(rules.lot_size).normalize()
    base_exponent = max(ATOM_EXPONENT_MIN, -int(lot.as_tuple().exponent))
    return MarketTerms(
        rules.base_asset,
        rules.quote_asset,
        rules.tick_lot_atoms,
        rules.quote_exponent,
        int(lot.scaleb(base_exponent)),
        base_exponent,
    )


def has_same_units(one: InstrumentRules, other: InstrumentRules) -> bool:
    """Return whether ticks, lots and atoms mean the same in both."""
    return terms_of(one) == terms_of(other)


class AssetMark(NamedTuple):
    """The price of an asset in another: the mid of a market in half ticks, and that market's terms."""

    half_ticks: int
    terms: MarketTerms

    @classmethod
    def of(cls, half_ticks: int, rules: InstrumentRules) -> "AssetMark":
        """Return the price of the base asset of a market."""
        return cls(half_ticks, terms_of(rules))


def asset_exponent(asset: str, terms: MarketTerms) -> int:
    """Return the decimals in which fees of `asset` are counted: the market's own, else eight."""
    if asset == terms.quote_asset:
        return terms.quote_exponent
    return terms.base_exponent if asset == terms.base_asset else ATOM_EXPONENT_MIN


def fee_in_quote(fill: Fill, terms: MarketTerms, mark: AssetMark | None) -> int | None:
    """Return the fee of a fill in atoms of the quote asset, rounded against us; None when no price is known.

    A fee in the base asset is worth the price of the fill; one in a third asset the mid `mark`.
    """
    if fill.fee_asset == terms.quote_asset or fill.fee_atoms == 0:
        return fill.fee_atoms
    if fill.fee_asset == terms.base_asset:
        return ceil_div(fill.fee_atoms * fill.price_ticks * terms.tick_lot_atoms, terms.lot_base_atoms)
    if mark is None:
        return None
    # Both sides are counted in the finer of their decimals before the one division.
    up = 10 ** (mark.terms.base_exponent - ATOM_EXPONENT_MIN + terms.quote_exponent)
    down = 2 * mark.terms.lot_base_atoms * 10**mark.terms.quote_exponent
    return ceil_div(fill.fee_atoms * mark.half_ticks * mark.terms.tick_lot_atoms * up, down)


def fill_entries(fill: Fill, terms: MarketTerms, cost_change: int, realized: int) -> list[Entry]:
    """Return the entries of a fill that changed the cost of the position and realized a profit (may be 0)."""
    sign, quote, base = fill.side.sign, terms.quote_asset, terms.base_asset
    value = fill.price_ticks * fill.qty_lots * terms.tick_lot_atoms
    base_atoms = sign * fill.qty_lots * terms.lot_base_atoms
    entries = [
        Entry("cash", quote, -sign * value),
        Entry("cost", quote, cost_change),
        Entry("realized", quote, -realized),
        Entry("held", base, base_atoms),
        Entry("market", base, -base_atoms),
    ]
    if fill.fee_atoms:
        paid_from = "held" if fill.fee_asset == base else "cash"
        entries += [
            Entry(paid_from, fill.fee_asset, -fill.fee_atoms),
            Entry("fees", fill.fee_asset, fill.fee_atoms),
        ]
    return [entry for entry in entries if entry.atoms]


def funding_entries(asset: str, amount_atoms: int) -> list[Entry]:
    """Return the entries of a funding payment: positive when it came in."""
    return [Entry("cash", asset, amount_atoms), Entry("funding", asset, -amount_atoms)]


def opening_entries(asset: str, amount_atoms: int) -> list[Entry]:
    """Return the entries of money brought in from outside, negative when it was taken out."""
    return [Entry("cash", asset, amount_atoms), Entry("opening", asset, -amount_atoms)]


class Books:
    """The balances of one owner: of every account and asset, changed by balanced sets of entries alone."""

    def __init__(self) -> None:
        self.balances: dict[tuple[str, str], int] = {}

    def post(self, entries: Iterable[Entry]) -> None:
        """Take one movement; a set that does not sum to zero in each asset is a bug and changes nothing."""
        entries = list(entries)
        sums: dict[str, int] = {}
        for entry in entries:
            sums[entry.asset] = sums.get(entry.asset, 0) + entry.atoms
        assert not any(sums.values()), f"entries {entries} are out of balance by {sums} (I-16)"
        for account, asset, atoms in entries:
            self.balances[account, asset] = self.balances.get((account, asset), 0) + atoms

    def balance(self, account: str, asset: str) -> int:
        """Return what stands in an account, 0 when nothing ever did."""
        return self.balances.get((account, asset), 0)

    def sums(self) -> dict[str, int]:
        """Return the sum over all accounts of each asset: zero, always."""
        sums: dict[str, int] = {}
        for (_, asset), atoms in self.balances.items():
            sums[asset] = sums.get(asset, 0) + atoms
        return sums

    def dump(self) -> list[tuple[str, str, Wide]]:
        """Return (account, asset, atoms), sorted."""
        return sorted((a, b, wide(atoms)) for (a, b), atoms in self.balances.items())

    def load(self, state: Iterable[tuple[str, str, Wide]]) -> None:
        """Replace everything by a dump."""
        self.balances = {(account, asset): int(atoms) for account, asset, atoms in state}


def wide(number: Wide) -> Wide:
    """Return an integer as a snapshot can hold it."""
    number = int(number)
    return number if -INT64_MAX <= number <= INT64_MAX else str(number)


def in_64_bits(number: int) -> int:
    """Return a sum as a message can carry it: beyond 64 bits it stops at the largest. Books stay exact."""
    return max(-INT64_MAX, min(INT64_MAX, int(number)))
