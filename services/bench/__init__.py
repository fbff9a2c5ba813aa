"""Measurements of DESIGN.md 7: each prints machine, method and raw figures, beside a peer in the same run."""
