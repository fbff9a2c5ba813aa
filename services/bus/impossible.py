"""Values that no reader could take: refused at the gate, since an event on the log is applied for ever. Pure.

A core that cannot apply an event cannot pass it either, in no later life: what is stored must be applicable.
"""

import array
import re

from shared.instrument import tick_lot_atoms
from shared.kernels.levels import LevelParser
from shared.messages import Message
from shared.messages.market import BookSnapshot, BookUpdate, InstrumentRules
from shared.units import INT64_MAX

PRICE_TICKS_MAX = 10**12
LOTS_MAX = 10**15
_PAIR_BYTES = 16
# MessagePack writes an integer above 2^63 - 1 in this way only; inside bytes it may stand for anything.
_WIDE = re.compile(rb"\xcf[\x80-\xff]")


def impossible(message: Message, body: bytes) -> str:
    """Return what no reader of `message`, decoded from `body`, could take; empty when there is nothing."""
    kind = type(message)
    if _WIDE.search(body) is not None:
        for name in message.__struct_fields__:
            value = getattr(message, name)
            if type(value) is int and value > INT64_MAX:
                return f"{name} is {value}, at most {INT64_MAX}"
    if kind is BookUpdate or kind is BookSnapshot:
        return _impossible_levels(message.levels, message.bid_count)  # type: ignore[attr-defined]
    if isinstance(message, InstrumentRules):
        return _impossible_rules(message)
    return ""


def _impossible_rules(rules: InstrumentRules) -> str:
    try:
        LevelParser(rules.tick_size, rules.lot_size)
        value_atoms = tick_lot_atoms(rules.tick_size, rules.lot_size, rules.quote_exponent)
    except (AssertionError, ArithmeticError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    if value_atoms != rules.tick_lot_atoms:
        return f"tick_lot_atoms is {rules.tick_lot_atoms}, but tick times lot is {value_atoms}"
    return ""


def _impossible_levels(levels: bytes, bid_count: int) -> str:
    size = len(levels)
    if size % _PAIR_BYTES or not 0 <= bid_count <= size // _PAIR_BYTES:
        return f"{size} bytes with {bid_count} bids are no levels: {_PAIR_BYTES} bytes each, bids first"
    if not size:
        return ""
    values = array.array("q", levels)
    prices = values[::2]
    if 0 in prices or min(values) < 0 or max(values) > LOTS_MAX or max(prices) > PRICE_TICKS_MAX:
        lots = values[1::2]
        return (
            f"levels of {min(prices)} to {max(prices)} ticks, {min(lots)} to {max(lots)} lots; "
            f"1..{PRICE_TICKS_MAX} and 0..{LOTS_MAX} are possible"
        )
    return ""
