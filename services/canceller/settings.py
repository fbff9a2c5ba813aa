"""Settings of the canceller."""

from dataclasses import dataclass
from typing import Annotated

from services.broker.settings import VenueAccess
from shared.settings import Doc, Ge, Gt


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellerSettings:
    """Settings of `services.canceller`."""

    is_on: Annotated[bool, Doc("in testnet and live, cancel all orders when the broker is dead (BR-24)")] = (
        True
    )
    silence_ms: Annotated[
        int, Ge(1000), Doc("a broker that does not answer for so long is dead: its orders are cancelled")
    ] = 10_000
    killed_silence_ms: Annotated[
        int, Ge(500), Doc("the same while the kill latch stands: nobody waits for a dead broker then")
    ] = 2000
    ask_every_ms: Annotated[int, Gt(0), Doc("the broker is asked for a sign of life so often")] = 500
    again_ms: Annotated[
        int, Ge(1000), Doc("while the broker stays dead, the venues are looked at again so often")
    ] = 10_000
    venues: Annotated[tuple[VenueAccess, ...], Doc("accounts to clear; from `venues` of the file")] = ()
