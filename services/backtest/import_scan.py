"""The beginning of raw recordings: of which venue and markets they are, their steps and their prices."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import msgspec

from services.backtest.import_lines import Line, bad_line, blocks, parsed
from services.venue_sim.capture_file import VenueProbe
from services.venue_sim.capture_scan import StepFinder, scaled
from services.venue_sim.streams import AGG_TRADE, DEPTH, TRADE
from services.venue_sim.venue import USDM
from shared.columns import ColumnsError
from shared.errors import UNDECODABLE
from shared.venues import VENUES
from shared.venues.base import UNREADABLE, DepthBook

LINES_MIN = 300
LINES_MAX = 3_000
"""The sample ends at the first REST book after `LINES_MIN` lines, at `LINES_MAX` without any."""
SPREAD = 5
"""A REST book whose best bid is over a fifth away from a market's price is of another market."""
ALIKE = 200
"""Two markets of USD-M, where ids are common to all, must differ by more than 1/200 in price."""

_probe_decoder = msgspec.json.Decoder(VenueProbe)


@dataclass(slots=True)
class MarketSample:
    """What the beginning tells of one market; `reference` is a price in 1e-18."""

    prices: StepFinder = field(default_factory=StepFinder)
    quantities: StepFinder = field(default_factory=StepFinder)
    channels: set[str] = field(default_factory=set)
    reference: int = 0
    last_id: int = 0

    @property
    def trade_channel(self) -> str:
        """Return the stream of trades to use: single trades where both are recorded."""
        return AGG_TRADE if TRADE not in self.channels and AGG_TRADE in self.channels else TRADE


@dataclass(slots=True)
class FileSample:
    """What the beginning of one file tells; `names` are its markets as the venue writes them."""

    path: Path
    venue: str
    first_ns: int
    names: list[str]


def scan(
    paths: list[Path], markets: dict[tuple[str, str], MarketSample], is_whole: bool = False
) -> list[FileSample]:
    """Return the samples of the files in the order of their times; `markets` is filled by (venue, name).

    With `is_whole` the files are read to their ends, for the markets that come late. Raises `ColumnsError`.
    """
    found = [_scan_file(path, markets, is_whole) for path in paths]
    return sorted(found, key=lambda each: each.first_ns)


def _lines(path: Path) -> Iterator[tuple[int, Line]]:
    line_n = 0
    try:
        for block in blocks(path):
            for raw in bytes(block.data[: block.end - 1]).split(b"\n"):
                line_n += 1
                try:
                    line = parsed(raw)
                except ValueError as error:
                    raise bad_line(path, line_n, error) from None
                if line is not None:
                    yield line_n, line
    except EOFError:
        # That the end is missing is found when all of it is read.
        return


def _scan_file(path: Path, markets: dict[tuple[str, str], MarketSample], is_whole: bool) -> FileSample:
    venue = _venue_of(path)
    first_ns, line_n, loose, names = 0, 0, list[tuple[int, DepthBook]](), dict[str, None]()
    for line_n, line in _lines(path):
        first_ns = first_ns or line.recv_ns
        try:
            if line.stream:
                name = line.stream.partition("@")[0].upper()
                names[name] = None
                _take(markets.setdefault((venue, name), MarketSample()), venue, line)
            else:
                loose.append((line_n, VENUES[venue].parse_depth(line.data)))
        except UNREADABLE as error:
            raise bad_line(path, line_n, error) from None
        if not is_whole and (line_n >= LINES_MAX or (loose and line_n >= LINES_MIN)):
            break
    for line_n, book in loose:
        try:
            owner = next((n for n in names if is_book_of(book, venue, n, markets)), None)
            if owner is not None:
                _take_levels(markets[venue, owner], book.bids, book.asks)
        except UNREADABLE as error:
            raise bad_line(path, line_n, error) from None
    return FileSample(path, venue, first_ns, list(names))


def _venue_of(path: Path) -> str:
    """Return the venue of a file, told by the first payloads whose shape says so."""
    line_n = 0
    for line_n, line in islice(_lines(path), LINES_MAX):
        try:
            venue = _probe_decoder.decode(line.data).venue()
        except UNDECODABLE as error:
            raise bad_line(path, line_n, error) from None
        if venue:
            return venue
    raise ColumnsError(
        f"{path} holds no depth, trade or bookTicker frame of a known venue in {line_n} lines; "
        "give a raw recording"
    )


def _take(market: MarketSample, venue: str, line: Line) -> None:
    adapter = VENUES[venue]
    market.channels.add(line.stream.partition("@")[2])
    if line.kind == DEPTH:
        diff = adapter.parse_diff(line.data)
        if (diff.previous_id >= 0) != (venue == USDM):
            raise ValueError(f"is a depth frame of another venue than the rest of the file ({venue})")
        market.last_id = diff.last_id
        _take_levels(market, diff.bids, diff.asks)
        if diff.bids and not market.reference:
            market.reference = max(scaled(price) for price, _ in diff.bids)
    elif line.kind in {TRADE, AGG_TRADE}:
        trade = adapter.parse_trade(line.data)
        if trade.is_market:
            _take_levels(market, [(trade.price, trade.qty)], [])
            market.reference = scaled(trade.price)


def _take_levels(market: MarketSample, bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> None:
    for price, quantity in (*bids, *asks):
        market.prices.add(price)
        market.quantities.add(quantity)


def is_book_of(book: DepthBook, venue: str, name: str, markets: dict[tuple[str, str], MarketSample]) -> bool:
    """Return whether a REST book, which names no market, is that of `name`.

    Prices decide, and on spot, where each market counts for itself, the ids among markets of like prices.
    Raises `ValueError` where two markets of USD-M are too alike.
    """
    if not book.bids and not book.asks:
        return False
    price = scaled((book.bids or book.asks)[0][0])
    near = {
        each: abs(market.reference - price)
        for (at, each), market in markets.items()
        if at == venue and market.last_id and abs(market.reference - price) * SPREAD <= market.reference
    }
    if name not in near or len(near) == 1:
        return name in near
    if venue != USDM:
        return min(near, key=lambda each: abs(markets[venue, each].last_id - book.last_id)) == name
    alike = [each for each in near if abs(near[each] - near[name]) * ALIKE <= price and each != name]
    if alike:
        raise ValueError(
            f"is a snapshot that may be of {name} or of {', '.join(alike)}: prices are too alike"
        )
    return min(near, key=lambda each: near[each]) == name
