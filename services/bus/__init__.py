"""The message bus and event store: seq, time, storage, publication (DESIGN 2)."""
