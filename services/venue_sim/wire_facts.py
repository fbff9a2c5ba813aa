"""The JSON of candles, mark prices, open interest and liquidations, as Binance sends it."""

from services.venue_sim.candles import MINUTE_MS, MinuteCandle
from services.venue_sim.derivative import Derivative, Forced
from services.venue_sim.market_wire import MarketWire, text_of
from services.venue_sim.matching import SELL
from services.venue_sim.venue import Market

E8_DECIMALS = 8


class FactsWire(MarketWire):
    """Writes what is neither book nor trade of one market."""

    def __init__(self, market: Market) -> None:
        super().__init__(market)
        self._value_decimals = market.price_decimals + market.lot_decimals

    def kline(self, now_ms: int, candle: MinuteCandle, *, is_closed: bool) -> bytes:
        """Return a candle of the stream."""
        name = self.market.name
        opened, high, low, close = (self.price(ticks) for ticks in candle[1:5])
        closed = "true" if is_closed else "false"
        return (
            f'{{"e":"kline","E":{now_ms},"s":"{name}","k":{{"t":{candle.open_ms},'
            f'"T":{candle.open_ms + MINUTE_MS - 1},"s":"{name}","i":"1m","f":{candle.first_id},'
            f'"L":{candle.last_id},"o":"{opened}","c":"{close}","h":"{high}","l":"{low}",'
            f'"v":"{self.quantity(candle.lots)}","n":{candle.trade_count},"x":{closed},'
            f'"q":"{self._value(candle.value)}","V":"{self.quantity(candle.taker_lots)}",'
            f'"Q":"{self._value(candle.taker_value)}","B":"0"}}}}'
        ).encode()

    def klines(self, candles: list[MinuteCandle]) -> bytes:
        """Return the REST answer: arrays of twelve, oldest first."""
        return b"[" + b",".join(self._row(candle) for candle in candles) + b"]"

    def _row(self, candle: MinuteCandle) -> bytes:
        prices = ",".join(f'"{self.price(ticks)}"' for ticks in candle[1:5])
        taken = f'"{self.quantity(candle.taker_lots)}","{self._value(candle.taker_value)}"'
        return (
            f'[{candle.open_ms},{prices},"{self.quantity(candle.lots)}",{candle.open_ms + MINUTE_MS - 1},'
            f'"{self._value(candle.value)}",{candle.trade_count},{taken},"0"]'
        ).encode()

    def _value(self, value: int) -> str:
        units = value * self._price_step * self._lot_step
        beyond = max(0, self._value_decimals - E8_DECIMALS)
        return text_of(units // 10**beyond, self._value_decimals - beyond)

    def mark_price(self, now_ms: int, facts: Derivative, funding_ms: int) -> bytes:
        """Return a mark price of the stream; it is given as its own average too."""
        mark, index = e8_text(facts.mark_e8), e8_text(facts.index_e8)
        return (
            f'{{"e":"markPriceUpdate","E":{now_ms},"s":"{self.market.name}","p":"{mark}","ap":"{mark}",'
            f'"i":"{index}","P":"{index}","r":"{e8_text(facts.rate_e8)}","T":{funding_ms}}}'
        ).encode()

    def premium_index(self, now_ms: int, facts: Derivative, funding_ms: int) -> bytes:
        """Return the REST answer of the same."""
        mark, index = e8_text(facts.mark_e8), e8_text(facts.index_e8)
        return (
            f'{{"symbol":"{self.market.name}","markPrice":"{mark}","indexPrice":"{index}",'
            f'"estimatedSettlePrice":"{index}","lastFundingRate":"{e8_text(facts.rate_e8)}",'
            f'"interestRate":"0.00010000","nextFundingTime":{funding_ms},"time":{now_ms}}}'
        ).encode()

    def open_interest(self, now_ms: int, lots: int) -> bytes:
        """Return the REST answer of the open interest."""
        name = self.market.name
        return f'{{"openInterest":"{self.quantity(lots)}","symbol":"{name}","time":{now_ms}}}'.encode()

    def force_order(self, now_ms: int, forced: Forced) -> bytes:
        """Return a liquidation, filled at once at its price."""
        side = "SELL" if forced.side == SELL else "BUY"
        price, quantity = self.price(forced.price_ticks), self.quantity(forced.lots)
        return (
            f'{{"e":"forceOrder","E":{now_ms},"o":{{"s":"{self.market.name}","S":"{side}","o":"LIMIT",'
            f'"f":"IOC","q":"{quantity}","p":"{price}","ap":"{price}","X":"FILLED","l":"{quantity}",'
            f'"z":"{quantity}","T":{now_ms}}}}}'
        ).encode()


def e8_text(value: int) -> str:
    """Return a signed number of 1e-8 as a decimal text."""
    return ("-" if value < 0 else "") + text_of(abs(value), E8_DECIMALS)
