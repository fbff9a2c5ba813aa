"""Parameters of a call: read from query and body or from JSON, typed one by one with the venue's errors."""

import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec

from services.venue_sim.refusal import VenueRefusal
from shared.errors import UNDECODABLE

Value = TypeVar("Value")
FIELDS_MAX = 200
INTEGER_RANGE = "^[0-9]{1,20}$"
# The documents show only digits and a point; real clients also send 1e-05, and the venue takes it.
DECIMAL_RANGE = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
_integer = re.compile(r"[0-9]{1,20}", re.ASCII)
_decimal = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?", re.ASCII)


class Params:
    """The parameters of one call as texts; each getter raises `VenueRefusal` for what it cannot take."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = values

    def has(self, name: str) -> bool:
        """Return whether a parameter was sent."""
        return name in self.values

    def text(self, name: str, default: str = "") -> str:
        """Return an optional text; sent but empty it is refused (-1105)."""
        value = self.values.get(name)
        if value is None:
            return default
        if not value:
            raise VenueRefusal(-1105, f"Parameter '{name}' was empty.")
        return value

    def required(self, name: str) -> str:
        """Return a mandatory text (-1102)."""
        value = self.text(name)
        if not value:
            raise missing(name)
        return value

    def integer(self, name: str, default: int = 0, *, is_required: bool = False) -> int:
        """Return a whole number that is not negative (-1100)."""
        value = self.required(name) if is_required else self.text(name)
        if not value:
            return default
        if not _integer.fullmatch(value):
            raise illegal(name, INTEGER_RANGE)
        return int(value)

    def whole(self, name: str, *, least: int, most: int, default: int) -> int:
        """Return a whole number of a range (-1130)."""
        value = self.integer(name, default)
        if not least <= value <= most:
            raise invalid(name)
        return value

    def limit(self, default: int, most: int) -> int:
        """Return `limit`; more than `most` is taken for `most`, as the venue does."""
        return min(self.whole("limit", least=1, most=10**20, default=default), most)

    def decimal(self, name: str, *, is_required: bool = False) -> Decimal | None:
        """Return a decimal number, None when it was not sent (-1100); it may be negative or zero."""
        value = self.required(name) if is_required else self.text(name)
        if not value:
            return None
        if not _decimal.fullmatch(value):
            raise illegal(name, DECIMAL_RANGE)
        return Decimal(value)

    def flag(self, name: str, *, default: bool = False, is_required: bool = False) -> bool:
        """Return a boolean, sent as true or false in any case (-1130)."""
        value = (self.required(name) if is_required else self.text(name)).lower()
        if value not in {"", "true", "false"}:
            raise invalid(name)
        return value == "true" if value else default

    def choice(
        self, name: str, allowed: Collection[str], refusal: VenueRefusal | None = None, default: str = ""
    ) -> str:
        """Return one of `allowed`; anything else is `refusal` (-1130 unless another is given)."""
        value = self.text(name, default)
        if value and value not in allowed:
            raise refusal if refusal is not None else invalid(name)
        return value

    def refuse_sent(self, *names: str) -> None:
        """Refuse parameters that this call must not have (-1106)."""
        for name in names:
            if self.has(name):
                raise VenueRefusal(-1106, f"Parameter '{name}' sent when not required.")

    def json(self, name: str, type_: type[Value]) -> Value:
        """Return a mandatory JSON value (-1130)."""
        try:
            return msgspec.json.decode(self.required(name), type=type_)
        except UNDECODABLE:
            raise invalid(name) from None

    def refuse_others(self, known: Collection[str]) -> None:
        """Refuse parameters that a call does not know (-1104); spot does, USD-M ignores them."""
        unread = len(self.values.keys() - set(known))
        if unread:
            sent = len(self.values)
            count = f"read '{sent - unread}' parameter(s) but was sent '{sent}'"
            raise VenueRefusal(-1104, f"Not all sent parameters were read; {count}.")


def missing(name: str) -> VenueRefusal:
    """Return the refusal of a mandatory parameter that was not sent."""
    return VenueRefusal(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def illegal(name: str, legal_range: str) -> VenueRefusal:
    """Return the refusal of a value with characters that the parameter does not take."""
    return VenueRefusal(
        -1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal_range}'."
    )


def invalid(name: str) -> VenueRefusal:
    """Return the refusal of a value that the parameter does not take."""
    return VenueRefusal(-1130, f"Data sent for parameter '{name}' is not valid.")


def rest_params(query: str, body: str) -> Params:
    """Return the parameters of a REST call; on duplicates the query wins over the body.

    A name that comes twice in the query, or twice in the body, is refused (-1101).
    """
    values: dict[str, str] = {}
    for part in (body, query):
        found: dict[str, str] = {}
        try:
            pairs = parse_qsl(part, keep_blank_values=True, max_num_fields=FIELDS_MAX)
        except ValueError:
            raise VenueRefusal(-1101, "Too many parameters sent for this endpoint.") from None
        for name, value in pairs:
            if name in found:
                raise VenueRefusal(-1101, f"Duplicate values for parameter '{name}'.")
            found[name] = value
        values |= found
    return Params(values)


def json_params(raw: Mapping[str, msgspec.Raw]) -> Params:
    """Return the parameters of a WebSocket API call: texts as they are, all else with the digits as sent.

    null counts as not sent. Raises VenueRefusal for a text that is none (-1130).
    """
    values: dict[str, str] = {}
    for name, value in raw.items():
        data = bytes(value)
        if data == b"null":
            continue
        if not data.startswith(b'"'):
            values[name] = data.decode("utf-8", "replace")
            continue
        try:
            values[name] = msgspec.json.decode(data, type=str)
        except UNDECODABLE:
            raise invalid(name) from None
    return Params(values)
