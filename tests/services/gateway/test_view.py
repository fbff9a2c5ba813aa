import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.gateway.settings import GatewaySettings
from services.gateway.view import GatewayView
from shared.messages import Event, control, market, orders, system
from shared.orders import NEXT

SYMBOL = "binance_usdm:BTCUSDT"


def replayed(events):
    view = GatewayView()
    for event in events:
        view.apply(event)
    return view


@pytest.mark.req("GW-1")
def test_the_replica_knows_orders_fills_positions_and_books(feed):
    view = feed.everything().view

    assert set(view.live) == {"b"}
    assert view.finished["a"].state == "filled"
    assert view.fills[0].trade_id == "t1"
    assert view.positions["as_btc", SYMBOL].position_lots == 10
    assert (view.books[SYMBOL].bid_ticks, view.books[SYMBOL].ask_ticks) == (999, 1001)
    assert view.trading.state == "active"


def test_nothing_may_trade_before_risk_has_spoken():
    assert GatewayView().trading.state == "halted"


@pytest.mark.req("JR-5")
def test_equal_logs_give_equal_digests_and_a_snapshot_is_the_whole_state(feed):
    feed.everything()
    events = feed.events
    one, other = replayed(events), replayed(events)

    restored = GatewayView()
    restored.restore(one.snapshot())

    assert one.digest() == other.digest() == restored.digest()
    assert restored.snapshot() == one.snapshot()
    for view in (one, restored):
        view.apply(Event(msgspec.structs.replace(events[-1].header, seq=len(events) + 1), system.Tick(2)))
    assert one.digest() == restored.digest()


@pytest.mark.req("JR-5")
def test_a_restored_replica_goes_on_as_the_undisturbed_one(new_feed):
    feeder = new_feed()
    feeder.everything()
    for at in range(10):
        feeder.update(at + 2, lots=at + 1)
        feeder.order(f"c{at}")
    whole = replayed(feeder.events)

    for cut in range(0, len(feeder.events), 7):
        early = replayed(feeder.events[:cut])
        late = GatewayView()
        late.restore(early.snapshot())
        for event in feeder.events[cut:]:
            late.apply(event)
        assert late.digest() == whole.digest()


def test_adopting_a_log_is_the_same_as_applying_it(feed):
    feed.everything()
    adopted = GatewayView()
    for event in feed.events:
        adopted.adopt(event)

    assert adopted.digest() == feed.view.digest()


def test_a_book_is_not_usable_after_a_missing_update_until_a_snapshot(feed):
    feed.everything()
    feed.update(5)

    assert not feed.view.books[SYMBOL].is_valid
    assert "missing" in feed.view.marks[SYMBOL].invalid_reason

    feed.book()

    assert feed.view.books[SYMBOL].is_trusted
    assert feed.view.marks[SYMBOL].invalid_reason == ""


def test_a_gap_is_counted_and_named(feed):
    feed.everything()
    feed.say(market.BookInvalid(SYMBOL, "gap", "expected 5, got 9", 5, 9))

    assert feed.view.gap_count == 1
    assert feed.view.marks[SYMBOL].invalid_reason == "gap"


@pytest.mark.req("GW-15")
def test_a_silent_service_is_known_until_it_is_heard_again(feed):
    feed.everything()
    feed.say(system.SourceSilent("risk", 1200), "bus")
    assert feed.view.services["risk"].silent_since_ns

    feed.say(system.SourceBack("risk"), "bus")
    assert not feed.view.services["risk"].silent_since_ns


@pytest.mark.req("RK-12")
def test_a_kill_stands_until_it_is_cleared(feed):
    feed.everything()
    feed.say(control.KillLatched("operator", "test", "log"), "broker.io")
    assert feed.view.kill.reason == "test"

    feed.say(control.KillCleared("operator", "over"), "broker.io")
    assert feed.view.kill is None


def test_a_failed_instance_is_shown_with_its_error(feed):
    feed.everything()
    feed.say(control.InstanceFailed("as_btc", "ZeroDivisionError"), "strategy/as_btc")

    assert (feed.view.strategies["as_btc"].state, feed.view.strategies["as_btc"].reason) == (
        "failed",
        "ZeroDivisionError",
    )


@pytest.mark.req("JR-4")
def test_memory_is_bounded_by_the_settings_of_the_log(feed):
    feed.everything()
    feed.start("gateway", GatewaySettings(fills_kept=10, orders_kept=10, events_kept=10))
    for at in range(50):
        feed.order(f"x{at}")
        feed.fill(f"x{at}", f"u{at}")

    view = feed.view
    assert (len(view.fills), len(view.finished), len(view.events)) == (10, 10, 10)
    assert view.fill_count == 51
    assert "b" in view.live


def test_open_orders_are_never_forgotten(feed):
    feed.everything()
    feed.start("gateway", GatewaySettings(orders_kept=10))
    for at in range(40):
        feed.order(f"x{at}")

    assert len(feed.view.live) == 41


def test_a_report_that_cannot_follow_is_counted_and_changes_nothing(feed):
    feed.everything()
    feed.say(orders.OrderRejected("a", "as_btc", SYMBOL, "x", "y"), "broker")

    assert feed.view.impossible_count == 1
    assert feed.view.finished["a"].state == "filled"


def test_a_capture_at_its_end_is_known_until_the_venue_moves_again(feed):
    feed.everything()
    feed.say(market.CaptureFinished("binance_usdm", 7))
    assert feed.view.finished_venues == {"binance_usdm"}

    feed.update(2)
    assert feed.view.finished_venues == set()


@pytest.mark.parametrize("data", [b"", b"\x00", b"\xc1", b"\x90", b"not msgpack at all"])
def test_a_damaged_snapshot_is_refused(data):
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the codec says
        GatewayView().restore(data)


reports = st.lists(
    st.tuples(
        st.sampled_from(
            sorted({kind for following in NEXT.values() for kind in following}, key=lambda k: k.__name__)
        ),
        st.integers(0, 3),
    ),
    max_size=40,
)


@given(said=reports)
@settings(deadline=None)
def test_no_order_of_reports_breaks_the_replica(said):
    from shared.units import Side

    view = GatewayView()
    seq = 0

    def say(message):
        nonlocal seq
        seq += 1
        from shared.messages import Header

        view.apply(Event(Header(seq, seq, seq, 1, "broker", 1, seq, 0), message))

    for at in range(3):
        say(orders.OrderIntent(f"o{at}", "s", SYMBOL, Side.BUY, 1, 1))
    for kind, at in said:
        fields = {"client_order_id": f"o{at}", "strategy": "s", "symbol": SYMBOL}
        values = {"code": "x", "reason": "x", "venue_order_id": "v", "ts_venue_ns": 1, "filled_lots": 0}
        values |= {"side": Side.BUY, "price_ticks": 1, "qty_lots": 1, "asked_lots": 1}
        wanted = {name: value for name, value in values.items() if name in kind.__struct_fields__}
        say(kind(**fields, **wanted))

    assert set(view.live) | set(view.finished) == {"o0", "o1", "o2"}
    restored = GatewayView()
    restored.restore(view.snapshot())
    assert restored.digest() == view.digest()
