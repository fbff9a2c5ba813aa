"""Calls of the WebSocket API about the connection itself: logon, status, subscriptions."""

from services.venue_sim.exchange.keys import AccountKey
from services.venue_sim.refusal import VenueRefusal
from services.venue_sim.wire.calls import Ask, Call
from services.venue_sim.wire.security import Security
from services.venue_sim.wire.session_state import SessionState


def _session(ask: Ask) -> SessionState:
    assert ask.session is not None, "only the WebSocket API has these calls"
    return ask.session


def log_on(ask: Ask) -> object:
    """Log the connection on with the key that signed the call."""
    key = ask.backend.exchange.account_of_key(ask.api_key)
    assert isinstance(key, AccountKey), "a signed call has a key"
    _session(ask).log_on(key, ask.now_ms)
    return status(ask)


def status(ask: Ask) -> object:
    """Tell who is logged on."""
    return _session(ask).status(ask.now_ms)


def log_out(ask: Ask) -> object:
    """Log the connection off."""
    _session(ask).log_out(ask.now_ms)
    return status(ask)


def subscribe(ask: Ask) -> object:
    """Listen to the account that is logged on."""
    session = _session(ask)
    if session.key is None:
        raise VenueRefusal(-1002, "You are not authorized to execute this request.", 401)
    return {"subscriptionId": session.subscribe(session.key.account, is_own=True)}


def subscribe_signed(ask: Ask) -> object:
    """Listen to the account whose key signed the call."""
    return {"subscriptionId": _session(ask).subscribe(ask.account, is_own=False)}


def unsubscribe(ask: Ask) -> object:
    """End one subscription or all."""
    number = ask.params.integer("subscriptionId") if ask.params.has("subscriptionId") else None
    _session(ask).unsubscribe(number, ask.now_ms)
    return {}


def subscriptions(ask: Ask) -> object:
    """List the subscriptions of the connection."""
    return _session(ask).subscriptions()


SESSION_WS = {
    "session.logon": Call(log_on, Security.USER_DATA, 2, takes=()),
    "session.status": Call(status, Security.PUBLIC, 2, takes=()),
    "session.logout": Call(log_out, Security.PUBLIC, 2, takes=()),
}
SPOT_SESSION_WS = {
    **SESSION_WS,
    "session.subscriptions": Call(subscriptions, Security.PUBLIC, 2, takes=()),
    "userDataStream.subscribe": Call(subscribe, Security.PUBLIC, 2, takes=()),
    "userDataStream.subscribe.signature": Call(subscribe_signed, Security.USER_DATA, 2, takes=()),
    "userDataStream.unsubscribe": Call(unsubscribe, Security.PUBLIC, 2, takes=("subscriptionId",)),
}
