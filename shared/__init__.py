"""The vocabulary: what every process must agree on. Imports nothing of `services`."""
