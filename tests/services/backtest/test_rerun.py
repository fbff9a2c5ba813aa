"""A recorded paper run gives its recorded orders and fills again."""

import pytest

from services.backtest.exact import ExactRun
from services.backtest.exact_feed import MarketFeed
from services.backtest.exact_record import RunFold
from services.backtest.record import Meta, Run
from services.backtest.rerun import Rerun, rerun_log
from services.cli import config
from services.fused.assemble import assemble
from services.fused.store import BatchedStore
from services.replay.cores import log_cores
from services.risk.core import RiskCore
from shared.errors import JournalError
from shared.messages import orders
from shared.runtime.journal_writer import JournalWriter
from shared.units import NS_PER_S


def paper_run(journal, seconds=20):
    """Write the log of the default mesh in virtual time."""
    sections = config.sections(config.load("deploy/paper.yaml", {}))
    journal.mkdir()
    writer = JournalWriter(journal)
    writer.open_epoch(1)
    with BatchedStore(writer) as store:
        run = assemble(sections, build="test", store=store.put)
        run.run(run.now_ns + seconds * NS_PER_S)
    return journal


def folded(events):
    run = Run(Meta("paper", "journal"), [], [])
    fold = RunFold(run)
    for event in events:
        fold.apply(event)
    return run


@pytest.mark.req("BT-1", "JR-5", "ST-2")
def test_a_recorded_paper_run_gives_its_orders_and_fills_again(tmp_path):
    journal = paper_run(tmp_path / "journal")

    rerun, events = rerun_log(journal)
    again = folded(events)

    assert rerun.is_equal, rerun.differences
    assert rerun.order_count == rerun.recorded["OrderIntent"] == len(again.orders) > 20
    assert rerun.fill_count == rerun.recorded["Fill"] == len(again.fills) > 0
    assert "all were decided again the same" in rerun.summary()


@pytest.mark.req("BT-1")
def test_the_log_of_a_backtest_is_a_log_like_any_other(tmp_path, tape, sections, buyer):
    columns = tape().book(0)
    for at in range(1, 40):
        columns.change(at * 50, bids=[(600_000, at)]).trade(at * 50 + 10, 600_000 + 10 * (at % 2), 20, at % 2)
    columns = columns.open(tmp_path / "a.columns")
    (tmp_path / "journal").mkdir()
    writer = JournalWriter(tmp_path / "journal")
    writer.open_epoch(1)
    with BatchedStore(writer) as store:
        feed = MarketFeed([columns], columns.header.rules, has_candles=False)
        run = ExactRun(sections(kind=buyer), [feed], build="test", store=store.put)
        run.start()
        run.run()

    rerun, events = rerun_log(tmp_path / "journal")

    assert sum(1 for _ in events) == run.mesh.head_seq
    assert rerun.is_equal, rerun.differences
    assert rerun.order_count > 0


def test_an_order_that_is_decided_otherwise_is_a_difference(tape, tmp_path, sections, buyer):
    columns = tape().book(0).trade(100, 600_000, 1, 1).open(tmp_path / "a.columns")
    log = []
    feed = MarketFeed([columns], columns.header.rules, has_candles=False)
    run = ExactRun(sections(kind=buyer), [feed], build="test", watch=log.append)
    run.start()
    run.run()
    at = next(i for i, e in enumerate(log) if type(e.message) is orders.OrderIntent)
    fields = {name: getattr(log[at].message, name) for name in log[at].message.__struct_fields__}
    log[at] = log[at]._replace(message=orders.OrderIntent(**{**fields, "qty_lots": 7}))

    rerun = Rerun(log_cores())
    list(rerun.events(log))

    assert not rerun.is_equal
    assert "OrderIntent of strategy/one is decided otherwise now" in rerun.differences[0]
    assert "differences; the log was written by build test" in rerun.summary()


def test_a_core_that_diverges_is_named_and_the_others_go_on(tape, tmp_path, sections, buyer):
    columns = tape().book(0).trade(100, 600_000, 1, 1).open(tmp_path / "a.columns")
    log = []
    feed = MarketFeed([columns], columns.header.rules, has_candles=False)
    run = ExactRun(sections(kind=buyer), [feed], build="test", watch=log.append)
    run.start()
    run.run()

    class OtherRisk(RiskCore):
        def _verdict(self, intent, _event):
            return orders.OrderRefused(intent.client_order_id, intent.strategy, intent.symbol, "no", "never")

    rerun = Rerun([core if core.service != "risk" else OtherRisk() for core in log_cores()])
    list(rerun.events(log))

    assert any("risk is not run further" in line for line in rerun.differences)
    assert rerun.derived["OrderIntent"] == rerun.recorded["OrderIntent"] > 0


def test_a_folder_without_a_log_is_refused(tmp_path):
    with pytest.raises(JournalError, match="holds no log"):
        rerun_log(tmp_path / "nothing")
