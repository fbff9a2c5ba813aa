"""Candles, funding, open interest and liquidations of a recording, to check what the feed said of them.

Answers of REST stand in a recording under the streams that `VenueAdapter.recorded_as` names.
"""

from collections.abc import Iterator
from decimal import ROUND_FLOOR, Decimal, InvalidOperation
from typing import NamedTuple, TypeVar

from shared.kernels.levels import LevelParser
from shared.messages.market import Candle, FundingRate, Liquidation, OpenInterest
from shared.venues import VENUES
from shared.venues.base import CandlePrint, FrameKind, LiquidationPrint, MarkPrint, OpenInterestPrint
from shared.venues.binance_facts import CANDLES_ANSWER, INTEREST_ANSWER, MARK_ANSWER

T = TypeVar("T")
Fact = Candle | FundingRate | OpenInterest | Liquidation
FACTS = (Candle, FundingRate, OpenInterest, Liquidation)

Key = tuple[str, int]
"""Symbol and a venue time in ns."""


class RecordedFacts(NamedTuple):
    """What a recording holds, candles by the time they open, the others by their own time."""

    candles: dict[Key, list[CandlePrint]]
    marks: dict[Key, list[MarkPrint]]
    interests: dict[Key, list[OpenInterestPrint]]
    liquidations: dict[Key, list[LiquidationPrint]]


def take_frame(venue: str, stream: str, data: bytes, facts: RecordedFacts) -> None:
    """Keep a recorded frame that is no book and no trade; raises one of `UNREADABLE`."""
    adapter = VENUES[venue]
    kind = adapter.kind_of(stream)
    symbol, _, channel = stream.partition("@")
    candles: list[CandlePrint] = []
    if kind is FrameKind.CANDLE:
        candles = [adapter.parse_candle(data)]
    elif channel == CANDLES_ANSWER:
        candles = adapter.parse_candles(data, symbol.upper())
    elif kind is FrameKind.MARK or channel == MARK_ANSWER:
        mark = adapter.parse_mark(data) if kind is FrameKind.MARK else adapter.parse_mark_answer(data)
        _keep(facts.marks, f"{venue}:{mark.venue_symbol}", mark.ts_venue_ns, mark)
    elif channel == INTEREST_ANSWER:
        interest = adapter.parse_open_interest(data)
        _keep(facts.interests, f"{venue}:{interest.venue_symbol}", interest.ts_venue_ns, interest)
    elif kind is FrameKind.LIQUIDATION:
        forced = adapter.parse_liquidation(data)
        _keep(facts.liquidations, f"{venue}:{forced.venue_symbol}", forced.ts_venue_ns, forced)
    for candle in candles:
        _keep(facts.candles, f"{venue}:{candle.venue_symbol}", candle.open_ns, candle)


def _keep(kept: dict[Key, list[T]], symbol: str, at_ns: int, item: T) -> None:
    kept.setdefault((symbol, at_ns), []).append(item)


def differences(said: Fact, facts: RecordedFacts, parser: LevelParser, tick_size: str) -> Iterator[str]:
    """Give what a message says that no recorded frame does."""
    if isinstance(said, Candle):
        found = any(_is_candle(c, said, parser) for c in facts.candles.get((said.symbol, said.open_ns), []))
        what = f"candle of {said.open_ns}"
    elif isinstance(said, FundingRate):
        marks = facts.marks.get((said.symbol, said.ts_venue_ns), [])
        found = any(_is_rate(mark, said, tick_size) for mark in marks)
        what = f"funding rate of {said.ts_venue_ns}"
    elif isinstance(said, OpenInterest):
        polls = facts.interests.get((said.symbol, said.ts_venue_ns), [])
        found = any(parser.lots_floored(poll.qty)[0] == said.open_interest_lots for poll in polls)
        what = f"open interest of {said.ts_venue_ns}"
    else:
        orders = facts.liquidations.get((said.symbol, said.ts_venue_ns), [])
        found = any(_is_liquidation(order, said, parser) for order in orders)
        what = f"liquidation of {said.ts_venue_ns}"
    if not found:
        yield f"{said.symbol} {what}: is not in the recording as it was said"


def _is_candle(recorded: CandlePrint, said: Candle, parser: LevelParser) -> bool:
    try:
        texts = (recorded.open_price, recorded.high_price, recorded.low_price, recorded.close_price)
        prices = tuple(map(parser.ticks, texts))
        volume_lots, _ = parser.lots_floored(recorded.volume)
    except ValueError:
        return False
    return (*prices, volume_lots, recorded.trade_count, recorded.is_closed, recorded.interval_s) == (
        said.open_ticks,
        said.high_ticks,
        said.low_ticks,
        said.close_ticks,
        said.volume_lots,
        said.trade_count,
        said.is_closed,
        said.interval_s,
    )


def _is_rate(recorded: MarkPrint, said: FundingRate, tick_size: str) -> bool:
    step = Decimal(tick_size) / 100
    try:
        numbers = (
            Decimal(recorded.rate).scaleb(8),
            Decimal(recorded.mark_price) / step,
            Decimal(recorded.index_price) / step,
        )
        floored = tuple(int(number.to_integral_value(ROUND_FLOOR)) for number in numbers)
    except (InvalidOperation, ValueError, OverflowError):
        return False
    return (*floored, recorded.next_funding_ns) == (
        said.rate_e8,
        said.mark_centiticks,
        said.index_centiticks,
        said.next_funding_ns,
    )


def _is_liquidation(recorded: LiquidationPrint, said: Liquidation, parser: LevelParser) -> bool:
    try:
        texts = (parser.ticks(recorded.price), parser.lots_floored(recorded.qty)[0])
    except ValueError:
        return False
    return (*texts, recorded.side) == (said.price_ticks, said.qty_lots, said.side)
