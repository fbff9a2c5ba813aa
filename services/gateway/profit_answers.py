"""What the gateway answers about finished round trips and about where the profit came from."""

from services.gateway.answers import Answer, Integer
from services.gateway.records import PartsRecord, TripRecord
from services.gateway.view import GatewayView
from shared.units import Side, atoms_text, decimal_text

PARTS = (
    "spread",
    "adverse_100ms",
    "adverse_1s",
    "adverse_10s",
    "adverse_60s",
    "inventory",
    "fees",
    "funding",
    "equity",
)
"""The parts in the order in which they add up: all but fees are gains, and equity is their sum."""


class RoundTrip(Answer):
    """A position from flat to flat; net = gross - fees + funding, `side` is that of the opening."""

    strategy: str
    symbol: str
    side: str
    qty: str | None
    gross_pnl: str | None
    fees: str | None
    funding: str | None
    net_pnl: str | None
    quote_asset: str
    holding_ns: Integer
    opened_ns: Integer
    closed_ns: Integer
    seq: Integer


class RoundTrips(Answer):
    """A page of round trips."""

    items: list[RoundTrip]
    next_after: Integer | None


class ProfitParts(Answer):
    """Where the profit of a strategy in a market came from, as risk last said it at `ts_ns`."""

    strategy: str
    symbol: str
    quote_asset: str
    spread: str | None
    adverse_100ms: str | None
    adverse_1s: str | None
    adverse_10s: str | None
    adverse_60s: str | None
    inventory: str | None
    fees: str | None
    funding: str | None
    equity: str | None
    seq: Integer
    ts_ns: Integer


class ProfitPartsList(Answer):
    """The parts of every strategy in every market that it traded."""

    items: list[ProfitParts]


def trip_of(record: TripRecord, view: GatewayView) -> RoundTrip:
    """Return a round trip as people read it; without rules its numbers are unknown."""
    said, rules = record.said, view.rules.get(record.said.symbol)
    net_atoms = said.gross_atoms - said.fees_atoms + said.funding_atoms

    def money(atoms: int) -> str | None:
        return None if rules is None else atoms_text(atoms, rules.quote_exponent)

    return RoundTrip(
        strategy=said.strategy,
        symbol=said.symbol,
        side=Side(said.side).name.lower(),
        qty=None if rules is None else decimal_text(said.qty_lots, rules.lot_size),
        gross_pnl=money(said.gross_atoms),
        fees=money(said.fees_atoms),
        funding=money(said.funding_atoms),
        net_pnl=money(net_atoms),
        quote_asset=said.quote_asset,
        holding_ns=said.closed_ns - said.opened_ns,
        opened_ns=said.opened_ns,
        closed_ns=said.closed_ns,
        seq=record.seq,
    )


def parts_of(record: PartsRecord, view: GatewayView) -> ProfitParts:
    """Return the parts as people read them."""
    said, rules = record.said, view.rules.get(record.said.symbol)
    money = {
        name: None if rules is None else atoms_text(getattr(said, f"{name}_atoms"), rules.quote_exponent)
        for name in PARTS
    }
    return ProfitParts(
        strategy=said.strategy,
        symbol=said.symbol,
        quote_asset=said.quote_asset,
        seq=record.seq,
        ts_ns=record.ts_ns,
        **money,
    )
