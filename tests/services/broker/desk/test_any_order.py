"""Whatever a venue tells, twice, late, in any order, over restarts: each fill once, no create twice."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.execution import commands, reports
from shared.execution.reports import RefusalKind, VenueState
from shared.messages import orders


class Truth:
    """What the venue holds: two orders of five lots, their fills and ends."""

    def __init__(self, counter):
        self.counter = counter
        self.ids = [counter.intent(price_ticks=600_000 - n) for n in range(2)]
        self.filled, self.fills, self.over = [0, 0], [[], []], [False, False]

    def order(self, n):
        state = VenueState.PARTIALLY_FILLED if self.filled[n] else VenueState.NEW
        if self.filled[n] == 5:
            state = VenueState.FILLED
        elif self.over[n]:
            state = VenueState.CANCELED
        return self.counter.told(self.ids[n], state, self.filled[n])

    def execute(self, n):
        if self.over[n] or self.filled[n] == 5:
            return []
        self.filled[n] += 1
        fill = self.counter.fill(self.ids[n], 1)
        self.fills[n].append(fill)
        self.counter.venues["binance_usdm"].fills.append(fill)
        self.over[n] = self.filled[n] == 5
        return [reports.Filled(fill)]

    def pending(self, n, *kinds):
        """Return the numbers of requests of some kinds about an order that wait for an answer."""
        requests = self.counter.execution.desks["binance_usdm"].state.requests
        return [k for k, one in requests.items() if one.subject == self.ids[n] and one.kind in kinds]

    def end(self, n):
        """Cancel what is left of an order, and return how it stands then."""
        self.over[n] = True
        return self.order(n)


NOTHING = (RefusalKind.NOT_FOUND, "-2011", "unknown order")
ANSWERS = {
    "ack": ("place", lambda truth, n, k: reports.Acted(k, truth.order(n))),
    "doubt": ("place", lambda _truth, _n, k: reports.Doubtful(k, "timeout")),
    "found": ("ask_order", lambda truth, n, k: reports.OrderFound(k, truth.order(n))),
    "cancel answer": ("cancel", lambda truth, n, k: reports.Acted(k, truth.order(n))),
    "cancel doubt": ("cancel", lambda _truth, _n, k: reports.Doubtful(k, "503")),
    "cancel nothing": ("cancel", lambda _truth, _n, k: reports.Refused(k, *NOTHING)),
}
EVENTS = {
    "new": lambda truth, n: [reports.OrderChanged(truth.order(n))],
    "partial": lambda truth, n: [reports.OrderChanged(truth.order(n))],
    "fill": lambda truth, n: truth.execute(n),
    "fill again": lambda truth, n: [reports.Filled(one) for one in truth.fills[n]],
    "end": lambda truth, n: [reports.OrderChanged(truth.end(n))],
    "stream down": lambda _truth, _n: [reports.UserStreamDown("cut")],
    "stream up": lambda _truth, _n: [reports.UserStreamUp()],
}
ACTS = {
    "cancel": lambda truth, n: truth.counter.cancel(truth.ids[n]),
    "restart": lambda truth, _n: truth.counter.restart(),
    "wait": lambda truth, _n: truth.counter.pass_ms(700, 100),
}


def speak(truth, word, n):
    """Let one thing happen, at the venue or on the way."""
    if word in ACTS:
        ACTS[word](truth, n)
    elif word in EVENTS:
        truth.counter.tell(*EVENTS[word](truth, n))
    else:
        kind, make = ANSWERS[word]
        waiting = truth.pending(n, kind)
        if not waiting or (word == "cancel nothing" and not truth.over[n]):
            return
        if word == "cancel answer":
            truth.end(n)
        truth.counter.tell(make(truth, n, waiting[0]))


STEPS = st.lists(
    st.tuples(st.sampled_from([*ACTS, *EVENTS, *ANSWERS]), st.integers(0, 1)), min_size=5, max_size=30
)


@pytest.mark.req("BR-5", "BR-8", "BR-11")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_any_course_of_events_ends_in_the_venues_truth(make_counter, steps):
    counter = make_counter(symbols=(make_counter.PERP,))
    truth = Truth(counter)
    scripted = counter.venues["binance_usdm"]

    for word, n in steps:
        speak(truth, word, n)
        scripted.open = {
            name: truth.order(i) for i, name in enumerate(truth.ids) if not truth.over[i] and i < 2
        }
    counter.tell(reports.UserStreamUp())
    for n in (0, 1):
        truth.over[n] = True
        counter.tell(reports.OrderChanged(truth.order(n)), *(reports.Filled(f) for f in truth.fills[n]))
    counter.pass_ms(1500, 100)

    placed = [one.client_order_id for one in scripted.took(commands.Place)]
    assert sorted(placed) == sorted(truth.ids)
    booked = [one.trade_id for one in counter.said(orders.Fill)]
    assert sorted(booked) == sorted(one.trade_id for fills in truth.fills for one in fills)
    assert counter.execution.desks["binance_usdm"].state.orders.live == {}
    assert counter.broker.known.orders == {}
    assert counter.risk.known.exposure.open == {}
    assert counter.differences("impossible", "overfill", "bad_fill", "order_terms") == []
    assert counter.broker.known.account.holdings_lots.get(counter.PERP, 0) == sum(truth.filled)
