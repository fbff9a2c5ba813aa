"""The risk core on the log: verdicts, ledger, trading state, kill, and what a restart leaves."""

from dataclasses import replace
from decimal import Decimal

import pytest

from services.broker.core import BrokerCore
from services.risk.core import RiskCore
from services.risk.settings import RiskSettings
from shared.hosting import CoreHost
from shared.messages import control, orders, system
from shared.messages.market import BookUpdate
from shared.units import Side

APPROVED, ADJUSTED, REFUSED = orders.OrderApproved, orders.OrderAdjusted, orders.OrderRefused


def state(bench):
    last = bench.said(control.TradingState)[-1]
    return last.state, last.reasons


@pytest.mark.req("RK-1", "RK-3")
def test_a_good_order_is_approved_as_it_was_asked(bench):
    verdict = bench.verdict(Side.BUY, 600_000, 5, is_post_only=True)

    assert verdict == APPROVED("7-mm-s1-1", "mm", bench.PERP, Side.BUY, 600_000, 5, is_post_only=True)


def test_an_order_of_an_unknown_market_is_refused(bench):
    assert bench.verdict(symbol="binance:NOPE").code == "unknown_symbol"


@pytest.mark.req("RK-3", "I-11")
def test_all_live_and_approved_orders_count_towards_the_position(make_bench, limits):
    bench = make_bench(limits(limits__position_qty_max=Decimal("0.012"))).start()
    bench.resting(Side.BUY, 600_000, 5)
    bench.intent(Side.BUY, 599_990, 4)

    verdict = bench.verdict(Side.BUY, 599_980, 5)

    assert isinstance(verdict, ADJUSTED)
    assert (verdict.qty_lots, verdict.asked_lots, verdict.code) == (3, 5, "position")
    assert bench.verdict(Side.BUY, 599_970, 1).code == "position"
    assert isinstance(bench.verdict(Side.SELL, 600_020, 12), APPROVED)


@pytest.mark.req("I-11")
def test_no_time_frees_exposure(make_bench, limits):
    bench = make_bench(limits(limits__position_qty_max=Decimal("0.005"))).start()
    bench.mesh.hosts.pop("broker")  # dead: no approval ever gets an outcome
    assert isinstance(bench.verdict(lots=5), APPROVED)

    bench.pass_ms(600_000)

    assert bench.verdict(lots=1).code == "position"


class FreesAtTtl(RiskCore):
    """The planted bug: an approval without an outcome counts no more after 500 ms."""

    def __init__(self):
        super().__init__()
        self.since_ns = {}

    def apply(self, event):
        now_ns = event.header.ts_ns
        for order in list(self.known.exposure.open.values()):
            if now_ns - self.since_ns.setdefault(order.client_order_id, now_ns) > 500_000_000:
                end = orders.NotSent(order.client_order_id, order.strategy, order.symbol, "ttl", "")
                self.known.exposure.report(end)
        return super().apply(event)


@pytest.mark.req("I-11")
def test_the_bug_of_freeing_at_ttl_is_caught(make_bench, limits):
    def mutant(settings):
        return make_bench(settings, cores=(FreesAtTtl(), BrokerCore()))

    # Conservation at the exit kills: the exposure no more agrees with the approvals (I-13).
    with pytest.raises(AssertionError, match="killed"):
        test_no_time_frees_exposure(mutant, limits)


@pytest.mark.req("I-01", "RK-2")
def test_age_counts_from_the_receipt_of_the_data_not_from_the_log(bench):
    assert isinstance(bench.verdict(age_ms=500), APPROVED)
    assert bench.verdict(age_ms=501).code == "stale_intent"


class AgeFromStampOnly(RiskCore):
    """The planted bug: age is judged by the stamp of the log alone, so a frozen bus makes old data fresh."""

    def apply(self, event):
        return super().apply(
            event._replace(header=type(event.header)(*_with_origin(event.header, event.header.ts_ns)))
        )


def _with_origin(header, origin_ns):
    values = {name: getattr(header, name) for name in header.__struct_fields__}
    return list({**values, "origin_ns": origin_ns}.values())


@pytest.mark.req("I-01")
def test_the_bug_of_age_from_the_stamp_is_caught(make_bench):
    mutant = make_bench(cores=(AgeFromStampOnly(), BrokerCore())).start()

    with pytest.raises(AttributeError, match="OrderApproved"):
        test_age_counts_from_the_receipt_of_the_data_not_from_the_log(mutant)


@pytest.mark.req("I-27", "RK-2")
def test_a_book_that_does_not_move_is_stale(bench):
    bench.pass_ms(1000, is_feed_alive=False)
    assert isinstance(bench.verdict(), APPROVED)

    bench.pass_ms(100, is_feed_alive=False)
    assert bench.verdict().code == "stale_book"


@pytest.mark.req("I-27")
def test_an_old_book_on_a_fresh_log_is_stale(bench):
    bench.update_n[bench.PERP] += 1
    n = bench.update_n[bench.PERP]
    bench.pass_ms(1500, is_feed_alive=False)
    bench.say("market_data.io", BookUpdate(bench.PERP, n, n, n, 0, b"", 0, 0), age_ms=1200)

    assert bench.verdict().code == "stale_book"


@pytest.mark.req("I-30", "I-27")
def test_nothing_increases_risk_before_the_broker_of_this_run_has_reconciled(make_bench):
    bench = make_bench().start(is_reconciled=False)
    assert bench.verdict().code == "reducing"

    bench.say("broker.io", system.Reconciled(run=1))
    assert isinstance(bench.verdict(), APPROVED)

    bench.say("bus", system.ServiceStarted("broker", 2, "bench", b"\x80", ["broker"]))
    bench.say("broker.io", system.Reconciled(run=1))
    assert bench.verdict().code == "reducing"

    bench.say("broker.io", system.Reconciled(run=2, difference_count=1))
    assert bench.verdict().code == "reducing"

    bench.say("broker.io", system.Reconciled(run=2))
    assert isinstance(bench.verdict(), APPROVED)


def test_a_broker_that_lived_through_a_restart_of_the_bus_stays_reconciled(bench):
    bench.say("bus", system.ServiceStarted("broker", 1, "bench", b"\x80", ["broker"]))

    assert isinstance(bench.verdict(), APPROVED)


@pytest.mark.req("I-27")
@pytest.mark.parametrize("service", ["broker", "market_data"])
def test_silence_of_a_guard_allows_reducing_only(bench, service):
    bench.fill_position(Side.BUY, 5)
    bench.say("bus", system.SourceSilent(service, 1000))

    assert state(bench) == ("reducing", [f"{service} is silent"])
    assert bench.verdict(Side.BUY).code == "reducing"
    assert isinstance(bench.verdict(Side.SELL, 600_010, 5), APPROVED)

    bench.say("bus", system.SourceBack(service))
    assert state(bench) == ("active", [])


@pytest.mark.req("RK-20", "RK-29", "I-15")
def test_a_fill_changes_the_ledger_once(bench):
    bench.fill_position(Side.BUY, 5)
    (fill,) = bench.said(orders.Fill)
    before = bench.risk.known.ledger.dump()

    bench.say("broker.io", fill)
    bench.say("broker.io", fill)

    assert bench.risk.known.ledger.dump() == before
    (changed,) = bench.said(orders.PositionChanged)
    assert changed.position_lots == 5
    assert changed.average_price_centiticks == 60_001_000
    assert changed.fees_atoms == 5 * 600_010 * 10_000 * 500 // 1_000_000
    assert state(bench) == ("active", [])


@pytest.mark.req("I-06")
def test_a_late_fill_of_a_canceled_order_is_booked(bench):
    order_id = bench.resting(Side.BUY, 599_990, 5)
    bench.cancel(order_id)
    bench.pass_ms(100)
    assert bench.story(order_id)[-1] == "OrderCanceled"

    late = orders.Fill(order_id, "mm", bench.PERP, "late", Side.BUY, 599_990, 2, 2, 3, 0, "USDT", True, 0)
    bench.say("broker.io", late)

    assert bench.said(orders.PositionChanged)[-1].position_lots == 2
    assert state(bench) == ("active", [])


@pytest.mark.req("I-07", "I-08")
def test_an_overfill_puts_the_market_into_quarantine_until_a_person_resumes(bench):
    order_id = bench.resting(Side.BUY, 599_990, 5)

    too_much = orders.Fill(order_id, "mm", bench.PERP, "x", Side.BUY, 599_990, 6, 6, 0, 0, "USDT", True, 0)
    bench.say("broker.io", too_much)
    assert state(bench)[0] == "reducing"
    assert bench.verdict().code == "reducing"

    bench.say("operator", control.ResumeRequested("mm", "me", "one strategy is not the market"))
    assert state(bench)[0] == "reducing"
    bench.say("operator", control.ResumeRequested("", "me", "checked with the venue"))
    assert state(bench) == ("active", [])


@pytest.mark.req("I-03")
def test_an_order_id_used_twice_gets_no_verdict_and_a_quarantine(bench):
    order_id = bench.resting(Side.BUY, 599_990, 5)
    repeat = orders.OrderIntent(order_id, "mm", bench.PERP, Side.BUY, 599_990, 5)

    bench.say("strategy/mm", repeat)

    assert len(bench.said(APPROVED, order_id=order_id)) == 1
    assert "used twice" in state(bench)[1][0]


@pytest.mark.req("RK-11", "RK-12")
def test_the_loss_limit_kills_and_a_clear_starts_the_count_anew(make_bench):
    bench = make_bench(replace(RiskSettings(), loss_max=Decimal(2))).start()
    bench.fill_position(Side.BUY, 20)
    assert state(bench)[0] == "active"

    bench.book(bids=((598_500, 50),), asks=((598_510, 50),))
    bench.pass_ms(100)

    (asked,) = bench.said(control.KillRequested)
    assert asked.by == "risk"
    assert "3.6" in asked.reason
    assert bench.said(control.KillLatched)
    assert state(bench)[0] == "halted"
    assert bench.verdict(Side.SELL, 598_510, 5).code == "killed"

    bench.say("operator", control.KillClearRequested("me", "accepted"))
    bench.pass_ms(100)
    assert state(bench) == ("active", [])
    assert isinstance(bench.verdict(Side.SELL, 598_510, 5), APPROVED)

    bench.book(bids=((597_000, 50),), asks=((597_010, 50),))
    bench.pass_ms(100)
    assert len(bench.said(control.KillRequested)) == 2


@pytest.mark.req("RK-12")
def test_kill_holds_until_it_is_cleared(bench):
    bench.say("operator", control.KillRequested("me", "test"))
    assert state(bench) == ("halted", ["kill: test (by me)"])
    assert bench.verdict().code == "killed"

    bench.say("operator", control.ResumeRequested("", "me", "not a clear"))
    bench.pass_ms(1000)
    assert bench.verdict().code == "killed"

    bench.say("operator", control.KillClearRequested("me", "done"))
    assert isinstance(bench.verdict(), APPROVED)


@pytest.mark.req("I-25")
def test_kill_does_not_depend_on_computing_profit(bench):
    def broken():
        raise ArithmeticError("no P&L today")

    bench.risk.known.pnl_money = broken

    bench.say("operator", control.KillRequested("me", "test"))

    assert bench.said(control.KillLatched)
    assert state(bench)[0] == "halted"


def test_a_divergence_of_another_build_reduces_and_of_the_same_build_kills(bench):
    bench.say("strategy.io", system.CoreDiverged("strategy", 5, "x", is_same_build=False))
    assert state(bench) == ("reducing", ["strategy diverged from the log"])

    bench.say("gateway.io", system.CoreDiverged("gateway", 5, "x", is_same_build=True))
    assert not bench.said(control.KillRequested)

    bench.say("strategy.io", system.CoreDiverged("strategy", 6, "x", is_same_build=True))
    assert bench.said(control.KillRequested)[0].by == "risk"


@pytest.mark.req("RK-8")
def test_only_so_many_orders_pass_in_any_second(make_bench):
    bench = make_bench(replace(RiskSettings(), orders_per_s_max=3)).start()
    codes = [getattr(bench.verdict(lots=1), "code", "") for _ in range(4)]
    assert codes == ["", "", "", "rate"]

    bench.pass_ms(1000)
    assert isinstance(bench.verdict(lots=1), APPROVED)


@pytest.mark.req("RK-20")
def test_the_portfolio_adds_markets_and_strategies(make_bench):
    bench = make_bench(replace(RiskSettings(), portfolio_notional_max=Decimal(1000))).start()
    assert isinstance(bench.verdict(Side.BUY, 600_000, 10, strategy="a"), APPROVED)

    verdict = bench.verdict(Side.BUY, 600_000, 10, strategy="b", symbol=bench.SPOT)

    assert (verdict.code, verdict.qty_lots) == ("portfolio_notional", 6)


def test_a_spot_sell_is_cut_to_what_the_strategy_holds(bench):
    bench.fill_position(Side.BUY, 6, strategy="a", symbol=bench.SPOT)
    bench.fill_position(Side.BUY, 6, strategy="b", symbol=bench.SPOT)

    verdict = bench.verdict(Side.SELL, 600_010, 9, strategy="a", symbol=bench.SPOT)

    assert (verdict.code, verdict.qty_lots) == ("holdings", 6)


def test_settings_come_with_the_own_start_only(make_bench):
    bench = make_bench(replace(RiskSettings(), orders_per_s_max=1)).start()

    assert isinstance(bench.verdict(), APPROVED)
    assert bench.verdict().code == "rate"


def test_an_intent_that_a_former_build_left_is_refused_at_the_next_start(bench):
    bench.mesh.hosts.pop("broker")
    bench.intent()
    host = CoreHost(RiskCore())
    host.is_deciding = False
    for event in bench.log[:-1]:  # all but the verdict
        host.apply(event)

    host.is_deciding = True
    last = bench.log[-2].header
    header = type(last)(last.seq + 1, last.ts_ns, last.ts_ns, 7, "bus", 0, 99, 0)
    started = system.ServiceStarted("risk", 2, "next", b"\x80", ["risk"])
    step = host.apply(type(bench.log[0])(header, started))

    assert [out.message.code for out in step.outputs if isinstance(out.message, REFUSED)] == ["restart"]
