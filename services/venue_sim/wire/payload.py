"""Words that answers and events of both venues share: numbers as texts, times in the unit asked for."""

from decimal import Decimal

Json = dict[str, object]

TIME_KEYS = frozenset(
    [
        *("serverTime", "time", "updateTime", "transactTime", "workingTime", "openTime", "closeTime"),
        *("transactionTime", "createTime", "trailingTime", "authorizedSince", "connectedSince"),
        *("E", "T", "O", "W", "D"),
    ]
)


def text(value: Decimal) -> str:
    """Return a number as the venue writes it, never with an exponent."""
    return format(value, "f")


def padded(value: Decimal) -> str:
    """Return a number as spot writes it: with 8 decimals at least."""
    plain = format(value, "f")
    if plain[-9:-8] == ".":
        return plain
    whole, _, fraction = plain.partition(".")
    return f"{whole}.{fraction:0<8}"


def short(value: Decimal) -> str:
    """Return a number without zeros at its end, as USD-M writes sums of money that are 0."""
    return format(value.normalize(), "f") if value else "0"


def in_microseconds(value: object) -> object:
    """Return an answer or event with every time in microseconds instead of milliseconds."""
    if isinstance(value, list):
        return [in_microseconds(item) for item in value]
    if not isinstance(value, dict):
        return value
    # `u` is a time here only; in a report it is the group of accounts.
    times = TIME_KEYS | {"u"} if value.get("e") == "outboundAccountPosition" else TIME_KEYS
    return {
        key: item * 1000
        if key in times and isinstance(item, int) and not isinstance(item, bool) and item > 0
        else in_microseconds(item)
        for key, item in value.items()
    }


def rate(ppm: int) -> str:
    """Return a commission rate given in millionths."""
    return format(Decimal(ppm).scaleb(-6).quantize(Decimal("1E-8")), "f")
