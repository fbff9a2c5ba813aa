"""Venues without I/O: URLs, frames, parsing. One file each, registered here."""
