"""The advice of the market regime: smaller limits of size while a market is at high risk (RK-24)."""

from typing import TYPE_CHECKING

import msgspec

from services.risk.ask import PPM
from services.risk.guard import QuietGuard
from shared.messages import Event
from shared.messages.market import Regime
from shared.units import NS_PER_S

if TYPE_CHECKING:
    from services.risk.knowledge import RiskKnowledge

HIGH_RISK = "high_risk"


class _State(msgspec.Struct, array_like=True):
    regimes: dict[str, tuple[str, int]] = {}


_encoder = msgspec.msgpack.Encoder(order="sorted")
_decoder = msgspec.msgpack.Decoder(_State)


class RegimeGuard(QuietGuard):
    """Scales the limits of size down in a market at high risk, or whose regime is not known any more.

    A market of which no regime was ever said (spot, or a venue without funding) keeps its whole limits. Off
    by default: what is remembered then changes nothing.
    """

    name = "regime"
    watches = frozenset({Regime})

    def __init__(self) -> None:
        self._state = _State()

    def observe(self, event: Event, known: "RiskKnowledge") -> None:  # noqa: ARG002
        """Take the regime of a market."""
        message = event.message
        assert isinstance(message, Regime), f"the regime guard does not watch {type(message).__name__}"
        self._state.regimes[message.symbol] = (message.regime, event.header.origin_ns)

    def size_ppm(self, strategy: str, symbol: str, known: "RiskKnowledge") -> int:  # noqa: ARG002
        """Return the share of the limits that this market may use now."""
        settings = known.settings.regime
        said = self._state.regimes.get(symbol)
        if not settings.enabled or said is None:
            return PPM
        regime, said_ns = said
        is_stale = known.now_ns - said_ns > settings.stale_s * NS_PER_S
        return settings.high_risk_size_ppm if regime == HIGH_RISK or is_stale else PPM

    def dump(self) -> bytes:
        """Return the state."""
        return _encoder.encode(self._state)

    def load(self, data: bytes) -> None:
        """Take the state."""
        self._state = _decoder.decode(data)
