"""The rules of who may say what on the log, frame by frame."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.bus.sequencer import MAY_SKIP, Sequencer, SourceState
from shared.messages import body_of, decode_header, message_of
from shared.messages.control import KillRequested, PauseRequested, TradingState
from shared.messages.market import BookInvalid, BookUpdate
from shared.messages.system import Alive, CoreDigest, Durable, ServiceStarted, SourceGap, Tick
from shared.messages.wire import AppendHeader, Hello, Refused, Welcome, pack_wire

EPOCH = 1_800_000_000
STATE = TradingState("active", [])
BOOK = BookInvalid("binance:BTCUSDT", "gap")


def sequencer(kind=Sequencer, **fields):
    values = {"head_seq": 0, "last_ts_ns": 0, "sources": {}, "services": {}, "max_frame_bytes": 100_000}
    return kind(EPOCH, **(values | fields))


def hello(bus, service, run=0, token=1, schema=1):
    return bus.hello(Hello(service, run, token, "b", b"\x80", [], schema), 1000)


def offer(bus, source, n, message, run=1, epoch=EPOCH, now_ns=1000, origin_ns=0, cause_seq=0, topic=None):
    header = pack_wire(AppendHeader(epoch, source, run, n, origin_ns, cause_seq))
    return bus.offer(header, message.topic if topic is None else topic, body_of(message), now_ns)


def stored(bus):
    return [(decode_header(one.header), one.message) for one in bus.take().events if one.seq]


@pytest.mark.req("JR-3", "I-15")
def test_each_accepted_event_gets_the_next_seq_and_a_time_that_never_falls():
    bus = sequencer(head_seq=41, last_ts_ns=5000)
    hello(bus, "risk")

    offer(bus, "risk", 1, STATE, now_ns=4000)
    offer(bus, "risk", 2, STATE, now_ns=6000)

    headers = [header for header, _ in stored(bus)]
    assert [header.seq for header in headers] == [42, 43, 44]
    assert [header.ts_ns for header in headers] == [5000, 5000, 6000]


def test_origin_is_inherited_and_never_later_than_the_stamp():
    bus = sequencer()
    hello(bus, "risk")

    offer(bus, "risk", 1, STATE, now_ns=2000, origin_ns=1500)
    offer(bus, "risk", 2, STATE, now_ns=2000, origin_ns=9999)
    offer(bus, "risk", 3, STATE, now_ns=2000, origin_ns=-7)

    assert [header.origin_ns for header, _ in stored(bus)[1:]] == [1500, 2000, 2000]


@pytest.mark.req("JR-4")
def test_n_is_taken_only_in_order():
    bus = sequencer()
    hello(bus, "risk")
    assert offer(bus, "risk", 1, STATE) is None

    again = offer(bus, "risk", 1, STATE)
    higher = offer(bus, "risk", 3, STATE)
    next_one = offer(bus, "risk", 2, STATE)

    assert again is None
    assert (higher.reason, higher.expected_n) == ("n", 2)
    assert next_one is None
    assert [header.n for header, message in stored(bus) if message == STATE] == [1, 2]
    assert bus.counters["already_stored"] == 1


def test_a_core_source_counts_on_over_runs_and_a_shell_source_begins_again():
    bus = sequencer(
        sources={
            "risk": SourceState("risk", "risk", 3, 7),
            "risk.io": SourceState("risk.io", "risk", 3, 20),
            "broker": SourceState("broker", "broker", 1, 4),
        },
        services={"risk": 3, "broker": 1},
    )

    welcome = hello(bus, "risk")

    assert (welcome.run, welcome.last_n) == (4, {"risk": 7, "risk.io": 0})
    assert offer(bus, "risk", 8, STATE, run=4) is None
    assert offer(bus, "risk.io", 1, CoreDigest("risk", 1000, b""), run=4) is None


def test_a_confirmed_run_goes_on_counting_its_facts():
    bus = sequencer(sources={"risk.io": SourceState("risk.io", "risk", 3, 20)}, services={"risk": 3})

    welcome = hello(bus, "risk", run=3)

    assert (welcome.run, welcome.last_n) == (3, {"risk.io": 20})
    assert offer(bus, "risk.io", 20, CoreDigest("risk", 1000, b""), run=3) is None
    assert bus.counters["already_stored"] == 1


def test_a_repeated_hello_of_one_life_begins_no_other_run():
    bus = sequencer()

    first, again = hello(bus, "risk", token=7), hello(bus, "risk", token=7)

    assert first is again
    assert len([m for _, m in stored(bus) if isinstance(m, ServiceStarted)]) == 1


@pytest.mark.req("I-16")
def test_frames_of_an_earlier_run_are_refused():
    bus = sequencer()
    hello(bus, "risk", token=1)
    hello(bus, "risk", token=2)

    late = offer(bus, "risk", 1, STATE, run=1)

    assert late.reason == "run"
    assert isinstance(hello(bus, "risk", run=1, token=3), Refused)


@pytest.mark.req("I-16")
@pytest.mark.parametrize("epoch", [0, EPOCH - 1, EPOCH + 1])
def test_frames_of_another_epoch_are_refused(epoch):
    bus = sequencer(services={"risk": 1})
    hello(bus, "risk", run=1)

    assert offer(bus, "risk", 1, STATE, epoch=epoch).reason == "epoch"


def test_who_has_not_said_hello_is_refused():
    bus = sequencer(services={"risk": 1})

    assert offer(bus, "risk", 1, STATE).reason == "hello"


@pytest.mark.parametrize(
    ("source", "message", "reason"),
    [
        ("broker.io", STATE, "owner"),
        ("broker.io", Tick(1), "owner"),
        ("broker.io", KillRequested("me", "why"), "owner"),
        ("broker.io", CoreDigest("risk", 1000, b""), "owner"),
        ("broker.io", Alive("risk", 1, 5), "owner"),
        ("broker.io", Durable(1, 1), "owner"),
        ("bro ker", STATE, "owner"),
        ("broker/", STATE, "owner"),
        ("broker.io.io", STATE, "owner"),
        ("", STATE, "owner"),
    ],
)
def test_a_message_of_another_owner_is_refused(source, message, reason):
    bus = sequencer()
    hello(bus, "broker")

    assert offer(bus, source, 1, message).reason == reason


def test_a_topic_that_is_not_the_messages_own_is_refused():
    bus = sequencer()
    hello(bus, "market_data")

    assert offer(bus, "market_data.io", 1, BOOK, topic=b".book.binance:ETHUSDT").reason == "topic"
    assert offer(bus, "market_data.io", 1, BOOK, topic=b"~book.binance:BTCUSDT").reason == "topic"


@pytest.mark.req("MD-5")
def test_market_data_alone_may_skip_and_the_gap_is_said_first():
    bus = sequencer()
    hello(bus, "market_data")
    offer(bus, MAY_SKIP, 1, BOOK)

    assert offer(bus, MAY_SKIP, 5, BOOK) is None

    assert [m for _, m in stored(bus)[2:]] == [SourceGap(MAY_SKIP, 1, 2, 5), BOOK]


def test_an_ephemeral_message_has_no_place_on_the_log():
    bus = sequencer()
    hello(bus, "risk")
    head = bus.head_seq

    assert offer(bus, "risk.io", 0, Alive("risk", 1, 5)) is None

    assert bus.head_seq == head
    assert [one.seq for one in bus.take().events] == [1, 0]


def test_a_cause_that_is_not_on_the_log_is_refused():
    bus = sequencer()
    hello(bus, "risk")

    assert offer(bus, "risk", 1, STATE, cause_seq=2).reason == "cause"
    assert offer(bus, "risk", 1, STATE, cause_seq=-1).reason == "cause"
    assert offer(bus, "risk", 1, STATE, cause_seq=1) is None


def test_a_frame_over_the_limit_is_refused_and_counted():
    bus = sequencer(max_frame_bytes=1000)
    hello(bus, "risk")

    assert offer(bus, "risk", 1, TradingState("x" * 2000, [])).reason == "oversized"
    assert offer(bus, "risk", 1, STATE, topic=b"." * 300).reason == "oversized"
    assert bus.counters["refused_oversized"] == 2


def test_another_schema_is_refused_at_hello():
    assert hello(sequencer(), "risk", schema=2).reason == "schema"


@pytest.mark.parametrize("service", ["bus", "operator", "", "Risk", "strategy/one", "x" * 60, "a.b"])
def test_what_is_no_service_cannot_say_hello(service):
    assert hello(sequencer(), service).reason == "owner"


@pytest.mark.parametrize("service", ["market_data.io", "strategy/as_btc", "risk.io"])
def test_a_source_of_a_service_is_no_service(service):
    bus = sequencer()

    refused = hello(bus, service)

    assert (refused.reason, bus.take().events, bus.services) == ("owner", [], {})


def test_a_hello_too_large_for_the_log_is_refused_and_starts_no_run():
    bus = sequencer(max_frame_bytes=1000)

    refused = bus.hello(Hello("risk", 0, 1, "b", bytes(2000), []), 1000)

    assert (refused.reason, bus.take().events, bus.services) == ("oversized", [], {})
    assert hello(bus, "risk").run == 1


def test_a_refused_frame_after_a_gap_leaves_no_trace_on_the_log():
    bus = sequencer()
    hello(bus, "market_data")
    bus.take()

    refused = offer(bus, "market_data.io", 7, BOOK, cause_seq=99)

    assert (refused.reason, refused.expected_n, bus.take().events) == ("cause", 1, [])


def test_the_number_of_services_is_bounded():
    bus = sequencer(services={f"s{number}": 1 for number in range(100)})

    assert hello(bus, "risk").reason == "owner"
    assert isinstance(hello(bus, "s1"), Welcome)


def test_a_run_that_the_log_does_not_know_is_ahead_of_it():
    assert hello(sequencer(), "risk", run=3).reason == "ahead"


def test_a_person_may_say_only_what_people_say():
    bus = sequencer()

    assert bus.command("operator", body_of(PauseRequested("", "me", "why")), 1000) == 1
    assert bus.command("operator", body_of(STATE), 1000).reason == "owner"
    assert bus.command("risk", body_of(STATE), 1000).reason == "owner"
    assert bus.command("operator", b"\xc1", 1000).reason == "undecodable"
    assert bus.command("operator", b"x" * 200_000, 1000).reason == "oversized"


def test_the_batch_carries_sources_and_services_for_the_same_transaction():
    bus = sequencer()
    hello(bus, "risk")
    offer(bus, "risk", 1, STATE)

    batch = bus.take()

    assert batch.sources == [SourceState("risk", "risk", 1, 1)]
    assert batch.services == [("risk", 1)]
    assert bus.take().events == []


@given(st.binary(max_size=200), st.binary(max_size=50), st.binary(max_size=200))
@settings(deadline=None)
def test_garbage_is_refused_and_crashes_nothing(header, topic, body):
    bus = sequencer()
    hello(bus, "risk")

    refused = bus.offer(header, topic, body, 1000)

    assert isinstance(refused, Refused)
    assert bus.head_seq == 1


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_a_garbled_body_of_a_right_speaker_is_refused(body):
    bus = sequencer()
    hello(bus, "risk")
    header = pack_wire(AppendHeader(EPOCH, "risk", 1, 1, 0, 0))

    refused = bus.offer(header, STATE.topic, body, 1000)

    assert refused is None or refused.reason in ("undecodable", "owner", "topic")
    assert refused is not None or message_of(body).topic == STATE.topic


def hold_rules(kind, deliveries):
    """Deliver n in any order and return whether what is stored counts 1, 2, 3 ... without a hole."""
    bus = sequencer(kind)
    hello(bus, "risk")
    for n in deliveries:
        offer(bus, "risk", n, STATE)
    numbers = [header.n for header, message in stored(bus) if message == STATE]
    return numbers == list(range(1, len(numbers) + 1))


@given(st.lists(st.integers(1, 8), max_size=30))
@settings(deadline=None)
def test_whatever_order_frames_come_in_the_log_counts_without_a_hole(deliveries):
    assert hold_rules(Sequencer, deliveries)


class HigherAccepted(Sequencer):
    """Planted bug: n above the next one is taken."""

    def _accept(self, header, *rest):
        self.sources[header.source] = SourceState(header.source, "risk", header.run, header.n - 1)
        return super()._accept(header, *rest)


class LowerAccepted(Sequencer):
    """Planted bug: what is stored already is stored again."""

    def _accept(self, header, *rest):
        if self._last_n(header.source, header.run) >= header.n:
            self.sources.pop(header.source)
            header = AppendHeader(header.epoch, header.source, header.run, 1, 0, 0)
        return super()._accept(header, *rest)


@pytest.mark.parametrize(("mutant", "deliveries"), [(HigherAccepted, [1, 3]), (LowerAccepted, [1, 2, 1])])
def test_planted_number_bugs_are_seen(mutant, deliveries):
    assert not hold_rules(mutant, deliveries)


class RunlessFacts(Sequencer):
    """Planted bug: a new life of a process goes on with the n of the former one."""

    def _last_n(self, source, run):  # noqa: ARG002
        state = self.sources.get(source)
        return state.last_n if state is not None else 0


def facts_of_two_lives(kind):
    """Return the digests stored when two lives of a process each say two facts, counting from 1."""
    bus = sequencer(kind)
    for life in (1, 2):
        hello(bus, "risk", token=life)
        for n in (1, 2):
            offer(bus, "risk.io", n, CoreDigest("risk", 1000 * n, b"%d" % life), run=life)
    return [message.digest for _, message in stored(bus) if isinstance(message, CoreDigest)]


def test_facts_of_each_life_are_all_stored_and_the_planted_bug_loses_them():
    assert facts_of_two_lives(Sequencer) == [b"1", b"1", b"2", b"2"]
    assert facts_of_two_lives(RunlessFacts) == [b"1", b"1"]


def test_hello_answers_where_its_start_stands():
    bus = sequencer(head_seq=9)

    welcome = hello(bus, "risk")

    assert isinstance(welcome, Welcome)
    assert (welcome.epoch, welcome.started_seq, welcome.head_seq) == (EPOCH, 10, 10)


def test_a_book_that_no_core_could_apply_never_reaches_the_log():
    bus = sequencer()
    hello(bus, "market_data")
    bus.take()

    refused = offer(bus, "market_data.io", 1, BookUpdate("binance:BTCUSDT", 1, 1, 1, 1, b"1234567", 1, 1))

    assert (refused.reason, refused.expected_n, bus.take().events) == ("impossible", 1, [])
