"""What goes wrong in one seed of the campaign, and when: drawn once, before anything runs.

Every seed leaves most classes of faults out, so that the others can show what they do (swarm). Draws of one
purpose come from a stream of their own: adding a class changes no other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from services.venue_sim.draw import Draw
from shared.units import NS_PER_MS, NS_PER_S

PPM = 1_000_000
CALM_NS = 3 * NS_PER_S
"""The first seconds are without faults: everything connects and quotes."""

STREAMS = (
    "plan",
    "mesh",
    "network",
    "market",
    "people",
    "strategy",
)

CLASSES = (
    "lost_request",
    "lost_answer",
    "refused_connection",
    "error_before",
    "error_after",
    "garbage",
    "slow",
    "slow_answer",
    "act_late",
    "lag",
    "cut",
    "half_open",
    "mute",
    "late_events",
    "double_events",
    "ban",
    "maintenance",
    "skew",
    "manual",
    "crash",
    "power",
    "freeze",
    "restart",
    "kill",
    "cancel_all",
    "disk",
    "mangle",
)
"""Classes of faults; docs/campaigns.md says what each is."""
ALWAYS_PPM = 250_000
"""How likely a class is in a seed."""


class Window(NamedTuple):
    """A time in which something lasts; `venue` is empty for both."""

    begin_ns: int
    end_ns: int
    venue: str = ""
    what: str = ""
    amount: int = 0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One seed. Times count from the start of the run."""

    seed: int
    classes: frozenset[str]
    storm_ns: int
    latency_ns: int
    jitter_ns: int
    windows: tuple[Window, ...] = ()
    rates_ppm: Mapping[str, int] = field(default_factory=dict)

    def is_in(self, what: str, venue: str, at_ns: int) -> Window | None:
        """Return the window of `what` that lasts at `at_ns`, None when there is none."""
        for window in self.windows:
            if (
                window.what == what
                and window.begin_ns <= at_ns < window.end_ns
                and window.venue in {"", venue}
            ):
                return window
        return None

    @property
    def calm_from_ns(self) -> int:
        """Return when all faults are over."""
        return CALM_NS + self.storm_ns


def stream(seed: int, name: str) -> Draw:
    """Return the draws of one purpose."""
    return Draw(seed, 7_000_000 + STREAMS.index(name))


def plan_of(seed: int, venues: tuple[str, ...], only: frozenset[str] | None = None) -> Plan:
    """Return the plan of a seed; `only` these classes where it is given, all of them."""
    draw = stream(seed, "plan")
    own = {name: Draw(seed, 7_100_000 + number) for number, name in enumerate(CLASSES)}
    drawn = frozenset(name for name in CLASSES if own[name].chance(ALWAYS_PPM))
    classes = drawn if only is None else only
    storm_ns = draw.between(6, 16) * NS_PER_S
    rates = {name: own[name].between(5_000, 150_000) for name in RATED & classes}
    windows: list[Window] = []
    for name in CLASSES:
        if name in classes and name not in RATED:
            windows += _windows(name, own[name], storm_ns, venues)
    return Plan(
        seed=seed,
        classes=classes,
        storm_ns=storm_ns,
        latency_ns=draw.between(2, 60) * NS_PER_MS,
        jitter_ns=draw.between(0, 40) * NS_PER_MS,
        windows=tuple(windows),
        rates_ppm=dict(sorted(rates.items())),
    )


RATED = frozenset(
    {
        "lost_request",
        "lost_answer",
        "refused_connection",
        "error_before",
        "error_after",
        "garbage",
        "mangle",
        "slow",
        "slow_answer",
        "act_late",
        "double_events",
    }
)
"""Classes that strike single requests or frames with a rate; all others last for a time."""
_LENGTH_MS = {
    "cut": (0, 0),
    "half_open": (500, 25_000),
    "mute": (500, 15_000),
    "late_events": (200, 10_000),
    "lag": (2_000, 15_000),
    "ban": (1_000, 6_000),
    "maintenance": (1_000, 8_000),
    "skew": (1_000, 10_000),
    "manual": (0, 0),
    "crash": (200, 2_500),
    "power": (500, 3_000),
    "freeze": (200, 4_000),
    "restart": (200, 2_500),
    "kill": (1_500, 6_000),
    "cancel_all": (0, 0),
    "disk": (300, 5_000),
}
_COUNT = {"cut": 3, "manual": 3, "crash": 3, "cancel_all": 2}


def _windows(name: str, draw: Draw, storm_ns: int, venues: tuple[str, ...]) -> list[Window]:
    made = []
    low_ms, high_ms = _LENGTH_MS[name]
    for _ in range(draw.between(1, _COUNT.get(name, 1))):
        begin_ns = CALM_NS + draw.below(storm_ns)
        end_ns = min(CALM_NS + storm_ns, begin_ns + draw.between(low_ms, high_ms) * NS_PER_MS)
        venue = "" if draw.chance(300_000) else venues[draw.below(len(venues))]
        made.append(Window(begin_ns, end_ns, venue, name, draw.below(PPM)))
    return made
