"""A measured figure beside its budget and its peer."""

from typing import Any

import msgspec

HEAD = "| what | measured | budget | peer | |\n|---|---|---|---|---|"
"""The head of the table whose rows are `Figure.line()`."""


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table: `value` in `unit`, what it may be at the most (or least), and raw rounds.

    `peer` is the median of the peer measured in the same run; `ratio_max` bounds value / peer.
    """

    name: str
    value: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    peer_name: str = ""
    peer: float | None = None
    ratio_max: float | None = None
    rounds: list[Any] = []
    note: str = ""

    @property
    def is_met(self) -> bool | None:
        """Return whether every bound holds; None when there is none."""
        held = []
        if self.at_most is not None:
            held.append(self.value <= self.at_most)
        if self.at_least is not None:
            held.append(self.value >= self.at_least)
        if self.ratio_max is not None and self.peer:
            held.append(self.value / self.peer <= self.ratio_max)
        return all(held) if held else None

    def line(self) -> str:
        """Return the row for people."""
        bounds = []
        if self.at_most is not None:
            bounds.append(f"<= {self.at_most:g}")
        if self.at_least is not None:
            bounds.append(f">= {self.at_least:g}")
        if self.ratio_max is not None:
            ratio = f" (is {self.value / self.peer:.2f})" if self.peer else " (peer not here)"
            bounds.append(f"<= {self.ratio_max:g} x {self.peer_name}{ratio}")
        verdict = {True: "met", False: "MISSED", None: ""}[self.is_met]
        peer = f"{self.peer:g}" if self.peer is not None else ""
        return f"| {self.name} | {self.value:g} {self.unit} | {', '.join(bounds)} | {peer} | {verdict} |"


def percentile(sorted_values: list[float], share: float) -> float:
    """Return the value below which `share` of the sorted values lie."""
    assert sorted_values, "nothing was measured"
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]


def median(values: list[float]) -> float:
    """Return the middle value."""
    return percentile(sorted(values), 0.5)
