"""Making the simulated venue that the settings ask for."""

import msgspec

from services.venue_sim.capture import CaptureVenue
from services.venue_sim.faults import FaultyVenue
from services.venue_sim.generated import GeneratedVenue
from services.venue_sim.settings import VenueSimSettings
from services.venue_sim.venue import SPOT, USDM
from shared.errors import UNDECODABLE, ConfigError


def make_venue(settings: VenueSimSettings, state: bytes | None = None) -> FaultyVenue:
    """Return the venue with the faults of the settings.

    `state` is what `Venue.state` returned before the last stop, None when there is none. Raises ConfigError.
    """
    override = _read_exchange_info(settings.exchange_info) if settings.exchange_info else {}
    inner = (
        CaptureVenue(settings.files, settings.allow_truncated, override, settings, state)
        if settings.mode == "capture"
        else GeneratedVenue(settings, state, override)
    )
    return FaultyVenue(inner, settings.faults, settings.fault_schedule)


def _read_exchange_info(path: str) -> dict[str, bytes]:
    """Return the exchangeInfo answer in a file under the venue it is of, told by its content."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - a core has no pathlib
            body = file.read()
    except OSError as error:
        raise ConfigError(f"simulator.exchange_info {path}: {error.strerror}; give a readable file") from None
    try:
        answer = msgspec.json.decode(body)
    except UNDECODABLE as error:
        raise ConfigError(
            f"simulator.exchange_info {path} is no JSON ({error}); save the answer of exchangeInfo"
        ) from None
    symbols = answer.get("symbols") if isinstance(answer, dict) else None
    if not isinstance(symbols, list) or not all(isinstance(s, dict) and "filters" in s for s in symbols):
        raise ConfigError(
            f"simulator.exchange_info {path} has no `symbols` with `filters`; save the answer of exchangeInfo"
        )
    is_usdm = any("contractType" in symbol for symbol in symbols)
    return {USDM if is_usdm else SPOT: body}
