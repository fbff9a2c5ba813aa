"""Every message of the bus in one union, with its codec. One line here registers a new message."""

from functools import lru_cache
from typing import Any, get_args

import msgspec

from shared.errors import ProtocolError
from shared.messages import control, guards, market, orders, shadow, system, venue
from shared.messages.base import Instruction, Message
from shared.messages.header import SCHEMA, Event, Header, decode_header, encode_header

__all__ = [
    "MESSAGES",
    "SCHEMA",
    "AnyMessage",
    "Event",
    "Header",
    "Instruction",
    "Message",
    "body_of",
    "decode_header",
    "encode_header",
    "message_of",
    "owners_of_family",
    "source_core",
    "source_service",
]

AnyMessage = (
    market.InstrumentRules
    | market.BookSnapshot
    | market.BookUpdate
    | market.BookInvalid
    | market.Trade
    | market.PriceUpdate
    | market.FeedStatus
    | market.CaptureFinished
    | market.Candle
    | market.FundingRate
    | market.OpenInterest
    | market.Liquidation
    | market.Basis
    | market.Regime
    | orders.OrderIntent
    | orders.CancelIntent
    | orders.OrderApproved
    | orders.OrderAdjusted
    | orders.OrderRefused
    | orders.OrderSent
    | orders.NotSent
    | orders.OrderAccepted
    | orders.OrderTriggered
    | orders.OrderRejected
    | orders.Fill
    | orders.OrderCanceled
    | orders.OrderExpired
    | orders.OrderUnknown
    | orders.CancelRejected
    | orders.PositionChanged
    | orders.FundingPaid
    | guards.ScopedState
    | guards.GuardRaised
    | guards.GuardReleased
    | guards.SessionReset
    | guards.RoundTrip
    | guards.ProfitParts
    | guards.MarginStatus
    | guards.MostOrderAsked
    | guards.MostOrderTold
    | shadow.VersionStarted
    | shadow.ShadowOrder
    | shadow.ShadowFill
    | venue.VenueLink
    | venue.VenueDifference
    | venue.OrderAdopted
    | venue.AccountAdjusted
    | control.KillRequested
    | control.KillLatched
    | control.KillClearRequested
    | control.KillCleared
    | control.KillClearRefused
    | control.PauseRequested
    | control.ResumeRequested
    | control.ResetRequested
    | control.CancelAllRequested
    | control.ReconcileRequested
    | control.OrderRequested
    | control.RouteRequested
    | control.OrderCancelRequested
    | control.FlattenRequested
    | control.RouteProgress
    | control.StopRequested
    | control.TradingState
    | control.StrategyStatus
    | control.StrategyNote
    | control.InstanceFailed
    | system.EpochStarted
    | system.ServiceStarted
    | system.Tick
    | system.SourceGap
    | system.SourceSilent
    | system.SourceBack
    | system.Reconciled
    | system.CoreDigest
    | system.CoreDiverged
    | system.Alive
    | system.Durable
)

MESSAGES: tuple[type[Message], ...] = get_args(AnyMessage)

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(AnyMessage)
_owners: dict[str, frozenset[str]] = {}
for _class in MESSAGES:
    _owners[_class.family] = _owners.get(_class.family, frozenset()) | _class.owners


def body_of(message: Message) -> bytes:
    """Return the MessagePack body of `message`: `[tag, field, ...]`."""
    return _encoder.encode(message)


def message_of(body: bytes) -> Any:
    """Return the message in `body`; raise `ProtocolError` when it is none."""
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ProtocolError(
            f"not a message ({error}): {body[:40]!r}; sender and receiver must run the same build"
        ) from error


@lru_cache(maxsize=256)
def source_service(source: str) -> str:
    """Return the service that speaks as `source`: `strategy/as_btc` and `strategy.io` are strategy's."""
    return source.split("/", 1)[0].removesuffix(".io")


@lru_cache(maxsize=256)
def source_core(source: str) -> str:
    """Return the service whose core speaks as `source`, empty when it is a shell's source."""
    return "" if source.endswith(".io") else source.split("/", 1)[0]


def owners_of_family(family: str) -> frozenset[str]:
    """Return the services that may say messages of `family`; empty when there is no such family."""
    return _owners.get(family, frozenset())
