"""Hostile input: real frames, mutated by a seed, against every part that reads something from outside."""
