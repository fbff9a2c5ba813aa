"""Trades of one market in the venue's numbering: each once, holes counted.

Ids are contiguous on both Binance venues (captures), so an id that never comes is lost data.
"""

MISSING_MAX = 1000


class TradeTape:
    """Ids seen; a trade that comes late is taken, one that comes twice is not.

    Where ids are not counted by the venue (`is_counted` False), no hole can be told.
    """

    def __init__(self, *, is_counted: bool = True) -> None:
        self._is_counted = is_counted
        self.last_id = -1
        self.missing_count = 0
        self._missing: dict[int, None] = {}

    def take(self, trade_id: int) -> bool:
        """Return whether the trade is new; remembers the last `MISSING_MAX` ids that were skipped."""
        if trade_id <= self.last_id:
            if trade_id not in self._missing:
                return False
            del self._missing[trade_id]
            self.missing_count -= 1
            return True
        if self._is_counted and self.last_id >= 0 and trade_id > self.last_id + 1:
            self.missing_count += trade_id - self.last_id - 1
            for skipped in range(max(self.last_id + 1, trade_id - MISSING_MAX), trade_id):
                self._missing[skipped] = None
            while len(self._missing) > MISSING_MAX:
                del self._missing[next(iter(self._missing))]
        self.last_id = trade_id
        return True
