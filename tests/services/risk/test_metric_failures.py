"""Whatever a metric of risk raises: new risk is held and every kill still works (I-25)."""

import msgspec
import pytest

from services.risk.core import RiskCore
from services.risk.guards import GUARDS
from services.risk.market import Market
from services.risk.state import Mood
from shared.messages import Event, control, guards, orders, system
from shared.units import Side

KNOWN = (
    "pnl_money",
    "portfolio_money",
    "loss_money",
    "pnl_e8",
    "equity_e8",
    "strategy_pnl_e8",
    "value_e8",
    "free_cash_atoms",
    "fee_mark",
    "ask",
)
PARTS = (
    ("ledger", "position_lots"),
    ("ledger", "strategy_position_lots"),
    ("ledger", "profit_atoms"),
    ("ledger", "strategy_profit_atoms"),
    ("exposure", "live_lots"),
    ("exposure", "live_ticks_lots"),
    ("exposure", "crossed_id"),
    ("exposure", "count"),
    ("approvals", "count"),
    ("ledger", "apply"),
    ("ledger", "strategy_funding"),
    ("exposure", "report"),
    ("exposure", "reserve"),
)
CLASSES = {"mood": (Mood, "reducing_reasons"), "market": (Market, "value_atoms")}
METHODS = ("observe", "decide", "holds", "objection", "halt", "size_ppm")
CASES = [
    *((name,) for name in KNOWN),
    *PARTS,
    *(("class", name) for name in CLASSES),
    *(("guards", kind.name, method) for kind in GUARDS for method in METHODS),
]


def raises(*_, **__):
    raise ArithmeticError("no metric today")


def break_metric(core, path, monkeypatch):
    known = core.known
    if path[0] == "class":
        monkeypatch.setattr(*CLASSES[path[1]], raises)
    elif path[0] == "guards":
        guard = next(guard for guard in known.guards.all if guard.name == path[1])
        setattr(guard, path[2], raises)
    else:
        holder = known if len(path) == 1 else getattr(known, path[0])
        setattr(holder, path[-1], raises)


def live_through_everything(bench):
    """Let everything happen that risk computes something for."""
    bench.verdict(Side.BUY, 599_000, 1)
    bench.verdict(Side.BUY, 599_000, 1, symbol=bench.SPOT)
    bench.trade(Side.SELL, 599_980, 5)
    bench.fill_position(Side.BUY, 2)
    bench.pass_ms(1200)
    bench.mesh.tick(bench.mesh.now_ns + 86_400 * 10**9)
    bench.book()


@pytest.mark.req("I-25", "RK-11")
@pytest.mark.parametrize("path", CASES, ids=".".join)
def test_kill_works_with_each_metric_made_to_raise(bench, path, monkeypatch):
    # Given a mesh with a position and a resting order, in which one metric raises
    bench.pass_ms(100)
    bench.fill_position(Side.BUY, 5)
    resting = bench.resting(Side.BUY, 599_000, 1)
    break_metric(bench.risk, path, monkeypatch)
    live_through_everything(bench)

    # When a person kills
    bench.say("operator", control.KillRequested("me", "looks wrong"))
    bench.pass_ms(200)

    # Then it is latched, all is cancelled, and nothing passes
    assert bench.said(control.KillLatched)
    assert bench.said(control.TradingState)[-1].state == "halted"
    assert bench.said(orders.OrderCanceled, order_id=resting)
    assert isinstance(bench.verdict(Side.BUY, 599_000, 1), orders.OrderRefused)
    kill_outlives_a_restart(bench, path, monkeypatch)

    # And a person can clear it
    bench.say("operator", control.KillClearRequested("me", "done"))
    assert not bench.risk.known.mood.is_killed


def kill_outlives_a_restart(bench, path, monkeypatch):
    """Go on from a snapshot, and a second time from the log alone, with the same metric broken."""
    copy, rerun = RiskCore(), RiskCore()
    copy.restore(bench.risk.snapshot())
    assert copy.digest() == bench.risk.digest()
    for core in (copy, rerun):
        break_metric(core, path, monkeypatch)
    bench.replayed(rerun)
    for core in (copy, rerun):
        assert core.known.mood.is_killed
        intent = orders.OrderIntent(f"7-mm-x-{id(core)}", "mm", bench.PERP, Side.BUY, 599_000, 1)
        said = core.apply(Event(msgspec.structs.replace(bench.log[-1].header, source="strategy/mm"), intent))
        verdicts = [one.message for one in said if isinstance(one.message, orders.OrderRefused)]
        assert [verdict.code for verdict in verdicts] == ["killed"]
        assert not [one for one in said if isinstance(one.message, orders.OrderApproved)]


@pytest.mark.req("I-25", "RK-11")
@pytest.mark.parametrize("kind", ["file", "signal", "socket"])
@pytest.mark.parametrize("path", CASES, ids=".".join)
def test_a_kill_by_each_path_is_told_with_each_metric_made_to_raise(bench, path, kind, monkeypatch):
    bench.fill_position(Side.BUY, 5)
    break_metric(bench.risk, path, monkeypatch)

    bench.say("broker.io", control.KillLatched("someone", "by hand", kind))
    bench.pass_ms(200)

    assert bench.said(control.TradingState)[-1].reasons[0] == "kill: by hand (by someone)"
    assert bench.verdict().code == "killed"
    kill_outlives_a_restart(bench, path, monkeypatch)


@pytest.mark.req("I-25", "RK-1")
@pytest.mark.parametrize(
    ("path", "name"),
    [
        (("ledger", "apply"), "ledger"),
        (("fee_mark",), "ledger"),
        (("exposure", "report"), "exposure"),
        (("exposure", "reserve"), "checks"),
        (("ledger", "strategy_funding"), "decisions"),
        (("class", "mood"), "mood"),
    ],
)
def test_what_cannot_be_booked_or_judged_holds_new_risk_and_says_so(bench, path, name, monkeypatch):
    bench.resting(Side.BUY, 599_990, 5)
    break_metric(bench.risk, path, monkeypatch)
    bench.intent(Side.BUY, 599_000, 1)
    bench.fill_position(Side.BUY, 1)
    bench.say("bus", system.SourceBack("strategy"))
    bench.pass_ms(100)

    said = [one for one in bench.said(guards.GuardRaised) if one.code == "guard_failed"]
    assert f"{name}: ArithmeticError: no metric today" in [one.text for one in said]
    assert bench.said(control.TradingState)[-1].state == "reducing"
    refused = bench.verdict(Side.BUY, 599_000, 1)
    assert isinstance(refused, orders.OrderRefused)
    assert refused.code in {"guard_failed", "check_failed", "reducing"}


@pytest.mark.req("I-25", "RK-1")
def test_a_guard_that_raises_is_frozen_said_and_holds_new_risk_until_a_person_resumes(bench):
    # Given a breaker that raises
    bench.fill_position(Side.BUY, 5)
    guard = next(guard for guard in bench.risk.known.guards.all if guard.name == "breakers")
    guard.observe = raises
    bench.pass_ms(300)

    # Then it is told once, and only reducing orders pass
    text = "breakers: ArithmeticError: no metric today"
    assert bench.said(guards.GuardRaised) == [
        guards.GuardRaised("guard_failed", "", "", text, is_tripped=True)
    ]
    assert bench.said(control.TradingState)[-1].state == "reducing"
    assert bench.verdict(Side.BUY, 599_000, 1).code == "guard_failed"
    assert isinstance(bench.verdict(Side.SELL, 600_010, 5), orders.OrderApproved)

    # And whoever replays the log without the fault comes to the same hold
    adopted = RiskCore()
    for event in bench.log:
        adopted.adopt(event)
    assert [hold.code for hold in adopted.known.guards.held] == ["guard_failed"]

    # When it is mended and a person resumes everything
    del guard.observe
    bench.say("operator", control.ResumeRequested("", "me", "mended"))

    assert bench.said(control.TradingState)[-1].state == "active"
    assert isinstance(bench.verdict(Side.BUY, 599_000, 1), orders.OrderApproved)


@pytest.mark.req("I-25")
def test_a_failure_is_kept_in_a_snapshot(bench):
    guard = next(guard for guard in bench.risk.known.guards.all if guard.name == "throttle")
    guard.observe = raises
    bench.pass_ms(300)

    copy = RiskCore()
    copy.restore(bench.risk.snapshot())

    assert copy.digest() == bench.risk.digest()
    assert [hold.code for hold in copy.known.guards.held] == ["guard_failed"]


@pytest.mark.req("I-25", "I-07", "RK-10")
@pytest.mark.parametrize("reason", ["", "  "])
def test_a_resume_without_a_reason_releases_no_failure_no_quarantine_and_no_divergence(bench, reason):
    # Given a guard that failed, a market in quarantine and a service that diverged
    guard = next(guard for guard in bench.risk.known.guards.all if guard.name == "throttle")
    guard.observe = raises
    bench.pass_ms(300)
    del guard.observe
    bench.say("broker.io", orders.OrderCanceled("7-mm-x-1", "mm", bench.PERP, 0))
    bench.say("bus", system.CoreDiverged("risk", 1, 1, is_same_build=False))
    held = bench.said(control.TradingState)[-1].reasons
    assert len(held) == 3

    bench.say("operator", control.ResumeRequested("", "me", reason))

    assert bench.said(control.TradingState)[-1].reasons == held
    (told,) = [one for one in bench.said(guards.GuardRaised) if one.code == "resume_needs_reason"]
    assert told.text.startswith(
        f"still held: guard_failed throttle, quarantine {bench.PERP}, risk diverged; a resume"
    )

    bench.say("operator", control.ResumeRequested("", "me", "looked at all three"))
    assert bench.said(control.TradingState)[-1].state == "active"
