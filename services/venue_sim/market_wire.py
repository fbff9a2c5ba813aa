"""The JSON of generated frames: field order, decimals and level order as Binance sends them."""

from decimal import Decimal

from services.venue_sim.venue import USDM, Market

SPOT_DECIMALS = 8


class MarketWire:
    """Writes the payloads of one market; prices in ticks and quantities in lots become the venue's texts."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self._is_usdm = market.venue == USDM
        self._price_step = int(Decimal(market.tick_size).scaleb(market.price_decimals))
        self._lot_step = int(Decimal(market.lot_size).scaleb(market.lot_decimals))

    def price(self, ticks: int) -> str:
        """Return the text of a price."""
        return text_of(ticks * self._price_step, self.market.price_decimals)

    def quantity(self, lots: int) -> str:
        """Return the text of a quantity."""
        return text_of(lots * self._lot_step, self.market.lot_decimals)

    def levels(self, levels: list[tuple[int, int]]) -> str:
        """Return a JSON array of [price, quantity]."""
        return "[" + ",".join(f'["{self.price(p)}","{self.quantity(q)}"]' for p, q in levels) + "]"

    def depth_diff(
        self,
        now_ms: int,
        ids: tuple[int, int, int],
        bids: list[tuple[int, int]],
        asks: list[tuple[int, int]],
    ) -> bytes:
        """Return a depthUpdate; `ids` are first, last and the last of the diff before; levels ascend."""
        first_id, last_id, before_id = ids
        name = self.market.name
        if self._is_usdm:
            head = f'"E":{now_ms},"T":{now_ms},"s":"{name}","U":{first_id},"u":{last_id},"pu":{before_id}'
        else:
            head = f'"E":{now_ms},"s":"{name}","U":{first_id},"u":{last_id}'
            bids = bids[::-1]
        return f'{{"e":"depthUpdate",{head},"b":{self.levels(bids)},"a":{self.levels(asks)}}}'.encode()

    def trade(
        self, now_ms: int, trade_id: int, price_ticks: int, lots: int, *, is_buyer_maker: bool
    ) -> bytes:
        """Return a trade."""
        what = f'"t":{trade_id},"p":"{self.price(price_ticks)}","q":"{self.quantity(lots)}"'
        maker = "true" if is_buyer_maker else "false"
        name = self.market.name
        if self._is_usdm:
            times = f'"E":{now_ms},"T":{now_ms}'
            return f'{{"e":"trade",{times},"s":"{name}",{what},"X":"MARKET","m":{maker}}}'.encode()
        return f'{{"e":"trade","E":{now_ms},"s":"{name}",{what},"T":{now_ms},"m":{maker},"M":true}}'.encode()

    def book_ticker(self, now_ms: int, update_id: int, bid: tuple[int, int], ask: tuple[int, int]) -> bytes:
        """Return the best bid and ask, each as (price_ticks, lots)."""
        best = (
            f'"u":{update_id},"s":"{self.market.name}","b":"{self.price(bid[0])}","B":"{self.quantity(bid[1])}",'
            f'"a":"{self.price(ask[0])}","A":"{self.quantity(ask[1])}"'
        )
        if self._is_usdm:
            return f'{{"e":"bookTicker",{best},"T":{now_ms},"E":{now_ms}}}'.encode()
        return f"{{{best}}}".encode()

    def depth(
        self, now_ms: int, update_id: int, bids: list[tuple[int, int]], asks: list[tuple[int, int]]
    ) -> bytes:
        """Return the REST depth answer; bids descend, asks ascend."""
        times = f',"E":{now_ms},"T":{now_ms}' if self._is_usdm else ""
        sides = f'"bids":{self.levels(bids)},"asks":{self.levels(asks)}'
        return f'{{"lastUpdateId":{update_id}{times},{sides}}}'.encode()


def text_of(value: int, decimals: int) -> str:
    """Return a whole number of 10^-decimals as a plain decimal text."""
    if decimals == 0:
        return str(value)
    whole, fraction = divmod(value, 10**decimals)
    return f"{whole}.{fraction:0{decimals}d}"
