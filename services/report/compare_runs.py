"""Two runs of the same time side by side: paper against backtest, version against version (BT-13).

Only the time that both cover counts; a position that one had before it is carried over at the mid. Fills are
matched lot by lot: same market, side and price, and at most a window of time apart, earliest first. The
difference of profit is taken in paired intervals of marked equity; its mean has a 95 % interval by the
circular block bootstrap of `services.report.compare`, since neighbours hang together.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from services.backtest.equity import Selection
from services.backtest.figures import Figures, figures, interval_of, interval_profits, span_of
from services.backtest.record import Counts, Opening, Run
from services.backtest.statistics import quantile
from services.backtest.tables import CANCELED, EXPIRED, FILLED, REFUSED, REJECTED, Table
from services.report.compare import DRAWS, SEED, Interval, block_bootstrap
from services.report.run_rows import count, duration, moment, money
from shared.errors import ConfigError
from shared.units import NS_PER_MS, NS_PER_S, decimal_text

WINDOW_MS = 1000
PAIRS_MIN = 60
SHOWN_MAX = 5
HINT_MIN = 5
PRICE_TERMS = ("tick_size", "lot_size", "quote_asset")
ROWS = (
    "net_pnl",
    "realized_pnl",
    "unrealized_pnl",
    "fees",
    "funding",
    "volume",
    "max_drawdown",
    "spread_capture",
    "adverse_100ms",
    "adverse_1s",
    "adverse_10s",
    "adverse_60s",
    "inventory",
)
Key = tuple[str, int, int]


class FillPart(NamedTuple):
    """Some lots of one fill: when they were filled, and how many."""

    ts_ns: int
    lots: int


class Matches(NamedTuple):
    """Lots that both filled, and what only one did; `late_ns` are the times of B less those of A."""

    lots: int
    only_a: list[tuple[Key, FillPart]]
    only_b: list[tuple[Key, FillPart]]
    late_ns: list[int]


def compare(
    one: Run, other: Run, selection: Selection, window_ms: int = WINDOW_MS, shift_ns: int = 0
) -> dict[str, Any]:
    """Return the comparison as plain values; `shift_ns` is added to the times of the other run.

    Raises:
        ConfigError: the runs have no time or no market in common, or count a market in other units.
    """
    shifted(other, shift_ns)
    _check_units(one, other)
    from_ns, until_ns = _common(one, other)
    runs = [sliced(run, from_ns, until_ns) for run in (one, other)]
    folded = [figures(run, selection) for run in runs]
    parts = [_parts_of(run, selection) for run in runs]
    found = matched(parts[0], parts[1], window_ms * NS_PER_MS)
    every_s = interval_of(until_ns - from_ns)
    profits = [interval_profits(run, every_s, selection) for run in runs]
    pairs = [a - b for a, b in zip(*profits, strict=True)]
    interval = block_bootstrap(pairs)
    lots = [sum(part.lots for queue in of_run.values() for part in queue) for of_run in parts]
    late_ms = sorted(value / NS_PER_MS for value in found.late_ns)
    return {
        "from_ns": from_ns,
        "until_ns": until_ns,
        "a": _side(one, folded[0]),
        "b": _side(other, folded[1]),
        "difference": {name: str(getattr(folded[0], name) - getattr(folded[1], name)) for name in ROWS},
        "window_ms": window_ms,
        "matched_lots": found.lots,
        "matched_share_a": found.lots / lots[0] if lots[0] else None,
        "matched_share_b": found.lots / lots[1] if lots[1] else None,
        "late_ms_median": quantile(late_ms, 0.5),
        "late_ms_p95": quantile([abs(each) for each in sorted(late_ms, key=abs)], 0.95),
        "shift_hint_s": _shift_hint(parts[0], parts[1], found.lots, window_ms * NS_PER_MS),
        "only_a": [_shown(one, *each) for each in found.only_a[:SHOWN_MAX]],
        "only_b": [_shown(other, *each) for each in found.only_b[:SHOWN_MAX]],
        "only_a_count": len(found.only_a),
        "only_b_count": len(found.only_b),
        "interval_s": every_s,
        "pairs": len(pairs),
        "difference_per_interval": None if interval is None else interval.mean,
        "difference_interval": None if interval is None else [interval.low, interval.high],
        "method": f"circular block bootstrap, {DRAWS} draws, seed {SEED}",
        "verdict": _verdict(interval, len(pairs)),
    }


def _verdict(interval: Interval | None, count_of_pairs: int) -> str:
    if interval is None or count_of_pairs < PAIRS_MIN:
        return f"too little data: {count_of_pairs} intervals in common, at least {PAIRS_MIN} are needed"
    low, high = interval.low, interval.high
    if low == high == 0:
        return "no difference: equity moved alike in every interval"
    if low <= 0 <= high:
        return "no difference that these data show: the interval of the difference contains 0"
    return f"{'A' if low > 0 else 'B'} earned more: the interval of the difference does not contain 0"


def _check_units(one: Run, other: Run) -> None:
    ours = {rules.symbol: rules for rules in one.markets}
    theirs = {rules.symbol: rules for rules in other.markets}
    common = ours.keys() & theirs.keys()
    if not common:
        raise ConfigError(
            f"no market in common: A has {', '.join(sorted(ours)) or 'none'}, "
            f"B {', '.join(sorted(theirs)) or 'none'}"
        )
    for symbol in sorted(common):
        for name in PRICE_TERMS:
            a, b = getattr(ours[symbol], name), getattr(theirs[symbol], name)
            if a != b:
                raise ConfigError(f"{symbol} has {name} {a} in A and {b} in B: they cannot be compared")


def _common(one: Run, other: Run) -> tuple[int, int]:
    """Return the time that both runs cover."""
    spans = [span_of(one), span_of(other)]
    from_ns, until_ns = max(span[0] for span in spans), min(span[1] for span in spans)
    if from_ns >= until_ns:
        texts = [f"{moment(span[0])} to {moment(span[1])}" for span in spans]
        raise ConfigError(
            f"no time in common: A covers {texts[0]}, B {texts[1]}; --shift moves the times of B by seconds"
        )
    return from_ns, until_ns


def shifted(run: Run, by_ns: int) -> None:
    """Move every time of a run."""
    if not by_ns:
        return
    for table, names in (
        (run.fills, ("ts_ns",)),
        (run.orders, ("ts_ns", "accepted_ns", "filled_ns", "ended_ns")),
        (run.funding, ("ts_ns",)),
        (run.marks, ("ts_ns",)),
    ):
        for name in names:
            column = getattr(table, name)
            for row, value in enumerate(column):
                # 0 is a time that never was.
                column[row] = value + by_ns if value else 0
    for name in ("from_ns", "until_ns"):
        value = getattr(run.meta, name)
        setattr(run.meta, name, value + by_ns if value else 0)


def sliced(run: Run, from_ns: int, until_ns: int) -> Run:
    """Return the part of a run within [from_ns, until_ns], its first positions carried over at the mid."""
    first, last = span_of(run)
    if (first, last) == (from_ns, until_ns):
        return run
    meta = msgspec.structs.replace(run.meta, from_ns=from_ns, until_ns=until_ns)
    part = Run(meta, run.markets, run.strategies, run.data)
    for name in ("fills", "orders", "funding", "marks"):
        _copy(getattr(run, name), getattr(part, name), from_ns, until_ns)
    states = part.orders.state
    part.counts = Counts(
        orders=len(states),
        orders_filled=states.count(FILLED),
        orders_canceled=states.count(CANCELED),
        orders_expired=states.count(EXPIRED),
        orders_rejected=states.count(REJECTED),
        orders_refused=states.count(REFUSED),
    )
    for row in range(len(part.fills)):
        part.fills.order[row] = -1
    held: dict[tuple[int, int], int] = {(each.market, each.strategy): each.lots for each in run.opening}
    mids = {each.market: each.mid_half_ticks for each in run.opening}
    mids |= {market: mid for ts_ns, market, mid in _mids(run) if ts_ns < from_ns}
    fills = run.fills
    for row, ts_ns in enumerate(fills.ts_ns):
        if ts_ns < from_ns:
            key = (fills.market[row], fills.strategy[row])
            held[key] = held.get(key, 0) + (-fills.lots[row] if fills.side[row] else fills.lots[row])
            mids.setdefault(key[0], 2 * fills.price_ticks[row])
    part.opening = [
        Opening(market, strategy, lots, mids[market]) for (market, strategy), lots in held.items() if lots
    ]
    return part


def _mids(run: Run) -> Iterator[tuple[int, int, int]]:
    """Yield (time, market, mid) of fills and marks in the order of time."""
    rows = [
        (ts, market, mid)
        for table in (run.marks, run.fills)
        for ts, market, mid in zip(table.ts_ns, table.market, table.mid_half_ticks, strict=True)
        if mid
    ]
    rows.sort(key=lambda row: row[0])
    yield from rows


def _copy(source: Table, target: Table, from_ns: int, until_ns: int) -> None:
    times = source.ts_ns  # type: ignore[attr-defined]
    rows = [row for row, ts_ns in enumerate(times) if from_ns <= ts_ns <= until_ns]
    if not rows:
        return
    for name in source.COLUMNS:
        column = getattr(source, name)
        setattr(target, name, column[rows[0] : rows[-1] + 1])


def _parts_of(run: Run, selection: Selection) -> dict[Key, list[FillPart]]:
    """Return the fills of a selection by market, side and price, in the order of time."""
    fills = run.fills
    found: dict[Key, list[FillPart]] = {}
    for row in range(len(fills)):
        symbol = run.markets[fills.market[row]].symbol
        name = run.strategies[fills.strategy[row]].name
        if selection.symbol in ("", symbol) and selection.strategy in ("", name):
            key = (symbol, fills.side[row], fills.price_ticks[row])
            found.setdefault(key, []).append(FillPart(fills.ts_ns[row], fills.lots[row]))
    return found


def matched(one: dict[Key, list[FillPart]], other: dict[Key, list[FillPart]], window_ns: int) -> Matches:
    """Match the lots of two sets of fills, earliest first, each lot once."""
    lots, late_ns = 0, []
    only: tuple[list[tuple[Key, FillPart]], list[tuple[Key, FillPart]]] = ([], [])
    for key in sorted(one.keys() | other.keys()):
        queues = (list(reversed(one.get(key, []))), list(reversed(other.get(key, []))))
        while queues[0] and queues[1]:
            a, b = queues[0][-1], queues[1][-1]
            if abs(b.ts_ns - a.ts_ns) > window_ns:
                at = 0 if a.ts_ns < b.ts_ns else 1
                only[at].append((key, queues[at].pop()))
                continue
            both = min(a.lots, b.lots)
            lots += both
            late_ns.append(b.ts_ns - a.ts_ns)
            for queue, part in ((queues[0], a), (queues[1], b)):
                queue.pop()
                if part.lots > both:
                    queue.append(part._replace(lots=part.lots - both))
        for at, queue in enumerate(queues):
            only[at].extend((key, part) for part in reversed(queue))
    for each in only:
        each.sort(key=lambda pair: pair[1].ts_ns)
    return Matches(lots, only[0], only[1], late_ns)


def _shift_hint(
    one: dict[Key, list[FillPart]], other: dict[Key, list[FillPart]], lots: int, window_ns: int
) -> float | None:
    """Return by how many seconds B's times would have to move so that far more fills are alike, else None.

    Clocks of two recorders may differ by seconds: the median distance of fills of one market, side and price
    tells by how much. Only prices that each run was filled at once are looked at.
    """
    distances = [
        one[key][0].ts_ns - other[key][0].ts_ns
        for key in one.keys() & other.keys()
        if len(one[key]) == len(other[key]) == 1
    ]
    if len(distances) < HINT_MIN:
        return None
    by_ns = sorted(distances)[len(distances) // 2]
    moved = {key: [each._replace(ts_ns=each.ts_ns + by_ns) for each in queue] for key, queue in other.items()}
    better = matched(one, moved, window_ns).lots
    return by_ns / NS_PER_S if better > 2 * lots else None


def _side(run: Run, found: Figures) -> dict[str, Any]:
    return {
        "source": run.meta.source,
        "path": run.meta.path,
        "versions": found.strategies,
        "commit": run.meta.commit,
        "asset": found.asset,
        "orders": found.orders,
        "fills": found.fills,
    } | {name: str(getattr(found, name)) for name in ROWS}


def _shown(run: Run, key: Key, part: FillPart) -> str:
    symbol, side, price = key
    rules = next(each for each in run.markets if each.symbol == symbol)
    what = f"{'sold' if side else 'bought'} {decimal_text(part.lots, rules.lot_size)}"
    return f"{moment(part.ts_ns)} {symbol} {what} at {decimal_text(price, rules.tick_size)}"


def text(found: dict[str, Any]) -> str:
    """Return the comparison for a terminal."""
    a, b = found["a"], found["b"]
    rows: list[tuple[str, ...]] = [("", "A", "B", "A - B")]
    rows += [(name, f"{a[name]}", f"{b[name]}", "") for name in ("source", "path")]
    rows += [
        (name, count(a[name]), count(b[name]), f"{a[name] - b[name]:+,}") for name in ("orders", "fills")
    ]
    for name in ROWS:
        rows.append((name, *(money(Decimal(side[name])) for side in (a, b, found["difference"]))))
    widths = [max(len(row[at]) for row in rows) for at in range(4)]
    lines = [
        f"{moment(found['from_ns'])} to {moment(found['until_ns'])}, "
        f"{duration((found['until_ns'] - found['from_ns']) / NS_PER_S)} in common; "
        f"money in {a['asset'] or 'quote'}"
    ]
    for row in rows:
        cells = "  ".join(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        lines.append(f"{row[0].ljust(widths[0])}  {cells}")
    lines += _fill_lines(found)
    if found["difference_interval"] is not None:
        low, high = found["difference_interval"]
        lines.append(
            f"A - B: {found['difference_per_interval']:+.6g} per {duration(found['interval_s'])}, 95 % "
            f"within {low:+.6g} .. {high:+.6g} ({found['pairs']} intervals; {found['method']})"
        )
    return "\n".join([*lines, found["verdict"]])


def _fill_lines(found: dict[str, Any]) -> list[str]:
    both = (found["matched_share_a"], found["matched_share_b"])
    shares = ["-" if share is None else f"{share:.1%}" for share in both]
    lines = [
        f"fills alike (market, side, price, within {found['window_ms']} ms): {shares[0]} of A's lots, "
        f"{shares[1]} of B's"
    ]
    if found["shift_hint_s"] is not None:
        lines.append(
            f"far more are alike with --shift {found['shift_hint_s']:.3f}: their clocks may have differed"
        )
    if found["late_ms_median"] is not None:
        lines.append(
            f"B's came {found['late_ms_median']:+.1f} ms after A's (median), 95 % of them within "
            f"{found['late_ms_p95']:.1f} ms"
        )
    for name, label in (("only_a", "A"), ("only_b", "B")):
        if found[f"{name}_count"]:
            lines.append(f"only in {label}: {count(found[f'{name}_count'])} fills or parts of fills")
            lines += [f"  {each}" for each in found[name]]
            more = found[f"{name}_count"] - len(found[name])
            lines += [f"  and {count(more)} more"] if more else []
    return lines
