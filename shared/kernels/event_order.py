# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
"""Where rows in the order of receipt can be cut so that each piece is whole in the venue's order too."""

import cython


def venue_times(
    ts_exch: cython.const[cython.longlong][::1],  # type: ignore[valid-type]
    ts_local: cython.const[cython.longlong][::1],  # type: ignore[valid-type]
    local_shift_ns: cython.longlong,
    out: cython.longlong[::1],
) -> bool:
    """Write the venue's times to `out`, the shifted local one for an unknown (0); True when none falls."""
    at: cython.longlong
    is_sorted: cython.bint = True
    for at in range(len(ts_exch)):
        out[at] = ts_exch[at] if ts_exch[at] else ts_local[at] + local_shift_ns
        if at and out[at] < out[at - 1]:
            is_sorted = False
    return is_sorted


def mark_cuts(
    times: cython.longlong[::1],
    before_ns: cython.longlong,
    later_ns: cython.longlong,
    scratch: cython.longlong[::1],
    is_cut: cython.uchar[::1],
) -> None:
    """Mark each row before which the order may be cut: no row before it is later than any after.

    `before_ns` is the greatest time before the first row, `later_ns` the least one after the last;
    `scratch` has room for as many rows.
    """
    at: cython.longlong
    least: cython.longlong = later_ns
    most: cython.longlong = before_ns
    for at in range(len(times) - 1, -1, -1):
        least = min(least, times[at])
        scratch[at] = least
    for at in range(len(times)):
        is_cut[at] = 1 if most <= scratch[at] else 0
        most = max(most, times[at])
