"""Units of markets: the venue's texts to ticks and lots, exactly, and back."""

from decimal import Decimal, InvalidOperation

from shared.messages.market import InstrumentRules
from shared.units import INT64_MAX, exact, round_down


class OffGridError(ValueError):
    """A number of the venue that is no whole tick or lot of the rules on the log: the rules have changed."""

    def __init__(self, symbol: str, filter_name: str, text: str, step: str) -> None:
        super().__init__(f"{symbol}: {text[:40]} is no multiple of {step} ({filter_name})")
        self.symbol = symbol
        self.filter_name = filter_name


class Market:
    """One market of the log; texts of the venue become integers here and nowhere else."""

    def __init__(self, rules: InstrumentRules) -> None:
        self.rules = rules
        self.symbol = rules.symbol
        self.name = rules.symbol.partition(":")[2]
        self.tick = Decimal(rules.tick_size)
        self.lot = Decimal(rules.lot_size)

    def price_text(self, ticks: int) -> str:
        """Return a price as the venue takes it."""
        return format(self.tick * ticks, "f")

    def qty_text(self, lots: int) -> str:
        """Return a quantity as the venue takes it."""
        return format(self.lot * lots, "f")

    def ticks(self, text: str) -> int:
        """Return a price in ticks; raises `OffGridError` between two ticks."""
        return self._whole(text, self.tick, "PRICE_FILTER", self.rules.tick_size)

    def near_ticks(self, text: str) -> int:
        """Return the price of somebody's order in ticks, rounded down: it moves no money."""
        return _bounded(round_down(_decimal(text), self.tick))

    def lots(self, text: str) -> int:
        """Return a quantity in lots; raises `OffGridError` between two lots."""
        return self._whole(text, self.lot, "LOT_SIZE", self.rules.lot_size)

    def _whole(self, text: str, step: Decimal, filter_name: str, step_text: str) -> int:
        count = exact(_decimal(text), step)
        if count is None:
            raise OffGridError(self.symbol, filter_name, text, step_text)
        return _bounded(count)


def _decimal(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{text[:40]!r} is no number") from error
    if not value.is_finite() or abs(value.adjusted()) > 40:
        raise ValueError(f"{text[:40]!r} is no number that an account can hold")
    return value


def decimal_of(text: str) -> str:
    """Return an amount as plain decimal text; raises `ValueError` when it is none."""
    return format(_decimal(text), "f")


def _bounded(count: int) -> int:
    if abs(count) > INT64_MAX:
        raise ValueError(f"{count} is beyond 64 bits")
    return count
