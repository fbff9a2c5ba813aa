"""Prices that orders wait for."""

from typing import NamedTuple


class Trigger(NamedTuple):
    """A price at which something starts: reached from above when it `is_falling`."""

    price_e18: int
    is_falling: bool

    def is_reached(self, low_e18: int, high_e18: int) -> bool:
        """Return whether prices between `low_e18` and `high_e18` reach it."""
        return low_e18 <= self.price_e18 if self.is_falling else high_e18 >= self.price_e18


class Triggers:
    """What waits in each market, by its id."""

    def __init__(self) -> None:
        self.of_symbol: dict[str, dict[int, Trigger]] = {}

    def add(self, symbol: str, order_id: int, trigger: Trigger) -> None:
        """Let an id wait; a second trigger of an id replaces its first."""
        self.of_symbol.setdefault(symbol, {})[order_id] = trigger

    def remove(self, symbol: str, order_id: int) -> None:
        """Forget an id, whether it waits or not."""
        waiting = self.of_symbol.get(symbol)
        if waiting is not None and waiting.pop(order_id, None) is not None and not waiting:
            del self.of_symbol[symbol]

    def due(self, symbol: str, low_e18: int, high_e18: int) -> list[int]:
        """Return and forget the ids whose price was reached, oldest first."""
        waiting = self.of_symbol.get(symbol, {})
        reached = [n for n, trigger in waiting.items() if trigger.is_reached(low_e18, high_e18)]
        for order_id in reached:
            self.remove(symbol, order_id)
        return reached
