"""What market data cover, what is missing or twice in them, and their refusal unless allowed (BT-8)."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise

import msgspec

from shared.columns import ColumnsError, ColumnsHeader, Gap
from shared.units import NS_PER_S

KINDS = {
    "gaps": "parts are missing",
    "duplicates": "parts are there twice (the later ones are left out)",
    "unordered": "times of receipt fall (they are raised to the one before)",
    "truncated": "the end of a file is cut off (it is read up to there)",
    "off-tick": "prices lie off the tick (those levels and trades are left out)",
    "off-lot": "quantities lie off the lot (they are rounded down)",
    "no-book": "there is no snapshot, so no book (only trades remain)",
}
"""What data may have that makes them doubtful; `--allow` takes these names."""

JOIN_NS = 10 * NS_PER_S
"""Column files of a market that follow each other within this time leave no gap."""
GAPS_SHOWN = 10
GAPS_MAX = 100_000


class Finding(msgspec.Struct, frozen=True):
    """How often one kind was found, and where first."""

    count: int
    first: str


class Coverage(msgspec.Struct):
    """What the data of one market hold; times are local, 0 without rows."""

    symbol: str
    sources: list[str]
    first_ns: int = 0
    last_ns: int = 0
    lines: int = 0
    rows: int = 0
    diffs: int = 0
    trades: int = 0
    gaps: list[Gap] = []
    findings: dict[str, Finding] = {}
    notes: list[str] = []

    @property
    def gap_ns(self) -> int:
        """Return the time within gaps; where gaps overlap it is counted once."""
        total_ns, until_ns = 0, 0
        for gap in sorted(self.gaps, key=lambda each: each.from_ns):
            total_ns += max(0, gap.to_ns - max(gap.from_ns, until_ns))
            until_ns = max(until_ns, gap.to_ns)
        return total_ns

    @property
    def covered_ppm(self) -> int:
        """Return the part of the time from first to last that lies in no gap, in parts per million."""
        span_ns = self.last_ns - self.first_ns
        return (span_ns - min(span_ns, self.gap_ns)) * 1_000_000 // span_ns if span_ns else 1_000_000

    def find(self, kind: str, where: str, count: int = 1) -> None:
        """Count something doubtful; the first place of its kind is kept."""
        assert kind in KINDS, kind
        known = self.findings.get(kind)
        self.findings[kind] = Finding(known.count + count, known.first) if known else Finding(count, where)

    def add_gap(self, gap: Gap) -> None:
        """Take a part that is missing; raises `ColumnsError` when the data are nothing but gaps."""
        if len(self.gaps) >= GAPS_MAX:
            raise ColumnsError(
                f"{self.symbol}: over {GAPS_MAX} gaps, the last one {gap.why} at {when(gap.from_ns)}; "
                "these data are no continuous recording"
            )
        self.gaps.append(gap)
        self.find("gaps", f"{gap.why}, from {when(gap.from_ns)}")


def when(ts_ns: int) -> str:
    """Return a time as people read it, in UTC."""
    seconds, rest_ns = divmod(ts_ns, NS_PER_S)
    try:
        text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{ts_ns} ns"
    return f"{text}.{rest_ns // 1_000_000:03d}"


def of_headers(headers: Iterable[ColumnsHeader]) -> list[Coverage]:
    """Return the coverage of column files by market, in the order of their names.

    Files of a market must follow each other: overlaps are duplicates, and more than 10 s between them a gap.
    """
    by_symbol: dict[str, list[ColumnsHeader]] = {}
    for header in headers:
        by_symbol.setdefault(header.symbol, []).append(header)
    return [_of_market(symbol, by_symbol[symbol]) for symbol in sorted(by_symbol)]


def _of_market(symbol: str, headers: list[ColumnsHeader]) -> Coverage:
    found = Coverage(symbol, [header.source for header in headers], gaps=[], findings={}, notes=[])
    filled = sorted((each for each in headers if each.count), key=lambda each: each.first_local_ns)
    for header in filled:
        found.rows += header.count
        found.diffs += header.depth_count
        found.trades += header.trade_count
        for gap in header.gaps:
            found.add_gap(gap)
    for before, after in pairwise(filled):
        if after.first_local_ns < before.last_local_ns:
            overlap_ns = min(before.last_local_ns, after.last_local_ns) - after.first_local_ns
            found.find(
                "duplicates",
                f"{overlap_ns / NS_PER_S:.3f} s from {when(after.first_local_ns)} lie in two of the files",
            )
        elif after.first_local_ns - before.last_local_ns > JOIN_NS:
            found.add_gap(Gap(before.last_local_ns, after.first_local_ns, "between two files"))
    if filled:
        found.first_ns = filled[0].first_local_ns
        found.last_ns = max(header.last_local_ns for header in filled)
    return found


def table(coverages: Sequence[Coverage]) -> str:
    """Return the coverage as text: one line per market, and what is doubtful below it."""
    lines = [
        f"{'market':<24} {'from (UTC)':<23} {'to':<23} {'rows':>12} {'diffs':>10} {'trades':>10} "
        f"{'covered':>9}"
    ]
    for found in coverages:
        lines.append(
            f"{found.symbol:<24} {when(found.first_ns):<23} {when(found.last_ns):<23} {found.rows:>12} "
            f"{found.diffs:>10} {found.trades:>10} {found.covered_ppm / 10_000:>8.3f}%"
        )
        lines += [
            f"  {kind} ({finding.count}): {KINDS[kind]}; first: {finding.first}"
            for kind, finding in found.findings.items()
        ]
        lines += [
            f"    {when(gap.from_ns)} .. {when(gap.to_ns)} {gap.why}" for gap in found.gaps[:GAPS_SHOWN]
        ]
        if len(found.gaps) > GAPS_SHOWN:
            lines.append(f"    and {len(found.gaps) - GAPS_SHOWN} more gaps")
        lines += [f"  note: {note}" for note in found.notes]
    return "\n".join(lines)


def refuse(coverages: Iterable[Coverage], allowed: Collection[str] = ()) -> None:
    """Raise `ColumnsError` with everything found that is not allowed, and how to allow it."""
    problems, kinds = [], []
    for found in coverages:
        for kind, finding in found.findings.items():
            if kind not in allowed:
                kinds.append(kind)
                problems.append(
                    f"{found.symbol}: {kind} ({finding.count}): {KINDS[kind]}; first: {finding.first}"
                )
    if problems:
        wanted = ",".join(sorted({*kinds, *allowed}, key=list(KINDS).index))
        raise ColumnsError(
            "\n".join(
                [
                    "the data are not sound and were not taken:",
                    *problems,
                    f"get better data, or take them as they are with --allow {wanted}",
                ]
            )
        )


def allowances(text: str) -> frozenset[str]:
    """Return the kinds named in `gaps,duplicates`; raises `ColumnsError` for a name that is none."""
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    unknown = sorted(names - KINDS.keys())
    if unknown:
        raise ColumnsError(f"--allow {', '.join(unknown)}: must be of {', '.join(KINDS)}")
    return names
