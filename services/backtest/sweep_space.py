"""What a sweep varies: settings by their dotted name, each with values or a range.

    strategies.as_btc.params.half_spread_bps=1,2,4      three values
    strategies.as_btc.params.half_spread_bps=1..4:7     seven values, evenly from 1 to 4
    strategies.as_btc.params.order_notional=50..500     a range: for `--optuna` only

Values stay the decimal texts that a person would write into the YAML file; a range counts in `Decimal`, so
that 0.1 .. 0.3 holds 0.2 and not 0.2000000001.
"""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from itertools import product
from typing import NamedTuple

from shared.errors import ConfigError

VALUES_MAX = 10_000
"""Of one axis, and of the product of all."""

Point = tuple[tuple[str, str], ...]
"""One combination: (setting, value) in the order of the axes."""


class Axis(NamedTuple):
    """One setting: its `values`, or none and a range from `low` to `high`."""

    setting: str
    values: tuple[str, ...] = ()
    low: Decimal = Decimal(0)
    high: Decimal = Decimal(0)

    @property
    def is_range(self) -> bool:
        """Return whether it has no values of its own."""
        return not self.values

    @property
    def is_whole(self) -> bool:
        """Return whether a range counts in whole numbers: both ends are written without a point."""
        return self.low == int(self.low) and self.high == int(self.high) and self._has_no_point

    @property
    def _has_no_point(self) -> bool:
        return self.low.as_tuple().exponent == 0 and self.high.as_tuple().exponent == 0


def parse_axis(text: str) -> Axis:
    """Return the axis that `SETTING=VALUES` describes; raises `ConfigError` that says how to write it."""
    setting, equals, written = text.partition("=")
    setting, written = setting.strip(), written.strip()
    if not equals or not setting or not written:
        raise ConfigError(f"--vary {text!r}: write SETTING=1,2,4 or SETTING=1..4:7 or SETTING=1..4")
    if ".." in written:
        return _range(text, setting, written)
    values = tuple(value.strip() for value in written.split(","))
    if not all(values):
        raise ConfigError(f"--vary {text!r}: a value between two commas is missing")
    if len(set(values)) < len(values):
        raise ConfigError(f"--vary {text!r}: a value is named twice; remove one")
    return Axis(setting, values)


def _range(text: str, setting: str, written: str) -> Axis:
    ends, colon, steps = written.partition(":")
    low_text, _, high_text = ends.partition("..")
    try:
        low, high = Decimal(low_text.strip()), Decimal(high_text.strip())
        count = int(steps) if colon else 0
    except (InvalidOperation, ValueError):
        raise ConfigError(f"--vary {text!r}: write numbers, as SETTING=1..4:7") from None
    if not (low.is_finite() and high.is_finite() and low < high):
        raise ConfigError(f"--vary {text!r}: the range must rise; {low} is not below {high}")
    if not colon:
        return Axis(setting, (), low, high)
    if not 2 <= count <= VALUES_MAX:
        raise ConfigError(f"--vary {text!r}: {count} values; a range has 2 to {VALUES_MAX}")
    gap = (high - low) / (count - 1)
    return Axis(setting, tuple(_plain(low + gap * at) for at in range(count)))


def _plain(value: Decimal) -> str:
    rounded = round(value, 12).normalize()
    return f"{rounded:f}"


def grid(axes: Sequence[Axis]) -> list[Point]:
    """Return every combination, the last axis changing fastest; raises `ConfigError` for a range."""
    for axis in axes:
        if axis.is_range:
            raise ConfigError(
                f"{axis.setting}={axis.low}..{axis.high} is a range without steps: write "
                f"{axis.low}..{axis.high}:5 for five values, or search it with --optuna N"
            )
    refuse_twice(axes)
    count = 1
    for axis in axes:
        count *= len(axis.values)
    if count > VALUES_MAX:
        raise ConfigError(
            f"{count} combinations, at most {VALUES_MAX}: name fewer values, or search with --optuna N"
        )
    names = [axis.setting for axis in axes]
    return [tuple(zip(names, values, strict=True)) for values in product(*(axis.values for axis in axes))]


def refuse_twice(axes: Sequence[Axis]) -> None:
    """Raise `ConfigError` when there is no axis, or one setting has two."""
    if not axes:
        raise ConfigError("nothing is varied: name at least one setting with --vary SETTING=1,2,4")
    names = [axis.setting for axis in axes]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"--vary names {', '.join(twice)} twice; put all values into one")


def overrides(point: Point) -> dict[str, str]:
    """Return the environment variables that make `point` of a configuration."""
    return {"QUOTEMESH__" + setting.upper().replace(".", "__"): value for setting, value in point}


def point_text(point: Point) -> str:
    """Return a combination as people read it: the last part of each name is enough."""
    return ", ".join(f"{setting.rpartition('.')[2]} {value}" for setting, value in point)
