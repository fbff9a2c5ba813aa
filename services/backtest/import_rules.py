"""The rules of a market whose data are imported: from a file, from words, else told by the data."""

from pathlib import Path

import msgspec

from services.venue_sim import exchange_info
from services.venue_sim.exchange.rules import MarketRules, split_assets
from services.venue_sim.venue import USDM, Market
from shared.columns import ColumnsError
from shared.instrument import venue_of, venue_symbol
from shared.kernels.levels import step_of
from shared.messages.market import InstrumentRules
from shared.venues import VENUES
from shared.venues.base import UNREADABLE, Fees

DEFAULT_FEES = {"binance": Fees(1000, 1000), "binance_usdm": Fees(200, 500)}
"""Fees of an account without any discount, in parts per million."""
WORDS = ("tick", "lot", "maker_ppm", "taker_ppm")


class GivenRules(msgspec.Struct, frozen=True):
    """What `--rules` says: an exchangeInfo answer, steps and fees, each or none of them."""

    exchange_info: bytes = b""
    tick_size: str = ""
    lot_size: str = ""
    maker_ppm: int | None = None
    taker_ppm: int | None = None

    def fees(self, venue: str) -> Fees:
        """Return the fees to write into the rules of a market of `venue`."""
        usual = DEFAULT_FEES.get(venue, Fees(0, 0))
        return Fees(
            usual.maker_ppm if self.maker_ppm is None else self.maker_ppm,
            usual.taker_ppm if self.taker_ppm is None else self.taker_ppm,
        )

    def rules_of(self, symbol: str) -> InstrumentRules | None:
        """Return the rules of a market if they are given, None when its data must tell the steps.

        Raises:
            ColumnsError: the answer of exchangeInfo does not hold the market, or a step cannot be one.
        """
        if self.exchange_info:
            return self._listed(symbol)
        if self.tick_size and self.lot_size:
            return derived_rules(symbol, self.tick_size, self.lot_size, self.fees(venue_of(symbol)))
        return None

    def _listed(self, symbol: str) -> InstrumentRules:
        name = venue_symbol(symbol)
        adapter = VENUES[venue_of(symbol)]
        try:
            markets = adapter.parse_rules(self.exchange_info, {name}, self.fees(adapter.name))
        except UNREADABLE as error:
            raise ColumnsError(
                f"--rules: the file is no exchangeInfo answer ({error}); save the body of that call"
            ) from None
        if name not in markets.rules:
            why = markets.unusable.get(name, "it is not listed")
            raise ColumnsError(f"--rules: {symbol}: {why}; give an exchangeInfo answer that holds it")
        return markets.rules[name]


def given_rules(values: tuple[str, ...]) -> GivenRules:
    """Return what `--rules` values say: paths of exchangeInfo answers, or `tick=0.1,lot=0.001,maker_ppm=200`.

    Raises:
        ColumnsError: a value is neither.
    """
    body, words = b"", {}
    for value in values:
        if "=" in value and not Path(value).exists():
            for part in value.split(","):
                name, _, text = part.partition("=")
                if name.strip() not in WORDS:
                    raise ColumnsError(f"--rules {part!r}: must be of {', '.join(f'{w}=...' for w in WORDS)}")
                words[name.strip()] = text.strip()
            continue
        try:
            body = Path(value).read_bytes()
        except OSError as error:
            raise ColumnsError(
                f"--rules {value}: {error.strerror}; give the file of an exchangeInfo answer, or "
                "tick=...,lot=..."
            ) from None
    if ("tick" in words) != ("lot" in words):
        raise ColumnsError("--rules: tick and lot belong together; give both, e.g. tick=0.1,lot=0.001")
    try:
        for name in ("tick", "lot"):
            if name in words:
                step_of(words[name], f"{name} size")
        fees = {name: int(words[name]) for name in ("maker_ppm", "taker_ppm") if name in words}
    except ValueError as error:
        raise ColumnsError(f"--rules: {error}") from None
    return GivenRules(
        body, words.get("tick", ""), words.get("lot", ""), fees.get("maker_ppm"), fees.get("taker_ppm")
    )


def derived_rules(symbol: str, tick_size: str, lot_size: str, fees: Fees) -> InstrumentRules:
    """Return the rules that the simulated venue would state for a recorded market with these steps."""
    venue, name = venue_of(symbol), venue_symbol(symbol)
    market = Market(venue, name, tick_size, lot_size, _decimals(tick_size), _decimals(lot_size))
    told = exchange_info.usdm if venue == USDM else exchange_info.spot
    info = told([MarketRules(market, *split_assets(name))], 0)
    try:
        markets = VENUES[venue].parse_rules(msgspec.json.encode(info), {name}, fees)
    except UNREADABLE as error:
        raise ColumnsError(f"{symbol}: tick {tick_size}, lot {lot_size}: {error}; give --rules") from None
    if name not in markets.rules:
        raise ColumnsError(
            f"{symbol}: tick {tick_size}, lot {lot_size}: {markets.unusable.get(name)}; give --rules"
        )
    return markets.rules[name]


def _decimals(text: str) -> int:
    return len(text.partition(".")[2])
