"""Signed calls, the WebSocket API and user data streams of the simulated venue; no sockets in here."""
