"""Connections of the pure parts to the outside: sockets, files, clocks. Imported by mains and tools only."""
