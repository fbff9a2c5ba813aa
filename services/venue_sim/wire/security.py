"""Who may do what: API key, signature, time window and permissions of a call, in the venue's order."""

from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from typing import Protocol, TypeVar

from services.venue_sim.access.signature import SigningKey, check
from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.wire.params import Params, illegal, missing

RECV_WINDOW_MS, RECV_WINDOW_MAX_MS = 5_000, 60_000
AHEAD_MS = 1_000
Key = TypeVar("Key", bound="ApiKey")
# A time in microseconds is told by its size: in ms this would be the year 5138.
MICROSECONDS_FROM = 10**14
KEY_CHARACTERS_MAX = 128
SECURITY_PARAMS = ("apiKey", "signature", "timestamp", "recvWindow")


class Security(Enum):
    """What a call asks of its caller: nothing, a key, or a key and a signature."""

    PUBLIC = "public"
    KEY = "key"
    USER_DATA = "user_data"
    TRADE = "trade"

    @property
    def is_signed(self) -> bool:
        """Return whether the call must be signed."""
        return self in {Security.USER_DATA, Security.TRADE}


class ApiKey(SigningKey, Protocol):
    """What we need to know of a key; `exchange` keeps them."""

    @property
    def api_key(self) -> str:
        """The name that stands in the header."""

    @property
    def can_read(self) -> bool:
        """Whether it may ask for account and orders."""

    @property
    def can_trade(self) -> bool:
        """Whether it may place and cancel orders."""

    @property
    def is_revoked(self) -> bool:
        """Whether it has been withdrawn."""

    @property
    def allowed_addresses(self) -> tuple[str, ...]:
        """Addresses it may be used from, empty for all."""


def bad_key(ip: str, *, is_usdm: bool) -> VenueRefusal:
    """Return the refusal of a key that is unknown, revoked, or may not do this."""
    told = f", request ip: {ip}" if is_usdm else "."
    return VenueRefusal(-2015, f"Invalid API-key, IP, or permissions for action{told}", 401)


def find_key(
    name: str, look_up: Callable[[str], Key | None], ip: str, security: Security, *, is_usdm: bool
) -> Key:
    """Return the key of a call; raises VenueRefusal when it may not be used for it."""
    if not (name.isascii() and name.isprintable() and 0 < len(name) <= KEY_CHARACTERS_MAX):
        raise VenueRefusal(-2014, "API-key format invalid.", 401)
    key = look_up(name)
    if key is None or key.is_revoked or (key.allowed_addresses and ip not in key.allowed_addresses):
        raise bad_key(ip, is_usdm=is_usdm)
    may = {Security.TRADE: key.can_trade, Security.USER_DATA: key.can_read}
    if not may.get(security, True):
        raise bad_key(ip, is_usdm=is_usdm)
    return key


def check_signature(key: SigningKey, payload: bytes, signature: str, *, is_strict: bool) -> None:
    """Raise VenueRefusal unless the payload is signed with the key."""
    if not signature:
        raise missing("signature")
    if not check(key, payload, signature, is_strict):
        raise VenueRefusal(-1022, "Signature for this request is not valid.")


def check_time(params: Params, now_ms: int, *, is_usdm: bool) -> None:
    """Raise VenueRefusal unless `timestamp` lies in the window of the venue's clock."""
    timestamp = params.integer("timestamp", is_required=True)
    if timestamp >= MICROSECONDS_FROM and not is_usdm:
        timestamp //= 1000
    window_ms = _recv_window_ms(params, is_usdm=is_usdm)
    if timestamp >= now_ms + AHEAD_MS:
        raise VenueRefusal(-1021, f"Timestamp for this request was {AHEAD_MS}ms ahead of the server's time.")
    if now_ms - timestamp > window_ms:
        raise VenueRefusal(-1021, "Timestamp for this request is outside of the recvWindow.")


def _recv_window_ms(params: Params, *, is_usdm: bool) -> Decimal:
    window_ms = params.decimal("recvWindow")
    if window_ms is None:
        return Decimal(RECV_WINDOW_MS)
    if window_ms > RECV_WINDOW_MAX_MS:
        raise VenueRefusal(-1131, f"recvWindow must be less than {RECV_WINDOW_MAX_MS}.")
    decimals = 0 if is_usdm else 3
    if window_ms < 0 or window_ms != round(window_ms, decimals):
        raise illegal("recvWindow", "^[0-9]{1,5}(\\.[0-9]{1,3})?$" if decimals else "^[0-9]{1,20}$")
    return window_ms
