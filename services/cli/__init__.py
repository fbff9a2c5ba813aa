"""The command line: starts, stops, shows and controls a mesh."""
