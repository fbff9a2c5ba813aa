"""Exceptions of the environment: caught in shells only, each saying what to do.

QuotemeshError
├── ConfigError      settings are wrong: nothing was started (exit code 4)
├── JournalError     the stored log is damaged, missing or in use
├── ProtocolError    a frame that breaks docs/protocol.md
├── EpochError       a frame or a process of an older epoch
├── DivergenceError  a core said something else than the log holds
└── VenueError       the venue answered what its documents do not allow
"""


class QuotemeshError(Exception):
    """Base of every error we raise on purpose; the text says what, where, the value, and what to do."""


class ConfigError(QuotemeshError):
    """Settings that cannot be used; carries every problem found, not only the first."""


class JournalError(QuotemeshError):
    """A stored log that cannot be read or written."""


class ProtocolError(QuotemeshError):
    """A frame that breaks the bus protocol."""


class EpochError(ProtocolError):
    """A frame of an older epoch or run."""


class DivergenceError(QuotemeshError):
    """A core derived an output that differs from the one on the log."""


class VenueError(QuotemeshError):
    """An answer of a venue that its published rules do not allow."""


UNDECODABLE = (ValueError, RecursionError)
"""What a msgspec decoder raises on bytes that it cannot read: its own errors are ValueErrors, and bytes that
are no UTF-8 raise `UnicodeDecodeError`, which is not among them."""
