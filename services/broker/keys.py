"""API keys of venues: read from environment, files or age-encrypted files, and only by the broker (I-42)."""

from dataclasses import dataclass, field

from services.broker.binance.signing import Signer


@dataclass(frozen=True, slots=True)
class VenueKey:
    """A key of one account; neither `repr` nor a traceback shows any of it."""

    api_key: str = field(repr=False)
    signer: Signer = field(repr=False)
